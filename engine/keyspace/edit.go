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
type Edit struct{}

// Edit opens the guard on a key, which need not exist. An expired key is treated as the View says.
func (v *View) Edit(key []byte) Edit { panic("keyspace: not built yet") }

// Exists reports whether the key has a value.
func (w *Edit) Exists() bool { panic("keyspace: not built yet") }

// Type returns the value's type, TypeNone if there is none.
func (w *Edit) Type() Type { panic("keyspace: not built yet") }

// Encoding returns a collection's encoding.
func (w *Edit) Encoding() Encoding { panic("keyspace: not built yet") }

// ExpireAt returns the expiry in unix milliseconds, 0 if there is none.
func (w *Edit) ExpireAt() int64 { panic("keyspace: not built yet") }

// Value returns the string's bytes or the collection's root, for change in place. A slice is valid until Create,
// Resize or SetExpireAt of this Edit, or its end.
func (w *Edit) Value() []byte { panic("keyspace: not built yet") }

// Create gives the key a new value of size zeroed bytes and no expiry; what the key had is freed.
func (w *Edit) Create(t Type, enc Encoding, size int) []byte { panic("keyspace: not built yet") }

// Resize makes the value n bytes long, keeps the bytes that fit, zeroes new ones, and returns it.
func (w *Edit) Resize(n int) []byte { panic("keyspace: not built yet") }

// SetEncoding records that the collection is laid out otherwise now.
func (w *Edit) SetEncoding(enc Encoding) { panic("keyspace: not built yet") }

// SetExpireAt sets the expiry in unix milliseconds; 0 removes it.
func (w *Edit) SetExpireAt(ms int64) { panic("keyspace: not built yet") }

// Done ends the Edit: the key was changed.
func (w *Edit) Done(ev Event) { panic("keyspace: not built yet") }

// Delete ends the Edit and removes the key: a collection whose last element went must not stay. If evs has two events, the
// first is raised for the change (such as "hdel") and the second for the deletion (such as "del").
func (w *Edit) Delete(evs ...Event) { panic("keyspace: not built yet") }

// Unchanged ends the Edit: nothing was changed, whatever was looked at.
func (w *Edit) Unchanged() { panic("keyspace: not built yet") }
