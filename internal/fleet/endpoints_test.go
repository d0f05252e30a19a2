package fleet_test

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	agentv1 "github.com/elastane/elastane/api/agent/v1"
	"github.com/elastane/elastane/internal/agent"
	"github.com/elastane/elastane/internal/agent/driver/fake"
	"github.com/elastane/elastane/internal/fleet"
	"github.com/elastane/elastane/internal/store"
)

// addEndpoint makes an endpoint with an address of its own.
func (w *world) addEndpoint(agentID uuid.UUID, kind agentv1.EndpointKind, port int32) fleet.Endpoint {
	w.t.Helper()
	e := fleet.Endpoint{ID: uuid.New(), OwnerKind: store.OwnerReplicationGroup, OwnerUID: group, NodeGroupID: "0001", Kind: kind}
	w.tx(func(tx pgx.Tx) error {
		addresses, err := fleet.AllocateAddresses(w.ctx, tx, []fleet.AddressWant{{UsedBy: e.ID, AgentID: agentID, Port: port}})
		if err != nil {
			return err
		}
		e.Host, e.Port = addresses[e.ID].Host, addresses[e.ID].Port
		return fleet.InsertEndpoints(w.ctx, tx, []fleet.Endpoint{e})
	})
	return e
}

func (w *world) endpoint(id uuid.UUID) fleet.Endpoint {
	w.t.Helper()
	var found fleet.Endpoint
	w.tx(func(tx pgx.Tx) error {
		all, err := fleet.EndpointsOf(w.ctx, tx, group)
		for _, e := range all {
			if e.ID == id {
				found = e
			}
		}
		return err
	})
	return found
}

func (w *world) target(t fleet.EndpointTargets) {
	w.t.Helper()
	w.tx(func(tx pgx.Tx) error { return fleet.SetEndpointTargets(w.ctx, tx, []fleet.EndpointTargets{t}) })
}

// ask connects to an endpoint and returns what it says; the fake driver says the name of its node.
func (w *world) ask(e fleet.Endpoint) string {
	w.t.Helper()
	c, err := net.DialTimeout("tcp", fmt.Sprintf("%s:%d", e.Host, e.Port), patience)
	if err != nil {
		return ""
	}
	defer c.Close() //nolint:errcheck // read to the end
	answer := make([]byte, 100)
	n, _ := c.Read(answer)
	return string(answer[:n])
}

func freePort(t *testing.T) int32 {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close() //nolint:errcheck // only its number is wanted
	return int32(ln.Addr().(*net.TCPAddr).Port)
}

func TestEndpointFollowsThePrimary(t *testing.T) {
	w := newWorld(t)
	one, two := fake.New(fake.Script{}), fake.New(fake.Script{})
	w.startAgent(agent.Options{Host: "h1", Zone: "*a"}, one)
	w.startAgent(agent.Options{Host: "h2", Zone: "*b"}, two)
	agents := w.agentIDs()
	first := w.addNode(agents[0], "first/0001", nil)
	second := w.addNode(agents[1], "second/0001", func(s *agentv1.NodeSpec) {
		s.Role, s.Primary = agentv1.Role_ROLE_REPLICA, &agentv1.PrimaryAddress{Host: "127.0.0.1", Port: 6379}
	})
	w.observed(first, running, 1)
	w.observed(second, running, 1)

	e := w.addEndpoint(agents[0], agentv1.EndpointKind_ENDPOINT_KIND_PRIMARY, freePort(t))
	w.target(fleet.EndpointTargets{EndpointID: e.ID, Targets: ids(first), ShardEpoch: 1})
	w.until("the endpoint listens", func() bool { return w.endpoint(e.ID).Ready() })
	if got := w.ask(e); got != "first/0001" {
		t.Fatalf("the endpoint leads to %q", got)
	}

	// The endpoint moves with the role: the former agent closes and its row goes, the new one listens.
	w.change(first, func(s *agentv1.NodeSpec) {
		s.Role, s.Primary, s.ShardEpoch = agentv1.Role_ROLE_REPLICA, &agentv1.PrimaryAddress{Host: "127.0.0.1", Port: 6380}, 2
	})
	w.change(second, func(s *agentv1.NodeSpec) { s.Role, s.Primary, s.ShardEpoch = agentv1.Role_ROLE_PRIMARY, nil, 2 })
	w.target(fleet.EndpointTargets{EndpointID: e.ID, Targets: ids(second), ShardEpoch: 2})
	w.until("only the new agent has the endpoint", func() bool {
		now := w.endpoint(e.ID)
		return len(now.Listeners) == 1 && now.Listeners[0].AgentID == agents[1] && now.Ready()
	})
	w.observed(second, running, 2)
	if got := w.ask(e); got != "second/0001" {
		t.Errorf("the endpoint leads to %q", got)
	}

	w.target(fleet.EndpointTargets{EndpointID: e.ID})
	w.until("nobody listens", func() bool { return w.endpoint(e.ID).Gone() })
	w.tx(func(tx pgx.Tx) error { return fleet.DeleteEndpoints(w.ctx, tx, ids(e.ID)) })
	if n := w.count("SELECT count(*) FROM addresses"); n != 0 {
		t.Errorf("addresses left = %d", n)
	}
}

