package repl

import (
	"fmt"
	"sort"
	"time"
)

// ReplicaInfo is one attached replica as INFO and ROLE show it.
type ReplicaInfo struct {
	Host   string
	Port   int
	Online bool
	Offset int64 // acknowledged
	Lag    int64 // seconds since the last acknowledgement; -1: none yet
}

// Replicas lists the attached replicas.
func (r *Replication) Replicas() []ReplicaInfo {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.replicas()
}

func (r *Replication) replicas() []ReplicaInfo {
	all := make([]ReplicaInfo, 0, len(r.attached))
	for a := range r.attached {
		info := ReplicaInfo{Host: a.req.Host, Port: a.req.Port, Online: a.online, Offset: a.acked, Lag: -1}
		if !a.ackedAt.IsZero() {
			info.Lag = int64(time.Since(a.ackedAt) / time.Second)
		}
		all = append(all, info)
	}
	sort.Slice(all, func(i, j int) bool {
		return all[i].Host < all[j].Host || all[i].Host == all[j].Host && all[i].Port < all[j].Port
	})
	return all
}

// GoodReplicas counts the replicas in sync that were heard of in the last maxLag seconds (min-replicas-max-lag).
func (r *Replication) GoodReplicas(maxLag int64) (n int64) {
	for _, a := range r.Replicas() {
		if a.Online && a.Lag <= maxLag {
			n++
		}
	}
	return n
}

// Link tells a replica's primary and the state of the link in ROLE's words: connect, connecting, handshake, sync,
// connected. ok is false on a primary.
func (r *Replication) Link() (host string, port int, state string, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.link == nil {
		return "", 0, "", false
	}
	return r.link.host, r.link.port, r.link.state, true
}

// SyncCounts are the full, partial and refused partial synchronisations that replicas of this node have asked for.
func (r *Replication) SyncCounts() (full, partial, refused int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.fullSyncs, r.partialSyncs, r.refusedSyncs
}

// AppendInfo appends the lines of INFO's section Replication.
func (r *Replication) AppendInfo(dst []byte) []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	offset := r.offset()
	if l := r.link; l != nil {
		status, progress := "down", 0
		if l.up {
			status = "up"
		}
		if l.syncing {
			progress = 1
		}
		dst = fmt.Appendf(dst, "role:slave\r\nmaster_host:%s\r\nmaster_port:%d\r\nmaster_link_status:%s\r\n"+
			"master_last_io_seconds_ago:%d\r\nmaster_sync_in_progress:%d\r\nslave_read_repl_offset:%d\r\nslave_repl_offset:%d\r\n",
			l.host, l.port, status, l.silence(), progress, offset, offset)
		if !l.up && !l.downSince.IsZero() {
			dst = fmt.Appendf(dst, "master_link_down_since_seconds:%d\r\n", int64(time.Since(l.downSince)/time.Second))
		}
		dst = append(dst, "slave_priority:100\r\nslave_read_only:1\r\nreplica_announced:1\r\n"...)
	} else {
		dst = append(dst, "role:master\r\n"...)
	}
	replicas := r.replicas()
	dst = fmt.Appendf(dst, "connected_slaves:%d\r\n", len(replicas))
	for i, a := range replicas {
		state := "send_bulk"
		if a.Online {
			state = "online"
		}
		dst = fmt.Appendf(dst, "slave%d:ip=%s,port=%d,state=%s,offset=%d,lag=%d\r\n", i, a.Host, a.Port, state, a.Offset, max(a.Lag, 0))
	}
	id2, id2Offset := r.id2, r.id2Offset
	if id2 == "" {
		id2, id2Offset = "0000000000000000000000000000000000000000", -1
	}
	active, first, size := 0, int64(0), int64(0)
	if s := r.stream; s != nil {
		s.mu.Lock()
		active, first, size = 1, s.start()+1, s.end-s.start()
		s.mu.Unlock()
	}
	return fmt.Appendf(dst, "master_failover_state:no-failover\r\nmaster_replid:%s\r\nmaster_replid2:%s\r\n"+
		"master_repl_offset:%d\r\nsecond_repl_offset:%d\r\nrepl_backlog_active:%d\r\nrepl_backlog_size:%d\r\n"+
		"repl_backlog_first_byte_offset:%d\r\nrepl_backlog_histlen:%d\r\n",
		r.id, id2, offset, id2Offset, active, r.cfg.BacklogSize, first, size)
}
