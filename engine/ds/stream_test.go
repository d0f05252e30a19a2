package ds

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/elastane/elastane/engine/arena"
	"github.com/elastane/elastane/engine/listpack"
	"pgregory.net/rapid"
)

func genID(t *rapid.T, label string) StreamID {
	return StreamID{rapid.Uint64Range(0, 60).Draw(t, label+" ms"), rapid.Uint64Range(0, 3).Draw(t, label+" seq")}
}

func TestIDTreeModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		heap := newTestHeap()
		tree := idTree{heap: heap, width: 8}
		model := map[StreamID]byte{}
		insert := func(id StreamID, v byte) {
			if _, ok := model[id]; !ok {
				tree.insert(id, []byte{v, 0, 0, 0, 0, 0, 0, 0})
				model[id] = v
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"insert": func(t *rapid.T) { insert(genID(t, "id"), 1) },
			"ascending": func(t *rapid.T) {
				from := genID(t, "from")
				for i := range rapid.Uint64Range(0, 500).Draw(t, "n") {
					insert(StreamID{from.Ms, i}, byte(i))
				}
			},
			"descending": func(t *rapid.T) {
				from := genID(t, "from")
				for i := rapid.Uint64Range(0, 500).Draw(t, "n"); i > 0; i-- {
					insert(StreamID{from.Ms, i}, byte(i))
				}
			},
			"remove": func(t *rapid.T) {
				ms := rapid.Uint64Range(0, 60).Draw(t, "ms")
				for i := range rapid.Uint64Range(0, 500).Draw(t, "n") {
					id := StreamID{ms, i}
					_, had := model[id]
					if tree.remove(id) != had {
						t.Fatalf("remove(%v), had it: %v", id, had)
					}
					delete(model, id)
				}
			},
			"": func(t *rapid.T) {
				var want []StreamID
				for id := range model {
					want = append(want, id)
				}
				slices.SortFunc(want, StreamID.Compare)
				var got []StreamID
				for p := tree.ceil(StreamID{}); p.ok; p = tree.beside(p, false) {
					got = append(got, p.id())
					if p.payload()[0] != model[p.id()] {
						t.Fatalf("%v has another payload", p.id())
					}
				}
				if !slices.Equal(got, want) || tree.len() != len(want) {
					t.Fatalf("upwards: %v, want %v", got, want)
				}
				got = got[:0]
				for p := tree.floor(MaxStreamID); p.ok; p = tree.beside(p, true) {
					got = append(got, p.id())
				}
				slices.Reverse(got)
				if !slices.Equal(got, want) {
					t.Fatalf("downwards: %v, want %v", got, want)
				}
				for range 5 {
					id := genID(t, "probe")
					i, ok := slices.BinarySearchFunc(want, id, StreamID.Compare)
					if (tree.find(id) != nil) != ok {
						t.Fatalf("find(%v), is there: %v", id, ok)
					}
					if p := tree.ceil(id); p.ok != (i < len(want)) || p.ok && p.id() != want[i] {
						t.Fatalf("ceil(%v) = %v", id, p)
					}
					if !ok {
						i--
					}
					if p := tree.floor(id); p.ok != (i >= 0) || p.ok && p.id() != want[i] {
						t.Fatalf("floor(%v) = %v", id, p)
					}
				}
			},
		})
		tree.free(nil)
		requireEmpty(t, heap)
	})
}

type streamEntry struct {
	id     StreamID
	fields []string
}

func (e streamEntry) String() string { return fmt.Sprint(e.id, e.fields) }

func entries(s *Stream, start, end StreamID, reverse bool) (all []string) {
	s.Range(start, end, reverse, func(e *StreamEntry) bool {
		got := streamEntry{id: e.ID}
		e.Each(func(f, v []byte) { got.fields = append(got.fields, string(f), string(v)) })
		if len(got.fields) != 2*e.Len() {
			panic("Len differs")
		}
		all = append(all, got.String())
		return true
	})
	return all
}

func texts(model []streamEntry) (all []string) {
	for _, e := range model {
		all = append(all, e.String())
	}
	return all
}

