package rdb

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"runtime"
	"sort"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// dump collects a snapshot as one line a key, so that two snapshots can be compared as text.
type dump struct {
	aux   map[string]string
	lines []string
	cur   Key
	parts []string
	bytes int
}

func (d *dump) Aux(name, value string) error {
	if d.aux == nil {
		d.aux = map[string]string{}
	}
	d.aux[name] = value
	return nil
}
func (d *dump) DB(int, uint64, uint64) error { return nil }
func (d *dump) Begin(k Key) error {
	d.cur, d.parts = k, nil
	return nil
}

func (d *dump) add(s string) error {
	d.bytes += len(s)
	d.parts = append(d.parts, s)
	return nil
}
func (d *dump) Element(v []byte) error  { return d.add(fmt.Sprintf("%q", v)) }
func (d *dump) Field(f, v []byte) error { return d.add(fmt.Sprintf("%q=%q", f, v)) }
func (d *dump) Member(m []byte, s float64) error {
	return d.add(fmt.Sprintf("%q@%v", m, s))
}

func (d *dump) End() error {
	if d.cur.Type != List {
		sort.Strings(d.parts)
	}
	d.lines = append(d.lines, fmt.Sprintf("%d %s %q %d %s",
		d.cur.DB, d.cur.Type, d.cur.Name, d.cur.ExpireAt, strings.Join(d.parts, " ")))
	return nil
}

func (d *dump) String() string {
	sort.Strings(d.lines)
	return strings.Join(d.lines, "\n")
}

func TestChecksumVector(t *testing.T) {
	if got := crcUpdate(0, []byte("123456789")); got != 0xe9c6d914c4b8d9ca {
		t.Fatalf("crc = %x", got)
	}
}

// TestRoundTrip writes random values and wants them back.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		blob := rapid.OneOf(
			rapid.SliceOfN(rapid.Byte(), 0, 100),
			rapid.Map(rapid.Int64(), func(v int64) []byte { return fmt.Append(nil, v) }),
			rapid.Map(rapid.Int32Range(-40000, 40000), func(v int32) []byte { return fmt.Append(nil, v) }),
		)
		var buf bytes.Buffer
		w := NewWriter(&buf)
		w.Aux("redis-ver", "7.0.15")
		want := &dump{}
		for i := range rapid.IntRange(0, 20).Draw(t, "keys") {
			k := Key{
				DB: i / 7, Name: fmt.Appendf(nil, "key%d", i),
				Type:     Type(rapid.IntRange(int(String), int(SortedSet)).Draw(t, "type")),
				ExpireAt: rapid.SampledFrom([]int64{0, 1, 1 << 41}).Draw(t, "expire"),
				Len:      rapid.IntRange(1, 70).Draw(t, "len"),
			}
			if k.Type == String {
				k.Len = 1
			}
			w.Begin(k)
			_ = want.Begin(k)
			for range k.Len {
				a, b := blob.Draw(t, "a"), blob.Draw(t, "b")
				switch k.Type {
				case Hash:
					w.Field(a, b)
					_ = want.Field(a, b)
				case SortedSet:
					score := rapid.Float64().Draw(t, "score")
					w.Member(a, score)
					_ = want.Member(a, score)
				default:
					w.Element(a)
					_ = want.Element(a)
				}
			}
			_ = want.End()
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if w.Written() != int64(buf.Len()) {
			t.Fatalf("Written() = %d of %d", w.Written(), buf.Len())
		}
		got := &dump{}
		if err := Read(bytes.NewReader(buf.Bytes()), got); err != nil {
			t.Fatal(err)
		}
		if got.String() != want.String() {
			t.Fatalf("got\n%s\nwant\n%s", got, want)
		}
		if got.aux["redis-ver"] != "7.0.15" {
			t.Fatalf("aux = %v", got.aux)
		}
	})
}

