package command

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"time"
)

// latencySamples is how many samples of an event are kept.
const latencySamples = 160

// latencyMonitor keeps what took longer than latency-monitor-threshold, by event: command, fast-command, expire-cycle,
// eviction-cycle.
type latencyMonitor struct {
	mu     sync.Mutex
	events map[string]*latencyEvent
}

type latencyEvent struct {
	max     int64 // milliseconds, since the last reset
	samples []latencySample
}

type latencySample struct{ seconds, millis int64 }

// sampleLatency writes an event down if it took as long as the threshold. now is Unix milliseconds.
func (s *Server) sampleLatency(event string, took time.Duration, now int64) {
	at := s.Config.latencyAt.Load()
	if at <= 0 || int64(took) < at {
		return
	}
	m := &s.latency
	m.mu.Lock()
	defer m.mu.Unlock()
	e := m.events[event]
	if e == nil {
		e = &latencyEvent{}
		if m.events == nil {
			m.events = make(map[string]*latencyEvent)
		}
		m.events[event] = e
	}
	sample := latencySample{now / 1000, took.Milliseconds()}
	e.max = max(e.max, sample.millis)
	if last := len(e.samples) - 1; last >= 0 && e.samples[last].seconds == sample.seconds {
		e.samples[last].millis = max(e.samples[last].millis, sample.millis)
		return
	}
	if len(e.samples) == latencySamples {
		e.samples = slices.Delete(e.samples, 0, 1)
	}
	e.samples = append(e.samples, sample)
}

// event returns a copy of an event; nothing if there is none.
func (m *latencyMonitor) event(name string) (e latencyEvent, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.events[name]
	if p == nil {
		return e, false
	}
	return latencyEvent{p.max, slices.Clone(p.samples)}, true
}

func (m *latencyMonitor) names() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Sorted(maps.Keys(m.events))
}

// reset forgets events, all if none are named, and returns how many it forgot.
func (m *latencyMonitor) reset(names []string) (n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(names) == 0 {
		names = slices.Collect(maps.Keys(m.events))
	}
	for _, name := range names {
		if _, there := m.events[name]; there {
			delete(m.events, name)
			n++
		}
	}
	return n
}

const latencyFlags = hidden | NoScript | Loading | Stale

var latencySpecs = []Spec{{
	Name: "latency", Group: "server", Since: "2.8.13", Arity: -2,
	Summary: "Container of the latency commands.", Flags: Restricted, Categories: "slow",
	Sub: []Spec{
		{
			Name: "doctor", Since: "2.8.13", Arity: 2, Summary: "Tells in words what was slow.",
			Flags: latencyFlags, Categories: "admin slow dangerous", Handler: cmdLATENCYDOCTOR,
		},
		{
			Name: "graph", Since: "2.8.13", Arity: 3, Summary: "Draws the samples of an event.",
			Flags: latencyFlags, Categories: "admin slow dangerous", Handler: cmdLATENCYGRAPH,
		},
		{
			Name: "help", Since: "2.8.13", Arity: 2, Summary: "Describes the subcommands.",
			Flags: Restricted | Loading | Stale, Categories: "slow", Handler: cmdHELP,
		},
		{
			Name: "histogram", Since: "7.0.0", Arity: -2, Summary: "Returns how long the calls of commands took.",
			Flags: latencyFlags, Categories: "admin slow dangerous", Handler: cmdLATENCYHISTOGRAM,
		},
		{
			Name: "history", Since: "2.8.13", Arity: 3, Summary: "Returns the samples of an event.",
			Flags: latencyFlags, Categories: "admin slow dangerous", Handler: cmdLATENCYHISTORY,
		},
		{
			Name: "latest", Since: "2.8.13", Arity: 2, Summary: "Returns the newest sample of each event.",
			Flags: latencyFlags, Categories: "admin slow dangerous", Handler: cmdLATENCYLATEST,
		},
		{
			Name: "reset", Since: "2.8.13", Arity: -2, Summary: "Forgets events.",
			Flags: latencyFlags, Categories: "admin slow dangerous", Handler: cmdLATENCYRESET,
		},
	},
}}

// LATENCY LATEST
func cmdLATENCYLATEST(c *Ctx) {
	names := c.Server.latency.names()
	type row struct {
		name string
		latencyEvent
	}
	var rows []row
	for _, name := range names {
		if e, ok := c.Server.latency.event(name); ok {
			rows = append(rows, row{name, e})
		}
	}
	c.Reply.Array(len(rows))
	for _, e := range rows {
		last := e.samples[len(e.samples)-1]
		c.Reply.Array(4)
		c.Reply.BulkString(e.name)
		c.Reply.Int(last.seconds)
		c.Reply.Int(last.millis)
		c.Reply.Int(e.max)
	}
}

// LATENCY HISTORY event
func cmdLATENCYHISTORY(c *Ctx) {
	e, _ := c.Server.latency.event(c.Args.String())
	c.Reply.Array(len(e.samples))
	for _, sample := range e.samples {
		c.Reply.Array(2)
		c.Reply.Int(sample.seconds)
		c.Reply.Int(sample.millis)
	}
}

// LATENCY RESET [event [event …]]
func cmdLATENCYRESET(c *Ctx) {
	var names []string
	for c.Args.More() {
		names = append(names, c.Args.String())
	}
	c.Reply.Int(int64(c.Server.latency.reset(names)))
}

