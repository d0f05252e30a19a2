package command

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/elastane/elastane/engine/keyspace"
	"github.com/elastane/elastane/engine/resp"
)

// Client-side caching: a client that tracks is told when a key that it has read (or, in broadcast mode, any key with one of its
// prefixes) is changed. Keys are noted and forgotten under their stripes, so no change falls between a read
// and its note; messages are posted to the client's loop, where they come after the reply under way.

// invalidateChannel is where a RESP2 client gets invalidations, as a subscriber to whom another client redirects them.
const invalidateChannel = "__redis__:invalidate"

// tracking is what a client has asked for. It is replaced, never changed: other loops read it.
type tracking struct {
	redirect                       int64 // client that gets the messages; 0: the client itself
	broadcast, optIn, optOut, skip bool  // skip: NOLOOP, not told of its own changes
	prefixes                       []string
}

// trackers are the tracking clients of a node, and what they have read.
type trackers struct {
	clients atomic.Int64 // so that nothing is done while nobody tracks
	mu      sync.Mutex
	keys    map[string]map[int64]struct{} // ids of the clients that have read a key, whatever the database
	items   int                           // ids in keys
	casters map[*Client]struct{}          // clients in broadcast mode
	// writers are clients with NOLOOP that hold a stripe now: what changes under it is changed by them.
	writers [keyspace.Stripes]atomic.Pointer[Client]
}

// pendingKeys are the keys that a client in broadcast mode is about to be told of, as one message.
type pendingKeys struct {
	mu   sync.Mutex
	keys map[string]struct{}
}

// byID finds a connected client; from any goroutine.
func (cs *Clients) byID(id int64) *Client {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	return cs.all[id]
}

// remember notes the keys of a command that a tracking client has read with. Their stripes are held.
func (c *Ctx) remember(t *tracking, spec *Spec, argv [][]byte) {
	cl := c.Client
	if t.broadcast || t.optIn != t.optOut && t.optIn != cl.Has(ClientCaching) || spec.Is(PubSub) {
		return
	}
	s := c.Server
	tr := &s.tracking
	tr.mu.Lock()
	defer tr.mu.Unlock()
	for _, i := range spec.AppendKeys(nil, argv) {
		ids := tr.keys[string(argv[i])]
		if ids == nil {
			if tr.keys == nil {
				tr.keys = make(map[string]map[int64]struct{})
			}
			ids = make(map[int64]struct{}, 1)
			tr.keys[string(argv[i])] = ids
		}
		if _, there := ids[cl.ID]; !there {
			ids[cl.ID] = struct{}{}
			tr.items++
		}
	}
	s.boundTracking()
}

// boundTracking forgets keys above tracking-table-max-keys, and tells whoever has read them. mu is held.
func (s *Server) boundTracking() {
	limit := s.Config.Int("tracking-table-max-keys")
	if limit == 0 {
		return
	}
	for key := range s.tracking.keys { // in no order
		if int64(len(s.tracking.keys)) <= limit {
			return
		}
		s.invalidateReaders(key, nil)
	}
}

// invalidate tells the trackers of a key that it was changed. Its stripe is held.
func (s *Server) invalidate(key []byte) {
	tr := &s.tracking
	if tr.clients.Load() == 0 {
		return
	}
	writer := tr.writers[keyspace.Slot(key)%keyspace.Stripes].Load()
	tr.mu.Lock()
	defer tr.mu.Unlock()
	for cl := range tr.casters {
		t := cl.tracking.Load()
		if t == nil || t.skip && cl == writer {
			continue
		}
		if slices.ContainsFunc(t.prefixes, func(prefix string) bool { return strings.HasPrefix(string(key), prefix) }) {
			s.cast(cl, string(key))
		}
	}
	s.invalidateReaders(string(key), writer)
}

// invalidateReaders tells the clients that have read a key, and forgets that they have. mu is held.
func (s *Server) invalidateReaders(key string, writer *Client) {
	ids := s.tracking.keys[key]
	if ids == nil {
		return
	}
	delete(s.tracking.keys, key)
	s.tracking.items -= len(ids)
	for id := range ids {
		cl := s.Clients.byID(id)
		if cl == nil {
			continue
		}
		if t := cl.tracking.Load(); t == nil || t.broadcast || t.skip && cl == writer {
			continue
		}
		cl.Conn.Post(func() { s.sendInvalidation(cl, []string{key}) })
	}
}

// cast tells a client in broadcast mode of a key, together with others that change before its loop comes to it.
func (s *Server) cast(cl *Client, key string) {
	p := &cl.casts
	p.mu.Lock()
	defer p.mu.Unlock()
	first := len(p.keys) == 0
	if p.keys == nil {
		p.keys = make(map[string]struct{})
	}
	p.keys[key] = struct{}{}
	if !first {
		return
	}
	cl.Conn.Post(func() {
		p.mu.Lock()
		keys := slices.Sorted(maps.Keys(p.keys))
		p.keys = nil
		p.mu.Unlock()
		s.sendInvalidation(cl, keys)
	})
}

