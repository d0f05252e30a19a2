package command

import (
	"github.com/elastane/elastane/engine/arena"
	"github.com/elastane/elastane/engine/ds"
	"github.com/elastane/elastane/engine/keyspace"
)

// What the families share: finding a value of a given type, opening it for change, and settling the
// change. A collection's value in the keyspace is the reference of its root (arena.PutRef); a missing
// key opens as an empty collection, and a collection that was emptied is deleted with its key.

var (
	eventDel  = keyspace.Event{Name: "del", Class: 'g'}
	eventNone = keyspace.Event{} // a change that no client is told of
)

func init() {
	keyspace.RegisterFree(keyspace.TypeHash, func(h *arena.Heap, _ keyspace.Encoding, root []byte) {
		v := ds.OpenHash(h, arena.GetRef(root))
		v.Free()
	})
	keyspace.RegisterFree(keyspace.TypeList, func(h *arena.Heap, _ keyspace.Encoding, root []byte) {
		v := ds.OpenList(h, arena.GetRef(root))
		v.Free()
	})
	keyspace.RegisterFree(keyspace.TypeSet, func(h *arena.Heap, _ keyspace.Encoding, root []byte) {
		v := ds.OpenSet(h, arena.GetRef(root))
		v.Free()
	})
	keyspace.RegisterFree(keyspace.TypeZSet, func(h *arena.Heap, _ keyspace.Encoding, root []byte) {
		v := ds.OpenSortedSet(h, arena.GetRef(root))
		v.Free()
	})
	keyspace.RegisterFree(keyspace.TypeStream, func(h *arena.Heap, _ keyspace.Encoding, root []byte) {
		v := ds.OpenStream(h, arena.GetRef(root))
		v.Free()
	})
}

func (c *Ctx) heap() *arena.Heap { return c.View.Space().Heap() }

// find looks up the root of a collection for reading. If another type is there, it answers with
// WRONGTYPE and ok is false.
func (c *Ctx) find(key []byte, t keyspace.Type) (root arena.Ref, ok bool) {
	e, found := c.View.Find(key)
	if !found {
		return arena.Nil, true
	}
	if e.Type() != t {
		c.Reply.Error(ErrWrongType)
		return arena.Nil, false
	}
	return arena.GetRef(e.Value()), true
}

// edit opens a collection for change. If another type is there, it answers with WRONGTYPE, ok is
// false, and there is nothing to end.
func (c *Ctx) edit(key []byte, t keyspace.Type) (w keyspace.Edit, root arena.Ref, ok bool) {
	w = c.View.Edit(key)
	if !w.Exists() {
		return w, arena.Nil, true
	}
	if w.Type() != t {
		w.Unchanged()
		c.Reply.Error(ErrWrongType)
		return w, arena.Nil, false
	}
	return w, arena.GetRef(w.Value()), true
}

// settle stores the root of a collection of n elements and ends the Edit.
func settle(w *keyspace.Edit, t keyspace.Type, enc ds.Encoding, root arena.Ref, n int, ev keyspace.Event) {
	switch {
	case w.Exists():
		arena.PutRef(w.Value(), root)
		w.SetEncoding(keyspace.EncodingOf(enc))
		if n == 0 {
			w.Delete(ev, eventDel)
			return
		}
	case n == 0:
		w.Unchanged()
		return
	default:
		arena.PutRef(w.Create(t, keyspace.EncodingOf(enc), arena.RefBytes), root)
	}
	w.Done(ev)
}

// replaceWith makes key hold a new collection of n elements, whatever it was; with none, it is
// deleted. It returns n.
func (c *Ctx) replaceWith(key []byte, t keyspace.Type, enc ds.Encoding, root arena.Ref, n int, ev keyspace.Event) int {
	if n == 0 {
		c.View.Delete(key, eventDel)
		return 0
	}
	w := c.View.Edit(key)
	arena.PutRef(w.Create(t, keyspace.EncodingOf(enc), arena.RefBytes), root)
	w.Done(ev)
	return n
}
