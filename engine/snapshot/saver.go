package snapshot

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"sync"
	"time"
)

// FileName is the snapshot's name in a node's directory.
const FileName = "dump.rdb"

var (
	// ErrSaving says that a snapshot is being saved already; in Valkey's words.
	ErrSaving = errors.New("Background save already in progress") //nolint:staticcheck // clients see it
	// ErrNoDir says that the node keeps nothing on disk.
	ErrNoDir = errors.New("this node has no directory")
)

// SaverOptions configure a Saver.
type SaverOptions struct {
	Dir string // "": nothing is saved or loaded
	// Interval is how soon after a change the data set is saved; 0: only when asked and at the end. It is stretched to ten
	// times what the last save took, so that saving never takes more than a tenth of the time.
	Interval time.Duration
	Files    FileSystem // nil: OS
	Logger   *slog.Logger
	Clock    func() time.Time
}

// Saver keeps a node's snapshot file up to date.
type Saver struct {
	o      SaverOptions
	walker *Walker

	saving sync.Mutex // held while a save runs
	mu     sync.Mutex
	state  saveState
	ctx    context.Context
	cancel context.CancelFunc
	owned  sync.WaitGroup
}

type saveState struct {
	running   bool
	began     time.Time
	lastSave  time.Time // of the last that succeeded, or the start of the node
	savedAt   uint64    // Space.Dirty at its cut
	lastErr   error     // of the last save
	took      time.Duration
	saves     int64
	scheduled bool
	next      time.Time // when Tick may save again
	closed    bool
}

