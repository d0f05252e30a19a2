package snapshot

import (
	"fmt"

	"github.com/elastane/elastane/engine/arena"
	"github.com/elastane/elastane/engine/keyspace"
	"github.com/elastane/elastane/engine/rdb"
)

// AppendDump appends the dump of an entry's value, as DUMP answers it.
func AppendDump(dst []byte, heap *arena.Heap, e keyspace.Entry) ([]byte, error) {
	return rdb.AppendDump(dst, func(w *rdb.Writer) { write(w, heap, rdb.Key{}, e) })
}

// RestoreDump builds the value of a dump. It must be Put under a key, or freed. The error wraps rdb.ErrDumpFooter or rdb.ErrDump.
func RestoreDump(dump []byte, heap *arena.Heap, limits Limits) (Value, error) {
	r := &restorer{builder: builder{heap: heap, limits: limits}}
	if err := rdb.ReadDump(dump, r); err != nil {
		if r.discard != nil {
			r.discard()
		}
		r.value.Free()
		return Value{}, err
	}
	return r.value, nil
}

// restorer is the rdb.Sink of one value.
type restorer struct {
	builder
	value Value
}

func (r *restorer) Aux(name, _ string) error { return fmt.Errorf("aux field %.40q in a value", name) }

func (r *restorer) DB(n int, _, _ uint64) error { return fmt.Errorf("database %d in a value", n) }
func (r *restorer) Begin(k rdb.Key) error       { r.begin(k.Type); return nil }
func (r *restorer) End() (err error)            { r.value, err = r.end(); return err }
