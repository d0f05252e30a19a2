package resp

import (
	"bufio"
	"bytes"
	"errors"
	"math"
	"math/rand/v2"
	"reflect"
	"strconv"
	"strings"
	"testing"
)

// parseAll feeds data in the given pieces, as a connection would, and returns every command.
func parseAll(t testing.TB, l Limits, pieces [][]byte) ([][]string, error) {
	t.Helper()
	var buf []byte
	var got [][]string
	for _, piece := range pieces {
		buf = append(buf, piece...)
		for len(buf) > 0 {
			words, n, need, err := l.Parse(nil, buf)
			if err != nil {
				return got, err
			}
			if n == 0 {
				if need <= len(buf) {
					t.Fatalf("incomplete command of %d bytes needs only %d", len(buf), need)
				}
				break
			}
			var command []string
			for _, w := range words {
				command = append(command, string(w))
			}
			if command != nil {
				got = append(got, command)
			}
			buf = buf[n:]
		}
	}
	return got, nil
}

func TestParseCommands(t *testing.T) {
	tests := []struct {
		in   string
		want [][]string
	}{
		{"*1\r\n$4\r\nPING\r\n", [][]string{{"PING"}}},
		{"*2\r\n$4\r\nECHO\r\n$0\r\n\r\n", [][]string{{"ECHO", ""}}},
		{"*0\r\n*-1\r\n\r\nPING\r\n", [][]string{{"PING"}}},
		{"set k \"a b\\x41\\n\" 'it\\'s'\n", [][]string{{"set", "k", "a bA\n", "it's"}}},
		{"PING\n*1\r\n$1\r\n\r\r\n", [][]string{{"PING"}, {"\r"}}},
	}
	for _, tt := range tests {
		got, err := parseAll(t, DefaultLimits(), [][]byte{[]byte(tt.in)})
		if err != nil || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%q: got %q, %v; want %q", tt.in, got, err, tt.want)
		}
	}
}

func TestParseErrors(t *testing.T) {
	long := strings.Repeat("9", 65<<10)
	tests := []struct {
		in   string
		want ProtocolError
	}{
		{"*1048577\r\n", errArrayLength},
		{"*99999999999999999999\r\n", errArrayLength},
		{"*x\r\n", errArrayLength},
		{"*01\r\n", errArrayLength},
		{"*" + long, errArrayHead},
		{"*1\r\nPING\r\n", "ERR Protocol error: expected '$', got 'P'"},
		{"*1\r\n$-1\r\n", errBulkLength},
		{"*1\r\n$536870913\r\n", errBulkLength},
		{"*1\r\n$" + long, errBulkHead},
		{long, errInline},
		{long + "\n", errInline},
		{"set \"k\n", errQuotes},
		{"set \"k\"x\n", errQuotes},
	}
	for _, tt := range tests {
		_, err := parseAll(t, DefaultLimits(), [][]byte{[]byte(tt.in)})
		if !errors.Is(err, tt.want) {
			t.Errorf("%.40q: got %v, want %v", tt.in, err, tt.want)
		}
	}
}

func TestLimitsOnBothSides(t *testing.T) {
	unauth := UnauthenticatedLimits()
	array := func(n, size int) string {
		var w Writer
		for range n {
			w.BulkString(strings.Repeat("x", size))
		}
		return "*" + strconv.Itoa(n) + "\r\n" + string(w.Buf)
	}
	tests := []struct {
		name   string
		limits Limits
		in     string
		want   error
	}{
		{"10 words before auth", unauth, array(10, 1), nil},
		{"11 words before auth", unauth, array(11, 1), errArrayLengthAuth},
		{"16 KiB before auth", unauth, array(1, 16<<10), nil},
		{"16 KiB + 1 before auth", unauth, array(1, 16<<10+1), errBulkLengthAuth},
		{"11 words after auth", DefaultLimits(), array(11, 1), nil},
		{"a million words", DefaultLimits(), "*1048576\r\n", nil},
		{"largest bulk", DefaultLimits(), "*1\r\n$536870912\r\n", nil},
		{"64 KiB line", DefaultLimits(), strings.Repeat("x", 64<<10) + "\n", nil},
	}
	for _, tt := range tests {
		if _, err := parseAll(t, tt.limits, [][]byte{[]byte(tt.in)}); err != tt.want { //nolint:errorlint // exact
			t.Errorf("%s: got %v, want %v", tt.name, err, tt.want)
		}
	}
}

