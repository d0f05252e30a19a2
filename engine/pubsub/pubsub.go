// Package pubsub is the registry of a node's subscriptions: who listens to which channel, pattern or shard
// channel. It delivers messages, and knows no client and no connection.
package pubsub

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/elastane/elastane/engine/glob"
)

// Kind tells the three sorts of subscription apart.
type Kind uint8

// The kinds of subscription.
const (
	Channel Kind = iota // SUBSCRIBE
	Pattern             // PSUBSCRIBE
	Shard               // SSUBSCRIBE
	kinds
)

// Message is one delivery. Its bytes may be kept, and must not be changed.
type Message struct {
	Kind    Kind
	Pattern string // the subscribed pattern, for Pattern
	Channel string
	Payload []byte
	// From is what the publisher gave Publish, so that a subscriber of the same thread can take a short way.
	From any
}

// Subscriber receives messages. Deliver is called from any goroutine, with the registry locked for reading: it
// must neither block nor call the registry.
type Subscriber interface{ Deliver(m *Message) }

// Registry holds subscriptions. Its zero value is ready for use.
type Registry struct {
	mu    sync.RWMutex
	names [kinds]map[string]map[Subscriber]struct{}
	any   atomic.Int64 // subscriptions of all kinds, so that a publish without listeners takes no lock
}

// Subscribe adds a subscription, and reports whether it is new.
func (r *Registry) Subscribe(k Kind, name string, s Subscriber) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.names[k] == nil {
		r.names[k] = make(map[string]map[Subscriber]struct{})
	}
	set := r.names[k][name]
	if set == nil {
		set = make(map[Subscriber]struct{})
		r.names[k][name] = set
	}
	if _, there := set[s]; there {
		return false
	}
	set[s] = struct{}{}
	r.any.Add(1)
	return true
}

// Unsubscribe removes a subscription, and reports whether there was one.
func (r *Registry) Unsubscribe(k Kind, name string, s Subscriber) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	set := r.names[k][name]
	if _, there := set[s]; !there {
		return false
	}
	delete(set, s)
	if len(set) == 0 {
		delete(r.names[k], name)
	}
	r.any.Add(-1)
	return true
}

// Publish delivers a message to the channel's subscribers and, unless it is a shard channel, to the patterns that
// match. It returns the number of deliveries. channel and payload are copied if anyone
// listens; from is passed on.
func (r *Registry) Publish(shard bool, channel, payload []byte, from any) int {
	if r.any.Load() == 0 {
		return 0
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	kind := Channel
	if shard {
		kind = Shard
	}
	delivered := 0
	var own []byte
	deliver := func(m Message, set map[Subscriber]struct{}) {
		if own == nil {
			own = slices.Clone(payload)
			if own == nil {
				own = []byte{}
			}
		}
		m.Payload, m.From = own, from
		for s := range set {
			s.Deliver(&m)
			delivered++
		}
	}
	if set := r.names[kind][string(channel)]; len(set) > 0 {
		deliver(Message{Kind: kind, Channel: string(channel)}, set)
	}
	if shard {
		return delivered
	}
	for pattern, set := range r.names[Pattern] {
		if glob.Match([]byte(pattern), channel) {
			deliver(Message{Kind: Pattern, Pattern: pattern, Channel: string(channel)}, set)
		}
	}
	return delivered
}

// Names lists the channels of a kind that have subscribers.
func (r *Registry) Names(k Kind) []string {
	r.mu.RLock()
	defer r.mu.RUnlock()
	names := make([]string, 0, len(r.names[k]))
	for name := range r.names[k] {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Count returns how many subscribers a channel or pattern has.
func (r *Registry) Count(k Kind, name string) int {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return len(r.names[k][name])
}

// Len returns how many channels or patterns of a kind have subscribers.
func (r *Registry) Len(k Kind) int {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return len(r.names[k])
}
