package arena

import (
	"math/bits"
	"sync"
)

// pool hands out runs of up to 32 pages from chunks that it owns. Small heaps take their pages from one shared
// pool, so that a node with one key costs kilobytes; a heap that has grown to a chunk's worth has a pool of its own,
// whose chunks are huge pages.
type pool struct {
	mu     sync.Mutex
	huge   bool
	open   uint32 // chunks with free pages
	owned  uint32 // all chunks
	chunks int
}

var sharedPool pool

const allFree = 1<<chunkPages - 1

// take returns the first page of a run of n pages, n ≤ chunkPages.
func (p *pool) take(n int) uint32 {
	p.mu.Lock()
	defer p.mu.Unlock()
	tries := 0
	for c := p.open; c != 0 && tries < 64; c, tries = chunkAt(c).nextOpen, tries+1 {
		if i := findRun(chunkAt(c).free, n); i >= 0 {
			return p.carve(c, i, n)
		}
	}
	return p.carve(p.addChunk(), 0, n)
}

// findRun returns the lowest bit at which n adjoining bits are set, or -1.
func findRun(free uint32, n int) int {
	for have := 1; have < n && free != 0; {
		step := min(have, n-have)
		free &= free >> step
		have += step
	}
	if free == 0 {
		return -1
	}
	return bits.TrailingZeros32(free)
}

func (p *pool) carve(c uint32, i, n int) uint32 {
	d := chunkAt(c)
	d.free &^= (1<<n - 1) << i
	if d.free == 0 {
		p.unlinkOpen(c, d)
	}
	return c*chunkPages + uint32(i)
}

// give takes a run back, and gives a chunk that has become empty back to the region.
func (p *pool) give(first uint32, n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := first / chunkPages
	d := chunkAt(c)
	d.free |= (1<<n - 1) << (first % chunkPages)
	if d.free == allFree {
		p.unlinkOpen(c, d)
		p.unlinkOwned(c, d)
		release(c, 1)
		return
	}
	if !p.huge {
		discard(span(first, n))
	}
	p.linkOpen(c, d)
}

// close gives all chunks back, whatever is in them.
func (p *pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := p.owned; c != 0; {
		next := chunkAt(c).nextOwned
		release(c, 1)
		c = next
	}
	p.open, p.owned, p.chunks = 0, 0, 0
}

func (p *pool) addChunk() uint32 {
	c := acquire(1)
	d := chunkAt(c)
	if d.huge != p.huge {
		adviseHuge(span(c*chunkPages, chunkPages), p.huge)
	}
	*d = chunk{free: allFree, huge: p.huge}
	p.linkOpen(c, d)
	if d.nextOwned = p.owned; p.owned != 0 {
		chunkAt(p.owned).prevOwned = c
	}
	p.owned = c
	p.chunks++
	return c
}

func (p *pool) linkOpen(c uint32, d *chunk) {
	if d.open {
		return
	}
	d.open, d.prevOpen, d.nextOpen = true, 0, p.open
	if p.open != 0 {
		chunkAt(p.open).prevOpen = c
	}
	p.open = c
}

func (p *pool) unlinkOpen(c uint32, d *chunk) {
	if !d.open {
		return
	}
	d.open = false
	if d.prevOpen != 0 {
		chunkAt(d.prevOpen).nextOpen = d.nextOpen
	} else {
		p.open = d.nextOpen
	}
	if d.nextOpen != 0 {
		chunkAt(d.nextOpen).prevOpen = d.prevOpen
	}
}

func (p *pool) unlinkOwned(c uint32, d *chunk) {
	if d.prevOwned != 0 {
		chunkAt(d.prevOwned).nextOwned = d.nextOwned
	} else {
		p.owned = d.nextOwned
	}
	if d.nextOwned != 0 {
		chunkAt(d.nextOwned).prevOwned = d.prevOwned
	}
	p.chunks--
}
