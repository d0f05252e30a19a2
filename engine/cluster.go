package engine

import "github.com/elastane/elastane/engine/cluster"

// SetClusterMap puts a slot map in force on a node in cluster mode. cluster.ErrStaleEpoch is returned for a map with a
// lower epoch than that in force, and another error for a map that is not sound.
func (n *Node) SetClusterMap(m cluster.Map) error { return n.durability.setClusterMap(m) }