// copyBlocks makes a stream of the blocks of another, as loading a snapshot does.
func copyBlocks(s *Stream) (*Stream, error) {
	to := NewStream(s.heap)
	var failed error
	s.EachBlock(func(master StreamID, list []byte) {
		if err := to.AddBlock(master, list); err != nil {
			failed = err
		}
	})
	if failed == nil && !to.EndBlocks(uint64(s.Len()), s.LastID(), s.MaxDeletedID(), s.EntriesAdded()) {
		failed = ErrStream
	}
	return &to, failed
}

func TestStreamModel(t *testing.T) {
	t.Parallel()
	for _, limits := range []StreamLimits{{Bytes: 300}, {Bytes: 1 << 20, Entries: 5}, {Entries: 150}} {
		t.Run(fmt.Sprint(limits), func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(t *rapid.T) { testStreamModel(t, limits) })
		})
	}
}

func testStreamModel(t *rapid.T, limits StreamLimits) {
	heap := newTestHeap()
	s := OpenStream(heap, arena.Nil)
	var model []streamEntry
	var last, deleted StreamID
	added := uint64(0)
	drop := func(keep func(i int, e streamEntry) bool) (n int) {
		var left []streamEntry
		for i, e := range model {
			if keep(i, e) {
				left = append(left, e)
			}
		}
		n = len(model) - len(left)
		model = left
		return n
	}
	t.Repeat(map[string]func(*rapid.T){
		"append": func(t *rapid.T) {
			same := rapid.Bool().Draw(t, "same")
			for i := range rapid.IntRange(1, 120).Draw(t, "n") {
				last = StreamID{last.Ms + rapid.SampledFrom([]uint64{0, 0, 1, 3, 1 << 40}).Draw(t, "step"), last.Seq}
				last.Seq++
				fields := []string{"field", fmt.Sprint(i * 1000), "other", "value"}
				if !same {
					fields = []string{string(genBytes(t, "field")), string(genBytes(t, "value"))}
				}
				var words [][]byte
				for _, f := range fields {
					words = append(words, []byte(f))
				}
				s.Append(last, words, limits)
				model = append(model, streamEntry{last, fields})
				added++
			}
		},
		"delete": func(t *rapid.T) {
			for range rapid.IntRange(1, 30).Draw(t, "n") {
				id := StreamID{1, 1}
				if len(model) > 0 {
					id = model[rapid.IntRange(0, len(model)-1).Draw(t, "i")].id
				}
				there := drop(func(_ int, e streamEntry) bool { return e.id != id }) > 0
				if s.Delete(id) != there {
					t.Fatalf("Delete(%v), was there: %v", id, there)
				}
				if there && deleted.Less(id) {
					deleted = id
				}
			}
		},
		"trim by length": func(t *rapid.T) {
			most := rapid.IntRange(0, len(model)+2).Draw(t, "most")
			over := len(model) - most
			want := drop(func(i int, _ streamEntry) bool { return i >= over })
			if got := s.Trim(Trim{MaxLen: uint64(most)}); got != want {
				t.Fatalf("Trim(%d) = %d, want %d", most, got, want)
			}
		},
		"trim by ID": func(t *rapid.T) {
			minID := last
			if len(model) > 0 {
				minID = model[rapid.IntRange(0, len(model)-1).Draw(t, "i")].id
			}
			want := drop(func(_ int, e streamEntry) bool { return !e.id.Less(minID) })
			if got := s.Trim(Trim{ByID: true, MinID: minID}); got != want {
				t.Fatalf("Trim(%v) = %d, want %d", minID, got, want)
			}
		},
		"trim about": func(t *rapid.T) {
			most, limit := rapid.IntRange(0, len(model)+2).Draw(t, "most"), rapid.IntRange(0, 200).Draw(t, "limit")
			got := s.Trim(Trim{MaxLen: uint64(most), Approx: true, Limit: limit})
			if got > max(len(model)-most, 0) || limit > 0 && got > limit {
				t.Fatalf("Trim(~%d, %d) = %d of %d", most, limit, got, len(model))
			}
			model = model[got:]
		},
		"reload": func(t *rapid.T) {
			fresh, err := copyBlocks(&s)
			if err != nil {
				t.Fatalf("its own blocks are refused: %v", err)
			}
			s.Free()
			s = *fresh
		},
		"": func(t *rapid.T) {
			want := texts(model)
			if got := entries(&s, StreamID{}, MaxStreamID, false); !slices.Equal(got, want) || s.Len() != len(want) {
				t.Fatalf("forwards: %d %v, want %v", s.Len(), got, want)
			}
			got := entries(&s, StreamID{}, MaxStreamID, true)
			slices.Reverse(got)
			if !slices.Equal(got, want) {
				t.Fatalf("backwards: %v, want %v", got, want)
			}
			var first, top StreamID
			if len(model) > 0 {
				first, top = model[0].id, model[len(model)-1].id
				from, to := rapid.IntRange(0, len(model)-1).Draw(t, "from"), rapid.IntRange(0, len(model)-1).Draw(t, "to")
				var part []string
				if from <= to {
					part = want[from : to+1]
				}
				if got := entries(&s, model[from].id, model[to].id, false); !slices.Equal(got, part) {
					t.Fatalf("from %v to %v: %v, want %v", model[from].id, model[to].id, got, part)
				}
				got := entries(&s, model[from].id, model[to].id, true)
				slices.Reverse(got)
				if !slices.Equal(got, part) {
					t.Fatalf("back from %v to %v: %v, want %v", model[to].id, model[from].id, got, part)
				}
			}
			if s.FirstID() != first || s.TopID() != top || s.LastID() != last || s.MaxDeletedID() != deleted || s.EntriesAdded() != added {
				t.Fatalf("first %v top %v last %v deleted %v added %d", s.FirstID(), s.TopID(), s.LastID(), s.MaxDeletedID(), s.EntriesAdded())
			}
		},
	})
	clone := s.Clone()
	if !slices.Equal(entries(&clone, StreamID{}, MaxStreamID, false), texts(model)) {
		t.Fatal("the clone differs")
	}
	clone.Free()
	s.Free()
	requireEmpty(t, heap)
}

