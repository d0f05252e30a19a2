package keyspace

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"math/bits"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/elastane/elastane/engine/arena"
	"pgregory.net/rapid"
)

// The tests' collection is a root of one reference to a block that holds a number.
const testCollection = TypeSet

func init() {
	RegisterFree(testCollection, func(h *arena.Heap, _ Encoding, root []byte) { h.Free(arena.GetRef(root)) })
}

var (
	evSet = Event{"set", '$'}
	evDel = Event{"del", 'g'}
)

// modelValue is what the model knows of a key.
type modelValue struct {
	kind     Type
	data     string
	expireAt int64
}

func (m modelValue) expired(now int64) bool { return m.expireAt != 0 && m.expireAt < now }

// contentOf reads an entry as the model would have it.
func contentOf(e Entry) modelValue {
	m := modelValue{e.Type(), string(e.Value()), e.ExpireAt()}
	if m.kind == testCollection {
		block := (&arena.Heap{}).Slice(arena.GetRef(e.Value()), 8)
		m.data = strconv.FormatUint(binary.LittleEndian.Uint64(block), 10)
	}
	return m
}

// setCollection creates or changes the tests' collection through an Edit.
func setCollection(v *View, key []byte, n uint64) {
	w := v.Edit(key)
	if w.Type() != testCollection {
		root := w.Create(testCollection, EncodingListpack, arena.RefBytes)
		ref, _ := v.Space().Heap().Alloc(8)
		arena.PutRef(root, ref)
	}
	binary.LittleEndian.PutUint64(v.Space().Heap().Slice(arena.GetRef(w.Value()), 8), n)
	w.Done(Event{"sadd", 's'})
}

// machine is the keyspace beside its model.
type machine struct {
	space *Space
	now   int64
	model [2]map[string]modelValue
	gone  []string // keys that the hook reported as expired
	seq   uint64
}

func newMachine() *machine {
	m := &machine{now: 1_700_000_000_000}
	m.space = New(Options{Databases: 2, Hook: func(db int, key []byte, ev Event) {
		if ev == EventExpired {
			m.gone = append(m.gone, fmt.Sprint(db, string(key)))
		}
	}})
	for i := range m.model {
		m.model[i] = map[string]modelValue{}
	}
	return m
}

func (m *machine) view(db int, fn func(v *View)) {
	var v View
	v.Begin(m.space, AllStripes, db, m.now, ExpiryDelete)
	fn(&v)
	v.End()
}

// drawKey draws from few keys, of one stripe mostly, so that operations meet and tables split.
func drawKey(t *rapid.T, label string) string {
	switch rapid.IntRange(0, 9).Draw(t, label+"Kind") {
	case 0:
		return "{same}" + strings.Repeat("long", rapid.IntRange(60, 70).Draw(t, label))
	case 1:
		return strconv.Itoa(rapid.IntRange(0, 50).Draw(t, label))
	}
	return "{same}" + strconv.Itoa(rapid.IntRange(0, 900).Draw(t, label))
}

func drawValue(t *rapid.T) string {
	sizes := rapid.OneOf(rapid.IntRange(0, 100), rapid.IntRange(250, 260), rapid.SampledFrom([]int{65535, 65536, 40000, 3 << 20}))
	n := sizes.Draw(t, "size")
	return strings.Repeat(string(rune('a'+n%26)), n)
}

func (m *machine) drawExpiry(t *rapid.T) int64 {
	if rapid.Bool().Draw(t, "volatile") {
		return m.now + rapid.Int64Range(-10, 1000).Draw(t, "ttl")
	}
	return 0
}

// live is the model's value of a key that has not expired; one that has is forgotten.
func (m *machine) live(db int, key string) (modelValue, bool) {
	val, ok := m.model[db][key]
	if ok && val.expired(m.now) {
		delete(m.model[db], key)
		return modelValue{}, false
	}
	return val, ok
}

func TestKeyspaceModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newMachine()
		defer m.space.Close()
		db := func() int { return rapid.IntRange(0, 1).Draw(t, "db") }
		t.Repeat(map[string]func(*rapid.T){
			"set": func(t *rapid.T) {
				d, key, value, at := db(), drawKey(t, "key"), drawValue(t), m.drawExpiry(t)
				if rapid.IntRange(0, 3).Draw(t, "keep") == 0 {
					at = KeepExpiry
				}
				m.view(d, func(v *View) { v.SetString([]byte(key), []byte(value), at, evSet) })
				old, _ := m.live(d, key)
				if at == KeepExpiry {
					at = old.expireAt
				}
				m.model[d][key] = modelValue{TypeString, value, at}
			},
			"setMany": func(t *rapid.T) {
				d, from, n := db(), rapid.IntRange(0, 5000).Draw(t, "from"), rapid.IntRange(1, 1500).Draw(t, "n")
				m.view(d, func(v *View) {
					for i := from; i < from+n; i++ {
						key := "{same}" + strconv.Itoa(i)
						v.SetString([]byte(key), []byte("x"), 0, evSet)
						m.model[d][key] = modelValue{TypeString, "x", 0}
					}
				})
			},
			"get": func(t *rapid.T) {
				d, key := db(), drawKey(t, "key")
				want, exists := m.live(d, key)
				m.view(d, func(v *View) {
					e, ok := v.Find([]byte(key))
					if ok != exists || ok && contentOf(e) != want {
						t.Fatalf("Find(%q) = %v, want %v", key, ok, exists)
					}
					if ok && string(e.Key()) != key {
						t.Fatalf("Find(%q) has key %q", key, e.Key())
					}
				})
			},
			"delete": func(t *rapid.T) {
				d, key := db(), drawKey(t, "key")
				_, exists := m.live(d, key)
				m.view(d, func(v *View) {
					if got := v.Delete([]byte(key), evDel); got != exists {
						t.Fatalf("Delete(%q) = %v, want %v", key, got, exists)
					}
				})
				delete(m.model[d], key)
			},
			"append": func(t *rapid.T) {
				d, key, n := db(), drawKey(t, "key"), rapid.IntRange(0, 400).Draw(t, "n")
				val, exists := m.live(d, key)
				m.view(d, func(v *View) {
					w := v.Edit([]byte(key))
					if w.Exists() != exists {
						t.Fatalf("Edit(%q).Exists = %v, want %v", key, w.Exists(), exists)
					}
					if w.Type() != TypeString {
						w.Unchanged()
						return
					}
					old := len(w.Value())
					b := w.Resize(old + n)
					for _, c := range b[old:] {
						if c != 0 {
							t.Fatalf("Resize left old bytes behind")
						}
					}
					copy(b[old:], bytes.Repeat([]byte("+"), n))
					w.Done(Event{"append", '$'})
					val.data += strings.Repeat("+", n)
					m.model[d][key] = val
				})
			},
			"truncate": func(t *rapid.T) {
				d, key := db(), drawKey(t, "key")
				val, exists := m.live(d, key)
				if !exists || val.kind != TypeString {
					return
				}
				m.view(d, func(v *View) {
					w := v.Edit([]byte(key))
					w.Resize(len(val.data) / 2)
					w.Done(Event{})
				})
				val.data = val.data[:len(val.data)/2]
				m.model[d][key] = val
			},
			"collection": func(t *rapid.T) {
				d, key := db(), drawKey(t, "key")
				val, _ := m.live(d, key)
				m.seq++
				m.view(d, func(v *View) { setCollection(v, []byte(key), m.seq) })
				at := val.expireAt
				if val.kind != testCollection {
					at = 0
				}
				m.model[d][key] = modelValue{testCollection, strconv.FormatUint(m.seq, 10), at}
			},
			"twoEdits": func(t *rapid.T) {
				// The second Edit's insertions split the table under the first one.
				d, key, n := db(), drawKey(t, "key"), rapid.IntRange(1, 800).Draw(t, "n")
				m.view(d, func(v *View) {
					w := v.Edit([]byte(key))
					root := w.Create(TypeString, EncodingRaw, 3)
					copy(root, "new")
					for i := range n {
						other := "{same}other" + strconv.Itoa(i)
						v.SetString([]byte(other), nil, 0, evSet)
						m.model[d][other] = modelValue{TypeString, "", 0}
					}
					w.SetExpireAt(m.now + 5)
					copy(w.Resize(6)[3:], "er!")
					w.Done(evSet)
				})
				m.model[d][key] = modelValue{TypeString, "newer!", m.now + 5}
			},
			"expireAt": func(t *rapid.T) {
				d, key, at := db(), drawKey(t, "key"), m.drawExpiry(t)
				val, exists := m.live(d, key)
				m.view(d, func(v *View) {
					w := v.Edit([]byte(key))
					if !exists {
						w.Unchanged()
						return
					}
					w.SetExpireAt(at)
					w.Done(Event{"expire", 'g'})
					val.expireAt = at
					m.model[d][key] = val
				})
			},
			"editDelete": func(t *rapid.T) {
				d, key := db(), drawKey(t, "key")
				m.view(d, func(v *View) {
					w := v.Edit([]byte(key))
					w.Delete(Event{"srem", 's'}, evDel)
				})
				delete(m.model[d], key)
			},
			"rename": func(t *rapid.T) {
				from, to, src, dst := db(), db(), drawKey(t, "src"), drawKey(t, "dst")
				val, exists := m.live(from, src)
				m.view(from, func(v *View) {
					if got := v.Rename([]byte(src), []byte(dst), to, Event{}, Event{}); got != exists {
						t.Fatalf("Rename(%q) = %v, want %v", src, got, exists)
					}
				})
				if exists && (from != to || src != dst) {
					delete(m.model[from], src)
					m.model[to][dst] = val
				}
			},
			"random": func(t *rapid.T) {
				d := db()
				m.view(d, func(v *View) {
					if key, ok := v.Random(nil); ok {
						if val, there := m.model[d][string(key)]; !there || val.expired(m.now) {
							t.Fatalf("Random = %q, which is not there", key)
						}
					} else {
						for key := range m.model[d] {
							if _, alive := m.live(d, key); alive {
								if keys, _ := m.space.Keys(d); keys < 100 {
									t.Fatalf("Random found nothing, but %q is there", key)
								}
							}
						}
					}
				})
			},
			"time": func(t *rapid.T) { m.now += rapid.Int64Range(0, 300).Draw(t, "ms") },
			"expireStep": func(*rapid.T) {
				m.space.ExpireStep(m.now, ExpiryDelete, 1e9)
				for d := range m.model {
					want := 0
					for key := range m.model[d] {
						if _, ok := m.live(d, key); ok {
							want++
						}
					}
					if keys, _ := m.space.Keys(d); keys != want {
						t.Fatalf("%d keys after a full expiry round, want %d", keys, want)
					}
				}
			},
			"flush": func(t *rapid.T) {
				if rapid.IntRange(0, 5).Draw(t, "really") == 0 {
					d := db()
					m.view(d, func(v *View) { v.Flush(rapid.Bool().Draw(t, "async")) })
					m.model[d] = map[string]modelValue{}
				}
			},
			"": func(t *rapid.T) { m.check(t) },
		})
		m.drain(t)
	})
}

