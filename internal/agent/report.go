package agent

import (
	"cmp"
	"sync"

	agentv1 "github.com/elastane/elastane/api/agent/v1"
)

// reports collects which statuses have to be sent. A newer status of a thing replaces an unsent one,
// so that there are never more than the agent has things.
type reports struct {
	ready     chan struct{} // holds one: there is something to send
	mu        *sync.Mutex
	nodes     map[string]*agentv1.NodeStatus
	endpoints map[string]*agentv1.EndpointStatus
}

func newReports() reports {
	return reports{
		ready: make(chan struct{}, 1), mu: &sync.Mutex{},
		nodes: map[string]*agentv1.NodeStatus{}, endpoints: map[string]*agentv1.EndpointStatus{},
	}
}

// node and endpoint queue a status, which must not be modified any more.
func (r *reports) node(s *agentv1.NodeStatus) {
	r.mu.Lock()
	r.nodes[s.GetNodeId()] = s
	r.mu.Unlock()
	signal(r.ready)
}

func (r *reports) endpoint(s *agentv1.EndpointStatus) {
	r.mu.Lock()
	r.endpoints[s.GetEndpointId()] = s
	r.mu.Unlock()
	signal(r.ready)
}

// take empties the collection into one report; nil if there is nothing.
func (r *reports) take() *agentv1.Report {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.nodes)+len(r.endpoints) == 0 {
		return nil
	}
	report := &agentv1.Report{}
	for id, s := range r.nodes {
		report.Nodes = append(report.Nodes, s)
		delete(r.nodes, id)
	}
	for id, s := range r.endpoints {
		report.Endpoints = append(report.Endpoints, s)
		delete(r.endpoints, id)
	}
	return report
}

// signal leaves one value in a channel that holds one.
func signal(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

func compareIDs(x, y string) int { return cmp.Compare(x, y) }