func TestGroupModel(t *testing.T) {
	t.Parallel()
	type pending struct {
		owner string
		time  int64
		count uint64
	}
	rapid.Check(t, func(t *rapid.T) {
		heap := newTestHeap()
		s := NewStream(heap)
		g, _ := s.CreateGroup([]byte("g"), StreamID{}, 0)
		if _, ok := s.CreateGroup([]byte("g"), StreamID{}, 0); ok {
			t.Fatal("two groups of one name")
		}
		model := map[StreamID]pending{}
		consumers := map[string]bool{}
		name := func(t *rapid.T) string { return rapid.SampledFrom([]string{"a", "b", "", "cc"}).Draw(t, "consumer") }
		t.Repeat(map[string]func(*rapid.T){
			"deliver": func(t *rapid.T) {
				who := name(t)
				c, ok := g.Consumer([]byte(who))
				if ok != consumers[who] {
					t.Fatalf("Consumer(%q) = %v", who, ok)
				}
				if !ok {
					c, _ = g.CreateConsumer([]byte(who), 1, -1)
					consumers[who] = true
				}
				for range rapid.IntRange(1, 100).Draw(t, "n") {
					id, n := genID(t, "id"), rapid.Uint64Range(0, 9).Draw(t, "count")
					g.Deliver(id, c, int64(n)+100, n)
					model[id] = pending{who, int64(n) + 100, n}
				}
			},
			"ack": func(t *rapid.T) {
				for range rapid.IntRange(1, 60).Draw(t, "n") {
					id := genID(t, "id")
					_, had := model[id]
					if g.Ack(id) != had {
						t.Fatalf("Ack(%v), had it: %v", id, had)
					}
					delete(model, id)
				}
			},
			"delete consumer": func(t *rapid.T) {
				who := name(t)
				n := 0
				for id, p := range model {
					if p.owner == who {
						delete(model, id)
						n++
					}
				}
				if got, ok := g.DeleteConsumer([]byte(who)); got != n || ok != consumers[who] {
					t.Fatalf("DeleteConsumer(%q) = %d, %v, want %d", who, got, ok, n)
				}
				delete(consumers, who)
			},
			"": func(t *rapid.T) {
				if g.Consumers() != len(consumers) || g.PendingLen() != len(model) {
					t.Fatalf("%d consumers, %d pending, want %d, %d", g.Consumers(), g.PendingLen(), len(consumers), len(model))
				}
				seen := 0
				for i := range g.Consumers() {
					c := g.ConsumerAt(i)
					n := 0
					for d, ok := g.PendingFrom(StreamID{}, &c); ok; d, ok = g.PendingAfter(d.ID, &c) {
						if model[d.ID] != (pending{string(c.Name()), d.Time, d.Count}) || string(d.Consumer.Name()) != string(c.Name()) {
							t.Fatalf("%q has %v", c.Name(), d)
						}
						n++
					}
					if n != c.PendingLen() {
						t.Fatalf("%q has %d pending, says %d", c.Name(), n, c.PendingLen())
					}
					seen += n
				}
				if seen != len(model) {
					t.Fatalf("the consumers have %d pending, want %d", seen, len(model))
				}
			},
		})
		clone := s.Clone()
		if twin, ok := clone.Group([]byte("g")); !ok || twin.PendingLen() != len(model) || twin.Consumers() != len(consumers) {
			t.Fatal("the clone differs")
		}
		clone.Free()
		s.Free()
		requireEmpty(t, heap)
	})
}

