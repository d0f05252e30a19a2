package arena

import (
	"bytes"
	"encoding/binary"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

func TestSizeClasses(t *testing.T) {
	for n := 0; n <= maxSmall; n++ {
		c := classOf(n)
		if c < 0 || c >= classes {
			t.Fatalf("classOf(%d) = %d", n, c)
		}
		size := classSize(c)
		if size < n || size%8 != 0 {
			t.Fatalf("%d bytes in a class of %d", n, size)
		}
		if c > 0 && classSize(c-1) >= n {
			t.Fatalf("%d bytes fit in class %d already", n, c-1)
		}
		if n > 128 && size-n >= n/8+8 {
			t.Fatalf("%d bytes in a class of %d: more than an eighth lost", n, size)
		}
	}
	if Size(maxSmall+1) != maxSmall+osPage {
		t.Errorf("Size(%d) = %d", maxSmall+1, Size(maxSmall+1))
	}
}

func TestRunPages(t *testing.T) {
	for n := maxSmall + 1; n < 64<<20; n += 4099 {
		pages := runPages(n)
		if pages<<pageShift < n {
			t.Fatalf("%d bytes in %d pages", n, pages)
		}
		if pages > chunkPages && pages%chunkPages != 0 {
			t.Fatalf("%d bytes: %d pages are not whole chunks", n, pages)
		}
	}
}

func TestFindRun(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		free, n := rapid.Uint32().Draw(t, "free"), rapid.IntRange(1, 32).Draw(t, "n")
		want := -1
		for i := 0; i+n <= 32 && want < 0; i++ {
			if mask := uint32(1<<n-1) << i; free&mask == mask {
				want = i
			}
		}
		if got := findRun(free, n); got != want {
			t.Fatalf("findRun(%032b, %d) = %d, want %d", free, n, got, want)
		}
	})
}

func TestRefStorage(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := Ref(rapid.Uint64Range(0, 1<<40-1).Draw(t, "r"))
		b := make([]byte, RefBytes)
		if PutRef(b, r); GetRef(b) != r {
			t.Fatalf("%d came back as %d", r, GetRef(b))
		}
	})
}

// drawSize draws small blocks mostly, but every kind of large ones too.
func drawSize(t *rapid.T) int {
	switch rapid.IntRange(0, 9).Draw(t, "kind") {
	case 0:
		return rapid.IntRange(0, 64<<10).Draw(t, "size")
	case 1:
		return rapid.IntRange(maxSmall, 6<<20).Draw(t, "size")
	}
	return rapid.IntRange(0, 600).Draw(t, "size")
}

// TestHeapModel checks that no block ever overlaps another: each is filled with its own pattern.
func TestHeapModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var h Heap
		defer h.Close()
		type block struct {
			ref  Ref
			n    int
			fill byte
		}
		var live []block
		var next byte
		check := func(b block) {
			got := h.Slice(b.ref, b.n)
			if len(bytes.TrimLeft(got, string([]byte{b.fill}))) != 0 {
				t.Fatalf("block %x of %d bytes lost its content", b.ref, b.n)
			}
		}
		pick := func(t *rapid.T) int {
			if len(live) == 0 {
				t.Skip("nothing live")
			}
			return rapid.IntRange(0, len(live)-1).Draw(t, "block")
		}
		t.Repeat(map[string]func(*rapid.T){
			"alloc": func(t *rapid.T) {
				n := drawSize(t)
				ref, b := h.Alloc(n)
				if len(b) != n || cap(b) != Size(n) || len(h.Bytes(ref)) != Size(n) {
					t.Fatalf("Alloc(%d): len %d cap %d whole %d", n, len(b), cap(b), len(h.Bytes(ref)))
				}
				next++
				for i := range b {
					b[i] = next
				}
				live = append(live, block{ref, n, next})
			},
			"free": func(t *rapid.T) {
				i := pick(t)
				check(live[i])
				h.Free(live[i].ref)
				live = append(live[:i], live[i+1:]...)
			},
			"realloc": func(t *rapid.T) {
				i, n := pick(t), drawSize(t)
				ref, b := h.Realloc(live[i].ref, n)
				keep := block{ref, min(n, live[i].n), live[i].fill}
				check(keep)
				for j := range b {
					b[j] = keep.fill
				}
				keep.n = n
				live[i] = keep
			},
			"": func(t *rapid.T) {
				var used int64
				for _, b := range live {
					used += int64(Size(b.n))
				}
				if h.Used() != used {
					t.Fatalf("Used = %d, want %d", h.Used(), used)
				}
				if h.Reserved() < used {
					t.Fatalf("Reserved = %d is less than Used = %d", h.Reserved(), used)
				}
			},
		})
		for _, b := range live {
			check(b)
			h.Free(b.ref)
		}
		if h.Used() != 0 {
			t.Fatalf("Used = %d after everything was freed", h.Used())
		}
	})
}

