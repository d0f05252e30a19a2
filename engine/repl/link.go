package repl

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	minBackoff = 20 * time.Millisecond
	maxBackoff = 2 * time.Second
	ackPeriod  = time.Second
)

var errLinkStopped = errors.New("the link is no longer wanted")

// link is a replica's connection to its primary, and the goroutine that keeps it up.
type link struct {
	r       *Replication
	host    string
	port    int
	ctx     context.Context
	cancel  context.CancelFunc
	done    chan struct{}
	after   <-chan struct{} // closed when the link before this one has let go of the data set
	stopped atomic.Bool     // set and tested with r.apply held, so that nothing is applied after a change of role

	lastRead atomic.Int64 // Unix time in nanoseconds of the last bytes from the primary

	// guarded by r.mu
	up, syncing bool
	state       string // in ROLE's words
	downSince   time.Time
}

func newLink(r *Replication, host string, port int) *link {
	l := &link{r: r, host: host, port: port, done: make(chan struct{}), state: "connect", downSince: time.Now()}
	l.ctx, l.cancel = context.WithCancel(r.ctx)
	return l
}

func (l *link) address() string { return joinHostPort(l.host, l.port) }

// silence is the number of seconds since the last bytes from the primary, -1 while the link is down. Call with r.mu held.
func (l *link) silence() int64 {
	if !l.up {
		return -1
	}
	return int64(time.Since(time.Unix(0, l.lastRead.Load())) / time.Second)
}

// stop ends the link without waiting for it.
func (l *link) stop() {
	l.stopped.Store(true)
	l.cancel()
}

func (l *link) run() {
	defer l.r.owned.Done()
	defer close(l.done)
	defer l.cancel()
	if l.after != nil {
		<-l.after
	}
	wait := minBackoff
	for l.ctx.Err() == nil {
		began := time.Now()
		err := l.once()
		wasUp := l.set("connect", false, false)
		if l.ctx.Err() != nil {
			return
		}
		l.r.cfg.Logger.Warn("replication link is down", "primary", l.address(), "error", err)
		if wasUp || time.Since(began) > maxBackoff {
			wait = minBackoff
		}
		// Jitter, so that the replicas of one primary do not come back in step.
		t := time.NewTimer(wait/2 + rand.N(wait))
		select {
		case <-l.ctx.Done():
			t.Stop()
			return
		case <-t.C:
		}
		wait = min(2*wait, maxBackoff)
	}
}

// set changes what Status and ROLE show, and returns whether the link was up.
func (l *link) set(state string, up, syncing bool) (wasUp bool) {
	r := l.r
	r.mu.Lock()
	wasUp = l.up
	changed := l.up != up || l.syncing != syncing
	l.state, l.up, l.syncing = state, up, syncing
	if wasUp && !up {
		l.downSince = time.Now()
	}
	current := r.link == l
	if changed {
		r.gen++
	}
	r.mu.Unlock()
	if changed && current {
		r.publish()
		r.host.Changed()
	}
	return wasUp
}

// once connects, synchronises and applies the stream until something breaks.
func (l *link) once() error {
	l.set("connecting", false, false)
	raw, err := l.dial()
	if err != nil {
		return err
	}
	defer func() { _ = raw.Close() }()
	defer context.AfterFunc(l.ctx, func() { _ = raw.Close() })()
	conn := deadlineConn{Conn: raw, timeout: l.r.cfg.Timeout, lastRead: &l.lastRead}
	in := bufio.NewReaderSize(conn, 64<<10)
	l.set("handshake", false, false)
	if err := l.introduce(conn, in); err != nil {
		return err
	}
	if err := l.synchronise(conn, in); err != nil {
		return err
	}
	return l.follow(conn, in)
}

func (l *link) dial() (net.Conn, error) {
	ctx, cancel := context.WithTimeout(l.ctx, min(l.r.cfg.Timeout, 5*time.Second))
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", l.address())
	if err != nil || l.r.cfg.TLS == nil {
		return conn, err
	}
	config := l.r.cfg.TLS.Clone()
	if config.ServerName == "" {
		config.ServerName = l.host
	}
	secure := tls.Client(conn, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("TLS with the primary: %w", err)
	}
	return secure, nil
}

func (l *link) call(conn io.Writer, in *bufio.Reader, words ...string) (string, error) {
	if err := send(conn, words...); err != nil {
		return "", err
	}
	return readLine(in)
}

func send(conn io.Writer, words ...string) error {
	argv := make([][]byte, len(words))
	for i, w := range words {
		argv[i] = []byte(w)
	}
	_, err := conn.Write(appendCommand(nil, argv))
	return err
}

