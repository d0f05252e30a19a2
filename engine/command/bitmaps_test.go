package command

import (
	"strings"
	"testing"
)

func TestBitmaps(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ before, command, want string }{
		{"", "SETBIT k 7 1", `"0"`},
		{"SETBIT k 7 1", "GET k", `"\x01"`},
		{"SETBIT k 7 1", "SETBIT k 7 0", `"1"`},
		{"", "SETBIT k 4294967296 1", "(error \"" + ErrBitOffset + "\")"},
		{"", "SETBIT k -1 1", "(error \"" + ErrBitOffset + "\")"},
		{"", "SETBIT k 1 2", "(error \"" + ErrBit + "\")"},
		{"", "GETBIT k 4294967295", `"0"`},
		{"SET k foobar", "BITCOUNT k", `"26"`},
		{"SET k foobar", "BITCOUNT k 1 1", `"6"`},
		{"SET k foobar", "BITCOUNT k 5 30 BIT", `"17"`},
		{"SET k foobar", "BITCOUNT k -1 -2", `"0"`},
		{"SET k foobar", "BITCOUNT k 1", `"22"`},
		{"SET k foobar", "BITCOUNT k 1 2 BITS", `(error "ERR syntax error")`},
		{"SETRANGE k 20 \x01", "BITPOS k 1", `"167"`},
		{"BITFIELD k SET i64 0 -1", "BITPOS k 0", `"64"`},
		{"BITFIELD k SET i64 0 -1", "BITPOS k 0 0 -1", `"-1"`},
		{"", "BITPOS k 0", `"0"`},
		{"", "BITPOS k 1", `"-1"`},
		{"", "BITPOS k 2", `(error "ERR The bit argument must be 1 or 0.")`},
		{"SET a abc", "BITOP NOT d a b", `(error "ERR BITOP NOT must be called with a single source key.")`},
		{"SET d x", "BITOP AND d a b", `"0"`},
		{"", "BITFIELD k SET u8 0 255 GET i8 0 OVERFLOW SAT INCRBY u8 0 10", `*["0" "-1" "255"]`},
		{"", "BITFIELD k OVERFLOW FAIL SET u8 #1 256 SET i5 100 16", `*[(nil) (nil)]`},
		{"", "BITFIELD k SET i5 0 16 GET u5 0", `*["0" "16"]`},
		{"", "BITFIELD k GET u64 0", "(error \"" + ErrBitfieldType + "\")"},
		{"", "BITFIELD k GET i64 4294967295", `*["0"]`},
		{"", "BITFIELD k GET i64 4294967296", "(error \"" + ErrBitOffset + "\")"},
		{"", "BITFIELD k GET i64 #67108864", "(error \"" + ErrBitOffset + "\")"},
		{"", "BITFIELD k GET i64 #9223372036854775807", "(error \"" + ErrBitOffset + "\")"},
		{"", "BITFIELD_RO k SET u8 0 1", "(error \"" + ErrBitfieldRO + "\")"},
		{"RPUSH k a", "BITFIELD k SET u8 0 1", "(error \"" + ErrWrongType + "\")"},
	} {
		e := newTestEngine(t)
		if c.before != "" {
			e.do(t, strings.Fields(c.before))
		}
		if got := e.do(t, strings.Fields(c.command)); got.String() != c.want {
			t.Errorf("after %q: %s = %v, want %s", c.before, c.command, got, c.want)
		}
	}
}

// The quick paths must agree with looking at one bit after the other.
func TestBitsOneByOne(t *testing.T) {
	t.Parallel()
	b := make([]byte, 40)
	copy(b[9:], "\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x0f\x01")
	at := func(i int64) byte { return b[i>>3] >> (7 - i&7) & 1 }
	for from := range int64(len(b) * 8) {
		for _, to := range []int64{from, from + 1, from + 7, from + 70, int64(len(b) * 8)} {
			to = min(to, int64(len(b)*8))
			n, first := int64(0), [2]int64{-1, -1}
			for i := from; i < to; i++ {
				n += int64(at(i))
				if first[at(i)] < 0 {
					first[at(i)] = i
				}
			}
			if got := countBits(b, from, to); got != n {
				t.Fatalf("countBits(%d, %d) = %d, want %d", from, to, got, n)
			}
			for bit, want := range first {
				if got := findBit(b, from, to, byte(bit)); got != want {
					t.Fatalf("findBit(%d, %d, %d) = %d, want %d", from, to, bit, got, want)
				}
			}
		}
	}
}
