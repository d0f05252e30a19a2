package repl

// SetBacklogSize changes repl-backlog-size, in bytes; from any goroutine.
func (r *Replication) SetBacklogSize(size int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cfg.BacklogSize = size
	if s := r.stream; s != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.keep = size
		s.trim()
	}
}

// BacklogMemory is the memory of the replication stream in bytes.
func (r *Replication) BacklogMemory() (n int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s := r.stream; s != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		for i := range s.chunks {
			n += int64(cap(s.chunks[i].buf))
		}
	}
	return n
}

// ChangeID begins a new replication history on a primary: replicas cannot go on with the old one (DEBUG CHANGE-REPL-ID).
func (r *Replication) ChangeID() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.link == nil {
		r.id, r.id2, r.id2Offset = newID(), "", 0
	}
}