func TestHeapConcurrently(t *testing.T) {
	var h Heap
	defer h.Close()
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			var live []Ref
			for i := range 20_000 {
				ref, b := h.Alloc(16 + i%200)
				binary.LittleEndian.PutUint64(b, uint64(g))
				binary.LittleEndian.PutUint64(b[8:], uint64(ref))
				if live = append(live, ref); len(live) > 500 {
					k := i % len(live)
					b := h.Bytes(live[k])
					if binary.LittleEndian.Uint64(b) != uint64(g) || binary.LittleEndian.Uint64(b[8:]) != uint64(live[k]) {
						t.Errorf("block %x of goroutine %d was overwritten", live[k], g)
						return
					}
					h.Free(live[k])
					live[k] = live[len(live)-1]
					live = live[:len(live)-1]
				}
			}
			for _, ref := range live {
				h.Free(ref)
			}
		})
	}
	wg.Wait()
	if h.Used() != 0 {
		t.Errorf("Used = %d after everything was freed", h.Used())
	}
}

func residentBytes(t *testing.T) int64 {
	t.Helper()
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Skip("no /proc/self/statm on this system")
	}
	pages, err := strconv.ParseInt(strings.Fields(string(statm))[1], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return pages * int64(os.Getpagesize())
}

func TestCloseReturnsMemory(t *testing.T) {
	before := residentBytes(t)
	var h Heap
	for range 400_000 {
		_, b := h.Alloc(200)
		clear(b)
	}
	_, b := h.Alloc(20 << 20)
	for i := range b {
		b[i] = 1
	}
	full := residentBytes(t)
	if full-before < 90<<20 {
		t.Fatalf("only %d MiB became resident", (full-before)>>20)
	}
	h.Close()
	if after := residentBytes(t); after-before > 10<<20 {
		t.Errorf("%d MiB are still resident after Close", (after-before)>>20)
	}
	if h.Reserved() != 0 || h.Used() != 0 {
		t.Errorf("after Close: Reserved %d, Used %d", h.Reserved(), h.Used())
	}
}

func TestFreeingEverythingReturnsMemory(t *testing.T) {
	var h Heap
	defer h.Close()
	var refs []Ref
	for range 200_000 {
		ref, b := h.Alloc(200)
		clear(b)
		refs = append(refs, ref)
	}
	full := h.Reserved()
	for _, ref := range refs {
		h.Free(ref)
	}
	if left := h.Reserved(); left > full/10 {
		t.Errorf("%d of %d bytes are still reserved", left, full)
	}
}

func TestManySmallHeapsAreCheap(t *testing.T) {
	heaps := make([]Heap, 500)
	before := residentBytes(t)
	for i := range heaps {
		_, b := heaps[i].Alloc(64)
		clear(b)
		_, b = heaps[i].Alloc(100)
		clear(b)
	}
	if each := (residentBytes(t) - before) / int64(len(heaps)); each > 16<<10 {
		t.Errorf("a heap with two blocks costs %d bytes", each)
	}
	for i := range heaps {
		heaps[i].Close()
	}
}

func TestNoAllocations(t *testing.T) {
	var h Heap
	defer h.Close()
	keep, _ := h.Alloc(100)
	defer h.Free(keep)
	if n := testing.AllocsPerRun(1000, func() {
		r, _ := h.Alloc(100)
		h.Free(r)
	}); n != 0 {
		t.Errorf("%v Go allocations for a block", n)
	}
}

func BenchmarkAllocFree(b *testing.B) {
	var h Heap
	defer h.Close()
	keep, _ := h.Alloc(88)
	defer h.Free(keep)
	for b.Loop() {
		r, _ := h.Alloc(88)
		h.Free(r)
	}
}
