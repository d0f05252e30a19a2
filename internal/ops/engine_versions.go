package ops

import (
	"context"
	"strconv"

	"github.com/elastane/elastane/api"
	"github.com/elastane/elastane/internal/catalog"
)

// Operations.

// DescribeCacheEngineVersions lists the engines and versions that can be asked for.
func (o *operations) DescribeCacheEngineVersions(_ context.Context, in *api.DescribeCacheEngineVersionsInput) (*api.DescribeCacheEngineVersionsOutput, error) {
	type numbered struct {
		catalog.EngineVersion
		number int // in the list, from 1
	}
	versions, next, err := readPage(in.MaxRecords, in.Marker, func(v numbered) string { return strconv.Itoa(v.number) },
		func(after string, size int32) ([]numbered, error) {
			skip := 0
			if after != "" {
				var err error
				if skip, err = strconv.Atoi(after); err != nil {
					return nil, api.InvalidParameterValue("The marker is not valid.")
				}
			}
			var page []numbered
			for i, v := range catalog.EngineVersions() {
				if i+1 > skip && matchesVersion(v, in) && len(page) < int(size) {
					page = append(page, numbered{v, i + 1})
				}
			}
			return page, nil
		})
	if err != nil {
		return nil, err
	}
	out := &api.DescribeCacheEngineVersionsOutput{Marker: next, CacheEngineVersions: []api.CacheEngineVersion{}}
	for _, v := range versions {
		out.CacheEngineVersions = append(out.CacheEngineVersions, viewEngineVersion(v.EngineVersion))
	}
	return out, nil
}

// Rows.

func matchesVersion(v catalog.EngineVersion, in *api.DescribeCacheEngineVersionsInput) bool {
	engine, version, family := api.Value(in.Engine), api.Value(in.EngineVersion), api.Value(in.CacheParameterGroupFamily)
	return (engine == "" || engine == v.Engine) && (version == "" || version == v.Version) &&
		(family == "" || family == v.Family) && (!api.Value(in.DefaultOnly) || v.Default)
}

// View.

var engineDescriptions = map[string]string{catalog.Redis: "Redis", catalog.Valkey: "Valkey", catalog.Memcached: "memcached"}

func viewEngineVersion(v catalog.EngineVersion) api.CacheEngineVersion {
	return api.CacheEngineVersion{
		Engine:                        &v.Engine,
		EngineVersion:                 &v.Version,
		CacheParameterGroupFamily:     &v.Family,
		CacheEngineDescription:        new(engineDescriptions[v.Engine]),
		CacheEngineVersionDescription: new(v.Engine + " version " + v.Full),
	}
}
