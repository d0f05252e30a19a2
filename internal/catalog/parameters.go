package catalog

import (
	"slices"
	"strconv"
	"strings"
)

// Parameter is one parameter of a parameter group family, as ElastiCache prints it.
type Parameter struct {
	Name           string
	Description    string
	Default        string // empty: none, or one for each node type
	AllowedValues  string // yes,no or 1-10000 or 0,20- (an open range); empty: not told
	DataType       string // string, integer, float or boolean
	Modifiable     Modifiable
	ChangeType     string // immediate or requires-reboot
	MinimumVersion string
	NodeType       NodeTypeValue // what sets the default, of those that the node type sets
	// Directive is the engine's directive that the value goes into; empty: none of Valkey's. Several
	// parameters may share one.
	Directive string
	// Hidden parameters are in force and not shown.
	Hidden bool
}

// Modifiable says when a user may set a parameter.
type Modifiable string

// The values of Modifiable.
const (
	ModifiableAlways     Modifiable = "true"
	ModifiableNever      Modifiable = "false"
	ModifiableUnattached Modifiable = "conditional" // while no cluster uses the group
)

// Change types.
const (
	ChangeImmediate      = "immediate"
	ChangeRequiresReboot = "requires-reboot"
)

// NodeTypeValue names the property of a node type that is a parameter's value.
type NodeTypeValue string

// The values of NodeTypeValue.
const (
	NoNodeTypeValue      NodeTypeValue = ""
	ValueMaxMemory       NodeTypeValue = "maxmemory"
	ValueReplicaOutput   NodeTypeValue = "replica_output_limit"
	ValueMemcachedMemory NodeTypeValue = "memcached_memory"
	ValueMemcachedThread NodeTypeValue = "memcached_threads"
)

// Of returns the node type's value for an engine; ok is false if the type is not offered for it.
func (v NodeTypeValue) Of(t NodeType, engine string) (value string, ok bool) {
	var n int64
	switch v {
	case ValueMaxMemory:
		n = t.MaxMemory(engine)
	case ValueReplicaOutput:
		if t.MaxMemory(engine) > 0 {
			n = t.ReplicaOutputLimit
		}
	case ValueMemcachedMemory:
		n = t.MemcachedMemory
	case ValueMemcachedThread:
		n = t.MemcachedThreads
	}
	return strconv.FormatInt(n, 10), n > 0
}

// family is a parameter group family with its parameters by name.
type family struct {
	name       string
	parameters []Parameter
}

var families = readFamilies()

// Families returns the names of all parameter group families, in the order of their engines and versions.
func Families() []string {
	names := make([]string, len(families))
	for i, f := range families {
		names[i] = f.name
	}
	return names
}

// Parameters returns the parameters of a family, hidden ones included, by name; nil: no such family.
// The caller must not change them.
func Parameters(name string) []Parameter {
	for _, f := range families {
		if f.name == name {
			return f.parameters
		}
	}
	return nil
}

// FindParameter looks up one parameter of a family; ok is false for a hidden one too.
func FindParameter(family, name string) (p Parameter, ok bool) {
	for _, p := range Parameters(family) {
		if p.Name == name && !p.Hidden {
			return p, true
		}
	}
	return Parameter{}, false
}

// EngineOf is the engine of a family.
func EngineOf(family string) string {
	for _, engine := range []string{Redis, Valkey, Memcached} {
		if strings.HasPrefix(family, engine) {
			return engine
		}
	}
	return ""
}

// ClusterEnabled is the parameter that makes a parameter group one for cluster mode.
const ClusterEnabled = "cluster-enabled"

// HasClusterMode tells whether a family's engine can shard keys, so that it has a .cluster.on group.
func HasClusterMode(family string) bool {
	_, ok := FindParameter(family, ClusterEnabled)
	return ok
}

func readFamilies() []family {
	const table = "parameters.csv"
	descriptions := map[string]string{}
	for _, row := range readTable("parameter_descriptions.csv") {
		descriptions[row["name"]] = row["description"]
	}
	var all []family
	for _, row := range readTable(table) {
		at := slices.IndexFunc(all, func(f family) bool { return f.name == row["family"] })
		if at < 0 {
			at = len(all)
			all = append(all, family{name: row["family"]})
		}
		all[at].parameters = append(all[at].parameters, Parameter{
			Name:           row["name"],
			Description:    descriptions[row["name"]],
			Default:        row["default"],
			AllowedValues:  row["allowed_values"],
			DataType:       row["data_type"],
			Modifiable:     Modifiable(row["modifiable"]),
			ChangeType:     row["change_type"],
			MinimumVersion: row["minimum_version"],
			NodeType:       NodeTypeValue(row["node_type_value"]),
			Directive:      row["directive"],
			Hidden:         boolean(table, row["hidden"]),
		})
	}
	return all
}
