package lua

import (
	"hash/maphash"
	"math"
	"unsafe"
)

// Table is a Lua table: an array part for 1…n, and a hash part that keeps the order of insertion, so that next is
// stable. A key whose value became nil keeps its place until the hash part grows.
type Table struct {
	array    []Value
	nodes    []node
	buckets  []int32 // index into nodes plus one; length a power of two
	meta     *Table
	readOnly bool
}

type node struct {
	key, value Value
	hash       uint32
	next       int32 // as in buckets
}

// NewTable makes a table with room for so many array and hash entries.
func NewTable(array, hash int) *Table {
	t := &Table{}
	if array > 0 {
		t.array = make([]Value, 0, array)
	}
	if hash > 0 {
		t.nodes = make([]node, 0, hash)
		t.rebuild(hash)
	}
	return t
}

var hashSeed = maphash.MakeSeed()

func hashString(s string) uint32 { return uint32(maphash.String(hashSeed, s)) }

func hashValue(k Value) uint32 {
	if k.isString() {
		return hashString(k.str())
	}
	x := k.n
	if k.Kind() != KindNumber && k.Kind() != KindBool {
		x ^= uint64(uintptr(k.p)) >> 4
	} else if k.isNumber() && k.num() == 0 {
		x = firstNumber // -0 is 0
	}
	x *= 0x9e3779b97f4a7c15
	return uint32(x >> 32)
}

// arrayIndex returns the position of k in an array part of n.
func arrayIndex(k Value, n int) (int, bool) {
	if !k.isNumber() {
		return 0, false
	}
	f := k.num()
	i := int(f)
	if uint(i-1) < uint(n) && float64(i) == f {
		return i - 1, true
	}
	return 0, false
}

// Get is a raw read.
func (t *Table) Get(k Value) Value {
	switch {
	case k.isString():
		return t.getString(k.str(), 0, false)
	case k.isNumber():
		if i, ok := arrayIndex(k, len(t.array)); ok {
			return t.array[i]
		}
	case k.isNil():
		return Nil
	}
	if n := t.find(k, 0, false); n != nil {
		return n.value
	}
	return Nil
}

// GetInt is a raw read of an integer key.
func (t *Table) GetInt(i int) Value {
	if uint(i-1) < uint(len(t.array)) {
		return t.array[i-1]
	}
	if len(t.nodes) == 0 {
		return Nil
	}
	return t.Get(Number(float64(i)))
}

// GetString is a raw read of a string key.
func (t *Table) GetString(s string) Value { return t.getString(s, 0, false) }

func (t *Table) getString(s string, hash uint32, hashed bool) Value {
	if len(t.buckets) == 0 {
		return Nil
	}
	if !hashed {
		hash = hashString(s)
	}
	for i := t.buckets[hash&uint32(len(t.buckets)-1)]; i != 0; {
		n := &t.nodes[i-1]
		if n.hash == hash && n.key.isString() {
			if k := n.key.str(); len(k) == len(s) && (unsafe.StringData(k) == unsafe.StringData(s) || k == s) {
				return n.value
			}
		}
		i = n.next
	}
	return Nil
}

func (t *Table) find(k Value, hash uint32, hashed bool) *node {
	if len(t.buckets) == 0 {
		return nil
	}
	if !hashed {
		hash = hashValue(k)
	}
	for i := t.buckets[hash&uint32(len(t.buckets)-1)]; i != 0; {
		n := &t.nodes[i-1]
		if n.hash == hash && rawEqual(n.key, k) {
			return n
		}
		i = n.next
	}
	return nil
}

// Set is a raw write; k must be neither nil nor not-a-number.
func (t *Table) Set(k, v Value) { t.set(k, v, 0, false) }

func (t *Table) set(k, v Value, hash uint32, hashed bool) {
	if k.isNumber() {
		if i, ok := arrayIndex(k, len(t.array)+1); ok {
			t.setIndex(i, v)
			return
		}
	}
	if !hashed {
		hash = hashValue(k)
	}
	if n := t.find(k, hash, true); n != nil {
		n.value = v
		return
	}
	if v.isNil() {
		return
	}
	if len(t.nodes) == cap(t.nodes) || len(t.nodes) >= len(t.buckets) {
		t.grow()
	}
	t.nodes = append(t.nodes, node{key: k, value: v, hash: hash})
	t.link(len(t.nodes) - 1)
}

