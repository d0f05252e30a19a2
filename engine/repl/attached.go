package repl

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"sync"
	"time"
)

// Request is what a replica said before and with PSYNC.
type Request struct {
	ID     string // history, "?" for none
	Offset int64  // next byte it wants
	Host   string // announced, or its address
	Port   int    // announced, 0 if not
	EOF    bool   // capa eof: takes a snapshot with an end mark
	PSYNC2 bool   // capa psync2: takes another id with +CONTINUE
	Bare   bool   // SYNC: wants the snapshot and the stream, and will neither name itself nor acknowledge
}

// attached is one replica of this node.
type attached struct {
	r    *Replication
	conn net.Conn
	req  Request

	// guarded by r.mu
	online   bool // in sync: the stream is being sent
	acked    int64
	ackedAt  time.Time
	firstAck chan struct{}
	acking   bool
	follow   *reader

	ctx    context.Context // of the attachment; its cause is why it ended
	cancel context.CancelCauseFunc
}

// Attach serves a replica on conn, from its PSYNC on until the link ends, and closes conn. It returns why it ended.
func (r *Replication) Attach(conn net.Conn, req Request) error {
	defer func() { _ = conn.Close() }()
	a := &attached{r: r, conn: conn, req: req, firstAck: make(chan struct{})}
	a.ctx, a.cancel = context.WithCancelCause(r.ctx)
	defer a.cancel(nil)
	out := deadlineConn{Conn: conn, timeout: r.cfg.Timeout}

	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		return errStreamClosed
	}
	r.owned.Add(1)
	defer r.owned.Done()
	if r.link != nil && (!r.link.up || !r.known) {
		r.mu.Unlock()
		return a.refuse(out, "NOMASTERLINK Can't SYNC while not connected with my master")
	}
	if r.link == nil {
		r.history()
	}
	partial := r.partial(a)
	r.attached[a] = struct{}{}
	id := r.id
	if partial {
		r.partialSyncs++
		a.online, a.ackedAt = true, time.Now()
	} else {
		r.fullSyncs++
		if req.ID != "?" && !req.Bare {
			r.refusedSyncs++
		}
	}
	r.mu.Unlock()
	defer a.leave()

	var reading sync.WaitGroup
	reading.Add(1)
	go func() {
		defer reading.Done()
		a.end(a.readAcks())
	}()
	defer reading.Wait()
	defer func() { _ = conn.Close() }()

	var err error
	if partial {
		line := "+CONTINUE\r\n"
		if req.PSYNC2 {
			line = "+CONTINUE " + id + "\r\n"
		}
		if _, err = out.Write([]byte(line)); err == nil {
			r.cfg.Logger.Info("replica goes on where it stood", "replica", a.address(), "offset", req.Offset)
			r.host.Changed()
		}
	} else if req.EOF {
		err = a.fullSync(out)
	} else {
		err = a.sizedSync(out)
	}
	if err == nil {
		err = a.send(out)
	}
	a.end(err)
	err = context.Cause(a.ctx)
	r.cfg.Logger.Info("replica left", "replica", a.address(), "reason", err)
	return err
}

func (a *attached) address() string { return joinHostPort(a.req.Host, a.req.Port) }

func (a *attached) refuse(out net.Conn, text string) error {
	_, err := out.Write([]byte("-" + text + "\r\n"))
	return errors.Join(errors.New(text), err)
}

// end makes the link end, for the first reason given.
func (a *attached) end(err error) {
	a.cancel(err)
	_ = a.conn.Close()
}

func (a *attached) leave() {
	r := a.r
	r.mu.Lock()
	delete(r.attached, a)
	if a.follow != nil {
		a.follow.stop(errStreamClosed)
	}
	r.mu.Unlock()
	r.host.Changed()
}

// partial decides whether the replica can go on where it stands, and starts its reader. Call with mu held.
func (r *Replication) partial(a *attached) bool {
	known := a.req.ID == r.id || a.req.ID == r.id2 && r.id2 != "" && a.req.Offset <= r.id2Offset
	if !known {
		return false
	}
	r.stream.mu.Lock()
	defer r.stream.mu.Unlock()
	a.follow = r.stream.follow(a.req.Offset - 1)
	return a.follow != nil
}

