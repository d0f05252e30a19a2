package keyspace

import "time"

// ExpireStep looks for keys whose time has come and deletes them (EventExpired through the hook, to be propagated as DEL),
// going on where the last call left, for about budget at most (not on a replica: pass ExpiryHide). It also frees what
// an asynchronous flush left. It returns how many keys it deleted and whether another call soon is worth while. No stripe may be held.
func (s *Space) ExpireStep(now int64, x Expiry, budget time.Duration) (deleted int, more bool) {
	panic("keyspace: not built yet")
}
