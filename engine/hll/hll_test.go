package hll

import (
	"bytes"
	"fmt"
	"math"
	"testing"
)

const sparseMax = 3000

func add(t testing.TB, b []byte, from, to int) []byte {
	t.Helper()
	for i := from; i < to; i++ {
		var err error
		if b, _, err = Add(b, fmt.Appendf(nil, "element:%d", i), sparseMax); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

func count(t testing.TB, b []byte) int64 {
	t.Helper()
	n, err := Count(b)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestEmpty(t *testing.T) {
	t.Parallel()
	want := append([]byte("HYLL\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"), 0x7f, 0xff)
	if b := New(); !bytes.Equal(b, want) || !Valid(b) || IsDense(b) || count(t, b) != 0 {
		t.Fatalf("New() = %q", b)
	}
}

// The estimate stays within six standard errors, and the encodings agree.
func TestEstimate(t *testing.T) {
	t.Parallel()
	b := New()
	done := 0
	for _, n := range []int{1, 10, 100, 1000, 10_000, 100_000} {
		b = add(t, b, done, n)
		done = n
		got := count(t, b)
		if off := math.Abs(float64(got - int64(n))); off > math.Ceil(6*0.0081*float64(n)) {
			t.Errorf("%d elements: estimate %d", n, got)
		}
		dense, err := ToDense(bytes.Clone(b))
		if err != nil {
			t.Fatal(err)
		}
		var u Union
		if err := u.Add(b); err != nil {
			t.Fatal(err)
		}
		if count(t, dense) != got || u.Count() != got {
			t.Errorf("%d elements: sparse %d, dense %d, union %d", n, got, count(t, dense), u.Count())
		}
	}
	if !IsDense(b) || !Valid(b) {
		t.Error("100,000 elements are still sparse")
	}
}

func TestSparseLimit(t *testing.T) {
	t.Parallel()
	b := New()
	for i := 0; !IsDense(b); i++ {
		before := len(b)
		b = add(t, b, i, i+1)
		if !IsDense(b) && len(b) > sparseMax {
			t.Fatalf("%d bytes and still sparse", len(b))
		}
		if IsDense(b) && before < sparseMax-3 {
			t.Fatalf("dense already after %d bytes", before)
		}
	}
	for _, value := range []byte{maxSparseValue, maxSparseValue + 1} {
		b, changed, err := Raise(New(), 5, value, sparseMax)
		if err != nil || !changed || IsDense(b) != (value > maxSparseValue) {
			t.Errorf("value %d: %v, %v, dense %v", value, changed, err, IsDense(b))
		}
	}
}

func TestCached(t *testing.T) {
	t.Parallel()
	b := New()
	if n, ok := Cached(b); n != 0 || !ok {
		t.Errorf("Cached(New()) = %d, %v", n, ok)
	}
	Invalidate(b)
	if _, ok := Cached(b); ok {
		t.Error("still valid after Invalidate")
	}
	SetCached(b, 42)
	if n, ok := Cached(b); n != 42 || !ok {
		t.Errorf("Cached = %d, %v", n, ok)
	}
}

// Every register of both encodings holds every value, and touches no other.
func TestRegisters(t *testing.T) {
	t.Parallel()
	b, err := ToDense(New())
	if err != nil {
		t.Fatal(err)
	}
	for i := range Registers {
		setRegister(b, i, byte(i*7+1)&63)
	}
	for i := range Registers {
		if got, want := register(b, i), byte(i*7+1)&63; got != want {
			t.Fatalf("register %d = %d, want %d", i, got, want)
		}
	}
}

// Whatever a client stored: no panic, no register out of range, and what was changed is still valid.
func FuzzBytes(f *testing.F) {
	f.Add(New(), []byte("a"))
	f.Add(add(f, New(), 0, 50), []byte("b"))
	f.Add(append([]byte("HYLL\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"), 0x7f), []byte("x"))
	f.Add(append([]byte("HYLL\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"), 0xff, 0x7f, 0xff), []byte("x"))
	f.Fuzz(func(t *testing.T, b, element []byte) {
		if !Valid(b) {
			return
		}
		Describe(b)
		Cached(b)
		n, countErr := Count(b)
		dense, err := ToDense(bytes.Clone(b))
		if (err == nil) != (countErr == nil) {
			t.Fatalf("Count: %v, ToDense: %v", countErr, err)
		}
		if err == nil {
			if m := count(t, dense); m != n {
				t.Fatalf("sparse counts %d, dense %d", n, m)
			}
		}
		var u Union
		_ = u.Add(b)
		after, changed, err := Add(bytes.Clone(b), element, sparseMax)
		if countErr != nil {
			return
		}
		if err != nil || !Valid(after) {
			t.Fatalf("Add to a good one: %v", err)
		}
		if _, err := Count(after); err != nil {
			t.Fatalf("corrupt after Add (changed: %v)", changed)
		}
		if _, again, _ := Add(after, element, sparseMax); again {
			t.Fatal("the same element changes a register twice")
		}
	})
}
