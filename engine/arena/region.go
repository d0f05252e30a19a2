package arena

import (
	"fmt"
	"sort"
	"sync"
	"syscall"
	"unsafe"
)

const (
	pageShift  = 16 // a slab page: 64 KiB
	pageSize   = 1 << pageShift
	chunkPages = 32 // a chunk: 2 MiB, one huge page
	chunkShift = pageShift + 5
	chunkSize  = 1 << chunkShift
	osPage     = 4 << 10

	maxReserve = 1 << 40 // address space, not memory; a Ref could name eight times as much
	minReserve = 1 << 30
	growStep   = 32 // chunks made accessible at once: 64 MiB
)

// page describes a 64 KiB page. It lies outside the page so that the descriptors in use are dense in the
// processor's caches. Lists of pages are linked by page numbers; page 0 is never used and ends a list.
type page struct {
	next, prev uint32 // pages of the same class that have room
	run        uint32 // pages of the run that starts here
	units      uint32 // large block: size in osPage units
	class      uint8
	shared     bool   // from the shared pool, not the heap's own
	listed     bool   // in the list of pages that have room
	used       uint16 // live blocks
	fresh      uint16 // blocks from here on were never handed out
	free       uint16 // first free block: offset in 8-byte units, plus one
}

// chunk describes 32 pages.
type chunk struct {
	free                 uint32 // a bit for each free page
	open                 bool   // in its pool's list of chunks with free pages
	huge                 bool   // advised to be a huge page
	nextOpen, prevOpen   uint32
	nextOwned, prevOwned uint32
	pages                [chunkPages]page
}

// region is the address range that all heaps share. It hands out runs of chunks.
var region struct {
	mu     sync.Mutex
	limit  uint32 // chunks reserved
	next   uint32 // chunks from here on were never handed out
	ready  uint32 // chunks below are accessible
	descOK uintptr
	freed  []chunkRun // sorted by start, neighbours joined
}

type chunkRun struct{ start, n uint32 }

// base is the first byte of the region and descs the first chunk descriptor. Both are set once, before the first Ref
// exists, and never move: that is why references resolve without a lock.
var (
	reserveOnce sync.Once
	base        unsafe.Pointer
	descs       unsafe.Pointer
)

func reserve() {
	for size := uint64(maxReserve); ; size /= 2 {
		mem, err := reserveRange(uintptr(size))
		if err == nil {
			var table []byte
			if table, err = reserveRange(uintptr(size>>chunkShift) * unsafe.Sizeof(chunk{})); err == nil {
				base, descs = unsafe.Pointer(&mem[0]), unsafe.Pointer(&table[0])
				region.limit = uint32(size >> chunkShift)
				region.next, region.ready = 1, 1 // chunk 0 stays unused: its first Ref would be Nil
				return
			}
		}
		if size <= minReserve {
			panic(fmt.Sprintf("arena: cannot reserve address space: %v", err))
		}
	}
}

// at returns the byte at the reference.
func at(r Ref) unsafe.Pointer { return unsafe.Add(base, uintptr(r)<<3) }

// Pointer returns the address of a block, for prefetching. The block is outside the Go heap, so the pointer does
// not keep anything alive, and a stale Ref gives an address that need not be readable.
func Pointer(r Ref) unsafe.Pointer { return at(r) }

func refOf(pageNumber uint32, offset int) Ref {
	return Ref(pageNumber)<<(pageShift-3) + Ref(offset>>3)
}

func chunkAt(n uint32) *chunk { return (*chunk)(unsafe.Add(descs, uintptr(n)*unsafe.Sizeof(chunk{}))) }

func pageAt(n uint32) *page { return &chunkAt(n / chunkPages).pages[n%chunkPages] }

// span returns the memory of n pages from page number p.
func span(p uint32, n int) []byte {
	return unsafe.Slice((*byte)(unsafe.Add(base, uintptr(p)<<pageShift)), n<<pageShift)
}

// acquire returns the first of n adjoining chunks, accessible, their content undefined.
func acquire(n uint32) uint32 {
	reserveOnce.Do(reserve)
	region.mu.Lock()
	defer region.mu.Unlock()
	for i := range region.freed {
		if f := &region.freed[i]; f.n >= n {
			start := f.start
			if f.start, f.n = f.start+n, f.n-n; f.n == 0 {
				region.freed = append(region.freed[:i], region.freed[i+1:]...)
			}
			return start
		}
	}
	start := region.next
	if n > region.limit-start {
		panic("arena: the reserved address space is used up")
	}
	grow(start + n)
	region.next = start + n
	return start
}

// grow makes the chunks below end accessible, with their descriptors.
func grow(end uint32) {
	if end <= region.ready {
		return
	}
	end = min((end+growStep-1)/growStep*growStep, region.limit)
	fresh := unsafe.Slice((*byte)(unsafe.Add(base, uintptr(region.ready)<<chunkShift)), int(end-region.ready)<<chunkShift)
	if err := syscall.Mprotect(fresh, syscall.PROT_READ|syscall.PROT_WRITE); err != nil {
		panic(fmt.Sprintf("arena: out of memory: %v", err))
	}
	want := (uintptr(end)*unsafe.Sizeof(chunk{}) + pageSize - 1) &^ (pageSize - 1)
	if limit := uintptr(region.limit) * unsafe.Sizeof(chunk{}); want > limit {
		want = limit
	}
	if want > region.descOK {
		table := unsafe.Slice((*byte)(unsafe.Add(descs, region.descOK)), int(want-region.descOK))
		if err := syscall.Mprotect(table, syscall.PROT_READ|syscall.PROT_WRITE); err != nil {
			panic(fmt.Sprintf("arena: out of memory: %v", err))
		}
		region.descOK = want
	}
	region.ready = end
}

// release gives the memory of n chunks back to the operating system and their addresses to the region.
func release(start, n uint32) {
	discard(span(start*chunkPages, int(n)*chunkPages))
	region.mu.Lock()
	defer region.mu.Unlock()
	i := sort.Search(len(region.freed), func(i int) bool { return region.freed[i].start > start })
	joinsPrev := i > 0 && region.freed[i-1].start+region.freed[i-1].n == start
	joinsNext := i < len(region.freed) && start+n == region.freed[i].start
	switch {
	case joinsPrev && joinsNext:
		region.freed[i-1].n += n + region.freed[i].n
		region.freed = append(region.freed[:i], region.freed[i+1:]...)
	case joinsPrev:
		region.freed[i-1].n += n
	case joinsNext:
		region.freed[i].start, region.freed[i].n = start, region.freed[i].n+n
	default:
		region.freed = append(region.freed, chunkRun{})
		copy(region.freed[i+1:], region.freed[i:])
		region.freed[i] = chunkRun{start, n}
	}
}