// InvalidateAll tells every tracker that all it has read is gone (FLUSHALL, FLUSHDB, a full synchronization).
func (s *Server) InvalidateAll() {
	tr := &s.tracking
	if tr.clients.Load() == 0 {
		return
	}
	tr.mu.Lock()
	tr.keys, tr.items = nil, 0
	tr.mu.Unlock()
	for _, cl := range s.Clients.List() {
		if cl.tracking.Load() != nil {
			cl.Conn.Post(func() { s.sendInvalidation(cl, nil) })
		}
	}
}

// sendInvalidation sends a message about keys (nil: all) to where a tracking client wants it. It runs on the client's loop, between two
// commands.
func (s *Server) sendInvalidation(cl *Client, keys []string) {
	t := cl.tracking.Load()
	if t == nil {
		return
	}
	if t.redirect == 0 {
		if cl.Proto > 2 {
			cl.Conn.Push(func(w *resp.Writer) { writeInvalidation(w, 3, keys) })
		}
		return
	}
	to := s.Clients.byID(t.redirect)
	if to == nil {
		cl.Flags |= ClientBrokenRedirect
		cl.publish()
		if cl.Proto > 2 {
			cl.Conn.Push(func(w *resp.Writer) {
				w.Proto = 3
				w.Push(2)
				w.BulkString("tracking-redir-broken")
				w.Int(t.redirect)
			})
		}
		return
	}
	to.Conn.Post(func() {
		if to.Proto > 2 || to.subs.any() {
			to.Conn.Push(func(w *resp.Writer) { writeInvalidation(w, to.Proto, keys) })
		}
	})
}

func writeInvalidation(w *resp.Writer, proto int, keys []string) {
	w.Proto = proto
	if proto > 2 {
		w.Push(2)
		w.BulkString("invalidate")
	} else {
		w.Push(3)
		w.BulkString("message")
		w.BulkString(invalidateChannel)
	}
	if keys == nil {
		w.Null()
		return
	}
	w.Array(len(keys))
	for _, key := range keys {
		w.BulkString(key)
	}
}

// mark says that a client with NOLOOP holds stripes (or, with nil, that it does so no longer).
func (tr *trackers) mark(set keyspace.StripeSet, cl *Client) {
	for i := range tr.writers {
		if set>>i&1 != 0 {
			tr.writers[i].Store(cl)
		}
	}
}

// track sets what a client asks for; nil: nothing any more.
func (s *Server) track(cl *Client, t *tracking) {
	old := cl.tracking.Swap(t)
	cl.Flags &^= ClientBrokenRedirect | ClientCaching
	tr := &s.tracking
	tr.mu.Lock()
	defer tr.mu.Unlock()
	switch {
	case old == nil && t != nil:
		tr.clients.Add(1)
	case old != nil && t == nil:
		tr.clients.Add(-1)
	}
	delete(tr.casters, cl)
	if t != nil && t.broadcast {
		if tr.casters == nil {
			tr.casters = make(map[*Client]struct{})
		}
		tr.casters[cl] = struct{}{}
	}
}

// prefixCount is how many different prefixes are broadcast.
func (tr *trackers) counts() (keys, items, prefixes int) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	distinct := map[string]bool{}
	for cl := range tr.casters {
		if t := cl.tracking.Load(); t != nil {
			for _, p := range t.prefixes {
				distinct[p] = true
			}
		}
	}
	return len(tr.keys), tr.items, len(distinct)
}

// CLIENT TRACKING ON | OFF [REDIRECT client-id] [PREFIX prefix [PREFIX prefix …]] [BCAST] [OPTIN] [OPTOUT] [NOLOOP]
func cmdCLIENTTRACKING(c *Ctx) {
	a, cl := &c.Args, c.Client
	mode := a.Bytes()
	next := &tracking{}
	for a.More() {
		switch {
		case a.Len() > 1 && a.Word("REDIRECT"):
			if next.redirect != 0 {
				a.Fail("ERR A client can only redirect to a single other client")
				break
			}
			next.redirect = a.Int()
			if !a.Failed() && c.Server.Clients.byID(next.redirect) == nil {
				a.Fail("ERR The client ID you want redirect to does not exist")
			}
		case a.Len() > 1 && a.Word("PREFIX"):
			next.prefixes = append(next.prefixes, a.String())
		case a.Word("BCAST"):
			next.broadcast = true
		case a.Word("OPTIN"):
			next.optIn = true
		case a.Word("OPTOUT"):
			next.optOut = true
		case a.Word("NOLOOP"):
			next.skip = true
		default:
			a.Syntax()
		}
	}
	on := isWord(mode, "ON")
	if !on && !isWord(mode, "OFF") {
		a.Syntax()
	}
	if on && !a.Failed() {
		next.check(a, cl.tracking.Load())
	}
	if on && cl.Conn == nil {
		a.Fail(ErrNotPermitted)
	}
	if c.Failed() {
		return
	}
	if !on {
		next = nil
	}
	c.Server.track(cl, next)
	c.Reply.OK()
}

