package command

import (
	"math"

	"github.com/elastane/elastane/engine/ds"
)

// encodings say how large the compact encodings of the data types may grow: the directives
// hash-max-listpack-entries and its kind, read once and kept for the handlers.
type encodings struct {
	hash      ds.Limits
	list      ds.ListLimits
	set       ds.SetLimits
	sortedSet ds.Limits
	stream    ds.StreamLimits
	hllSparse int // bytes
}

func (c *Ctx) encodings() *encodings { return c.Server.Config.encodings.Load() }

// Whatever is configured, a packed block stays below 4 GiB, the most that its header can tell.
const (
	maxHLLSparse     = 1 << 20
	maxPackedEntries = 1 << 16
	maxPackedValue   = 8 << 10
)

func applyEncodings(s *Server, _ string) { s.Config.applyEncodings() }

func (c *Config) applyEncodings() {
	limits := func(kind string) ds.Limits {
		return ds.Limits{
			Entries: int(min(c.Int(kind+"-max-listpack-entries"), maxPackedEntries)),
			Value:   int(min(c.Int(kind+"-max-listpack-value"), maxPackedValue)),
		}
	}
	c.encodings.Store(&encodings{
		hash:      limits("hash"),
		list:      listLimits(c.Int("list-max-listpack-size")),
		set:       ds.SetLimits{Integers: int(min(c.Int("set-max-intset-entries"), maxPackedEntries)), Packed: limits("set")},
		sortedSet: limits("zset"),
		stream: ds.StreamLimits{
			Bytes:   int(min(c.Int("stream-node-max-bytes"), ds.MaxStreamEntry)),
			Entries: int(min(c.Int("stream-node-max-entries"), math.MaxInt32)),
		},
		hllSparse: int(min(c.Int("hll-sparse-max-bytes"), maxHLLSparse)),
	})
}

// listLimits reads list-max-listpack-size: -1 to -5 are 4, 8, 16, 32 and 64 KiB; a positive number is
// one of elements, in blocks of at most 8 KiB.
func listLimits(size int64) ds.ListLimits {
	limits := ds.DefaultListLimits
	switch {
	case size > 0:
		limits.Entries = int(min(size, maxPackedEntries))
	case size < 0:
		limits.Bytes = 2 << 10 << min(-size, 5)
	}
	return limits
}