// LATENCY GRAPH event
func cmdLATENCYGRAPH(c *Ctx) {
	name := c.Args.String()
	e, ok := c.Server.latency.event(name)
	if !ok {
		c.Reply.Error("ERR No samples available for event '" + name + "'")
		return
	}
	c.Reply.Verbatim("txt", graph(name, &e, c.Now/1000))
}

// graph draws the samples as columns, the newest on the right, with their age below each.
func graph(name string, e *latencyEvent, now int64) string {
	const rows = 4
	low, high := int64(math.MaxInt64), int64(0)
	for _, sample := range e.samples {
		low, high = min(low, sample.millis), max(high, sample.millis)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s - high %d ms, low %d ms (all time high %d ms)\n%s\n", name, high, low, e.max, strings.Repeat("-", 80))
	columns := e.samples[max(0, len(e.samples)-80):]
	for row := rows - 1; row >= 0; row-- {
		line := make([]byte, len(columns))
		for i, sample := range columns {
			height := int64(1) // in half rows
			if high > low {
				height = 1 + (sample.millis-low)*(2*rows-1)/(high-low)
			}
			switch above := height - int64(2*row); {
			case above >= 2:
				line[i] = '|'
				if above == 2 || row == rows-1 {
					line[i] = '#'
				}
			case above == 1:
				line[i] = '_'
			default:
				line[i] = ' '
			}
		}
		b.WriteString(strings.TrimRight(string(line), " ") + "\n")
	}
	b.WriteByte('\n')
	labels := make([]string, len(columns))
	longest := 0
	for i, sample := range columns {
		labels[i] = age(now - sample.seconds)
		longest = max(longest, len(labels[i]))
	}
	for row := range longest { // written downwards
		line := make([]byte, len(columns))
		for i, label := range labels {
			line[i] = ' '
			if row < len(label) {
				line[i] = label[row]
			}
		}
		b.WriteString(strings.TrimRight(string(line), " ") + "\n")
	}
	return b.String()
}

func age(seconds int64) string {
	switch {
	case seconds < 60:
		return fmt.Sprintf("%ds", seconds)
	case seconds < 3600:
		return fmt.Sprintf("%dm", seconds/60)
	case seconds < 24*3600:
		return fmt.Sprintf("%dh", seconds/3600)
	}
	return fmt.Sprintf("%dd", seconds/(24*3600))
}

// advice is what LATENCY DOCTOR says of an event.
var advice = map[string]string{
	"command":        "Look at SLOWLOG GET for the commands, and avoid those that walk large collections at once.",
	"fast-command":   "Small commands were slow: the machine has too little processor time for this process, or swaps.",
	"expire-cycle":   "Many keys, or very large ones, expire in the same moment: spread their times to live.",
	"eviction-cycle": "maxmemory is reached: raise it, or write less at a time.",
}

// LATENCY DOCTOR
func cmdLATENCYDOCTOR(c *Ctx) {
	var b strings.Builder
	names := c.Server.latency.names()
	switch {
	case c.Server.Config.latencyAt.Load() == 0:
		b.WriteString("Latency monitoring is off. Switch it on with CONFIG SET latency-monitor-threshold <milliseconds>.\n")
	case len(names) == 0:
		b.WriteString("Nothing took longer than latency-monitor-threshold so far.\n")
	}
	for _, name := range names {
		e, ok := c.Server.latency.event(name)
		if !ok {
			continue
		}
		sum := int64(0)
		for _, sample := range e.samples {
			sum += sample.millis
		}
		span := e.samples[len(e.samples)-1].seconds - e.samples[0].seconds
		fmt.Fprintf(&b, "%s: %d samples in %d seconds, %d ms on average, %d ms at the most. %s\n",
			name, len(e.samples), span, sum/int64(len(e.samples)), e.max, advice[name])
	}
	c.Reply.Verbatim("txt", b.String())
}

// LATENCY HISTOGRAM [command [command …]]
func cmdLATENCYHISTOGRAM(c *Ctx) {
	var specs []*Spec
	add := func(s *Spec) {
		for _, x := range append([]*Spec{s}, s.Subcommands()...) {
			if c.Server.Stats.Calls(x) > 0 && !slices.Contains(specs, x) {
				specs = append(specs, x)
			}
		}
	}
	if !c.Args.More() {
		for _, s := range c.shown() {
			add(s)
		}
	}
	for _, name := range c.Args.Rest() {
		if s := c.lookUp(string(name)); s != nil {
			add(s)
		}
	}
	if !c.Server.Config.Bool("latency-tracking") {
		specs = nil
	}
	c.Reply.Map(len(specs))
	for _, s := range specs {
		stats := c.Server.Stats.of(s)
		var steps [][2]int64
		stats.latency.octaves(func(micros, calls int64) { steps = append(steps, [2]int64{micros, calls}) })
		c.Reply.BulkString(s.FullName())
		c.Reply.Map(2)
		c.Reply.BulkString("calls")
		c.Reply.Int(stats.Calls.Load())
		c.Reply.BulkString("histogram_usec")
		c.Reply.Map(len(steps))
		for _, step := range steps {
			c.Reply.Int(step[0])
			c.Reply.Int(step[1])
		}
	}
}
