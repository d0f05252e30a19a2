package command

import (
	"bytes"
	"maps"
	"math/bits"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/elastane/elastane/engine/acl"
)

// maxStats bounds the records that are counted one by one; a table with more shares the last counter.
const maxStats = 1024

// maxErrorKinds bounds INFO's section Errorstats, as Valkey does: a script can make up any number of error codes.
const maxErrorKinds = 128

// Stats are a node's counters.
type Stats struct {
	Connections    atomic.Int64
	Rejected       atomic.Int64 // connections above maxclients
	Commands       atomic.Int64
	Errors         atomic.Int64 // error replies
	ProtocolErrors atomic.Int64
	Denied         [acl.DeniedAuth + 1]atomic.Int64 // calls that the ACL refused, by reason
	Panics         atomic.Int64
	NetInput       atomic.Int64 // bytes
	NetOutput      atomic.Int64
	OutputLimit    atomic.Int64 // clients dropped by their output buffer limit
	QueryLimit     atomic.Int64 // clients dropped by their query buffer limit
	PeakMemory     atomic.Int64 // bytes, as Tick has seen it
	peakAt         atomic.Int64 // Unix seconds

	commands atomic.Pointer[[maxStats]atomic.Pointer[CommandStats]] // by Spec.id; made at the first command
	kinds    errorKinds

	opsPerSecond, inputPerSecond, outputPerSecond atomic.Int64
	expireCycle                                   atomic.Int64 // nanoseconds spent looking for expired keys
	expireStopped                                 atomic.Int64 // times that its budget ended it

	measuredAt time.Time // of Tick
	measured   [3]int64  // commands, bytes in, bytes out
}

// CommandStats are the counters of one command.
type CommandStats struct {
	Calls, Nanos     atomic.Int64
	Rejected, Failed atomic.Int64 // refused before it ran; answered with an error
	latency          histogram
}

// of returns the counters of a command, made at its first use.
func (st *Stats) of(spec *Spec) *CommandStats {
	all := st.commands.Load()
	if all == nil {
		st.commands.CompareAndSwap(nil, new([maxStats]atomic.Pointer[CommandStats]))
		all = st.commands.Load()
	}
	slot := &all[min(spec.id, maxStats-1)]
	if c := slot.Load(); c != nil {
		return c
	}
	slot.CompareAndSwap(nil, new(CommandStats))
	return slot.Load()
}

// Command returns the counters of a command; nil if it was never called.
func (st *Stats) Command(spec *Spec) *CommandStats {
	all := st.commands.Load()
	if all == nil {
		return nil
	}
	return all[min(spec.id, maxStats-1)].Load()
}

// Calls is how often a command was called.
func (st *Stats) Calls(spec *Spec) int64 {
	if c := st.Command(spec); c != nil {
		return c.Calls.Load()
	}
	return 0
}

// record counts n calls of a command that took nanos each.
func (st *Stats) record(spec *Spec, n, nanos int64) {
	c := st.of(spec)
	c.Calls.Add(n)
	c.Nanos.Add(n * nanos)
	c.latency.add(n, nanos)
}

// failed counts an error reply, whose text (in wire form, -CODE …) is at the start of reply.
func (st *Stats) failed(reply []byte) {
	st.Errors.Add(1)
	code := reply[1:]
	if end := bytes.IndexAny(code, " \r"); end >= 0 {
		code = code[:end]
	}
	st.kinds.add(code)
}

// errorKinds counts error replies by their code.
type errorKinds struct {
	mu     sync.Mutex
	counts map[string]int64
}

func (k *errorKinds) add(code []byte) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if _, known := k.counts[string(code)]; !known && len(k.counts) >= maxErrorKinds {
		code = []byte("ERRORSTATS_OVERFLOW")
	}
	if k.counts == nil {
		k.counts = make(map[string]int64)
	}
	k.counts[string(code)]++
}