// FuzzStreamBlock feeds AddBlock with what a damaged snapshot may hold: what it takes can be read and changed.
func FuzzStreamBlock(f *testing.F) {
	s := NewStream(newTestHeap())
	for i := range 12 {
		s.Append(StreamID{uint64(i) + 1, 1}, [][]byte{[]byte("f"), []byte("v"), fmt.Append(nil, "g", i%3), fmt.Append(nil, i*1000)}, StreamLimits{Entries: 4})
	}
	s.Delete(StreamID{2, 1})
	s.EachBlock(func(_ StreamID, list []byte) { f.Add(slices.Clone(list)) })
	f.Fuzz(func(t *testing.T, list []byte) {
		s := NewStream(newTestHeap())
		defer s.Free()
		if s.AddBlock(StreamID{1, 1}, list) != nil {
			return
		}
		all := entries(&s, StreamID{}, MaxStreamID, false)
		back := entries(&s, StreamID{}, MaxStreamID, true)
		slices.Reverse(back)
		if len(all) != s.Len() || !slices.Equal(all, back) {
			t.Fatalf("%d entries, %v forwards, %v backwards", s.Len(), all, back)
		}
		if id, ok := s.LastID().Next(); ok {
			s.Append(id, [][]byte{[]byte("f"), []byte("v")}, DefaultStreamLimits)
		}
		for s.Len() > 0 {
			if !s.Delete(s.TopID()) {
				t.Fatal("the last entry cannot be deleted")
			}
		}
	})
}

func TestListpackElements(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var want [][]byte
		list := listpack.Begin(nil)
		for range rapid.IntRange(0, 30).Draw(t, "n") {
			e := genBytes(t, "element")
			if rapid.Bool().Draw(t, "number") {
				e = fmt.Append(nil, rapid.Int64().Draw(t, "int")>>rapid.IntRange(0, 63).Draw(t, "shift"))
			}
			want = append(want, e)
			list = listpack.AppendString(list, e)
		}
		for _, n := range []int64{math.MinInt64, math.MaxInt64, 1 << 12, -1<<12 - 1} {
			want = append(want, fmt.Append(nil, n))
			list = listpack.AppendInt(list, n)
		}
		list = listpack.Finish(list, len(want))
		off := listpack.HeaderSize
		for _, w := range want {
			e, size, ok := listpack.Decode(list[off:])
			if !ok || !bytes.Equal(e.Text(nil), w) || listpack.Previous(list, off+size) != off {
				t.Fatalf("%q, want %q", e.Text(nil), w)
			}
			off += size
		}
		if off != len(list)-1 || listpack.Total(list) != len(list) {
			t.Fatal("ends elsewhere")
		}
	})
}
