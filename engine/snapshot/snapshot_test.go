package snapshot

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/elastane/elastane/engine/arena"
	"github.com/elastane/elastane/engine/ds"
	"github.com/elastane/elastane/engine/keyspace"
	"github.com/elastane/elastane/engine/rdb"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const now = int64(1_700_000_000_000)

func clock() time.Time { return time.UnixMilli(now) }

func init() {
	free := map[keyspace.Type]func(h *arena.Heap, r arena.Ref){
		keyspace.TypeHash: func(h *arena.Heap, r arena.Ref) { v := ds.OpenHash(h, r); v.Free() },
		keyspace.TypeList: func(h *arena.Heap, r arena.Ref) { v := ds.OpenList(h, r); v.Free() },
		keyspace.TypeSet:  func(h *arena.Heap, r arena.Ref) { v := ds.OpenSet(h, r); v.Free() },
		keyspace.TypeZSet: func(h *arena.Heap, r arena.Ref) { v := ds.OpenSortedSet(h, r); v.Free() },
	}
	for t, f := range free {
		keyspace.RegisterFree(t, func(h *arena.Heap, _ keyspace.Encoding, root []byte) { f(h, arena.GetRef(root)) })
	}
}

func set(s *keyspace.Space, db int, key, value string, expireAt int64) {
	var v keyspace.View
	v.Begin(s, keyspace.StripeOf([]byte(key)), db, now, keyspace.ExpiryIgnore)
	v.SetString([]byte(key), []byte(value), expireAt, keyspace.Event{})
	v.End()
}

func collection(s *keyspace.Space, db int, key string, t keyspace.Type, n int) {
	var v keyspace.View
	v.Begin(s, keyspace.StripeOf([]byte(key)), db, now, keyspace.ExpiryIgnore)
	defer v.End()
	h := s.Heap()
	var root arena.Ref
	var enc ds.Encoding
	name := func(i int) []byte { return fmt.Appendf(nil, "%s-element-%d", key, i) }
	switch t {
	case keyspace.TypeHash:
		x := ds.OpenHash(h, arena.Nil)
		for i := range n {
			x.Set(name(i), fmt.Append(nil, i), ds.DefaultLimits)
		}
		root, enc = x.Root(), x.Encoding()
	case keyspace.TypeList:
		x := ds.OpenList(h, arena.Nil)
		for i := range n {
			x.Push(false, name(i), ds.DefaultListLimits)
		}
		root, enc = x.Root(), x.Encoding()
	case keyspace.TypeSet:
		x := ds.OpenSet(h, arena.Nil)
		for i := range n {
			x.Add(name(i), ds.DefaultSetLimits)
		}
		root, enc = x.Root(), x.Encoding()
	case keyspace.TypeZSet:
		x := ds.OpenSortedSet(h, arena.Nil)
		for i := range n {
			x.Set(name(i), float64(i)/3, ds.DefaultLimits)
		}
		root, enc = x.Root(), x.Encoding()
	}
	w := v.Edit([]byte(key))
	arena.PutRef(w.Create(t, keyspace.EncodingOf(enc), arena.RefBytes), root)
	w.Done(keyspace.Event{})
}

func sample() *keyspace.Space {
	s := keyspace.New(keyspace.Options{})
	for i := range 3000 {
		set(s, i%3, fmt.Sprint("k", i), strings.Repeat("v", i%300), 0)
	}
	set(s, 0, "past", "to be deleted by its primary", now-1)
	set(s, 0, "later", "there", now+1)
	for _, t := range []keyspace.Type{keyspace.TypeHash, keyspace.TypeList, keyspace.TypeSet, keyspace.TypeZSet} {
		for _, n := range []int{1, 100, 5000} {
			collection(s, 4, fmt.Sprintf("%s%d", t, n), t, n)
		}
	}
	return s
}

// lines is a snapshot's content as text.
type lines struct {
	all  []string
	elem []string
	key  rdb.Key
}

func (l *lines) Aux(string, string) error     { return nil }
func (l *lines) DB(int, uint64, uint64) error { return nil }
func (l *lines) Begin(k rdb.Key) error {
	l.key, l.elem = k, nil
	return nil
}
func (l *lines) Element(v []byte) error { l.elem = append(l.elem, string(v)); return nil }
func (l *lines) Field(f, v []byte) error {
	l.elem = append(l.elem, fmt.Sprintf("%s=%s", f, v))
	return nil
}

