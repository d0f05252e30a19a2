package command

import (
	"sync/atomic"
	"time"

	"github.com/elastane/elastane/engine/acl"
)

// maxStats bounds the records that are counted one by one; a table with more shares the last counter.
const maxStats = 512

// expireBudget is the time that one tick gives to looking for expired keys.
const expireBudget = time.Millisecond

// Stats are a node's counters.
type Stats struct {
	Connections    atomic.Int64
	Rejected       atomic.Int64 // connections above maxclients
	Commands       atomic.Int64
	Errors         atomic.Int64
	ProtocolErrors atomic.Int64
	Denied         [acl.DeniedAuth + 1]atomic.Int64 // calls that the ACL refused, by reason
	Panics         atomic.Int64
	NetInput       atomic.Int64 // bytes
	NetOutput      atomic.Int64
	OutputLimit    atomic.Int64 // clients dropped by their output buffer limit

	calls atomic.Pointer[[maxStats]atomic.Int64] // by Spec.id; made at the first command

	opsPerSecond atomic.Int64
	measuredAt   time.Time // of Tick
	measured     int64
}

func (st *Stats) count(spec *Spec) {
	st.Commands.Add(1)
	calls := st.calls.Load()
	if calls == nil {
		st.calls.CompareAndSwap(nil, new([maxStats]atomic.Int64))
		calls = st.calls.Load()
	}
	calls[min(spec.id, maxStats-1)].Add(1)
}

// Calls is how often a command was called.
func (st *Stats) Calls(spec *Spec) int64 {
	calls := st.calls.Load()
	if calls == nil {
		return 0
	}
	return calls[min(spec.id, maxStats-1)].Load()
}

// measure updates the rate of commands; only Tick calls it.
func (st *Stats) measure(now time.Time) {
	d := now.Sub(st.measuredAt)
	if d < time.Second {
		return
	}
	total := st.Commands.Load()
	if !st.measuredAt.IsZero() {
		st.opsPerSecond.Store(max(0, total-st.measured) * int64(time.Second) / int64(d))
	}
	st.measuredAt, st.measured = now, total
}

func (st *Stats) reset() {
	for _, counter := range []*atomic.Int64{
		&st.Connections, &st.Rejected, &st.Commands, &st.Errors, &st.ProtocolErrors, &st.Panics,
		&st.NetInput, &st.NetOutput, &st.OutputLimit,
	} {
		counter.Store(0)
	}
	for i := range st.Denied {
		st.Denied[i].Store(0)
	}
	st.calls.Store(nil)
}
