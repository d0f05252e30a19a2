package ds

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/elastane/elastane/engine/arena"
)

func compareScored(a, b scored) int {
	switch {
	case a.score < b.score:
		return -1
	case a.score > b.score:
		return 1
	}
	return strings.Compare(a.member, b.member)
}

// A tree of several levels grows, changes and shrinks to nothing, with many equal scores, and keeps its order, its
// counts and its memory.
func TestTreeOfSeveralLevels(t *testing.T) {
	t.Parallel()
	for name, nextScore := range map[string]func(r *rand.Rand, i int) float64{
		"random":    func(r *rand.Rand, _ int) float64 { return r.Float64() },
		"few":       func(r *rand.Rand, _ int) float64 { return float64(r.IntN(5)) },
		"rising":    func(_ *rand.Rand, i int) float64 { return float64(i) },
		"falling":   func(_ *rand.Rand, i int) float64 { return float64(-i) },
		"all equal": func(*rand.Rand, int) float64 { return 1 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			heap := newTestHeap()
			z := OpenSortedSet(heap, arena.Nil)
			r := rand.New(rand.NewPCG(7, 7))
			model := map[string]float64{}
			check := func() {
				want := make([]scored, 0, len(model))
				for m, s := range model {
					want = append(want, scored{m, s})
				}
				slices.SortFunc(want, compareScored)
				checkSortedSet(t, &z, want, r)
			}
			const members = 20_000
			for i := range members {
				m := fmt.Sprintf("m%d", r.IntN(4*members))
				model[m] = nextScore(r, i)
				z.Set([]byte(m), model[m], DefaultLimits)
			}
			check()
			i := members
			for m := range model { // other scores, near and far
				if i++; i%3 == 0 {
					model[m] = nextScore(r, i)
				} else {
					model[m] += 1e-6
				}
				z.Set([]byte(m), model[m], DefaultLimits)
			}
			check()
			for m := range model { // down to a few, in no order
				if r.IntN(50) > 0 {
					z.Delete([]byte(m))
					delete(model, m)
				}
			}
			check()
			for i := range members / 2 {
				m := fmt.Sprintf("n%d", i)
				model[m] = nextScore(r, i)
				z.Set([]byte(m), model[m], DefaultLimits)
			}
			check()
			for z.Len() > 0 { // by ranges, from the head, the tail and the middle
				n := min(1+r.IntN(700), z.Len())
				rank := []int{0, z.Len() - n, r.IntN(z.Len() - n + 1)}[r.IntN(3)]
				z.Each(rank, false, func() func(m []byte, _ float64) bool {
					left := n
					return func(m []byte, _ float64) bool {
						delete(model, string(m))
						left--
						return left > 0
					}
				}())
				z.Remove(rank, n)
				if r.IntN(4) == 0 {
					check()
				}
			}
			check()
			z.Free()
			if used := heap.Used(); used != 0 {
				t.Errorf("%d bytes are left", used)
			}
		})
	}
}

func checkSortedSet(t *testing.T, z *SortedSet, want []scored, r *rand.Rand) {
	t.Helper()
	if z.Len() != len(want) {
		t.Fatalf("%d members, want %d", z.Len(), len(want))
	}
	for _, reverse := range []bool{false, true} {
		i, step := 0, 1
		if reverse {
			i, step = len(want)-1, -1
		}
		z.Each(i, reverse, func(m []byte, s float64) bool {
			if want[i].member != string(m) || want[i].score != s {
				t.Fatalf("rank %d, reverse %v: %q %v, want %v", i, reverse, m, s, want[i])
			}
			i += step
			return true
		})
		if (!reverse && i != len(want)) || (reverse && i != -1) {
			t.Fatalf("the walk ended at rank %d", i)
		}
	}
	for range min(len(want), 500) {
		i := r.IntN(len(want))
		if rank, ok := z.Rank([]byte(want[i].member)); !ok || rank != i {
			t.Fatalf("Rank(%v) = %d %v, want %d", want[i], rank, ok, i)
		}
		if rank := z.Search(func(m []byte, s float64) bool {
			return compareScored(scored{string(m), s}, want[i]) < 0
		}); rank != i {
			t.Fatalf("Search(%v) = %d, want %d", want[i], rank, i)
		}
	}
	if !z.isPacked() {
		checkTree(t, z.tree())
	}
}

// checkTree holds the tree to what btree.go promises.
func checkTree(t *testing.T, tr tree) {
	t.Helper()
	top, height := tr.top()
	var previous arena.Ref
	var walk func(node arena.Ref, height int) (members int)
	walk = func(node arena.Ref, height int) (members int) {
		if height == 0 {
			l := tr.leaf(node)
			if count(l) == 0 && node != top {
				t.Fatal("an empty leaf")
			}
			if l.neighbour(leafPrevious) != previous || (previous != 0 && tr.leaf(previous).neighbour(leafNext) != node) {
				t.Fatal("leaves are not linked in order")
			}
			previous = node
			for i := range count(l) {
				if _, score := tr.member(l.member(i)); score != l.score(i) {
					t.Fatalf("score %v in the leaf, %v at the member", l.score(i), score)
				}
			}
			return count(l)
		}
		n := tr.inner(node)
		if count(n) == 0 {
			t.Fatal("an empty inner node")
		}
		for i := range count(n) {
			if i > 0 {
				score, member := tr.first(n.child(i), height-1)
				if scoreAt(n, innerScores, i) != score || refAt(n, innerMembers, i) != member {
					t.Fatalf("child %d of a node of height %d: its first member is another", i, height)
				}
			}
			below := walk(n.child(i), height-1)
			if below != n.below(i) {
				t.Fatalf("%d members below, %d counted", below, n.below(i))
			}
			members += below
		}
		return members
	}
	if n := walk(top, height); n != tr.len() {
		t.Fatalf("%d members in the order, %d in the table", n, tr.len())
	}
	if previous != 0 && tr.leaf(previous).neighbour(leafNext) != 0 {
		t.Fatal("something follows the last leaf")
	}
}