func sample(t testing.TB) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := NewWriter(&buf)
	w.Aux("repl-id", strings.Repeat("a", 40))
	w.ResizeDB(0, 3, 1)
	w.Begin(Key{Name: []byte("s"), Type: String, ExpireAt: 1 << 41})
	w.Element([]byte("value"))
	w.Begin(Key{Name: []byte("z"), Type: SortedSet, Len: 2})
	w.Member([]byte("a"), math.Inf(-1))
	w.Member([]byte("b"), 1.5)
	w.Begin(Key{DB: 3, Name: []byte("h"), Type: Hash, Len: 1})
	w.Field([]byte("f"), []byte("12345"))
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// TestDamage cuts a snapshot at each byte and flips each byte: never sound, never a panic.
func TestDamage(t *testing.T) {
	whole := sample(t)
	for n := range whole {
		if err := Read(bytes.NewReader(whole[:n]), &dump{}); !errors.Is(err, ErrCorrupt) {
			t.Fatalf("cut at %d: %v", n, err)
		}
		bad := bytes.Clone(whole)
		bad[n] ^= 0x5a
		if err := Read(bytes.NewReader(bad), &dump{}); err == nil {
			t.Fatalf("byte %d flipped and nobody noticed", n)
		}
	}
}

// TestReadStopsAtTheEnd wants the bytes after the snapshot untouched: the replication stream.
func TestReadStopsAtTheEnd(t *testing.T) {
	r := bufio.NewReader(io.MultiReader(bytes.NewReader(sample(t)), strings.NewReader("*1\r\n$4\r\nPING\r\n")))
	if err := Read(r, &dump{}); err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(r)
	if err != nil || string(rest) != "*1\r\n$4\r\nPING\r\n" {
		t.Fatalf("%q %v", rest, err)
	}
}

func TestVersionLimits(t *testing.T) {
	for version, ok := range map[string]bool{"0001": true, "0012": true, "0013": false, "0000": false, "00x1": false} {
		p := append([]byte("REDIS"+version+"\xff"), make([]byte, 8)...)
		if err := Read(bytes.NewReader(p), &dump{}); (err == nil) != ok {
			t.Errorf("version %s: %v", version, err)
		}
	}
}

// claimed is a snapshot whose only value says that it has n bytes, and then ends.
func claimed(n uint64) *bytes.Buffer {
	var buf bytes.Buffer
	w := NewWriter(&buf)
	w.byte(typeString)
	w.str([]byte("k"))
	w.length(n)
	_ = w.Flush()
	return &buf
}

func TestStringLimit(t *testing.T) {
	err := Read(claimed(MaxString+1), &dump{})
	if !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), "536870913") {
		t.Fatal(err)
	}
	// At the limit the length is taken and the missing bytes are the fault; a lie allocates little.
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	err = Read(claimed(MaxString), &dump{})
	runtime.ReadMemStats(&after)
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Fatal(err)
	}
	if got := after.TotalAlloc - before.TotalAlloc; got > 4<<20 {
		t.Fatalf("a claim of 512 MiB allocated %d bytes", got)
	}
}

func TestWriterMisuse(t *testing.T) {
	for name, use := range map[string]func(w *Writer){
		"element missing": func(w *Writer) { w.Begin(Key{Name: []byte("l"), Type: List, Len: 2}); w.Element(nil) },
		"one too many":    func(w *Writer) { w.Begin(Key{Name: []byte("s"), Type: String}); w.Element(nil); w.Element(nil) },
		"wrong kind":      func(w *Writer) { w.Begin(Key{Name: []byte("s"), Type: Set, Len: 1}); w.Field(nil, nil) },
		"empty":           func(w *Writer) { w.Begin(Key{Name: []byte("s"), Type: Set}) },
		"no type":         func(w *Writer) { w.Begin(Key{Name: []byte("s"), Len: 1}) },
	} {
		w := NewWriter(io.Discard)
		use(w)
		if w.Close() == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add(sample(f))
	f.Add([]byte("REDIS0010\x00\x01k\xc3\x05\x0a\x04aaaa\xff\x00\x00\x00\x00\x00\x00\x00\x00"))
	f.Add([]byte("REDIS0011\x10\x01k\x0e\x0e\x00\x00\x00\x02\x00\x81a\x02\x01\x01\xff"))
	f.Add([]byte("REDIS0009\x0a\x01k\x0e\x0e\x00\x00\x00\x0a\x00\x00\x00\x01\x00\x00\xf2\xff"))
	f.Add([]byte("REDIS0009\x0b\x01k\x0a\x02\x00\x00\x00\x01\x00\x00\x00\x05\x00\xff"))
	f.Fuzz(func(t *testing.T, p []byte) {
		d := &dump{}
		_ = Read(bytes.NewReader(p), d)
		if limit := 1<<20 + 600*len(p); d.bytes > limit {
			t.Fatalf("%d bytes of values out of %d", d.bytes, len(p))
		}
	})
}
