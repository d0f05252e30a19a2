package snapshot

import (
	"context"
	"fmt"
	"io"
	"math"
	"strconv"
	"time"

	"github.com/elastane/elastane/engine/arena"
	"github.com/elastane/elastane/engine/keyspace"
	"github.com/elastane/elastane/engine/rdb"
)

// Loaded is what a snapshot said about itself.
type Loaded struct {
	Keys     int
	StreamDB int
	// Position is set if the snapshot belongs to a replication history.
	Position *Position
}

// Load adds the keys of the snapshot in r to space, in encodings within the limits. Keys whose time has come are there as well: their deletion has to reach
// the replicas, or to come from the primary, as at any other time. After an error some keys are there.
func Load(ctx context.Context, r io.Reader, space *keyspace.Space, limits Limits, now time.Time) (Loaded, error) {
	l := &loader{ctx: ctx, space: space, now: now.UnixMilli(), builder: builder{heap: space.Heap(), limits: limits}}
	err := rdb.Read(r, l)
	if l.discard != nil { // the value that broke off
		l.discard()
	}
	if err == nil && l.id != "" {
		l.out.Position = &Position{ID: l.id, Offset: l.offset, DB: l.out.StreamDB}
	}
	return l.out, err
}

// loader builds one value at a time on the heap, and puts it under its key when it is complete.
type loader struct {
	ctx    context.Context
	space  *keyspace.Space
	now    int64
	out    Loaded
	id     string
	offset int64

	key rdb.Key
	builder
	view keyspace.View
}

func (l *loader) Aux(name, value string) error {
	var err error
	switch name {
	case "repl-stream-db":
		l.out.StreamDB, err = strconv.Atoi(value)
		if err == nil && (l.out.StreamDB < 0 || l.out.StreamDB > math.MaxInt32) {
			l.out.StreamDB = 0 // Redis writes -1 for "none"
		}
	case "repl-id":
		if len(value) == 40 {
			l.id = value
		}
	case "repl-offset":
		l.offset, err = strconv.ParseInt(value, 10, 64)
	}
	if err != nil {
		return fmt.Errorf("%w: aux field %s is %.40q", rdb.ErrCorrupt, name, value)
	}
	return nil
}

func (l *loader) DB(int, uint64, uint64) error { return l.ctx.Err() }

func (l *loader) Begin(k rdb.Key) error {
	if err := l.ctx.Err(); err != nil {
		return err
	}
	if k.DB >= l.space.Databases() {
		return fmt.Errorf("the snapshot has database %d, this node has %d databases", k.DB, l.space.Databases())
	}
	l.key = k
	l.begin(k.Type)
	return nil
}

func (l *loader) End() error {
	l.out.Keys++
	k := l.key
	value, err := l.end()
	if err != nil {
		return err
	}
	l.view.Begin(l.space, keyspace.StripeOf(k.Name), k.DB, l.now, keyspace.ExpiryIgnore)
	defer l.view.End()
	value.Put(&l.view, k.Name, k.ExpireAt, keyspace.Event{})
	if cap(l.text) > 1<<20 {
		l.text = nil
	}
	return nil
}

// Put makes key hold the value, whatever it was. expireAt is Unix milliseconds, 0 for none.
func (v *Value) Put(view *keyspace.View, key []byte, expireAt int64, ev keyspace.Event) {
	if v.Type == keyspace.TypeString {
		view.SetString(key, v.Text, expireAt, ev)
		return
	}
	w := view.Edit(key)
	arena.PutRef(w.Create(v.Type, keyspace.EncodingOf(v.Encoding), arena.RefBytes), v.Root)
	if expireAt != 0 {
		w.SetExpireAt(expireAt)
	}
	w.Done(ev)
	v.free = nil
}
