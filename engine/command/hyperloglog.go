package command

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/elastane/elastane/engine/hll"
	"github.com/elastane/elastane/engine/keyspace"
)

// A HyperLogLog is a string that package hll reads and writes. A dense one is changed where it lies; a sparse
// one in a copy, because its length changes.

var eventPfadd = keyspace.Event{Name: "pfadd", Class: '$'}

// findHLL looks a HyperLogLog up. If something else is there, it answers, and ok is false.
func (c *Ctx) findHLL(key []byte) (b []byte, found, ok bool) {
	b, found, ok = c.findString(key)
	if ok && found && !hll.Valid(b) {
		c.Reply.Error(ErrNotHLL)
		return nil, false, false
	}
	return b, found, ok
}

// sparseMax is how many bytes a HyperLogLog may have as long as it is sparse.
func (c *Ctx) sparseMax() int { return c.encodings().hllSparse }

// editableHLL returns a HyperLogLog to be changed: b itself if it is dense, else a copy. storeHLL ends the change.
func (c *Ctx) editableHLL(b []byte) []byte {
	if hll.IsDense(b) {
		return b
	}
	c.scratch = append(c.scratch[:0], b...)
	return c.scratch
}

// storeHLL makes b the value of the key, if it is not its very memory.
func storeHLL(w *keyspace.Edit, b []byte) {
	if w.Exists() {
		if value := w.Value(); len(value) == len(b) {
			copy(value, b)
			return
		}
		copy(w.Resize(len(b)), b)
		return
	}
	copy(w.Create(keyspace.TypeString, keyspace.EncodingRaw, len(b)), b)
}

// PFADD key [element [element …]]
func cmdPFADD(c *Ctx) {
	key, elements := c.Args.Bytes(), c.Args.Rest()

	old, found, ok := c.findHLL(key)
	if !ok {
		return
	}
	w := c.View.Edit(key)
	b, changed := hll.New(), !found
	if found {
		b = c.editableHLL(old)
	}
	for _, element := range elements {
		var more bool
		var err error
		if b, more, err = hll.Add(b, element, c.sparseMax()); err != nil {
			w.Unchanged()
			c.Reply.Error(ErrCorruptHLL)
			return
		}
		changed = changed || more
	}
	if changed {
		hll.Invalidate(b)
		storeHLL(&w, b)
		w.Done(eventPfadd)
	} else {
		w.Unchanged()
	}

	c.Reply.Int(boolInt(changed))
}

// PFCOUNT key [key …]
func cmdPFCOUNT(c *Ctx) {
	keys := c.Args.Rest()
	if len(keys) == 1 {
		countOne(c, keys[0])
		return
	}

	var union hll.Union
	for _, key := range keys {
		if !c.joinInto(&union, key, nil) {
			return
		}
	}

	c.Reply.Int(union.Count())
}

// joinInto adds the HyperLogLog of a key, if there is one, to a union, and tells through dense whether it is
// dense. If that cannot be, it answers, and ok is false.
func (c *Ctx) joinInto(union *hll.Union, key []byte, dense *bool) (ok bool) {
	b, found, ok := c.findHLL(key)
	if !ok || !found {
		return ok
	}
	if dense != nil && hll.IsDense(b) {
		*dense = true
	}
	if err := union.Add(b); err != nil {
		c.Reply.Error(ErrCorruptHLL)
		return false
	}
	return true
}

// countOne answers with the cardinality that is kept with the registers. If it is out of date a primary keeps
// the new one there, and its replicas with it; a replica's data changes only by its primary.
func countOne(c *Ctx, key []byte) {
	b, found, ok := c.findHLL(key)
	if !ok {
		return
	}
	if !found {
		c.Reply.Int(0)
		return
	}
	n, fresh := hll.Cached(b)
	if !fresh {
		var err error
		if n, err = hll.Count(b); err != nil {
			c.Reply.Error(ErrCorruptHLL)
			return
		}
		if !c.Server.Has(StateReplica) || c.Client.Has(ClientPrimary) {
			w := c.View.Edit(key)
			hll.SetCached(w.Value(), n)
			w.Done(eventNone)
			c.Propagate(wordPFCOUNT, key)
		}
	}

	c.Reply.Int(n)
}

// PFMERGE destkey [sourcekey [sourcekey …]]
func cmdPFMERGE(c *Ctx) {
	keys := c.Args.Rest()

	var union hll.Union
	dense := false
	for _, key := range keys {
		if !c.joinInto(&union, key, &dense) {
			return
		}
	}
	w := c.View.Edit(keys[0])
	b := hll.New()
	if w.Exists() {
		b = c.editableHLL(w.Value())
	}
	err := error(nil)
	if dense {
		b, err = hll.ToDense(b)
	}
	for i, value := range union {
		if value > 0 && err == nil {
			b, _, err = hll.Raise(b, i, value, c.sparseMax())
		}
	}
	if err != nil {
		w.Unchanged()
		c.Reply.Error(ErrCorruptHLL)
		return
	}
	hll.Invalidate(b)
	storeHLL(&w, b)
	w.Done(eventPfadd)

	c.Reply.OK()
}