// NewSaver returns a saver for the walker's keyspace; Tick saves by interval, Close ends it.
func NewSaver(o SaverOptions, walker *Walker) *Saver {
	if o.Files == nil {
		o.Files = OS{}
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	s := &Saver{o: o, walker: walker}
	s.state.lastSave, s.state.took = o.Clock(), -1
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// Path is where the snapshot is, "" without a directory.
func (s *Saver) Path() string {
	if s.o.Dir == "" {
		return ""
	}
	return filepath.Join(s.o.Dir, FileName)
}

// Load loads the node's snapshot, if it has one. A file that cannot be loaded stays where it is, and the error says why:
// starting empty and saving over it would lose what can perhaps be saved.
func (s *Saver) Load(ctx context.Context) (Loaded, error) {
	if s.o.Dir == "" {
		return Loaded{}, nil
	}
	f, err := s.o.Files.Open(s.Path())
	if errors.Is(err, fs.ErrNotExist) {
		return Loaded{}, nil
	}
	if err != nil {
		return Loaded{}, fmt.Errorf("opening the snapshot: %w", err)
	}
	began := time.Now()
	l, err := Load(ctx, f, s.walker.Space, s.o.Clock())
	err = errors.Join(err, f.Close())
	if err != nil {
		return Loaded{}, fmt.Errorf("loading the snapshot %s, which was left as it is: %w", s.Path(), err)
	}
	s.mu.Lock()
	s.state.savedAt = s.walker.Space.Dirty()
	s.mu.Unlock()
	s.o.Logger.Info("snapshot loaded", "keys", l.Keys, "took", time.Since(began))
	return l, nil
}

// Tick starts a snapshot if its time has come and something has changed. The owner calls it often, on no goroutine in
// particular: an idle node needs neither goroutine nor timer. now is real time, as the intervals are.
func (s *Saver) Tick(now time.Time) {
	if s.o.Dir == "" || s.o.Interval <= 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.state.next.IsZero():
		s.state.next = now.Add(s.o.Interval)
		return
	case now.Before(s.state.next):
		return
	}
	s.state.next = now.Add(s.o.Interval)
	if s.state.closed || s.state.running || s.state.scheduled || s.walker.Space.Dirty() == s.state.savedAt {
		return
	}
	s.startSave()
}

// startSave saves on a goroutine. Call with mu held.
func (s *Saver) startSave() {
	s.state.scheduled = true
	s.owned.Add(1)
	go func() {
		defer s.owned.Done()
		err := s.save(s.ctx)
		if errors.Is(err, ErrSaving) || s.ctx.Err() != nil {
			err = nil
		}
		wait := s.o.Interval
		if err != nil {
			s.o.Logger.Error("saving the snapshot failed", "error", err)
			wait = max(wait, time.Second)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.state.scheduled = false
		s.state.next = time.Now().Add(max(wait, 10*s.state.took))
	}()
}

// Changes is the number of changes that are in no snapshot yet (rdb_changes_since_last_save).
func (s *Saver) Changes() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.walker.Space.Dirty() - s.state.savedAt
}

// Save writes a snapshot before it returns.
func (s *Saver) Save() error { return s.save(s.ctx) }

// SaveInBackground starts a snapshot; ErrSaving if one is running.
func (s *Saver) SaveInBackground() error {
	if s.o.Dir == "" {
		return ErrNoDir
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.state.closed:
		return context.Canceled
	case s.state.running || s.state.scheduled:
		return ErrSaving
	}
	s.startSave()
	return nil
}

// Close ends the saving by interval, and saves what no snapshot has yet.
func (s *Saver) Close(ctx context.Context) error {
	s.mu.Lock()
	closed := s.state.closed
	s.state.closed = true
	s.mu.Unlock()
	if closed {
		return nil
	}
	s.cancel()
	s.owned.Wait()
	if s.o.Dir == "" || s.Changes() == 0 {
		return nil
	}
	return s.save(ctx)
}

func (s *Saver) save(ctx context.Context) (err error) {
	if s.o.Dir == "" {
		return ErrNoDir
	}
	if !s.saving.TryLock() {
		return ErrSaving
	}
	defer s.saving.Unlock()
	began := time.Now()
	s.mu.Lock()
	s.state.running, s.state.began = true, began
	s.mu.Unlock()
	var cut uint64
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.state.running = false
		s.state.lastErr, s.state.took = err, time.Since(began)
		if err == nil {
			s.state.lastSave, s.state.savedAt = s.o.Clock(), cut
			s.state.saves++
		}
	}()

	temp := s.Path() + ".tmp"
	f, err := s.o.Files.Create(temp)
	if err != nil {
		return fmt.Errorf("creating the snapshot: %w", err)
	}
	err = s.walker.Write(ctx, f, func() { cut = s.walker.Space.Dirty() })
	if err == nil {
		err = f.Sync()
	}
	// The file takes the old one's place only when all of it is on the disk: a crash leaves the one or the other.
	if err = errors.Join(err, f.Close()); err == nil {
		err = s.o.Files.Rename(temp, s.Path())
	}
	if err != nil {
		return errors.Join(fmt.Errorf("writing the snapshot: %w", err), s.discard(temp))
	}
	if err := s.o.Files.SyncDir(s.o.Dir); err != nil {
		return fmt.Errorf("making the snapshot durable: %w", err)
	}
	return nil
}

func (s *Saver) discard(temp string) error {
	if err := s.o.Files.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// LastSave is the time of the last snapshot, or of the node's start.
func (s *Saver) LastSave() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state.lastSave
}

// AppendInfo appends the lines of INFO's section Persistence.
func (s *Saver) AppendInfo(dst []byte) []byte {
	changes := s.Changes()
	s.mu.Lock()
	defer s.mu.Unlock()
	st := &s.state
	running, current, status, took := 0, int64(-1), "ok", int64(-1)
	if st.running {
		running, current = 1, int64(time.Since(st.began)/time.Second)
	}
	if st.lastErr != nil {
		status = "err"
	}
	if st.took >= 0 {
		took = int64(st.took / time.Second)
	}
	return fmt.Appendf(dst, "async_loading:0\r\nrdb_changes_since_last_save:%d\r\nrdb_bgsave_in_progress:%d\r\nrdb_last_save_time:%d\r\n"+
		"rdb_last_bgsave_status:%s\r\nrdb_last_bgsave_time_sec:%d\r\nrdb_current_bgsave_time_sec:%d\r\nrdb_saves:%d\r\n"+
		"aof_enabled:0\r\naof_rewrite_in_progress:0\r\naof_last_bgrewrite_status:ok\r\n",
		changes, running, st.lastSave.Unix(), status, took, current, st.saves)
}
