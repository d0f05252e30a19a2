package keyspace

// Edit is the write guard on one key. Opening it first lets a running snapshot copy what it is about to change, so
// a collection may be changed in place through Value. It must be ended with exactly one of Done, Delete and
// Unchanged; View.End panics otherwise.
//
//	w := v.Edit(key)
//	if !w.Exists() {
//		w.Create(keyspace.TypeHash, keyspace.EncodingListpack, rootSize)
//		… fill w.Value()
//	} else if w.Type() != keyspace.TypeHash {
//		w.Unchanged()
//		return errWrongType
//	}
//	… change the collection
//	if empty { w.Delete(evDel) } else { w.Done(evHset) }
//
// Several Edits of different keys may be open at once; SetString, Delete and Rename of a key with an open Edit
// are not allowed.
type Edit struct {
	v    *View
	key  []byte
	spot spot
}

// Edit opens the guard on a key, which need not exist. An expired key is treated as the View says.
func (v *View) Edit(key []byte) Edit {
	v.open++
	w := Edit{v, key, v.lookup(key, true)}
	if w.Exists() {
		v.space.touch(w.spot.database, w.spot.stripe, w.spot.b)
		v.use(w.spot.found)
	}
	return w
}

// Exists reports whether the key has a value.
func (w *Edit) Exists() bool { return w.spot.slot >= 0 }

// at returns the key's spot, looked for again if something else that was done through the View has moved it.
func (w *Edit) at() *spot {
	if t := w.spot.table(); t.moves != w.spot.moves {
		w.spot.b, w.spot.slot, _ = t.find(w.spot.hash, w.key)
		w.spot.moves = t.moves
	}
	return &w.spot
}

// entry is the key's entry as it is now: what replaces it through this Edit stores it here as well, and a bucket that
// moves does not move its entries.
func (w *Edit) entry() Entry { return w.spot.found }

// Type returns the value's type, TypeNone if there is none.
func (w *Edit) Type() Type {
	if !w.Exists() {
		return TypeNone
	}
	return w.entry().Type()
}

// Encoding returns a collection's encoding. The key must exist.
func (w *Edit) Encoding() Encoding { return w.entry().Encoding() }

// ExpireAt returns the expiry in unix milliseconds, 0 if there is none.
func (w *Edit) ExpireAt() int64 {
	if !w.Exists() {
		return 0
	}
	return w.entry().ExpireAt()
}

// Value returns the string's bytes or the collection's root, for change in place; nil if the key does not exist. A slice
// is valid until Create, Resize or SetExpireAt of this Edit, or its end.
func (w *Edit) Value() []byte {
	if !w.Exists() {
		return nil
	}
	return w.entry().Value()
}

// Create gives the key a new value of size zeroed bytes and no expiry, and returns it; what the key had is freed.
func (w *Edit) Create(t Type, enc Encoding, size int) []byte {
	var e Entry
	if w.Exists() {
		w.entry().freeValue(&w.v.space.heap)
		e = w.replace(t, enc, 0, size)
	} else {
		e = w.v.insert(w.v.db, &w.spot, w.key, t, enc, w.v.newAccess(), 0, size)
	}
	clear(e.Value())
	return e.Value()
}

// Resize makes the value n bytes long, keeps the bytes that fit, zeroes new ones, and returns it. The key must exist.
func (w *Edit) Resize(n int) []byte {
	e := w.entry()
	had, s := int(e.valueLen), e.shape()
	s.valueLen = n
	if s.flags() == e.flags() {
		r, _ := w.v.space.heap.Realloc(e.ref, s.size())
		if r != e.ref {
			w.v.setSlot(w.at(), r, s.expires)
			e = entryAt(r)
		}
		e.setLength(n)
		w.spot.found = e
	} else {
		e = w.replace(e.Type(), e.Encoding(), e.ExpireAt(), n)
	}
	value := e.Value()
	if n > had {
		clear(value[had:])
	}
	return value
}

// replace gives the key a new entry with the bytes of the old value that fit. The old block is freed, but what its
// value names is not.
func (w *Edit) replace(t Type, enc Encoding, expireAt int64, size int) Entry {
	heap, p, old := &w.v.space.heap, w.at(), w.entry()
	r, mem := heap.Alloc(shape{len(w.key), size, expireAt != 0}.size())
	writeHeader(mem, t, enc, old.access(), expireAt, w.key, size)
	e := entryAt(r)
	copy(e.Value(), old.Value())
	w.v.setSlot(p, r, expireAt != 0)
	p.found = e
	heap.Free(old.ref)
	return e
}

// SetEncoding records that the collection is laid out otherwise now.
func (w *Edit) SetEncoding(enc Encoding) {
	head := w.entry().head()
	head[0] = head[0]&0xf | byte(enc)<<4
}

// SetExpireAt sets the expiry in unix milliseconds; 0 removes it. The key must exist.
func (w *Edit) SetExpireAt(ms int64) {
	e := w.entry()
	if ms != 0 && e.expires() {
		e.setExpiry(ms)
	} else if ms != e.ExpireAt() {
		w.replace(e.Type(), e.Encoding(), ms, int(e.valueLen))
	}
}

// end makes a second end of the guard panic.
func (w *Edit) end() *View {
	v := w.v
	w.v = nil
	v.open--
	return v
}

// Done ends the Edit: the key was changed.
func (w *Edit) Done(ev Event) {
	v := w.end()
	v.changed(v.db, w.key, ev)
}

// Delete ends the Edit and removes the key: a collection whose last element went must not stay. With two events, the
// first is raised for the change (such as "hdel") and the second for the deletion ("del").
func (w *Edit) Delete(evs ...Event) {
	exists := w.Exists()
	v := w.end()
	if !exists {
		return
	}
	var last Event
	for i, ev := range evs {
		if last = ev; i < len(evs)-1 {
			v.tell(v.db, w.key, ev)
		}
	}
	p := w.at()
	v.drop(v.db, p, last)
	v.changes++
	v.shrink(p)
}

// Unchanged ends the Edit: nothing was changed, whatever was looked at.
func (w *Edit) Unchanged() { w.end() }