func TestRandomSplits(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var w Writer
	var want [][]string
	for range 300 {
		command := make([]string, 1+rng.IntN(6))
		for i := range command {
			b := make([]byte, rng.IntN(40))
			for j := range b {
				b[j] = byte(rng.IntN(256))
			}
			command[i] = string(b)
		}
		w.CommandStrings(command...)
		want = append(want, command)
	}
	for range 200 {
		var pieces [][]byte
		for rest := w.Buf; len(rest) > 0; {
			n := min(1+rng.IntN(97), len(rest))
			pieces = append(pieces, rest[:n])
			rest = rest[n:]
		}
		got, err := parseAll(t, DefaultLimits(), pieces)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("split input parsed differently: %v", err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"*1\r\n$4\r\nPING\r\n", "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n", "PING\r\n", "set 'a b' \"\\x00\"\r\n",
		"*-1\r\n", "*1\r\n$-1\r\n", "*9223372036854775807\r\n", "*1\r\n$9223372036854775807\r\n", "$1\r\n", "*1\r\n$00\r\n\r\n", "\"\n",
	} {
		f.Add([]byte(seed), uint8(3))
	}
	f.Fuzz(func(t *testing.T, data []byte, step uint8) {
		whole, wholeErr := parseAll(t, DefaultLimits(), [][]byte{data})
		var pieces [][]byte
		size := int(step)%17 + 1
		for rest := data; len(rest) > 0; {
			n := min(size, len(rest))
			pieces = append(pieces, rest[:n])
			rest = rest[n:]
		}
		split, splitErr := parseAll(t, DefaultLimits(), pieces)
		if !reflect.DeepEqual(whole, split) || (wholeErr == nil) != (splitErr == nil) {
			t.Fatalf("whole %q %v, split %q %v", whole, wholeErr, split, splitErr)
		}
	})
}

func FuzzParseReply(f *testing.F) {
	for _, seed := range []string{"+OK\r\n", "*2\r\n:1\r\n$1\r\na\r\n", "%1\r\n+a\r\n#t\r\n", "=5\r\ntxt:a\r\n", ",inf\r\n", "*-1\r\n", "|1\r\n+a\r\n+b\r\n:1\r\n"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		v, n, err := ParseReply(data)
		if err == nil && (n <= 0 || n > len(data)) {
			t.Fatalf("reply %v of length %d in %d bytes", v, n, len(data))
		}
		s, streamErr := ReadReply(bufio.NewReader(bytes.NewReader(data)))
		if err == nil && (streamErr != nil || s.String() != v.String()) {
			t.Fatalf("buffer %v, stream %v %v", v, s, streamErr)
		}
	})
}

func TestWriterForms(t *testing.T) {
	tests := []struct {
		name         string
		write        func(w *Writer)
		resp2, resp3 string
	}{
		{"null", (*Writer).Null, "$-1\r\n", "_\r\n"},
		{"null array", (*Writer).NullArray, "*-1\r\n", "_\r\n"},
		{"map", func(w *Writer) { w.Map(2) }, "*4\r\n", "%2\r\n"},
		{"set", func(w *Writer) { w.Set(2) }, "*2\r\n", "~2\r\n"},
		{"push", func(w *Writer) { w.Push(3) }, "*3\r\n", ">3\r\n"},
		{"bool", func(w *Writer) { w.Bool(true) }, ":1\r\n", "#t\r\n"},
		{"double", func(w *Writer) { w.Double(1.5) }, "$3\r\n1.5\r\n", ",1.5\r\n"},
		{"infinity", func(w *Writer) { w.Double(math.Inf(-1)) }, "$4\r\n-inf\r\n", ",-inf\r\n"},
		{"verbatim", func(w *Writer) { w.Verbatim("txt", "hi") }, "$2\r\nhi\r\n", "=6\r\ntxt:hi\r\n"},
		{"error", func(w *Writer) { w.Error("ERR a\r\nb") }, "-ERR a  b\r\n", "-ERR a  b\r\n"},
		{"int", func(w *Writer) { w.Int(-10) }, ":-10\r\n", ":-10\r\n"},
	}
	for _, tt := range tests {
		for proto, want := range map[int]string{2: tt.resp2, 3: tt.resp3} {
			w := Writer{Proto: proto}
			tt.write(&w)
			if string(w.Buf) != want {
				t.Errorf("%s in RESP%d: got %q, want %q", tt.name, proto, w.Buf, want)
			}
		}
	}
}

func TestAppendDouble(t *testing.T) {
	for in, want := range map[float64]string{
		0: "0", 3: "3", -3: "-3", 0.1: "0.1", 1e16: "10000000000000000", 1e17: "1e+17", 1e-5: "1e-05",
		3.0000000001: "3.0000000001", 1.7976931348623157e308: "1.7976931348623157e+308",
	} {
		if got := string(AppendDouble(nil, in)); got != want {
			t.Errorf("%v: got %q, want %q", in, got, want)
		}
	}
}
