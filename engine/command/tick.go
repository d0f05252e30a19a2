package command

import (
	"time"

	"github.com/elastane/elastane/engine/keyspace"
)

// expireSlice is one look for expired keys, after which the tick sees whether it has time for another.
const expireSlice = time.Millisecond

// expireBudget is the time that one tick may give to expired keys, as long as there are many: as in Valkey a quarter
// of the time, 25 ms of the 100 between two ticks, and up to two more percent for each step of active-expire-effort.
func (s *Server) expireBudget() time.Duration {
	return 25*time.Millisecond + time.Duration(s.Config.Int("active-expire-effort")-1)*2*time.Millisecond
}

// Tick does what a node has to do from time to time; the engine calls it about ten times a second, off the
// commands' path, with the time that it may take at most. It frees what has expired, ends a pause, measures rates, and
// saves as CONFIG's save asks.
func (s *Server) Tick(most time.Duration) {
	if s.debug.pauseCron.Load() {
		return
	}
	now := s.Clock()
	s.unpauseIfOver(now)
	s.Stats.measure(now, s.Space.UsedMemory())
	if s.Has(StateLoading | StateClosed) {
		return
	}
	s.saveIfDue(now)
	s.expire(now.UnixMilli(), min(most, s.expireBudget()))
}

// expire frees what has expired, and goes on for up to budget while there is much.
func (s *Server) expire(now int64, budget time.Duration) {
	began := monotonic()
	deleted := 0
	for {
		n, more := s.expireStep(now)
		deleted += n
		took := time.Duration(monotonic() - began)
		if more && took < budget {
			continue
		}
		if more {
			s.Stats.expireStopped.Add(1)
		}
		s.Stats.expireCycle.Add(int64(took))
		if deleted > 0 {
			s.sampleLatency("expire-cycle", took, now)
		}
		return
	}
}

// expireStep is one slice of it. The state is looked at anew each time, as it may change in between.
func (s *Server) expireStep(now int64) (deleted int, more bool) {
	s.keeping.RLock()
	defer s.keeping.RUnlock()
	if s.Has(StateLoading | StateClosed) {
		return 0, false
	}
	mode := s.ExpiryMode()
	if s.debug.noActiveExpire.Load() {
		mode = keyspace.ExpiryHide
	}
	return s.Space.ExpireStep(now, mode, expireSlice)
}

// Changes is what a Persistence may have besides, for save points.
type Changes interface {
	// Changes is the number of changes that are in no snapshot yet.
	Changes() uint64
}

// saveIfDue starts a snapshot if one of the save points asks for it.
func (s *Server) saveIfDue(now time.Time) {
	points := s.Config.savePoints.Load()
	if points == nil || len(*points) == 0 {
		return
	}
	p, ok := s.Persistence.(Changes)
	if !ok {
		return
	}
	changes, since := p.Changes(), now.Sub(s.Persistence.LastSave())
	for _, point := range *points {
		if changes >= max(point.changes, 1) && since >= point.after && now.Sub(s.savedAt) >= saveRetry {
			s.savedAt = now
			if err := s.Persistence.SaveInBackground(); err != nil {
				s.Logger.Debug("no snapshot was begun", "error", err)
			}
			return
		}
	}
}

// saveRetry is how long a save point waits after a snapshot was begun, so that one that fails is not begun ten times a second.
const saveRetry = 5 * time.Second
