package cluster

import (
	"fmt"
	"strconv"
	"strings"
)

// NodesText is the reply of CLUSTER NODES as node self gives it: one line a node, with the host that
// clients use and bus port 1122. pong is the Unix time in milliseconds to show as each other node's last answer.
func (t *Table) NodesText(self string, pong int64) string {
	var b strings.Builder
	for i := range t.m.Shards {
		s := &t.m.Shards[i]
		for j := range s.Nodes {
			s.nodeLine(&b, &s.Nodes[j], self, pong)
			b.WriteByte('\n')
		}
	}
	return b.String()
}

// nodeLine writes the line of CLUSTER NODES for one of the shard's nodes.
func (s *Shard) nodeLine(b *strings.Builder, n *Node, self string, pong int64) {
	flags, primary := "master", "-"
	if !n.Primary {
		flags, primary = "slave", s.Primary().ID
	}
	if n.ID == self {
		flags, pong = "myself,"+flags, 0
	}
	fmt.Fprintf(b, "%s %s:%d@%d %s %s 0 %d %d connected", n.ID, n.Host, n.Port, BusPort, flags, primary, pong, n.Epoch)
	if !n.Primary {
		return
	}
	for _, r := range s.Slots {
		b.WriteByte(' ')
		b.WriteString(strconv.Itoa(r.Start))
		if r.End != r.Start {
			b.WriteByte('-')
			b.WriteString(strconv.Itoa(r.End))
		}
	}
}

// InfoText is the reply of CLUSTER INFO as node self gives it. There is no cluster bus, so its
// counters are 0.
func (t *Table) InfoText(self string) string {
	state := "ok"
	if !t.Complete() {
		state = "fail"
	}
	size, my := 0, uint64(0)
	for i := range t.m.Shards {
		s := &t.m.Shards[i]
		if len(s.Slots) > 0 {
			size++
		}
		for j := range s.Nodes {
			if s.Nodes[j].ID == self {
				my = s.Nodes[j].Epoch
			}
		}
	}
	return fmt.Sprintf("cluster_state:%s\r\ncluster_slots_assigned:%d\r\ncluster_slots_ok:%d\r\n"+
		"cluster_slots_pfail:0\r\ncluster_slots_fail:0\r\ncluster_known_nodes:%d\r\ncluster_size:%d\r\n"+
		"cluster_current_epoch:%d\r\ncluster_my_epoch:%d\r\ncluster_stats_messages_sent:0\r\n"+
		"cluster_stats_messages_received:0\r\ntotal_cluster_links_buffer_limit_exceeded:0\r\n",
		state, t.covers, t.covers, len(t.shard), size, t.m.Epoch, my)
}
