package command

import "time"

// Commands are timed in groups: the clock is read when a group begins and when it ends, and each of its commands
// counts an equal share. A command that may take long (anything but O(1) and O(log N)) is a group of its own, and so is
// a command that came alone, so that what is slow is measured by itself; a pipeline of small commands pays for one
// reading more than the one that it needs for its keys' expiry anyway.

type executed struct {
	spec *Spec
	argv [][]byte
}

// started is the moment that monotonic times are counted from.
var started = time.Now()

// monotonic is the time in nanoseconds of a clock that only goes forward; cheaper than time.Now.
func monotonic() int64 { return int64(time.Since(started)) }

// begin starts a batch's first group at now, the time of the batch; a clock of a test may have no monotonic part.
func (w *Worker) begin(now time.Time) {
	w.mark = int64(now.Sub(started))
	if now == now.Round(0) { //nolint:staticcheck // Equal would not see the monotonic part, which is the question
		w.mark = monotonic()
	}
}

// executed adds a command that has run to the group.
func (w *Worker) executed(cl *Client, spec *Spec, argv [][]byte) {
	w.group = append(w.group, executed{spec, argv})
	if !spec.quick {
		w.settle(cl)
	}
}

// settle ends the group: its commands are counted, and those that were slow are written down.
func (w *Worker) settle(cl *Client) {
	n := int64(len(w.group))
	if n == 0 {
		return
	}
	now := monotonic()
	share := (now - w.mark) / n
	w.mark = now
	s := w.server
	s.Stats.Commands.Add(n)
	for i := 0; i < len(w.group); {
		same := i + 1
		for same < len(w.group) && w.group[same].spec == w.group[i].spec {
			same++
		}
		s.Stats.record(w.group[i].spec, int64(same-i), share)
		i = same
	}
	if share >= s.Config.slowest.Load() {
		for i := range w.group {
			s.slow(cl, w.group[i].spec, w.group[i].argv, share, w.now)
		}
	}
	clear(w.group)
	w.group = w.group[:0]
}

// nested runs a command inside of another (EXEC, a script), and counts it by itself.
func (w *Worker) nested(c *Ctx, spec *Spec, argv [][]byte) {
	s, began, mark := c.Server, monotonic(), len(c.Reply.Buf)
	spec.Handler(c)
	took := monotonic() - began
	s.Stats.Commands.Add(1)
	s.Stats.record(spec, 1, took)
	if reply := c.Reply.Buf; len(reply) > mark && reply[mark] == '-' {
		s.Stats.of(spec).Failed.Add(1)
		s.Stats.failed(reply[mark:])
	}
	if c.Client.Has(ClientExec) && took >= s.Config.slowest.Load() {
		s.slow(c.Client, spec, argv, took, c.Now)
	}
}

// slow writes a command down in the slow log, and as a latency event, if it took as long as they ask for.
func (s *Server) slow(cl *Client, spec *Spec, argv [][]byte, nanos, now int64) {
	if limit := s.Config.slowlogAt.Load(); limit >= 0 && nanos >= limit && !spec.Is(SkipSlowlog) {
		s.slowlog.add(cl, spec, argv, nanos/1000, now, int(s.Config.slowlogLen.Load()))
	}
	event := "command"
	if spec.Is(Fast) {
		event = "fast-command"
	}
	s.sampleLatency(event, time.Duration(nanos), now)
}
