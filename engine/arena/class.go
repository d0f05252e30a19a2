package arena

import "math/bits"

// Size classes go up in steps of eight bytes to 128 and then in eighths of a power of two, so that rounding
// costs an eighth at the most.
const (
	maxSmall = 32 << 10 // largest block that shares a slab page
	classes  = 80
	large    = 0xff // the class of blocks with a page run of their own
)

// classOf returns the size class of a block of n bytes, n ≤ maxSmall.
func classOf(n int) int {
	if n <= 128 {
		if n <= 8 {
			return 0
		}
		return (n+7)>>3 - 1
	}
	length := bits.Len(uint(n - 1))
	return 16 + (length-8)*8 + (n-1)>>(length-4) - 8
}

// classSize returns the bytes of a block of class c.
func classSize(c int) int {
	if c < 16 {
		return (c + 1) << 3
	}
	c -= 16
	return (c%8 + 9) << (c/8 + 4)
}

// Size returns how many bytes a block of n bytes really takes, for accounting and growth steps.
func Size(n int) int {
	if n <= maxSmall {
		return classSize(classOf(n))
	}
	return (n + osPage - 1) &^ (osPage - 1)
}

// runPages returns how many pages a large block of n bytes is given: rounded up in eighths, so that a block
// that grows a little at a time is seldom moved. The pages that nobody touches cost address space only.
func runPages(n int) int {
	pages := (n + pageSize - 1) >> pageShift
	if pages > chunkPages { // whole chunks
		pages = (pages + chunkPages - 1) &^ (chunkPages - 1)
	}
	if pages <= 8 {
		return pages
	}
	step := 1 << (bits.Len(uint(pages-1)) - 4)
	return (pages + step - 1) &^ (step - 1)
}