// introduce authenticates and tells the primary who asks.
func (l *link) introduce(conn io.Writer, in *bufio.Reader) error {
	cfg := &l.r.cfg
	if cfg.Password != "" {
		words := []string{"AUTH", cfg.Password}
		if cfg.User != "" {
			words = []string{"AUTH", cfg.User, cfg.Password}
		}
		if reply, err := l.call(conn, in, words...); err != nil || reply[0] == '-' {
			return refused("AUTH", reply, err)
		}
	}
	if reply, err := l.call(conn, in, "PING"); err != nil || reply[0] == '-' {
		return refused("PING", reply, err)
	}
	if cfg.AnnouncePort != 0 {
		if reply, err := l.call(conn, in, "REPLCONF", "listening-port", strconv.Itoa(cfg.AnnouncePort)); err != nil || reply[0] == '-' {
			return refused("REPLCONF listening-port", reply, err)
		}
	}
	if cfg.AnnounceHost != "" {
		if reply, err := l.call(conn, in, "REPLCONF", "ip-address", cfg.AnnounceHost); err != nil || reply[0] == '-' {
			return refused("REPLCONF ip-address", reply, err)
		}
	}
	if reply, err := l.call(conn, in, "REPLCONF", "capa", "eof", "capa", "psync2"); err != nil || reply[0] == '-' {
		return refused("REPLCONF capa", reply, err)
	}
	return nil
}

func refused(what, reply string, err error) error {
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return fmt.Errorf("the primary answered %s with %.200q", what, reply)
}

// synchronise asks for the stream from where this node stands, and loads a snapshot if it has to.
func (l *link) synchronise(conn io.Writer, in *bufio.Reader) error {
	r := l.r
	r.mu.Lock()
	id, offset := "?", int64(-1)
	if r.known {
		id, offset = r.id, r.offset()+1
		if r.id2 != "" && offset == r.id2Offset {
			id = r.id2 // nothing happened under the new id yet: the old one is known more widely
		}
	}
	r.mu.Unlock()
	reply, err := l.call(conn, in, "PSYNC", id, strconv.FormatInt(offset, 10))
	if err != nil {
		return refused("PSYNC", "", err)
	}
	words := strings.Fields(reply)
	switch {
	case words[0] == "+CONTINUE" && id != "?":
		if len(words) > 1 {
			id = words[1]
		}
		return l.resume(id)
	case words[0] == "+FULLRESYNC" && len(words) == 3:
		offset, err := strconv.ParseInt(words[2], 10, 64)
		if err != nil || offset < 0 || len(words[1]) != 40 {
			return refused("PSYNC", reply, nil)
		}
		return l.load(conn, in, words[1], offset)
	default:
		return refused("PSYNC", reply, nil)
	}
}

// resume goes on after +CONTINUE.
func (l *link) resume(id string) error {
	r := l.r
	r.apply.Lock()
	if l.stopped.Load() {
		r.apply.Unlock()
		return errLinkStopped
	}
	r.mu.Lock()
	var all []*attached
	if id != r.id {
		r.rename(id)
		all = r.attachedList() // they have to learn the new id
	}
	r.mu.Unlock()
	r.apply.Unlock()
	for _, a := range all {
		a.end(errRoleChanged)
	}
	r.cfg.Logger.Info("replication goes on where it stood", "primary", l.address())
	l.set("connected", true, false)
	return nil
}

// load replaces the data set by the primary's snapshot, which stands at offset of history id.
func (l *link) load(conn io.Writer, in *bufio.Reader, id string, offset int64) error {
	r := l.r
	head, err := readLine(in)
	if err != nil {
		return err
	}
	if head[0] != '$' {
		return refused("PSYNC", head, nil)
	}
	mark, marked := strings.CutPrefix(head, "$EOF:")
	body := in
	var limited *io.LimitedReader
	if marked {
		if len(mark) != 40 {
			return refused("PSYNC", head, nil)
		}
	} else {
		size, err := strconv.ParseInt(head[1:], 10, 64)
		if err != nil || size < 0 {
			return refused("PSYNC", head, nil)
		}
		limited = &io.LimitedReader{R: in, N: size}
		body = bufio.NewReaderSize(limited, 64<<10)
	}

	r.apply.Lock()
	if l.stopped.Load() {
		r.apply.Unlock()
		return errLinkStopped
	}
	r.mu.Lock()
	r.known = false
	all := r.attachedList()
	r.mu.Unlock()
	r.apply.Unlock()
	for _, a := range all {
		a.end(errRoleChanged) // what they have comes from a history that ends here
	}
	l.set("sync", false, true)

	db, err := r.host.LoadSnapshot(l.ctx, body)
	if err != nil {
		return fmt.Errorf("loading the primary's snapshot: %w", err)
	}
	if marked {
		var got [40]byte
		if _, err := io.ReadFull(in, got[:]); err != nil {
			return err
		}
		if string(got[:]) != mark {
			return fmt.Errorf("%w: the snapshot does not end with its mark", errProtocol)
		}
	} else if _, err := io.Copy(io.Discard, body); err != nil || limited.N != 0 {
		return fmt.Errorf("%w: the snapshot is shorter than announced (%w)", errProtocol, errors.Join(err, io.ErrUnexpectedEOF))
	}

	r.apply.Lock()
	if l.stopped.Load() {
		r.apply.Unlock()
		return errLinkStopped
	}
	r.mu.Lock()
	r.id, r.id2, r.id2Offset, r.streamDB = id, "", 0, db
	r.setStream(newStream(offset, r.cfg.BacklogSize, r.cfg.OutputLimit))
	r.mu.Unlock()
	r.apply.Unlock()
	r.cfg.Logger.Info("replica has the primary's snapshot", "primary", l.address(), "offset", offset)
	l.set("connected", true, false)
	return nil
}

