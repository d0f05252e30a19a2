package ds

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sort"
	"testing"

	"github.com/elastane/elastane/engine/arena"
	"pgregory.net/rapid"
)

// Each test drives a structure and a plain Go model with the same random operations, with limits so
// low that every encoding and every conversion is met, and compares them after each step.

var smallLimits = Limits{Entries: 8, Value: 20}

func genBytes(t *rapid.T, label string) []byte {
	switch rapid.IntRange(0, 9).Draw(t, label+" kind") {
	case 0: // long enough for each form of the length
		n := rapid.SampledFrom([]int{0, 1, 20, 21, 127, 128, 300, 16383, 16384, 20000}).Draw(t, label+" length")
		return bytes.Repeat([]byte{'x'}, n)
	case 1:
		return rapid.SliceOfN(rapid.Byte(), 0, 24).Draw(t, label)
	}
	return fmt.Appendf(nil, "%d", rapid.IntRange(-5, 400).Draw(t, label))
}

func TestHashModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		heap := newTestHeap()
		h := OpenHash(heap, arena.Nil)
		model := map[string]string{}
		t.Repeat(map[string]func(*rapid.T){
			"set": func(t *rapid.T) {
				f, v := genBytes(t, "field"), genBytes(t, "value")
				_, had := model[string(f)]
				if created := h.Set(f, v, smallLimits); created == had {
					t.Fatalf("Set(%q) = %v, had it: %v", f, created, had)
				}
				model[string(f)] = string(v)
			},
			"set many": func(t *rapid.T) {
				for i := range rapid.IntRange(1, 300).Draw(t, "n") {
					f := fmt.Sprint("many", i)
					h.Set([]byte(f), []byte(f), smallLimits)
					model[f] = f
				}
			},
			"delete": func(t *rapid.T) {
				f := genBytes(t, "field")
				_, had := model[string(f)]
				if h.Delete(f) != had {
					t.Fatalf("Delete(%q), had it: %v", f, had)
				}
				delete(model, string(f))
			},
			"delete many": func(t *rapid.T) {
				for i := range rapid.IntRange(1, 300).Draw(t, "n") {
					f := fmt.Sprint("many", i)
					h.Delete([]byte(f))
					delete(model, f)
				}
			},
			"": func(t *rapid.T) {
				got := map[string]string{}
				h.Each(func(f, v []byte) bool { got[string(f)] = string(v); return true })
				if h.Len() != len(model) || !maps.Equal(got, model) {
					t.Fatalf("%s hash holds %d fields %v, want %v", h.Encoding(), h.Len(), got, model)
				}
				for f, v := range model {
					if got, ok := h.Get([]byte(f)); !ok || string(got) != v {
						t.Fatalf("Get(%q) = %q, %v", f, got, ok)
					}
				}
				if len(model) > 0 {
					f, v := h.Random(rand.New(rand.NewPCG(1, 2)))
					if want, ok := model[string(f)]; !ok || want != string(v) {
						t.Fatalf("Random = %q, %q", f, v)
					}
				}
			},
		})
		h.Free()
		requireEmpty(t, heap)
	})
}

func TestSetModel(t *testing.T) {
	t.Parallel()
	limits := SetLimits{Integers: 12, Packed: smallLimits}
	rapid.Check(t, func(t *rapid.T) {
		heap := newTestHeap()
		s := OpenSet(heap, arena.Nil)
		model := map[string]bool{}
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				m := genBytes(t, "member")
				if s.Add(m, limits) == model[string(m)] {
					t.Fatalf("Add(%q), had it: %v", m, model[string(m)])
				}
				model[string(m)] = true
			},
			"delete": func(t *rapid.T) {
				m := genBytes(t, "member")
				if s.Delete(m) != model[string(m)] {
					t.Fatalf("Delete(%q), had it: %v", m, model[string(m)])
				}
				delete(model, string(m))
			},
			"": func(t *rapid.T) {
				got := map[string]bool{}
				s.Each(func(m []byte) bool { got[string(m)] = true; return true })
				if s.Len() != len(model) || !maps.Equal(got, model) {
					t.Fatalf("%s set holds %d members %v, want %v", s.Encoding(), s.Len(), got, model)
				}
				for m := range model {
					if !s.Contains([]byte(m)) {
						t.Fatalf("Contains(%q) = false", m)
					}
				}
				if s.Contains([]byte("absent")) || s.Contains([]byte("007")) {
					t.Fatal("holds what was never added")
				}
				if len(model) > 0 && !model[string(s.Random(rand.New(rand.NewPCG(1, 2))))] {
					t.Fatal("Random returned no member")
				}
			},
		})
		s.Free()
		requireEmpty(t, heap)
	})
}