// A primary endpoint gives nothing to a node that is not the primary at the endpoint's shard epoch.
func TestPrimaryEndpointWaitsForTheRole(t *testing.T) {
	w := newWorld(t)
	d := fake.New(fake.Script{})
	w.startAgent(agent.Options{}, d)
	agentID := w.agentIDs()[0]
	id := w.addNode(agentID, "web/0001", nil)
	w.observed(id, running, 1)
	e := w.addEndpoint(agentID, agentv1.EndpointKind_ENDPOINT_KIND_PRIMARY, freePort(t))
	w.target(fleet.EndpointTargets{EndpointID: e.ID, Targets: ids(id), ShardEpoch: 2})
	w.until("the endpoint listens", func() bool { return w.endpoint(e.ID).Ready() })
	if got := w.ask(e); got != "" {
		t.Errorf("led to %q, which is a primary of an older epoch", got)
	}
	w.observed(id, running, w.change(id, func(s *agentv1.NodeSpec) { s.ShardEpoch = 2 }))
	if got := w.ask(e); got != "web/0001" {
		t.Errorf("led to %q", got)
	}
}

func TestReaderEndpointTakesTurns(t *testing.T) {
	w := newWorld(t)
	d := fake.New(fake.Script{})
	w.startAgent(agent.Options{}, d)
	agentID := w.agentIDs()[0]
	nodes := []uuid.UUID{}
	for i := range 3 {
		nodes = append(nodes, w.addNode(agentID, fmt.Sprintf("reader/%d", i), func(s *agentv1.NodeSpec) {
			s.Role, s.Primary = agentv1.Role_ROLE_REPLICA, &agentv1.PrimaryAddress{Host: "127.0.0.1", Port: 6379}
		}))
	}
	for _, id := range nodes {
		w.observed(id, running, 1)
	}
	e := w.addEndpoint(agentID, agentv1.EndpointKind_ENDPOINT_KIND_READER, freePort(t))
	w.target(fleet.EndpointTargets{EndpointID: e.ID, Targets: nodes})
	w.until("the endpoint listens", func() bool { return w.endpoint(e.ID).Ready() })
	seen := map[string]int{}
	for range 6 {
		seen[w.ask(e)]++
	}
	if len(seen) != 3 || seen["reader/0"] != 2 {
		t.Errorf("connections by node = %v, want two each", seen)
	}
}