// follow applies the stream until the link breaks.
func (l *link) follow(conn io.Writer, in *bufio.Reader) error {
	acks := acker{l: l, conn: conn}
	// The first one tells a primary that sent the snapshot with an end mark that the stream may follow.
	if err := acks.send(); err != nil {
		return err
	}
	stop := make(chan struct{})
	var ticking sync.WaitGroup
	ticking.Add(1)
	go func() {
		defer ticking.Done()
		acks.tick(stop)
	}()
	defer ticking.Wait()
	defer close(stop)

	commands := commandReader{r: in}
	var transaction [][][]byte
	var bytesHeld []byte
	inMulti := false
	for {
		argv, raw, err := commands.next()
		if err != nil {
			return err
		}
		name := argv[0]
		switch {
		case word(name, "MULTI"):
			inMulti = true
		case word(name, "EXEC"):
			inMulti = false
		case inMulti:
			transaction = append(transaction, clone(argv))
		}
		if inMulti {
			// Nothing of a transaction takes effect, or counts as received, before all of it is here.
			bytesHeld = append(bytesHeld, raw...)
			if len(bytesHeld) > maxBulk {
				return fmt.Errorf("%w: a transaction of more than %d bytes", errProtocol, maxBulk)
			}
			continue
		}
		one := [][][]byte{argv}
		if word(name, "EXEC") {
			one, raw = transaction, append(bytesHeld, raw...)
		}
		if err := l.apply(one, raw); err != nil {
			return err
		}
		transaction, bytesHeld = nil, nil
		if len(argv) >= 2 && word(name, "REPLCONF") && word(argv[1], "GETACK") {
			if err := acks.send(); err != nil {
				return err
			}
		}
	}
}

func clone(argv [][]byte) [][]byte {
	out := make([][]byte, len(argv))
	for i, a := range argv {
		out[i] = bytes.Clone(a)
	}
	return out
}

// apply runs commands and appends their bytes to this node's own stream, as one step.
func (l *link) apply(commands [][][]byte, raw []byte) error {
	r := l.r
	r.apply.Lock()
	defer r.apply.Unlock()
	if l.stopped.Load() {
		return errLinkStopped
	}
	// Runs of commands of one database go to the host together; a SELECT in a transaction parts them.
	for len(commands) > 0 {
		n := 0
		for n < len(commands) && !isService(commands[n][0]) {
			n++
		}
		if n > 0 {
			if err := r.host.Apply(r.streamDB, commands[:n]); err != nil {
				r.mu.Lock()
				r.known = false // the next synchronisation has to be a full one
				r.mu.Unlock()
				return fmt.Errorf("applying the primary's %.40q: %w", commands[0][0], err)
			}
			commands = commands[n:]
			continue
		}
		if argv := commands[0]; word(argv[0], "SELECT") {
			db, err := strconv.Atoi(string(argv[len(argv)-1]))
			if err != nil || len(argv) != 2 || db < 0 {
				return fmt.Errorf("%w: SELECT %.40q", errProtocol, argv[len(argv)-1])
			}
			r.mu.Lock()
			r.streamDB = db
			r.mu.Unlock()
		}
		commands = commands[1:]
	}
	r.mu.Lock()
	s := r.stream
	r.mu.Unlock()
	s.mu.Lock()
	s.appendRaw(raw)
	s.mu.Unlock()
	return nil
}

// isService tells the commands of a stream that belong to the link and not to the data set.
func isService(name []byte) bool {
	return word(name, "PING") || word(name, "SELECT") || word(name, "REPLCONF") || word(name, "MULTI") || word(name, "EXEC")
}

// word compares a command's name, of any case, with an upper-case word.
func word(b []byte, upper string) bool {
	return len(b) == len(upper) && strings.EqualFold(string(b), upper)
}

// acker tells the primary how far this replica is.
type acker struct {
	l    *link
	mu   sync.Mutex
	conn io.Writer
}

func (a *acker) send() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	r := a.l.r
	r.mu.Lock()
	offset := r.offset()
	r.mu.Unlock()
	return send(a.conn, "REPLCONF", "ACK", strconv.FormatInt(offset, 10))
}

func (a *acker) tick(stop <-chan struct{}) {
	t := time.NewTicker(ackPeriod)
	defer t.Stop()
	for {
		select {
		case <-stop:
			return
		case <-t.C:
			if a.send() != nil {
				return // the reader of the same connection meets the error too, and reports it
			}
		}
	}
}
