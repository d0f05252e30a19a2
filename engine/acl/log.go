package acl

import (
	"sync"
	"time"
)

// Context is where a call was refused.
type Context string

// The contexts, as ACL LOG shows them.
const (
	TopLevel    Context = "toplevel"
	Transaction Context = "multi"
	Script      Context = "lua"
)

// Entry is one line of the log: one or several refusals of the same kind within a minute of each other.
type Entry struct {
	ID       int64
	Count    int64
	Reason   Denial
	Context  Context
	Object   string // the command, key or channel, or for DeniedAuth the command that was to authenticate
	Username string
	Client   string // the last client, as CLIENT LIST describes it
	Created  int64  // Unix milliseconds
	Updated  int64
}

const (
	logWindow = int64(time.Minute / time.Millisecond)
	logLook   = 10 // entries that are compared with a new one
)

// Log is the log of refusals, newest first. Its zero value is ready for use.
type Log struct {
	mu      sync.Mutex
	entries []Entry
	next    int64
}

// Add enters a refusal (ID, Count, Created and Updated are set here) at time now (Unix milliseconds), and keeps at most limit
// entries.
func (l *Log) Add(e Entry, now int64, limit int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if limit <= 0 {
		l.entries = nil
		return
	}
	for i := range l.entries[:min(logLook, len(l.entries))] {
		old := l.entries[i]
		if old.Reason == e.Reason && old.Context == e.Context && old.Object == e.Object && old.Username == e.Username &&
			now-old.Updated <= logWindow && old.Updated-now <= logWindow {
			old.Count++
			old.Updated, old.Client = now, e.Client
			copy(l.entries[1:i+1], l.entries[:i])
			l.entries[0] = old
			return
		}
	}
	e.ID, e.Count, e.Created, e.Updated = l.next, 1, now, now
	l.next++
	l.entries = append([]Entry{e}, l.entries[:min(limit-1, len(l.entries))]...)
}

// Newest returns up to n entries, the newest first.
func (l *Log) Newest(n int) []Entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]Entry(nil), l.entries[:max(0, min(n, len(l.entries)))]...)
}

// Reset forgets all entries.
func (l *Log) Reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries = nil
}
