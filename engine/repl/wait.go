package repl

// Waiter is a client in WAIT.
type Waiter struct {
	r      *Replication
	offset int64
	n      int
	tell   func(acked int)
}

// Wait counts the replicas that have acknowledged everything up to now. If they are fewer than n, it asks
// them, and calls tell once enough have answered, on some goroutine, at most once, without blocking. The Waiter has to be
// cancelled in the end. With enough at once there is none.
func (r *Replication) Wait(n int, tell func(acked int)) (acked int, w *Waiter) {
	r.mu.Lock()
	offset := r.offset()
	if acked = r.ackedBy(offset); acked >= n {
		r.mu.Unlock()
		return acked, nil
	}
	w = &Waiter{r: r, offset: offset, n: n, tell: tell}
	r.waiters[w] = struct{}{}
	r.mu.Unlock()
	r.service(getAck)
	return acked, w
}

// Enough says whether enough replicas have acknowledged what there was when the waiting began. If not (one of them has left
// meanwhile), the waiting goes on.
func (w *Waiter) Enough() bool {
	w.r.mu.Lock()
	defer w.r.mu.Unlock()
	if w.r.ackedBy(w.offset) >= w.n {
		return true
	}
	w.r.waiters[w] = struct{}{}
	return false
}

// Cancel ends the waiting and returns the count: tell is not called any more.
func (w *Waiter) Cancel() int {
	w.r.mu.Lock()
	defer w.r.mu.Unlock()
	delete(w.r.waiters, w)
	return w.r.ackedBy(w.offset)
}

// ackedBy counts the replicas in sync that have acknowledged offset. Call with mu held.
func (r *Replication) ackedBy(offset int64) int {
	n := 0
	for a := range r.attached {
		if a.online && a.acked >= offset {
			n++
		}
	}
	return n
}

// wakeWaiters tells the waiters that have enough. Call with mu held.
func (r *Replication) wakeWaiters() {
	for w := range r.waiters {
		if n := r.ackedBy(w.offset); n >= w.n {
			delete(r.waiters, w)
			w.tell(n)
		}
	}
}