func (l *lines) Member(m []byte, s float64) error {
	l.elem = append(l.elem, fmt.Sprintf("%s@%v", m, s))
	return nil
}

func (l *lines) End() error {
	if l.key.Type == rdb.Set || l.key.Type == rdb.Hash {
		sort.Strings(l.elem)
	}
	l.all = append(l.all, fmt.Sprint(l.key.DB, l.key.Type, string(l.key.Name), l.key.ExpireAt, l.elem))
	return nil
}

func text(t testing.TB, s *keyspace.Space) string {
	t.Helper()
	var buf bytes.Buffer
	w := &Walker{Space: s, Version: "7.2.6", Clock: clock}
	if err := w.Write(context.Background(), &buf, nil); err != nil {
		t.Fatal(err)
	}
	l := &lines{}
	if err := rdb.Read(&buf, l); err != nil {
		t.Fatal(err)
	}
	sort.Strings(l.all)
	return strings.Join(l.all, "\n")
}

// TestRestartKeepsEverything saves, loads into a new keyspace, and compares, times to live included.
func TestRestartKeepsEverything(t *testing.T) {
	dir := t.TempDir()
	s := sample()
	defer s.Close()
	at := Position{ID: strings.Repeat("a", 40), Offset: 123, DB: 4}
	w := &Walker{Space: s, Version: "7.2.6", Clock: clock, Exclude: &sync.Mutex{}, Position: func() (Position, bool) { return at, true }}
	saver := NewSaver(SaverOptions{Dir: dir, Clock: clock}, w)
	if saver.Changes() == 0 {
		t.Fatal("no changes before the save")
	}
	if err := saver.Close(context.Background()); err != nil { // an orderly stop saves
		t.Fatal(err)
	}
	if n := saver.Changes(); n != 0 {
		t.Errorf("%d changes after the save", n)
	}

	for range 2 {
		again := keyspace.New(keyspace.Options{})
		saver = NewSaver(SaverOptions{Dir: dir, Clock: clock}, &Walker{Space: again, Clock: clock})
		l, err := saver.Load(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if got, want := text(t, again), text(t, s); got != want {
			t.Error("the loaded keyspace differs")
		}
		if l.Position == nil || *l.Position != at || l.StreamDB != 4 {
			t.Errorf("position %+v", l.Position)
		}
		if n := saver.Changes(); n != 0 {
			t.Errorf("%d changes after loading", n)
		}
		if err := saver.Close(context.Background()); err != nil {
			t.Error(err)
		}
		again.Close()
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("left in the directory: %v", entries)
	}
}

// TestCutIsOneMoment writes pairs that are always equal while snapshots are taken: each snapshot has equal pairs.
func TestCutIsOneMoment(t *testing.T) {
	s := keyspace.New(keyspace.Options{})
	defer s.Close()
	for i := range 20_000 {
		set(s, 0, fmt.Sprint("filler", i), "x", 0)
	}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Add(1)
	go func() {
		defer wg.Done()
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			a, b := []byte("a"), []byte("b")
			var v keyspace.View
			v.Begin(s, keyspace.StripeOf(a)|keyspace.StripeOf(b), 0, now, keyspace.ExpiryIgnore)
			v.SetString(a, fmt.Append(nil, i), 0, keyspace.Event{})
			v.SetString(b, fmt.Append(nil, i), 0, keyspace.Event{})
			v.End()
		}
	}()
	for range 10 {
		got := map[string]string{}
		for line := range strings.SplitSeq(text(t, s), "\n") {
			for _, k := range []string{"a", "b"} {
				if rest, ok := strings.CutPrefix(line, fmt.Sprint(0, rdb.String, k, 0)+"["); ok {
					got[k] = rest
				}
			}
		}
		if got["a"] != got["b"] {
			t.Errorf("a = %s, b = %s", got["a"], got["b"])
		}
	}
	close(stop)
	wg.Wait()
}