func TestAddressesLoopback(t *testing.T) {
	w := newWorld(t)
	w.startAgent(agent.Options{}, fake.New(fake.Script{}))
	agentID := w.agentIDs()[0]
	allocate := func(n int) map[uuid.UUID]fleet.Address {
		t.Helper()
		wants := []fleet.AddressWant{}
		for range n {
			wants = append(wants, fleet.AddressWant{UsedBy: uuid.New(), AgentID: agentID, Port: 6379})
		}
		var got map[uuid.UUID]fleet.Address
		w.tx(func(tx pgx.Tx) (err error) {
			got, err = fleet.AllocateAddresses(w.ctx, tx, wants)
			return err
		})
		return got
	}
	seen := map[string]bool{}
	for range 3 {
		for id, a := range allocate(300) {
			ip := net.ParseIP(a.Host).To4()
			if seen[a.Host] || a.Port != 6379 || ip == nil || ip[0] != 127 || ip[1] < 16 || ip[3] == 0 || ip[3] == 255 {
				t.Fatalf("address of %s = %+v, seen before: %v", id, a, seen[a.Host])
			}
			seen[a.Host] = true
		}
	}
	// Freed addresses are not handed out at once, but after the whole net has been.
	one := allocate(1)
	for id, a := range one {
		w.tx(func(tx pgx.Tx) error { return fleet.FreeAddresses(w.ctx, tx, ids(id)) })
		for _, again := range allocate(5) {
			if again.Host == a.Host {
				t.Errorf("%s is handed out again at once", a.Host)
			}
		}
	}
	if _, err := w.store.Pool().Exec(w.ctx, "UPDATE installation SET next_address = 65020"); err != nil {
		t.Fatal(err)
	}
	for _, a := range allocate(300) { // over the end of the net, past those that are taken
		if seen[a.Host] || strings.HasSuffix(a.Host, ".0.1") {
			t.Fatalf("%s is taken", a.Host)
		}
		seen[a.Host] = true
	}
	// The same user gets the same address again.
	want := []fleet.AddressWant{{UsedBy: uuid.New(), AgentID: agentID, Port: 6379}}
	w.tx(func(tx pgx.Tx) error {
		first, err := fleet.AllocateAddresses(w.ctx, tx, want)
		if err != nil {
			return err
		}
		again, err := fleet.AllocateAddresses(w.ctx, tx, want)
		if first[want[0].UsedBy] != again[want[0].UsedBy] {
			t.Errorf("addresses %v and %v", first, again)
		}
		return err
	})
}

func TestAddressesPorts(t *testing.T) {
	w := newWorld(t)
	w.startAgent(agent.Options{
		AddressMode: agentv1.AddressMode_ADDRESS_MODE_PORTS, AdvertiseHost: "cache.example", ClusterHost: "10.0.0.1", PortMin: 7000, PortMax: 7002,
	}, fake.New(fake.Script{}))
	agentID := w.agentIDs()[0]
	wants := func(n int) (wants []fleet.AddressWant) {
		for range n {
			wants = append(wants, fleet.AddressWant{UsedBy: uuid.New(), AgentID: agentID, Port: 6379})
		}
		return wants
	}
	err := w.store.Tx(w.ctx, func(tx pgx.Tx) error {
		_, err := fleet.AllocateAddresses(w.ctx, tx, wants(4))
		return err
	})
	if !errors.Is(err, fleet.ErrNoAddress) {
		t.Errorf("four of three ports: error = %v", err)
	}
	ports := []int32{}
	w.tx(func(tx pgx.Tx) error {
		got, err := fleet.AllocateAddresses(w.ctx, tx, wants(3))
		for _, a := range got {
			if a.Host != "cache.example" || a.ClusterHost != "10.0.0.1" || a.Port != a.ClusterPort {
				t.Errorf("address = %+v", a)
			}
			ports = append(ports, a.Port)
		}
		return err
	})
	slices.Sort(ports)
	if !slices.Equal(ports, []int32{7000, 7001, 7002}) {
		t.Errorf("ports = %v", ports)
	}
}

