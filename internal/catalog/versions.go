package catalog

import (
	"fmt"
	"strings"
)

// EngineVersion is one version that can be asked for.
type EngineVersion struct {
	Engine  string
	Version string // as requested and as DescribeCacheEngineVersions prints it: 7.0, 5.0.6
	Full    string // as DescribeCacheClusters prints it: 7.0.7
	Family  string // of parameter groups: redis7
	Default bool   // the version of a request that names none
}

// DefaultParameterGroup is the name of the family's own parameter group.
func (v EngineVersion) DefaultParameterGroup(clusterEnabled bool) string {
	return DefaultParameterGroup(v.Family, clusterEnabled)
}

const (
	defaultGroupPrefix = "default."
	clusterGroupSuffix = ".cluster.on"
)

// DefaultParameterGroup is the name of a family's own parameter group.
func DefaultParameterGroup(family string, clusterEnabled bool) string {
	if clusterEnabled {
		return defaultGroupPrefix + family + clusterGroupSuffix
	}
	return defaultGroupPrefix + family
}

// ParseDefaultParameterGroup takes the name of a default parameter group apart; ok is false if there
// is none of that name.
func ParseDefaultParameterGroup(name string) (family string, clusterEnabled, ok bool) {
	family, ok = strings.CutPrefix(name, defaultGroupPrefix)
	family, clusterEnabled = strings.CutSuffix(family, clusterGroupSuffix)
	ok = ok && Parameters(family) != nil && (!clusterEnabled || HasClusterMode(family))
	return family, clusterEnabled, ok
}

// UnknownVersionError says that there is no such version of the engine.
type UnknownVersionError struct{ Engine, Version string }

// Error uses ElastiCache's wording.
func (e *UnknownVersionError) Error() string {
	return fmt.Sprintf("Cannot find version %s for %s", e.Version, e.Engine)
}

// PatchVersionError says that a patch version was named where only major.minor may be.
type PatchVersionError struct{ Version, Use string }

// Error uses ElastiCache's wording.
func (e *PatchVersionError) Error() string {
	return fmt.Sprintf("Specific version selection is not allowed for '%s', please use '%s'", e.Version, e.Use)
}

var engineVersions = readEngineVersions()

// EngineVersions returns every offered version, by engine in the order of the table, oldest first.
// The caller must not change it.
func EngineVersions() []EngineVersion { return engineVersions }

// FindEngineVersion resolves a request's EngineVersion; empty means the engine's default. From
// Redis 6.0 on, and for Valkey, a version is named by major.minor; 6.x stands for the newest 6.
// The error is an *UnknownVersionError or a *PatchVersionError.
func FindEngineVersion(engine, version string) (EngineVersion, error) {
	newest6 := EngineVersion{}
	for _, v := range engineVersions {
		if v.Engine != engine {
			continue
		}
		if v.Version == version || (version == "" && v.Default) {
			return v, nil
		}
		if strings.Count(version, ".") == 2 && strings.Count(v.Version, ".") == 1 && strings.HasPrefix(version, v.Version+".") {
			return EngineVersion{}, &PatchVersionError{Version: version, Use: v.Version}
		}
		if engine == Redis && strings.HasPrefix(v.Version, "6.") {
			newest6 = v
		}
	}
	if version == "6.x" && newest6.Engine != "" {
		return newest6, nil
	}
	return EngineVersion{}, &UnknownVersionError{Engine: engine, Version: version}
}

// FindFullVersion returns the entry whose full version is stored in a cluster's row.
func FindFullVersion(engine, full string) (EngineVersion, bool) {
	for _, v := range engineVersions {
		if v.Engine == engine && v.Full == full {
			return v, true
		}
	}
	return EngineVersion{}, false
}

func readEngineVersions() []EngineVersion {
	const table = "engine_versions.csv"
	var versions []EngineVersion
	for _, row := range readTable(table) {
		versions = append(versions, EngineVersion{
			Engine:  row["engine"],
			Version: row["version"],
			Full:    row["full_version"],
			Family:  row["family"],
			Default: boolean(table, row["default"]),
		})
	}
	return versions
}
