package snapshot

import (
	"context"
	"fmt"
	"io"
	"math"
	"strconv"
	"time"

	"github.com/elastane/elastane/engine/arena"
	"github.com/elastane/elastane/engine/ds"
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

// Load adds the keys of the snapshot in r to space. Keys whose time has come are there as well: their deletion has to reach
// the replicas, or to come from the primary, as at any other time. limits say which collections are packed. After an
// error some keys are there.
func Load(ctx context.Context, r io.Reader, space *keyspace.Space, now time.Time, limits ds.Encodings) (Loaded, error) {
	l := &loader{limits: limits, ctx: ctx, space: space, now: now.UnixMilli()}
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
	limits ds.Encodings
	out    Loaded
	id     string
	offset int64

	key     rdb.Key
	text    []byte
	hash    ds.Hash
	list    ds.List
	set     ds.Set
	zset    ds.SortedSet
	discard func() // frees the value at hand
	view    keyspace.View
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
	heap := l.space.Heap()
	switch k.Type {
	case rdb.Hash:
		l.hash = ds.OpenHash(heap, arena.Nil)
		l.discard = l.hash.Free
	case rdb.List:
		l.list = ds.OpenList(heap, arena.Nil)
		l.discard = l.list.Free
	case rdb.Set:
		l.set = ds.OpenSet(heap, arena.Nil)
		l.discard = l.set.Free
	case rdb.SortedSet:
		l.zset = ds.OpenSortedSet(heap, arena.Nil)
		l.discard = l.zset.Free
	}
	return nil
}

func (l *loader) Element(v []byte) error {
	switch l.key.Type {
	case rdb.String:
		l.text = append(l.text[:0], v...)
	case rdb.List:
		l.list.Push(false, v, l.limits.List)
	default:
		l.set.Add(v, l.limits.Set)
	}
	return nil
}

func (l *loader) Field(field, value []byte) error {
	l.hash.Set(field, value, l.limits.Hash)
	return nil
}

func (l *loader) Member(member []byte, score float64) error {
	l.zset.Set(member, score, l.limits.SortedSet)
	return nil
}

func (l *loader) End() error {
	l.out.Keys++
	k := l.key
	l.view.Begin(l.space, keyspace.StripeOf(k.Name), k.DB, l.now, keyspace.ExpiryIgnore)
	defer l.view.End()
	if k.Type == rdb.String {
		l.view.SetString(k.Name, l.text, k.ExpireAt, keyspace.Event{})
		if cap(l.text) > 1<<20 {
			l.text = nil
		}
		return nil
	}
	var t keyspace.Type
	var enc ds.Encoding
	var root arena.Ref
	switch k.Type {
	case rdb.Hash:
		t, enc, root = keyspace.TypeHash, l.hash.Encoding(), l.hash.Root()
	case rdb.List:
		t, enc, root = keyspace.TypeList, l.list.Encoding(), l.list.Root()
	case rdb.Set:
		t, enc, root = keyspace.TypeSet, l.set.Encoding(), l.set.Root()
	default:
		t, enc, root = keyspace.TypeZSet, l.zset.Encoding(), l.zset.Root()
	}
	w := l.view.Edit(k.Name)
	arena.PutRef(w.Create(t, keyspace.EncodingOf(enc), arena.RefBytes), root)
	if k.ExpireAt != 0 {
		w.SetExpireAt(k.ExpireAt)
	}
	w.Done(keyspace.Event{})
	l.discard = nil
	return nil
}
