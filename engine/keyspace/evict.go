package keyspace

// Policy is what gives way when maxmemory is reached.
type Policy uint8

// Valkey's maxmemory-policy values.
const (
	NoEviction Policy = iota
	AllKeysLRU
	VolatileLRU
	AllKeysLFU
	VolatileLFU
	AllKeysRandom
	VolatileRandom
	VolatileTTL
)

// String returns the name as in the configuration.
func (p Policy) String() string { panic("keyspace: not built yet") }

// ParsePolicy is the inverse of Policy.String; it ignores case.
func ParsePolicy(name string) (Policy, bool) { panic("keyspace: not built yet") }

// MemoryLimit is the maxmemory configuration of a Space.
type MemoryLimit struct {
	Max     int64  // bytes; 0 means no limit
	Policy  Policy //
	Samples int    // keys looked at for each eviction (maxmemory-samples); 0 means 5
}

// SetMemoryLimit changes the limit; any time, from any goroutine.
func (s *Space) SetMemoryLimit(l MemoryLimit) { panic("keyspace: not built yet") }

// MemoryLimit returns the limit that is set.
func (s *Space) MemoryLimit() MemoryLimit { panic("keyspace: not built yet") }

// EnsureRoom makes room below maxmemory: it deletes keys by the policy (EventEvicted through the hook, to be
// propagated as DEL) until the memory used fits, or reports false if it cannot: the command that wants memory is
// then refused with OOM. Call it before the command's View is opened, with no stripe held, and not on a replica.
func (s *Space) EnsureRoom(now int64) bool { panic("keyspace: not built yet") }
