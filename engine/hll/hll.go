// Package hll counts the different elements of a stream in a few kilobytes, with a standard error of
// 0.81 %: HyperLogLog as Valkey keeps it in a string, byte for byte, so that either reads what the other wrote.
//
// The string has a header of 16 bytes ("HYLL", the encoding, three unused bytes, the cached cardinality in little
// endian, whose highest bit says that it is out of date) and 16384 registers of 6 bits: dense, one after the
// other from the lowest bit on, or sparse (sparse.go), as runs of equal registers.
//
// The bytes may come from anybody (a client's SET): Valid checks the header, and whatever follows it, no function
// panics; registers that make no sense give ErrCorrupt.
package hll

import (
	"encoding/binary"
	"errors"
	"math"
	"math/bits"
)

const (
	headerSize = 16
	indexBits  = 14
	valueBits  = 64 - indexBits // of the hash, in which the run of zeros is measured
	// Registers is the number of registers.
	Registers = 1 << indexBits
	denseSize = headerSize + Registers*6/8

	dense  = 0 // encodings
	sparse = 1
)

// ErrCorrupt says that the registers are not what any server wrote.
var ErrCorrupt = errors.New("hll: corrupt registers")

// New returns an empty counter.
func New() []byte {
	b := make([]byte, headerSize, headerSize+8)
	copy(b, "HYLL")
	b[4] = sparse
	return appendZeros(b, Registers)
}

// Valid tells whether b has the header and, if dense, the length of a counter. The other functions must not be
// called with anything else.
func Valid(b []byte) bool {
	return len(b) >= headerSize && string(b[:4]) == "HYLL" && b[4] <= sparse && (b[4] != dense || len(b) == denseSize)
}

// IsDense tells the encoding.
func IsDense(b []byte) bool { return b[4] == dense }

// Invalidate says that the cached cardinality is out of date.
func Invalidate(b []byte) { b[15] |= 0x80 }

// Cached returns the cardinality that was kept with the registers, if it is up to date.
func Cached(b []byte) (n int64, ok bool) {
	v := binary.LittleEndian.Uint64(b[8:])
	return int64(v), v>>63 == 0
}

// SetCached keeps a cardinality with the registers.
func SetCached(b []byte, n int64) { binary.LittleEndian.PutUint64(b[8:], uint64(n)) }

// Add counts an element and reports whether a register changed. sparseMax is the length up to which a counter may
// be sparse (hll-sparse-max-bytes). b is changed in place where it can be, and the result returned, as with
// append.
func Add(b, element []byte, sparseMax int) (result []byte, changed bool, err error) {
	index, value := place(element)
	return Raise(b, index, value, sparseMax)
}

// Raise makes a register at least value. See Add.
func Raise(b []byte, index int, value byte, sparseMax int) (result []byte, changed bool, err error) {
	if !IsDense(b) {
		return raiseSparse(b, index, value, sparseMax)
	}
	if register(b, index) >= value {
		return b, false, nil
	}
	setRegister(b, index, value)
	return b, true, nil
}

// place returns the register of an element, and the length of the run of zeros, the ending 1 included, in the
// rest of its hash.
func place(element []byte) (index int, value byte) {
	hash := murmur64A(element, 0xadc83b19)
	return int(hash & (Registers - 1)), byte(bits.TrailingZeros64(hash>>indexBits|1<<valueBits)) + 1
}

// murmur64A is MurmurHash64A by Austin Appleby (public domain).
func murmur64A(b []byte, seed uint64) uint64 {
	const m, r = 0xc6a4a7935bd1e995, 47
	h := seed ^ uint64(len(b))*m
	for ; len(b) >= 8; b = b[8:] {
		k := binary.LittleEndian.Uint64(b) * m
		k = (k ^ k>>r) * m
		h = (h ^ k) * m
	}
	if len(b) > 0 {
		var tail [8]byte
		copy(tail[:], b)
		h = (h ^ binary.LittleEndian.Uint64(tail[:])) * m
	}
	h = (h ^ h>>r) * m
	return h ^ h>>r
}

// register reads one of a dense counter.
func register(b []byte, index int) byte {
	at, shift := headerSize+index*6/8, uint(index*6&7)
	v := uint(b[at]) >> shift
	if shift > 2 {
		v |= uint(b[at+1]) << (8 - shift)
	}
	return byte(v & 63)
}

func setRegister(b []byte, index int, value byte) {
	at, shift := headerSize+index*6/8, uint(index*6&7)
	b[at] = b[at]&^(63<<shift) | value<<shift
	if shift > 2 {
		b[at+1] = b[at+1]&^(63>>(8-shift)) | value>>(8-shift)
	}
}

// ToDense returns the dense form; b itself if it is dense already. The cached cardinality stays.
func ToDense(b []byte) ([]byte, error) {
	if IsDense(b) {
		return b, nil
	}
	out := make([]byte, denseSize)
	copy(out, b[:headerSize])
	out[4] = dense
	err := eachRun(b, func(first, length int, value byte) {
		for i := first; value > 0 && i < first+length; i++ {
			setRegister(out, i, value)
		}
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// Union is the registers of several counters joined.
type Union [Registers]byte

// Add joins one more counter.
func (u *Union) Add(b []byte) error {
	if IsDense(b) {
		for i := range u {
			u[i] = max(u[i], register(b, i))
		}
		return nil
	}
	return eachRun(b, func(first, length int, value byte) {
		for i := first; value > 0 && i < first+length; i++ {
			u[i] = max(u[i], value)
		}
	})
}

// Count estimates how many different elements were added.
func (u *Union) Count() int64 {
	var h histogram
	for _, value := range u {
		h[value]++
	}
	return h.estimate()
}

// Count estimates how many different elements were added, from the registers.
func Count(b []byte) (int64, error) {
	var h histogram
	if IsDense(b) {
		for i := range Registers {
			h[register(b, i)]++
		}
	} else if err := eachRun(b, func(_, length int, value byte) { h[value] += length }); err != nil {
		return 0, err
	}
	return h.estimate(), nil
}

// histogram is how many registers have each value.
type histogram [64]int

// estimate is the improved raw estimator of Otmar Ertl, "New cardinality estimation algorithms for HyperLogLog
// sketches", arXiv:1702.01284. The conversions keep the compiler from fusing operations: the result must
// be the same on every machine, and that of Valkey.
func (h *histogram) estimate() int64 {
	const m, alpha = float64(Registers), 0.721347520444481703680
	z := m * tau((m-float64(h[valueBits+1]))/m)
	for i := valueBits; i >= 1; i-- {
		z = (z + float64(h[i])) * 0.5
	}
	z += float64(m * sigma(float64(h[0])/m))
	e := math.Round(alpha * m * m / z)
	if e >= math.MaxInt64 { // only of registers that nobody counted
		return math.MinInt64
	}
	return int64(e)
}

func sigma(x float64) float64 {
	if x == 1 {
		return math.Inf(1)
	}
	y, z := 1.0, x
	for {
		x = float64(x * x)
		before := z
		z += float64(x * y)
		y += y
		if before == z {
			return z
		}
	}
}

func tau(x float64) float64 {
	if x == 0 || x == 1 {
		return 0
	}
	y, z := 1.0, 1-x
	for {
		x = math.Sqrt(x)
		before := z
		y *= 0.5
		square := float64((1 - x) * (1 - x))
		z -= float64(square * y)
		if before == z {
			return z / 3
		}
	}
}