// TestDamagedFileIsKept: a node must not start empty over a file that it cannot read.
func TestDamagedFileIsKept(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, FileName)
	if err := os.WriteFile(path, []byte("REDIS0010 and then nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := keyspace.New(keyspace.Options{})
	defer s.Close()
	saver := NewSaver(SaverOptions{Dir: dir, Clock: clock}, &Walker{Space: s, Clock: clock})
	_, err := saver.Load(context.Background())
	if !errors.Is(err, rdb.ErrCorrupt) || !strings.Contains(err.Error(), path) {
		t.Errorf("%v", err)
	}
	if p, err := os.ReadFile(path); err != nil || !strings.Contains(string(p), "nonsense") {
		t.Errorf("%q %v", p, err)
	}
}

// faulty fails one step.
type faulty struct {
	OS
	step string
}

var errDisk = errors.New("disk")

type faultyFile struct {
	File
	step string
}

func (f faulty) Create(path string) (File, error) {
	if f.step == "create" {
		return nil, errDisk
	}
	file, err := f.OS.Create(path)
	return faultyFile{file, f.step}, err
}

func (f faultyFile) Write(p []byte) (int, error) {
	if f.step == "write" {
		return 0, errDisk
	}
	return f.File.Write(p)
}

func (f faultyFile) Sync() error {
	if f.step == "sync" {
		return errDisk
	}
	return f.File.Sync()
}

func (f faulty) Rename(from, to string) error {
	if f.step == "rename" {
		return errDisk
	}
	return f.OS.Rename(from, to)
}

func (f faulty) SyncDir(dir string) error {
	if f.step == "syncdir" {
		return errDisk
	}
	return f.OS.SyncDir(dir)
}

// TestFailedSaveKeepsTheOldFile lets each step fail: the error shows, the old snapshot stays, and nothing is left over.
func TestFailedSaveKeepsTheOldFile(t *testing.T) {
	for _, step := range []string{"create", "write", "sync", "rename", "syncdir"} {
		dir := t.TempDir()
		s := keyspace.New(keyspace.Options{})
		set(s, 0, "k", "old", 0)
		w := &Walker{Space: s, Clock: clock}
		if err := NewSaver(SaverOptions{Dir: dir, Clock: clock}, w).Save(); err != nil {
			t.Fatal(err)
		}
		set(s, 0, "k", "new", 0)
		saver := NewSaver(SaverOptions{Dir: dir, Clock: clock, Files: faulty{step: step}}, w)
		if err := saver.Save(); !errors.Is(err, errDisk) {
			t.Errorf("%s: %v", step, err)
		}
		if saver.Changes() == 0 || !strings.Contains(string(saver.AppendInfo(nil)), "rdb_last_bgsave_status:err\r\n") {
			t.Errorf("%s: the failed save counts", step)
		}
		p, err := os.ReadFile(filepath.Join(dir, FileName))
		if err != nil || step != "syncdir" && !bytes.Contains(p, []byte("old")) {
			t.Errorf("%s: %q %v", step, p, err)
		}
		if entries, _ := os.ReadDir(dir); len(entries) != 1 {
			t.Errorf("%s: left in the directory: %v", step, entries)
		}
		saver.cancel()
		s.Close()
	}
}

// TestSavesByItself waits for the background save that a change causes.
func TestSavesByItself(t *testing.T) {
	s := keyspace.New(keyspace.Options{})
	defer s.Close()
	renamed := make(chan struct{}, 100)
	saver := NewSaver(SaverOptions{
		Dir: t.TempDir(), Clock: clock, Interval: time.Millisecond, Files: watched{renamed: renamed},
	}, &Walker{Space: s, Clock: clock})
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	deadline := time.After(10 * time.Second)
	for i := range 3 {
		set(s, 0, "k", fmt.Sprint(i), 0)
		for saved := false; !saved; {
			select {
			case <-renamed:
				saved = true
			case now := <-tick.C:
				saver.Tick(now)
			case <-deadline:
				t.Fatal("never saved")
			}
		}
	}
	if err := saver.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	if n := saver.Changes(); n != 0 {
		t.Errorf("%d changes are unsaved", n)
	}
}

type watched struct {
	OS
	renamed chan struct{}
}

func (w watched) Rename(from, to string) error {
	err := w.OS.Rename(from, to)
	w.renamed <- struct{}{}
	return err
}

// TestCancelled: a snapshot whose reader has gone ends, and the next one gets its turn.
func TestCancelled(t *testing.T) {
	s := sample()
	defer s.Close()
	w := &Walker{Space: s, Clock: clock}
	ctx, cancel := context.WithCancel(context.Background())
	err := w.Write(ctx, io.Discard, cancel)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if err := w.Write(ctx, io.Discard, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if err := w.Write(context.Background(), io.Discard, nil); err != nil {
		t.Error(err)
	}
}