// PFDEBUG GETREG | DECODE | ENCODING | TODENSE key
func cmdPFDEBUG(c *Ctx) {
	what, key := c.Args.String(), c.Args.Bytes()

	b, found, ok := c.findHLL(key)
	if !ok {
		return
	}
	if !found {
		c.Reply.Error(ErrNoHLL)
		return
	}
	switch {
	case isWord([]byte(what), "GETREG"):
		if _, ok := c.densify(key, b); !ok {
			return
		}
		var registers hll.Union
		if !c.joinInto(&registers, key, nil) {
			return
		}
		c.Reply.Array(len(registers))
		for _, value := range registers {
			c.Reply.Int(int64(value))
		}
	case isWord([]byte(what), "DECODE"):
		if hll.IsDense(b) {
			c.Reply.Error(ErrDenseHLL)
			return
		}
		c.Reply.BulkString(hll.Describe(b))
	case isWord([]byte(what), "ENCODING"):
		if hll.IsDense(b) {
			c.Reply.Simple("dense")
		} else {
			c.Reply.Simple("sparse")
		}
	case isWord([]byte(what), "TODENSE"):
		if converted, ok := c.densify(key, b); ok {
			c.Reply.Int(boolInt(converted))
		}
	default:
		c.Reply.Error("ERR Unknown PFDEBUG subcommand '" + cut([]byte(what), 128) + "'")
	}
}

// densify makes the HyperLogLog b of a key dense, and tells whether it was not. If it is corrupt, it answers, and
// ok is false.
func (c *Ctx) densify(key, b []byte) (converted, ok bool) {
	if hll.IsDense(b) {
		return false, true
	}
	dense, err := hll.ToDense(b)
	if err != nil {
		c.Reply.Error(ErrCorruptHLL)
		return false, false
	}
	w := c.View.Edit(key)
	storeHLL(&w, dense)
	w.Done(eventNone)
	return true, true
}

// PFSELFTEST
func cmdPFSELFTEST(c *Ctx) {
	if err := selfTestHLL(c.sparseMax(), 1_000_000); err != nil {
		c.Reply.Error("ERR TESTFAILED " + err.Error())
		return
	}
	c.Reply.OK()
}

// selfTestHLL adds n different elements to a sparse and to a dense counter, and looks at each power of ten whether
// they agree and whether the estimate is as good as the theory says.
func selfTestHLL(sparseMax, n int) error {
	sparse := hll.New()
	dense, err := hll.ToDense(sparse)
	if err != nil {
		return err
	}
	seed := rand.Uint64()
	checkpoint := 1
	for i := 1; i <= n; i++ {
		x := uint64(i) ^ seed
		element := []byte{byte(x), byte(x >> 8), byte(x >> 16), byte(x >> 24), byte(x >> 32), byte(x >> 40), byte(x >> 48), byte(x >> 56)}
		if sparse, _, err = hll.Add(sparse, element, sparseMax); err != nil {
			return err
		}
		if dense, _, err = hll.Add(dense, element, sparseMax); err != nil {
			return err
		}
		if i != checkpoint {
			continue
		}
		if i < sparseMax/2 && hll.IsDense(sparse) {
			return errors.New("sparse encoding not used")
		}
		estimate, err := hll.Count(dense)
		if err != nil {
			return err
		}
		if other, err := hll.Count(sparse); err != nil || other != estimate {
			return errors.New("dense/sparse disagree")
		}
		tolerated := int64(math.Ceil(1.04 / math.Sqrt(hll.Registers) * 6 * float64(i)))
		if off := max(int64(i)-estimate, estimate-int64(i)); off > tolerated {
			return fmt.Errorf("Too big error. card:%d abserr:%d", i, off) //nolint:staticcheck // Valkey's wording
		}
		checkpoint *= 10
	}
	return nil
}

var hyperLogLogSpecs = []Spec{
	{
		Name: "pfadd", Group: "hyperloglog", Since: "2.8.9", Arity: -2,
		Summary: "Counts elements in a HyperLogLog, which is made if it is missing.",
		Flags:   Write | DenyOOM | Fast, Keys: OneKey.Uses("RW insert"), Categories: "write hyperloglog fast", Handler: cmdPFADD,
	},
	{
		Name: "pfcount", Group: "hyperloglog", Since: "2.8.9", Arity: -2,
		Summary: "Estimates how many different elements were added to the HyperLogLogs.",
		Flags:   ReadOnly | MayReplicate, Keys: AllKeys.Uses("RW access"), Categories: "read hyperloglog slow", Handler: cmdPFCOUNT,
	},
	{
		Name: "pfdebug", Group: "hyperloglog", Since: "2.8.9", Arity: 3,
		Summary: "Looks into a HyperLogLog, for tests.",
		Flags:   Write | DenyOOM | Admin, Keys: Keys{First: 2, Last: 2, Step: 1}.Uses("RW access"),
		Categories: "write hyperloglog admin slow dangerous", Handler: cmdPFDEBUG,
	},
	{
		Name: "pfmerge", Group: "hyperloglog", Since: "2.8.9", Arity: -2,
		Summary: "Joins HyperLogLogs into the first.",
		Flags:   Write | DenyOOM, Keys: AllKeys.Uses("RW access insert", "RO access"), Categories: "write hyperloglog slow", Handler: cmdPFMERGE,
	},
	{
		Name: "pfselftest", Group: "hyperloglog", Since: "2.8.9", Arity: 1,
		Summary: "Tests the HyperLogLog code.",
		Flags:   Admin, Categories: "hyperloglog admin slow dangerous", Handler: cmdPFSELFTEST,
	},
}
