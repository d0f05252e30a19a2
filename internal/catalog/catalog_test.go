package catalog

import (
	"errors"
	"testing"
)

func TestFindEngineVersion(t *testing.T) {
	for _, test := range []struct {
		engine, version  string
		full, family     string
		unknown, patched bool
	}{
		{engine: Redis, version: "7.0", full: "7.0.7", family: "redis7"},
		{engine: Redis, version: "5.0.6", full: "5.0.6", family: "redis5.0"},
		{engine: Redis, version: "6.x", full: "6.2.6", family: "redis6.x"},
		{engine: Redis, version: "", full: "7.1.0", family: "redis7"},
		{engine: Valkey, version: "7.2", full: "7.2.6", family: "valkey7"},
		{engine: Valkey, version: "8.1", full: "8.1.0", family: "valkey8"},
		{engine: Redis, version: "7.0.7", patched: true},
		{engine: Valkey, version: "8.0.1", patched: true},
		{engine: Redis, version: "4.0.13", unknown: true},
		{engine: Redis, version: "7.2", unknown: true},
		{engine: Valkey, version: "6.x", unknown: true},
		{engine: "nosuch", version: "", unknown: true},
	} {
		got, err := FindEngineVersion(test.engine, test.version)
		var unknown *UnknownVersionError
		var patched *PatchVersionError
		if errors.As(err, &unknown) != test.unknown || errors.As(err, &patched) != test.patched {
			t.Errorf("%s %q: error %v", test.engine, test.version, err)
		}
		if got.Full != test.full || got.Family != test.family {
			t.Errorf("%s %q: got %+v", test.engine, test.version, got)
		}
	}
}

func TestEachEngineHasOneDefault(t *testing.T) {
	defaults := map[string]int{}
	for _, v := range EngineVersions() {
		if v.Default {
			defaults[v.Engine]++
		}
	}
	for _, engine := range []string{Redis, Valkey, Memcached} {
		if defaults[engine] != 1 {
			t.Errorf("%s has %d default versions", engine, defaults[engine])
		}
	}
}

func TestNodeTypes(t *testing.T) {
	large, ok := FindNodeType("cache.r6g.large")
	if !ok || large.MaxMemory(Redis) != 14037181030 || large.VCPUs != 2 || !large.NewClusters {
		t.Errorf("cache.r6g.large: %+v", large)
	}
	if newest, ok := FindNodeType("cache.r8g.large"); !ok || newest.MaxMemory(Redis) != 0 || newest.MaxMemory(Valkey) == 0 {
		t.Errorf("cache.r8g.large is offered for valkey only: %+v", newest)
	}
	if _, ok := FindNodeType("cache.r6g.huge"); ok {
		t.Error("cache.r6g.huge exists")
	}
	if large.MaxMemory(Memcached) != 0 {
		t.Error("maxmemory is a matter of redis and valkey")
	}
}
