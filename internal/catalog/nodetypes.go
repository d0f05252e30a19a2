package catalog

import (
	"maps"
	"slices"
)

// NodeType is what a cache node type offers.
type NodeType struct {
	Name            string // cache.r6g.large
	VCPUs           int
	RedisMaxMemory  int64 // bytes; the node-specific maxmemory, before reserved memory is taken off; 0: not offered for redis
	ValkeyMaxMemory int64 // bytes; 0: not offered for valkey
	MaxClients      int
	// ReplicaOutputLimit is how many bytes of changes may wait for one replica.
	ReplicaOutputLimit int64
	MemcachedMemory    int64 // megabytes; 0: not offered for memcached
	MemcachedThreads   int64
	DataTiering        bool
	NewClusters        bool // open to new clusters
}

// MaxMemory returns the node type's maxmemory for an engine in bytes; 0 means that the type is not
// offered for it.
func (t NodeType) MaxMemory(engine string) int64 {
	switch engine {
	case Redis:
		return t.RedisMaxMemory
	case Valkey:
		return t.ValkeyMaxMemory
	}
	return 0
}

var nodeTypes = readNodeTypes()

// FindNodeType looks a node type up by its name.
func FindNodeType(name string) (NodeType, bool) {
	t, ok := nodeTypes[name]
	return t, ok
}

// NodeTypes returns all node types by name.
func NodeTypes() []NodeType {
	names := slices.Sorted(maps.Keys(nodeTypes))
	types := make([]NodeType, len(names))
	for i, name := range names {
		types[i] = nodeTypes[name]
	}
	return types
}

func readNodeTypes() map[string]NodeType {
	const table = "node_types.csv"
	types := map[string]NodeType{}
	for _, row := range readTable(table) {
		types[row["node_type"]] = NodeType{
			Name:               row["node_type"],
			VCPUs:              int(number(table, row["vcpus"])),
			RedisMaxMemory:     number(table, row["redis_maxmemory"]),
			ValkeyMaxMemory:    number(table, row["valkey_maxmemory"]),
			MaxClients:         int(number(table, row["maxclients"])),
			ReplicaOutputLimit: number(table, row["replica_output_limit"]),
			MemcachedMemory:    number(table, row["memcached_memory"]),
			MemcachedThreads:   number(table, row["memcached_threads"]),
			DataTiering:        boolean(table, row["data_tiering"]),
			NewClusters:        boolean(table, row["new_clusters"]),
		}
	}
	return types
}