// fullSync sends a snapshot, and waits until the replica has loaded it.
func (a *attached) fullSync(out net.Conn) error {
	r := a.r
	mark := newID()
	began := time.Now()
	w := &snapshotWriter{conn: out}
	err := a.snapshot(w, func(id string, offset int64) {
		w.head = fmt.Sprintf("+FULLRESYNC %s %d\r\n$EOF:%s\r\n", id, offset, mark)
	})
	if err != nil {
		return err
	}
	if _, err := out.Write([]byte(mark)); err != nil {
		return err
	}
	// Nothing may follow the mark until the replica has spoken: it finds the end by looking at the last bytes it read.
	loading := time.NewTimer(10 * r.cfg.Timeout)
	defer loading.Stop()
	select {
	case <-a.firstAck:
	case <-a.ctx.Done():
		return context.Cause(a.ctx)
	case <-loading.C:
		return errors.New("the replica did not say that it has loaded the snapshot")
	}
	r.cfg.Logger.Info("replica has the snapshot", "replica", a.address(), "bytes", w.n, "took", time.Since(began))
	r.mu.Lock()
	a.online = true
	r.mu.Unlock()
	r.host.Changed()
	return nil
}

// snapshot writes a snapshot to w, and starts the attachment's reader where the stream goes on behind it. began is
// called before the first byte, with the history and the offset of that place.
func (a *attached) snapshot(w io.Writer, began func(id string, offset int64)) error {
	r := a.r
	var cutErr error
	atCut := func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		s := r.stream
		s.mu.Lock()
		defer s.mu.Unlock()
		if a.follow = s.follow(s.end); a.follow == nil || !r.known {
			cutErr = errStreamClosed
			return
		}
		if r.link == nil {
			s.db = -1 // the snapshot's reader knows no selected database
		}
		began(r.id, s.end)
	}
	err := r.host.WriteSnapshot(a.ctx, w, atCut)
	if err = errors.Join(cutErr, err); err != nil {
		return fmt.Errorf("sending the snapshot: %w", err)
	}
	return nil
}

// sizedSync sends a snapshot to a replica or a tool that wants to know its length first: it is written to a temporary
// file for that. Where the snapshot ends is clear, so nothing is waited for before the stream follows.
func (a *attached) sizedSync(out net.Conn) (err error) {
	file, err := os.CreateTemp("", "elastane-sync-*.rdb")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close(), os.Remove(file.Name())) }()
	var head string
	err = a.snapshot(file, func(id string, offset int64) {
		if !a.req.Bare {
			head = fmt.Sprintf("+FULLRESYNC %s %d\r\n", id, offset)
		}
	})
	if err != nil {
		return err
	}
	size, err := file.Seek(0, io.SeekCurrent)
	if err != nil {
		return err
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(out, "%s$%d\r\n", head, size); err != nil {
		return err
	}
	if _, err := io.Copy(out, file); err != nil {
		return err
	}
	a.r.mu.Lock()
	a.online = true
	a.r.mu.Unlock()
	a.r.host.Changed()
	return nil
}

// snapshotWriter puts the reply to PSYNC, which is known at the cut, before the snapshot.
type snapshotWriter struct {
	conn net.Conn
	head string
	n    int64
}

func (w *snapshotWriter) Write(p []byte) (int, error) {
	if w.head != "" {
		if _, err := w.conn.Write([]byte(w.head)); err != nil {
			return 0, err
		}
		w.head = ""
	}
	n, err := w.conn.Write(p)
	w.n += int64(n)
	return n, err
}

// send sends the stream until the link ends.
func (a *attached) send(out net.Conn) error {
	for {
		p, err := a.follow.next()
		if err != nil {
			return err
		}
		if len(p) > 0 {
			n, err := out.Write(p)
			a.follow.advance(n)
			if err != nil {
				return err
			}
			continue
		}
		select {
		case <-a.follow.wake:
		case <-a.ctx.Done():
			return context.Cause(a.ctx)
		}
	}
}

// readAcks reads what the replica says: how far it is.
func (a *attached) readAcks() error {
	r := a.r
	in := commandReader{r: bufio.NewReaderSize(a.conn, 4<<10)}
	for {
		if err := a.patience(); err != nil {
			return err
		}
		argv, _, err := in.next()
		if err != nil {
			return err
		}
		if len(argv) < 3 || !word(argv[0], "REPLCONF") || !word(argv[1], "ACK") {
			continue
		}
		offset, err := strconv.ParseInt(string(argv[2]), 10, 64)
		if err != nil {
			return fmt.Errorf("%w: REPLCONF ACK %.40q", errProtocol, argv[2])
		}
		r.mu.Lock()
		a.acked, a.ackedAt = max(a.acked, offset), time.Now()
		if !a.acking {
			a.acking = true
			close(a.firstAck)
		}
		r.wakeWaiters()
		r.mu.Unlock()
	}
}

// patience sets how long the replica may be silent: it acknowledges each second once it is in sync, and says nothing
// while it takes the snapshot, when the time of the writes counts.
func (a *attached) patience() error {
	a.r.mu.Lock()
	acking := a.acking
	a.r.mu.Unlock()
	if !acking {
		return a.conn.SetReadDeadline(time.Time{})
	}
	return a.conn.SetReadDeadline(time.Now().Add(a.r.cfg.Timeout))
}