// SetInt is a raw write of an integer key.
func (t *Table) SetInt(i int, v Value) {
	if i >= 1 && i <= len(t.array)+1 {
		t.setIndex(i-1, v)
		return
	}
	t.Set(Number(float64(i)), v)
}

// SetString is a raw write of a string key.
func (t *Table) SetString(s string, v Value) { t.Set(String(s), v) }

// setIndex writes position i of the array part, or the one behind its end.
func (t *Table) setIndex(i int, v Value) {
	if i < len(t.array) {
		t.array[i] = v
		return
	}
	if len(t.nodes) > 0 {
		if n := t.find(Number(float64(i+1)), 0, false); n != nil {
			if v.isNil() {
				n.value = v
				return
			}
			n.value = Nil
		}
	}
	if v.isNil() {
		return
	}
	t.array = append(t.array, v)
	if len(t.nodes) > 0 { // what followed in the hash part belongs to the array now
		for {
			n := t.find(Number(float64(len(t.array)+1)), 0, false)
			if n == nil || n.value.isNil() {
				return
			}
			t.array = append(t.array, n.value)
			n.value = Nil
		}
	}
}

func (t *Table) link(i int) {
	n := &t.nodes[i]
	b := &t.buckets[n.hash&uint32(len(t.buckets)-1)]
	n.next = *b
	*b = int32(i + 1)
}

// grow makes room in the hash part; keys without a value go.
func (t *Table) grow() {
	live := 0
	for i := range t.nodes {
		if !t.nodes[i].value.isNil() {
			live++
		}
	}
	size := max(4, 2*live)
	nodes := make([]node, 0, size)
	for i := range t.nodes {
		if !t.nodes[i].value.isNil() {
			nodes = append(nodes, t.nodes[i])
		}
	}
	t.nodes = nodes
	t.rebuild(size)
}

func (t *Table) rebuild(size int) {
	buckets := 4
	for buckets < size {
		buckets *= 2
	}
	t.buckets = make([]int32, buckets)
	for i := range t.nodes {
		t.link(i)
	}
}

// Len is a border, as the operator # returns it.
func (t *Table) Len() int {
	n := len(t.array)
	if n > 0 && t.array[n-1].isNil() {
		low, high := 0, n // array[low-1] is not nil (or low is 0), array[high-1] is nil
		for high-low > 1 {
			mid := int(uint(low+high) >> 1)
			if t.array[mid-1].isNil() {
				high = mid
			} else {
				low = mid
			}
		}
		return low
	}
	return n
}

// Next returns the entry after key (nil: the first). At the end it returns nil and true; false: no such key.
func (t *Table) Next(key Value) (k, v Value, ok bool) {
	i := 0
	if !key.isNil() {
		if at, in := arrayIndex(key, len(t.array)); in {
			i = at + 1
		} else {
			n := t.find(key, 0, false)
			if n == nil {
				return Nil, Nil, false
			}
			i = len(t.array) + int((uintptr(unsafe.Pointer(n))-uintptr(unsafe.Pointer(&t.nodes[0])))/unsafe.Sizeof(node{})) + 1
		}
	}
	for ; i < len(t.array); i++ {
		if !t.array[i].isNil() {
			return Number(float64(i + 1)), t.array[i], true
		}
	}
	for i -= len(t.array); i < len(t.nodes); i++ {
		if !t.nodes[i].value.isNil() {
			return t.nodes[i].key, t.nodes[i].value, true
		}
	}
	return Nil, Nil, true
}

// SetReadOnly makes every later write of a script to t an error.
func (t *Table) SetReadOnly() { t.readOnly = true }

// SetMeta sets the metatable.
func (t *Table) SetMeta(m *Table) { t.meta = m }

// Reserve makes room in the array part.
func (t *Table) Reserve(n int) {
	if cap(t.array) < n {
		array := make([]Value, len(t.array), n)
		copy(array, t.array)
		t.array = array
	}
}

// setList writes values to 1 + offset …, as a constructor does: the array part keeps nils between.
func (t *Table) setList(offset int, values []Value) {
	if offset == len(t.array) {
		t.array = append(t.array, values...)
		return
	}
	for i, v := range values {
		t.SetInt(offset+i+1, v)
	}
}

func isNaN(v Value) bool { return v.isNumber() && math.IsNaN(v.num()) }