// In ports mode one agent listens for an endpoint wherever the node is, and forwards.
func TestPortsModeForwards(t *testing.T) {
	w := newWorld(t)
	// A node elsewhere, played by a listener that says its name.
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			_, _ = c.Write([]byte("elsewhere"))
			_ = c.Close()
		}
	}()
	t.Cleanup(func() { _ = ln.Close(); <-served })
	port := uint32(freePort(t))
	options := agent.Options{
		AddressMode: agentv1.AddressMode_ADDRESS_MODE_PORTS, AdvertiseHost: "127.0.0.1", PortMin: port, PortMax: port,
	}
	w.startAgent(options, fake.New(fake.Script{}))
	other := newCaller(w)
	otherID := uuid.New()
	if err := other.enroll(otherID, w.token()); err != nil {
		t.Fatal(err)
	}
	agentID := w.agentIDs()[0]
	remote := w.addNode(otherID, "remote/0001", func(s *agentv1.NodeSpec) {
		s.ListenPort = uint32(ln.Addr().(*net.TCPAddr).Port)
	})
	e := w.addEndpoint(agentID, agentv1.EndpointKind_ENDPOINT_KIND_PRIMARY, 0)
	w.target(fleet.EndpointTargets{EndpointID: e.ID, Targets: ids(remote), ShardEpoch: 1})
	w.until("the endpoint listens", func() bool { return w.endpoint(e.ID).Ready() })
	if got := w.ask(e); got != "elsewhere" {
		t.Errorf("the endpoint leads to %q", got)
	}
	listeners := w.endpoint(e.ID).Listeners
	if len(listeners) != 1 || listeners[0].AgentID != agentID {
		t.Errorf("listeners = %v, want the agent that the port belongs to", listeners)
	}
}

func TestPlaceInTheDatabase(t *testing.T) {
	w := newWorld(t)
	w.startAgent(agent.Options{Host: "h1", Zone: "*a", MemoryBytes: 100, VCPUs: 8}, fake.New(fake.Script{}))
	agentID := w.agentIDs()[0]
	place := func(now time.Time, memory int64) error {
		return w.store.Tx(w.ctx, func(tx pgx.Tx) error {
			got, err := fleet.Place(w.ctx, tx, now, []fleet.ShardWant{{
				Region: "eu-west-1", Driver: "fake", MemoryBytes: memory, VCPUs: 2, Zones: []string{""},
			}})
			if err == nil && (got[0][0].AgentID != agentID || got[0][0].Zone != "eu-west-1a") {
				t.Errorf("placement = %+v", got)
			}
			return err
		})
	}
	var refused *fleet.NoCapacityError
	if err := place(time.Now(), 100); err != nil {
		t.Errorf("exactly as much as there is: %v", err)
	}
	if err := place(time.Now(), 101); !errors.As(err, &refused) {
		t.Errorf("more than there is: error = %v", err)
	}
	if err := place(time.Now().Add(time.Hour), 1); !errors.As(err, &refused) || refused.Agents != 0 {
		t.Errorf("an agent that was not seen lately: error = %v", err)
	}
}

func TestClaimLoopbackOctet(t *testing.T) {
	one, two := newWorld(t), newWorld(t)
	claim := func(w *world) (*fleet.LoopbackClaim, error) {
		c, err := fleet.ClaimLoopbackOctet(w.ctx, w.store)
		if err == nil {
			t.Cleanup(func() { _ = c.Close() })
		}
		return c, err
	}
	first, err := claim(one)
	if err != nil {
		t.Fatal(err)
	}
	// The other instance was made as a copy: it has the same octet, and nothing placed in it.
	set := func(w *world, octet int) {
		t.Helper()
		if _, err := w.store.Pool().Exec(w.ctx, "UPDATE installation SET loopback_octet = $1", octet); err != nil {
			t.Fatal(err)
		}
	}
	set(two, first.Octet)
	second, err := claim(two)
	if err != nil {
		t.Fatal(err)
	}
	if second.Octet == first.Octet {
		t.Fatal("two instances hold one octet")
	}
	if n := two.count("SELECT loopback_octet FROM installation"); n != second.Octet {
		t.Errorf("stored octet = %d, claimed %d", n, second.Octet)
	}
	// With something placed it cannot move.
	set(two, first.Octet)
	if _, err := two.store.Pool().Exec(two.ctx, "INSERT INTO addresses (host, port, used_by) VALUES ('127.0.0.9', 1, $1)", group); err != nil {
		t.Fatal(err)
	}
	if _, err = claim(two); err == nil || !strings.Contains(err.Error(), "another running instance") {
		t.Errorf("error = %v", err)
	}
	// The same octet again, once it is free.
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := claim(one)
	if err != nil || again.Octet != first.Octet {
		t.Errorf("again = %+v, error = %v", again, err)
	}
}
