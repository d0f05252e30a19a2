// Package driver is the seam between the agent and the programs that are cache nodes.
package driver

// Driver starts nodes of one kind.
type Driver interface {
	// Name is the driver's name in specs: embedded, valkey, redis, memcached.
	Name() string
}
