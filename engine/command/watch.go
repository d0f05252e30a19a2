package command

import (
	"slices"
	"sync"
	"sync/atomic"
)

// dbKey names a key of one database.
type dbKey struct {
	db  int
	key string
}

// watches knows which clients watch which keys. It is touched under the stripe of the key, so that EXEC, which
// holds the stripes of all keys that its client watches, sees every change before it.
type watches struct {
	count atomic.Int64 // watched keys, so that writes without watchers take no lock
	mu    sync.Mutex
	keys  map[dbKey]map[*Client]struct{}
}

func (w *watches) add(c *Client, k dbKey) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.keys == nil {
		w.keys = make(map[dbKey]map[*Client]struct{})
	}
	set := w.keys[k]
	if set == nil {
		set = make(map[*Client]struct{})
		w.keys[k] = set
	}
	if _, there := set[c]; there {
		return
	}
	set[c] = struct{}{}
	w.count.Add(1)
	c.watched = append(c.watched, k)
}

// remove ends all watches of a client.
func (w *watches) remove(c *Client) {
	if len(c.watched) > 0 {
		w.mu.Lock()
		for _, k := range c.watched {
			delete(w.keys[k], c)
			if len(w.keys[k]) == 0 {
				delete(w.keys, k)
			}
		}
		w.mu.Unlock()
		w.count.Add(-int64(len(c.watched)))
		c.watched = nil
	}
	c.touched.Store(false)
}

func (w *watches) touch(db int, key []byte) {
	if w.count.Load() == 0 {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for c := range w.keys[dbKey{db, string(key)}] {
		c.touched.Store(true)
	}
}

// of returns the keys of some databases that are watched.
func (w *watches) of(dbs ...int) (keys []dbKey) {
	if w.count.Load() == 0 {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for k := range w.keys {
		if slices.Contains(dbs, k.db) {
			keys = append(keys, k)
		}
	}
	return keys
}

// watchedIn returns the watched keys of some databases that exist in one of them: those that a flush takes away, or that
// an exchange of the databases changes. The caller holds all stripes.
func (c *Ctx) watchedIn(dbs ...int) []dbKey {
	keys := c.Server.watches.of(dbs...)
	return slices.DeleteFunc(keys, func(k dbKey) bool {
		return !slices.ContainsFunc(dbs, func(db int) bool { return c.existsIn(db, []byte(k.key)) })
	})
}

func (w *watches) touchEach(keys []dbKey) {
	for _, k := range keys {
		w.touch(k.db, []byte(k.key))
	}
}
