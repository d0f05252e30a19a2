package ops

import (
	"github.com/elastane/elastane/api"
	"github.com/elastane/elastane/internal/store/db"
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

// Values of ParameterApplyStatus.
const (
	parametersInSync        = "in-sync"
	parametersApplying      = "applying"
	parametersPendingReboot = "pending-reboot"
)

// parameterApplyStatus says how far a cluster has its parameter group's values.
func parameterApplyStatus(g db.ReplicationGroup, needsReboot bool) string {
	switch {
	case g.Status == statusAvailable && g.ParametersPending:
		return parametersApplying
	case needsReboot:
		return parametersPendingReboot
	}
	return parametersInSync
}
