package ops

import (
	"github.com/elastane/elastane/api"
)

func viewParameterGroup(caller api.Caller, g parameterGroup) *api.CacheParameterGroup {
	return &api.CacheParameterGroup{
		CacheParameterGroupName:   &g.name,
		CacheParameterGroupFamily: &g.family,
		Description:               &g.description,
		IsGlobal:                  new(false),
		ARN:                       new(caller.ARN(arnParameterGroup, g.name)),
	}
}