func TestListModel(t *testing.T) {
	t.Parallel()
	for _, limits := range []ListLimits{{Bytes: 200}, {Bytes: 8 << 10, Entries: 5}} {
		t.Run(fmt.Sprint(limits), func(t *testing.T) { testListModel(t, limits) })
	}
}

func testListModel(t *testing.T, limits ListLimits) {
	rapid.Check(t, func(t *rapid.T) {
		heap := newTestHeap()
		l := OpenList(heap, arena.Nil)
		var model []string
		t.Repeat(map[string]func(*rapid.T){
			"push": func(t *rapid.T) {
				v, head := genBytes(t, "value"), rapid.Bool().Draw(t, "head")
				for range rapid.IntRange(1, 30).Draw(t, "n") {
					l.Push(head, v, limits)
					if head {
						model = slices.Insert(model, 0, string(v))
					} else {
						model = append(model, string(v))
					}
				}
			},
			"insert": func(t *rapid.T) {
				i, v := rapid.IntRange(0, len(model)).Draw(t, "i"), genBytes(t, "value")
				l.Insert(i, v, limits)
				model = slices.Insert(model, i, string(v))
			},
			"set": func(t *rapid.T) {
				if len(model) == 0 {
					t.Skip("empty list")
				}
				i, v := rapid.IntRange(0, len(model)-1).Draw(t, "i"), genBytes(t, "value")
				l.Set(i, v, limits)
				model[i] = string(v)
			},
			"remove": func(t *rapid.T) {
				i := rapid.IntRange(0, len(model)).Draw(t, "i")
				n := rapid.IntRange(0, len(model)-i).Draw(t, "n")
				l.Remove(i, n, limits)
				model = slices.Delete(model, i, i+n)
			},
			"remove equal": func(t *rapid.T) {
				v, limit := genBytes(t, "value"), rapid.IntRange(0, 3).Draw(t, "limit")
				reverse := rapid.Bool().Draw(t, "reverse")
				want := 0
				if reverse {
					slices.Reverse(model)
				}
				model = slices.DeleteFunc(model, func(s string) bool {
					if s != string(v) || (limit > 0 && want == limit) {
						return false
					}
					want++
					return true
				})
				if reverse {
					slices.Reverse(model)
				}
				if got := l.RemoveEqual(v, limit, reverse, limits); got != want {
					t.Fatalf("RemoveEqual(%q, %d, %v) = %d, want %d", v, limit, reverse, got, want)
				}
			},
			"": func(t *rapid.T) {
				if l.Len() != len(model) {
					t.Fatalf("%s list has %d elements, want %d", l.Encoding(), l.Len(), len(model))
				}
				var got []string
				l.Each(0, false, func(v []byte) bool { got = append(got, string(v)); return true })
				if !slices.Equal(got, model) {
					t.Fatalf("forwards: %q, want %q", got, model)
				}
				got = got[:0]
				l.Each(len(model)-1, true, func(v []byte) bool { got = append(got, string(v)); return true })
				slices.Reverse(got)
				if !slices.Equal(got, model) {
					t.Fatalf("backwards: %q, want %q", got, model)
				}
				for i, v := range model {
					if string(l.Index(i)) != v {
						t.Fatalf("Index(%d) = %q, want %q", i, l.Index(i), v)
					}
				}
			},
		})
		l.Free()
		requireEmpty(t, heap)
	})
}

type scored struct {
	member string
	score  float64
}

func TestSortedSetModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		heap := newTestHeap()
		z := OpenSortedSet(heap, arena.Nil)
		model := map[string]float64{}
		sorted := func() []scored {
			all := make([]scored, 0, len(model))
			for m, s := range model {
				all = append(all, scored{m, s})
			}
			sort.Slice(all, func(i, j int) bool {
				return before(all[i].score, []byte(all[i].member), all[j].score, []byte(all[j].member))
			})
			return all
		}
		genScore := func(t *rapid.T) float64 {
			if rapid.Bool().Draw(t, "integral") {
				return float64(rapid.IntRange(-3, 3).Draw(t, "score"))
			}
			return rapid.Float64().Draw(t, "score")
		}
		t.Repeat(map[string]func(*rapid.T){
			"set": func(t *rapid.T) {
				for range rapid.IntRange(1, 20).Draw(t, "n") {
					m, s := genBytes(t, "member"), genScore(t)
					_, had := model[string(m)]
					if z.Set(m, s, smallLimits) == had {
						t.Fatalf("Set(%q), had it: %v", m, had)
					}
					model[string(m)] = s
				}
			},
			"delete": func(t *rapid.T) {
				m := genBytes(t, "member")
				_, had := model[string(m)]
				if z.Delete(m) != had {
					t.Fatalf("Delete(%q), had it: %v", m, had)
				}
				delete(model, string(m))
			},
			"remove": func(t *rapid.T) {
				rank := rapid.IntRange(0, max(len(model)-1, 0)).Draw(t, "rank")
				n := min(rapid.IntRange(0, 10).Draw(t, "n"), len(model)-rank)
				for _, e := range sorted()[rank : rank+n] {
					delete(model, e.member)
				}
				if n > 0 {
					z.Remove(rank, n)
				}
			},
			"": func(t *rapid.T) {
				want := sorted()
				if z.Len() != len(want) {
					t.Fatalf("%s sorted set has %d members, want %d", z.Encoding(), z.Len(), len(want))
				}
				var got []scored
				z.Each(0, false, func(m []byte, s float64) bool {
					got = append(got, scored{string(m), s})
					return true
				})
				if !slices.Equal(got, want) {
					t.Fatalf("upwards: %v, want %v", got, want)
				}
				got = got[:0]
				z.Each(len(want)-1, true, func(m []byte, s float64) bool {
					got = append(got, scored{string(m), s})
					return true
				})
				slices.Reverse(got)
				if !slices.Equal(got, want) {
					t.Fatalf("downwards: %v, want %v", got, want)
				}
				for i, e := range want {
					if rank, ok := z.Rank([]byte(e.member)); !ok || rank != i {
						t.Fatalf("Rank(%q) = %d, %v, want %d", e.member, rank, ok, i)
					}
					if score, ok := z.Score([]byte(e.member)); !ok || score != e.score {
						t.Fatalf("Score(%q) = %v, %v, want %v", e.member, score, ok, e.score)
					}
					z.Each(i, false, func(m []byte, _ float64) bool {
						if string(m) != e.member {
							t.Fatalf("rank %d holds %q, want %q", i, m, e.member)
						}
						return false
					})
				}
				below := sort.Search(len(want), func(i int) bool { return want[i].score >= 1 })
				if rank := z.Search(func(_ []byte, s float64) bool { return s < 1 }); rank != below {
					t.Fatalf("%d members below 1, want %d", rank, below)
				}
			},
		})
		z.Free()
		requireEmpty(t, heap)
	})
}

// A scan must hand out what was there from its first call to its last, while the table grows and
// shrinks under it.
func TestScanSeesWhatStays(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		h := OpenHash(newTestHeap(), arena.Nil)
		stays := map[string]bool{}
		for i := range rapid.IntRange(9, 3000).Draw(t, "stays") {
			f := fmt.Sprint("stays", i)
			h.Set([]byte(f), nil, smallLimits)
			stays[f] = true
		}
		extra := 0
		for cursor, first := uint64(0), true; first || cursor != 0; first = false {
			cursor = h.Scan(cursor, 10, func(f, _ []byte) { delete(stays, string(f)) })
			for target := rapid.IntRange(0, 3000).Draw(t, "extra"); extra != target; {
				if extra < target {
					h.Set(fmt.Append(nil, "extra", extra), nil, smallLimits)
					extra++
				} else {
					extra--
					h.Delete(fmt.Append(nil, "extra", extra))
				}
			}
		}
		if len(stays) != 0 {
			t.Fatalf("the scan missed %v", slices.Collect(maps.Keys(stays)))
		}
	})
}

func TestRandomIsFair(t *testing.T) {
	t.Parallel()
	s := OpenSet(newTestHeap(), arena.Nil)
	const members, draws = 1000, 200_000
	for i := range members {
		s.Add(fmt.Append(nil, "member", i), DefaultSetLimits)
	}
	r := rand.New(rand.NewPCG(1, 2))
	seen := map[string]int{}
	for range draws {
		seen[string(s.Random(r))]++
	}
	if len(seen) != members {
		t.Fatalf("%d of %d members drawn", len(seen), members)
	}
	for m, n := range seen {
		if n < draws/members/2 || n > draws/members*2 {
			t.Errorf("%s drawn %d times, want about %d", m, n, draws/members)
		}
	}
}
