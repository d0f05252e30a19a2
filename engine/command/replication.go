package command

// errRoleChanged is what clients in a blocking command get from a primary that becomes a replica; Valkey's text.
const errRoleChanged = "UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)"

// Demoted answers every client that waits, blocked or paused, after the node has become a replica: a write that was held
// back is refused then, and can never be acknowledged and lost.
func (s *Server) Demoted() {
	for _, c := range s.Clients.List() {
		if c.Conn != nil {
			c.Unblock(errRoleChanged)
		}
	}
	s.pauses.mu.Lock()
	held := s.pauses.held
	s.pauses.held = nil
	s.pauses.mu.Unlock()
	for c := range held {
		c.Conn.Post(c.Conn.Resume) // it meets the gate again: writes are refused, reads may go on waiting
	}
}
