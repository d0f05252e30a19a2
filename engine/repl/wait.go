package repl

// waiter is a client in WAIT.
type waiter struct {
	offset int64
	n      int
	tell   func(acked int)
}

// Wait counts the replicas that have acknowledged everything up to now. If they are fewer than n, it asks
// them, and calls tell once enough have answered, on some goroutine, at most once; cancel ends the waiting and returns
// the count at that time, and after it tell is not called. With enough at once, cancel is nil.
func (r *Replication) Wait(n int, tell func(acked int)) (acked int, cancel func() int) {
	r.mu.Lock()
	offset := r.offset()
	if acked = r.ackedBy(offset); acked >= n {
		r.mu.Unlock()
		return acked, nil
	}
	w := &waiter{offset: offset, n: n, tell: tell}
	r.waiters[w] = struct{}{}
	r.mu.Unlock()
	r.service(getAck)
	return acked, func() int {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.waiters, w)
		return r.ackedBy(w.offset)
	}
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