// list returns the codes in order, with their counts.
func (k *errorKinds) list() (codes []string, counts map[string]int64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	counts = maps.Clone(k.counts)
	return slices.Sorted(maps.Keys(counts)), counts
}

// A histogram has eight steps for each doubling of the time, from a microsecond (1024 ns) on; below, and above
// 2^36 ns (68 s), it does not tell apart.
const (
	histogramLow     = 10 // bits
	histogramOctaves = 26
	histogramSteps   = 8
)

type histogram struct {
	buckets [1 + histogramOctaves*histogramSteps]atomic.Int64
}

func bucketOf(nanos int64) int {
	octave := bits.Len64(uint64(nanos)) - 1 - histogramLow
	switch {
	case nanos < 1<<histogramLow:
		return 0
	case octave >= histogramOctaves:
		return histogramOctaves * histogramSteps
	}
	step := nanos >> (octave + histogramLow - 3) & (histogramSteps - 1)
	return 1 + octave*histogramSteps + int(step)
}

// bucketEnd is the time in nanoseconds below which everything in a bucket lies.
func bucketEnd(i int) int64 {
	if i == 0 {
		return 1 << histogramLow
	}
	octave, step := (i-1)/histogramSteps, (i-1)%histogramSteps
	return int64(histogramSteps+step+1) << (octave + histogramLow - 3)
}

func (h *histogram) add(n, nanos int64) { h.buckets[bucketOf(nanos)].Add(n) }

// percentile returns the time in nanoseconds that a share (0 to 100) of the calls did not exceed.
func (h *histogram) percentile(share float64) int64 {
	var total int64
	for i := range h.buckets {
		total += h.buckets[i].Load()
	}
	left := int64(share/100*float64(total) + 0.5)
	for i := range h.buckets {
		if left -= h.buckets[i].Load(); left <= 0 {
			return bucketEnd(i)
		}
	}
	return bucketEnd(len(h.buckets) - 1)
}

// octaves calls fn for each doubling in which there is anything, with the number of calls up to its end.
func (h *histogram) octaves(fn func(micros, calls int64)) {
	calls := h.buckets[0].Load()
	if calls > 0 {
		fn(1, calls)
	}
	for octave := range histogramOctaves {
		before := calls
		for step := range histogramSteps {
			calls += h.buckets[1+octave*histogramSteps+step].Load()
		}
		if calls > before {
			end := int64(2) << (octave + histogramLow)
			fn((end+end/128-1)/1000, calls) // the end of the step as Valkey's histogram rounds it
		}
	}
}

// measure updates the rates; only Tick calls it.
func (st *Stats) measure(now time.Time, used int64) {
	if used > st.PeakMemory.Load() {
		st.PeakMemory.Store(used)
		st.peakAt.Store(now.Unix())
	}
	d := now.Sub(st.measuredAt)
	if d < time.Second {
		return
	}
	totals := [3]int64{st.Commands.Load(), st.NetInput.Load(), st.NetOutput.Load()}
	if !st.measuredAt.IsZero() {
		for i, rate := range []*atomic.Int64{&st.opsPerSecond, &st.inputPerSecond, &st.outputPerSecond} {
			rate.Store(max(0, totals[i]-st.measured[i]) * int64(time.Second) / int64(d))
		}
	}
	st.measuredAt, st.measured = now, totals
}

func (st *Stats) reset() {
	for _, counter := range []*atomic.Int64{
		&st.Connections, &st.Rejected, &st.Commands, &st.Errors, &st.ProtocolErrors, &st.Panics,
		&st.NetInput, &st.NetOutput, &st.OutputLimit, &st.QueryLimit, &st.expireCycle, &st.expireStopped,
	} {
		counter.Store(0)
	}
	for i := range st.Denied {
		st.Denied[i].Store(0)
	}
	st.commands.Store(nil)
	st.kinds.mu.Lock()
	st.kinds.counts = nil
	st.kinds.mu.Unlock()
}
