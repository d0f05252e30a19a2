package loop

import (
	"container/heap"
	"time"
)

// Timer is a pending call of a function on a loop.
type Timer struct {
	loop  *Loop
	when  time.Time
	f     func()
	index int // in the heap; -1: not pending
}

// After runs f on the loop once d has passed.
func (l *Loop) After(d time.Duration, f func()) *Timer {
	t := &Timer{loop: l, when: time.Now().Add(d), f: f}
	heap.Push(&l.timers, t)
	return t
}

// Stop keeps the timer from firing; on its loop only. A nil timer may be stopped.
func (t *Timer) Stop() {
	if t != nil && t.index >= 0 {
		heap.Remove(&t.loop.timers, t.index)
	}
}

func (l *Loop) runTimers() {
	for len(l.timers) > 0 && !l.timers[0].when.After(l.now) {
		t := heap.Pop(&l.timers).(*Timer)
		l.guarded(t.f)
	}
}

type timerHeap []*Timer

// wait is how many milliseconds to wait for the next timer, rounded up; -1: there is none.
func (h timerHeap) wait(now time.Time) int {
	if len(h) == 0 {
		return -1
	}
	d := h[0].when.Sub(now)
	if d <= 0 {
		return 0
	}
	return int((min(d, time.Hour) + time.Millisecond - 1) / time.Millisecond)
}

// Len is part of heap.Interface.
func (h timerHeap) Len() int { return len(h) }

// Less is part of heap.Interface.
func (h timerHeap) Less(i, j int) bool { return h[i].when.Before(h[j].when) }

// Swap is part of heap.Interface.
func (h timerHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

// Push is part of heap.Interface.
func (h *timerHeap) Push(x any) {
	t := x.(*Timer)
	t.index = len(*h)
	*h = append(*h, t)
}

// Pop is part of heap.Interface.
func (h *timerHeap) Pop() any {
	old := *h
	t := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	t.index = -1
	return t
}