// check latches what is wrong with asking for t when the client has old, and takes old's prefixes over.
func (t *tracking) check(a *Args, old *tracking) {
	const again = "before disabling tracking for this client, and then re-enabling it with a different mode."
	switch {
	case !t.broadcast && len(t.prefixes) > 0:
		a.Fail("ERR PREFIX option requires BCAST mode to be enabled")
	case old != nil && old.broadcast != t.broadcast:
		a.Fail("ERR You can't switch BCAST mode on/off " + again)
	case t.broadcast && (t.optIn || t.optOut):
		a.Fail("ERR OPTIN and OPTOUT are not compatible with BCAST")
	case t.optIn && t.optOut:
		a.Fail("ERR You can't specify both OPTIN mode and OPTOUT mode")
	case old != nil && (t.optIn && old.optOut || t.optOut && old.optIn):
		a.Fail("ERR You can't switch OPTIN/OPTOUT mode " + again)
	}
	if !t.broadcast || a.Failed() {
		return
	}
	overlap := func(x, y string) bool { return strings.HasPrefix(x, y) || strings.HasPrefix(y, x) }
	const alone = "Prefixes for a single client must not overlap."
	for i, prefix := range t.prefixes {
		if old != nil {
			for _, had := range old.prefixes {
				if overlap(prefix, had) {
					a.Fail("ERR Prefix '" + prefix + "' overlaps with an existing prefix '" + had + "'. " + alone)
				}
			}
		}
		for _, other := range t.prefixes[i+1:] {
			if overlap(prefix, other) {
				a.Fail("ERR Prefix '" + prefix + "' overlaps with another provided prefix '" + other + "'. " + alone)
			}
		}
	}
	if len(t.prefixes) == 0 {
		t.prefixes = []string{""}
	}
	if old != nil {
		t.prefixes = append(t.prefixes, old.prefixes...)
	}
	slices.Sort(t.prefixes)
	t.prefixes = slices.Compact(t.prefixes)
}

// CLIENT CACHING YES | NO
func cmdCLIENTCACHING(c *Ctx) {
	t := c.Client.tracking.Load()
	switch {
	case t == nil:
		c.Args.Fail("ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled")
	case c.Args.Word("YES"):
		if !t.optIn {
			c.Args.Fail("ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.")
		}
	case c.Args.Word("NO"):
		if !t.optOut {
			c.Args.Fail("ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.")
		}
	default:
		c.Args.Syntax()
	}
	if c.Failed() {
		return
	}
	c.Client.Flags |= ClientCaching
	c.Reply.OK()
}

// redirected is the client that gets the messages; 0: the client itself; -1: there are none.
func (t *tracking) redirected() int64 {
	if t == nil {
		return -1
	}
	return t.redirect
}

// CLIENT GETREDIR
func cmdCLIENTGETREDIR(c *Ctx) { c.Reply.Int(c.Client.tracking.Load().redirected()) }

// CLIENT TRACKINGINFO
func cmdCLIENTTRACKINGINFO(c *Ctx) {
	t := c.Client.tracking.Load()
	flags, prefixes := []string{"off"}, []string(nil)
	if t != nil {
		flags[0], prefixes = "on", t.prefixes
		caching := c.Client.Has(ClientCaching)
		for _, f := range []struct {
			on   bool
			name string
		}{
			{t.broadcast, "bcast"},
			{t.optIn, "optin"},
			{t.optIn && caching, "caching-yes"},
			{t.optOut, "optout"},
			{t.optOut && caching, "caching-no"},
			{t.skip, "noloop"},
			{c.Client.Has(ClientBrokenRedirect), "broken_redirect"},
		} {
			if f.on {
				flags = append(flags, f.name)
			}
		}
	}
	c.Reply.Map(3)
	c.Reply.BulkString("flags")
	c.Reply.Set(len(flags))
	for _, flag := range flags {
		c.Reply.BulkString(flag)
	}
	c.Reply.BulkString("redirect")
	c.Reply.Int(t.redirected())
	c.Reply.BulkString("prefixes")
	c.Reply.Array(len(prefixes))
	for _, prefix := range prefixes {
		c.Reply.BulkString(prefix)
	}
}
