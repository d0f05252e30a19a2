// Package clock is the control plane's source of time, so that tests and simulations decide what time it is.
package clock

import (
	"sync"
	"time"
)

// Clock tells the time and wakes its callers.
type Clock interface {
	Now() time.Time
	// After returns a channel that gets the time once d has passed; stop frees it early and may be
	// called more than once.
	After(d time.Duration) (fires <-chan time.Time, stop func())
}

// Real is the machine's clock.
var Real Clock = realClock{}

type realClock struct{}

func (realClock) Now() time.Time { return time.Now().UTC() }

func (realClock) After(d time.Duration) (<-chan time.Time, func()) {
	timer := time.NewTimer(d)
	return timer.C, func() { timer.Stop() }
}

// Fake is a clock that moves only when Advance is called.
type Fake struct {
	mu      sync.Mutex
	now     time.Time
	waiters map[chan time.Time]time.Time
}

// NewFake returns a fake clock that stands at now.
func NewFake(now time.Time) *Fake {
	return &Fake{now: now, waiters: map[chan time.Time]time.Time{}}
}

// Now returns the fake time.
func (f *Fake) Now() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.now
}

// After waits for Advance to pass d.
func (f *Fake) After(d time.Duration) (<-chan time.Time, func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	ch := make(chan time.Time, 1)
	if d <= 0 {
		ch <- f.now
		return ch, func() {}
	}
	f.waiters[ch] = f.now.Add(d)
	return ch, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.waiters, ch)
	}
}

// Advance moves the time forward and wakes whoever waited for a moment that has passed.
func (f *Fake) Advance(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now = f.now.Add(d)
	for ch, at := range f.waiters {
		if !at.After(f.now) {
			ch <- f.now
			delete(f.waiters, ch)
		}
	}
}