// check compares everything with the model through a SCAN from start to end.
func (m *machine) check(t *rapid.T) {
	for d, model := range m.model {
		got := map[string]modelValue{}
		m.view(d, func(v *View) {
			for cursor := uint64(0); ; {
				cursor = v.Scan(cursor, 7, nil, func(e Entry) {
					if _, twice := got[string(e.Key())]; twice {
						t.Fatalf("%q was seen twice", e.Key())
					}
					got[string(e.Key())] = contentOf(e)
				})
				if cursor == 0 {
					break
				}
			}
		})
		want := maps.Clone(model)
		maps.DeleteFunc(want, func(_ string, val modelValue) bool { return val.expired(m.now) })
		if !maps.Equal(got, want) {
			t.Fatalf("database %d: %d keys, want %d, or their contents differ", d, len(got), len(want))
		}
		_, volatile := m.space.Keys(d)
		atLeast := 0
		for _, val := range want {
			if val.expireAt != 0 {
				atLeast++
			}
		}
		if volatile < atLeast {
			t.Fatalf("database %d: %d keys with an expiry are counted, %d are there", d, volatile, atLeast)
		}
		m.checkTables(t, d)
	}
}

// checkTables checks the counters and that every entry can be reached through its choices.
func (m *machine) checkTables(t *rapid.T, db int) {
	d := m.space.databases[db].Load()
	if d == nil {
		return
	}
	for i := range d.tables {
		table := &d.tables[i]
		var keys, volatile int64
		for c, end := (cursor{}), table.dir.Load() == nil; !end; {
			var b *bucket
			b, c, end = table.next(c)
			for used := b.used(); used != 0; used &= used - 1 {
				slot := bits.TrailingZeros32(used)
				e := entryAt(b.ref(slot))
				if at, s, _ := table.find(m.space.hash(e.Key()), e.Key()); at != b || s != slot {
					t.Fatalf("%q cannot be found where it is", e.Key())
				}
				if e.expires() != (b[slot]&tagExpires != 0) {
					t.Fatalf("%q has a tag that tells a lie about its expiry", e.Key())
				}
				keys++
				if e.expires() {
					volatile++
				}
			}
		}
		if keys != table.keys.Load() || volatile != table.expires.Load() {
			t.Fatalf("stripe %d has %d keys (%d with expiry), but counts %d (%d)",
				i, keys, volatile, table.keys.Load(), table.expires.Load())
		}
	}
}

// drain deletes everything and checks that nothing but single segments is left allocated.
func (m *machine) drain(t *rapid.T) {
	for d := range m.model {
		m.view(d, func(v *View) {
			for key := range m.model[d] {
				v.Delete([]byte(key), evDel)
			}
		})
		m.now += 1 << 40
	}
	m.space.ExpireStep(m.now, ExpiryDelete, 1e9)
	var segments int64
	for d := range m.model {
		if keys, volatile := m.space.Keys(d); keys != 0 || volatile != 0 {
			t.Fatalf("%d keys, %d with expiry, are left", keys, volatile)
		}
		if d := m.space.databases[d].Load(); d != nil {
			for i := range d.tables {
				if dir := d.tables[i].dir.Load(); dir != nil {
					segments += int64(len(dir.segments)) * int64(dir.mask+1) * bucketBytes
				}
			}
		}
	}
	if used := m.space.UsedMemory(); used != segments {
		t.Fatalf("%d bytes are used by an empty keyspace, %d of them by segments", used, segments)
	}
	slices.Sort(m.gone)
}
