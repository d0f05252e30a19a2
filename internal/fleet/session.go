package fleet

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"connectrpc.com/connect"
	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	agentv1 "github.com/elastane/elastane/api/agent/v1"
	"github.com/elastane/elastane/internal/store"
	"github.com/elastane/elastane/internal/store/db"
)

// stream is one agent's session on the wire.
type stream = connect.BidiStream[agentv1.AgentMessage, agentv1.ServerMessage]

// session is one agent's live stream. Four goroutines share it: one receives, one reads desired state
// when woken, one writes observed state, one sends. Nothing queues without bound: specs go one message
// at a time, reports and heartbeats overwrite older ones of the same thing.
type session struct {
	server *Server
	id     uuid.UUID
	agent  uuid.UUID
	log    *slog.Logger
	end    context.CancelCauseFunc

	woken     chan struct{}               // holds one: desired state may have changed
	specs     chan *agentv1.ServerMessage // to the sender, unbuffered
	beats     chan uint64                 // holds the latest unanswered heartbeat
	seen      observations
	strangers map[uuid.UUID]bool // nodes that were logged as unknown; the writer's
	touch     time.Time          // when last_seen_at was last written; the sender's, once it runs
}

var errReplaced = errors.New("a newer session of this agent has taken over")

// Session implements agentv1connect.AgentServiceHandler.
func (s *Server) Session(ctx context.Context, wire *stream) error {
	agent, _ := peerAgent(ctx) // requireAgent saw to it
	control, _ := ctx.Value(controllerKey{}).(*http.ResponseController)
	if control == nil {
		return connect.NewError(connect.CodeInternal, errors.New("no response controller"))
	}
	extend := func() error { return control.SetReadDeadline(time.Now().Add(s.opts.Silence)) }
	if err := extend(); err != nil {
		return connect.NewError(connect.CodeInternal, err)
	}
	first, err := wire.Receive()
	if err != nil {
		return err
	}
	hello := first.GetHello()
	if err := s.checkHello(agent, hello); err != nil {
		s.log.Warn("session refused", "agent_id", agent, "error", err)
		return err
	}

	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	n := &session{
		server: s, id: uuid.New(), agent: agent, end: end,
		log:   s.log.With("agent_id", agent, "host", hello.GetHost(), "zone", hello.GetZone()),
		woken: make(chan struct{}, 1), specs: make(chan *agentv1.ServerMessage), beats: make(chan uint64, 1),
		seen: newObservations(), strangers: map[uuid.UUID]bool{}, touch: s.opts.Clock.Now(),
	}
	if err := n.hello(ctx, hello); err != nil {
		s.log.Warn("session refused", "agent_id", agent, "error", err)
		return rpcError(err)
	}
	s.register(n)
	defer s.unregister(n)
	n.log.Info("agent connected", "version", hello.GetVersion(), "nodes", len(hello.GetNodes()))

	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return n.receive(ctx, wire, extend) })
	group.Go(func() error { return n.follow(ctx) })
	group.Go(func() error { return n.observe(ctx) })
	group.Go(func() error { return n.send(ctx, wire) })
	group.Go(func() error {
		// The first to end takes the others along. The deadlines wake those that wait on the wire; both
		// calls fail only if the stream is gone already.
		<-ctx.Done()
		end(context.Cause(ctx))
		_ = control.SetReadDeadline(time.Unix(1, 0))
		_ = control.SetWriteDeadline(time.Now().Add(time.Second))
		return nil
	})
	err = group.Wait()
	if cause := context.Cause(ctx); errors.Is(cause, errReplaced) {
		err = connect.NewError(connect.CodeAborted, errReplaced)
	} else if cause != nil && !errors.Is(cause, context.Canceled) {
		err = cause
	}
	n.log.Info("agent disconnected", "reason", err)
	return err
}

// checkHello refuses what cannot be a session of this agent.
func (s *Server) checkHello(agent uuid.UUID, hello *agentv1.Hello) error {
	switch {
	case hello == nil:
		return connect.NewError(connect.CodeInvalidArgument, errors.New("the first message must be Hello"))
	case hello.GetProtocol() != agentv1.ProtocolVersion:
		return connect.NewError(connect.CodeFailedPrecondition,
			fmt.Errorf("protocol %d is not supported, this control plane speaks %d", hello.GetProtocol(), agentv1.ProtocolVersion))
	case hello.GetAgentId() != agent.String():
		return connect.NewError(connect.CodePermissionDenied, errors.New("agent_id is not the certificate's"))
	case hello.GetInstallationId() != "" && hello.GetInstallationId() != s.installation.String():
		return connect.NewError(connect.CodeFailedPrecondition, errors.New("the agent belongs to another installation"))
	case hello.GetAddressMode() == agentv1.AddressMode_ADDRESS_MODE_PORTS &&
		(hello.GetAdvertiseHost() == "" || hello.GetClusterHost() == "" || hello.GetPortMin() < 1 ||
			hello.GetPortMax() > 65535 || hello.GetPortMin() > hello.GetPortMax()):
		return connect.NewError(connect.CodeInvalidArgument, errors.New("ports mode needs advertise_host, cluster_host and a port range within 1-65535"))
	}
	return nil
}

var addressModes = map[agentv1.AddressMode]string{
	agentv1.AddressMode_ADDRESS_MODE_UNSPECIFIED: modeLoopback,
	agentv1.AddressMode_ADDRESS_MODE_LOOPBACK:    modeLoopback,
	agentv1.AddressMode_ADDRESS_MODE_PORTS:       modePorts,
	agentv1.AddressMode_ADDRESS_MODE_DNS:         modeDNS,
}

// hello records the agent and takes its session over from whoever had it.
func (n *session) hello(ctx context.Context, hello *agentv1.Hello) error {
	drivers := hello.GetDrivers()
	if drivers == nil {
		drivers = []string{}
	}
	known, err := store.Q.AgentHello(ctx, n.server.opts.Store.Pool(), db.AgentHelloParams{
		AgentID: n.agent, SessionID: n.id, Now: n.touch,
		Host: hello.GetHost(), Zone: hello.GetZone(), Version: hello.GetVersion(),
		Vcpus: int32(min(hello.GetVcpus(), 1<<31-1)), MemoryBytes: int64(min(hello.GetMemoryBytes(), 1<<63-1)),
		Drivers: drivers, AddressMode: addressModes[hello.GetAddressMode()],
		AdvertiseHost: hello.GetAdvertiseHost(), ClusterHost: hello.GetClusterHost(),
		PortMin: int32(hello.GetPortMin()), PortMax: int32(hello.GetPortMax()),
	})
	if err != nil {
		return fmt.Errorf("record the agent: %w", err)
	}
	if known == 0 {
		return connect.NewError(connect.CodePermissionDenied, errors.New("unknown agent: it has to enrol again"))
	}
	n.seen.add(hello.GetNodes(), hello.GetEndpoints())
	return nil
}

func (s *Server) register(n *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if older := s.sessions[n.agent]; older != nil {
		older.end(errReplaced)
	}
	s.sessions[n.agent] = n
}

// unregister marks the agent as away, unless a newer session has it.
func (s *Server) unregister(n *session) {
	s.mu.Lock()
	if s.sessions[n.agent] == n {
		delete(s.sessions, n.agent)
	}
	s.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	_, err := store.Q.AgentDisconnect(ctx, s.opts.Store.Pool(), db.AgentDisconnectParams{AgentID: n.agent, SessionID: n.id})
	if err != nil {
		n.log.Warn("could not record that the agent is away; its last_seen_at will tell", "error", err)
	}
}

func (n *session) wakeUp() {
	select {
	case n.woken <- struct{}{}:
	default:
	}
}

// receive takes what the agent says until the stream ends or falls silent.
func (n *session) receive(ctx context.Context, wire *stream, extend func() error) error {
	for {
		message, err := wire.Receive()
		if err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return fmt.Errorf("receive: %w", err)
		}
		if err := extend(); err != nil {
			return fmt.Errorf("extend the session: %w", err)
		}
		switch m := message.GetMessage().(type) {
		case *agentv1.AgentMessage_Report:
			n.seen.add(m.Report.GetNodes(), m.Report.GetEndpoints())
		case *agentv1.AgentMessage_Heartbeat:
			select { // the latest heartbeat counts
			case <-n.beats:
			default:
			}
			n.beats <- m.Heartbeat.GetSequence()
		}
	}
}

// send is the only one that writes to the wire.
func (n *session) send(ctx context.Context, wire *stream) error {
	err := wire.Send(&agentv1.ServerMessage{Message: &agentv1.ServerMessage_Welcome{Welcome: &agentv1.Welcome{
		InstallationId: n.server.installation.String(), Protocol: agentv1.ProtocolVersion,
	}}})
	for err == nil {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case message := <-n.specs:
			err = wire.Send(message)
		case sequence := <-n.beats:
			lease := n.lease(ctx)
			if lease <= 0 {
				continue
			}
			err = wire.Send(&agentv1.ServerMessage{Message: &agentv1.ServerMessage_Lease{Lease: &agentv1.Lease{
				HeartbeatSequence: sequence, DurationMs: uint32(lease.Milliseconds()),
			}}})
		}
	}
	return fmt.Errorf("send: %w", err)
}

// lease answers how long the agent may act on a heartbeat. last_seen_at is written each half lease
// (rarely enough to be cheap), and no lease outlives it by more than two: whoever reads last_seen_at
// knows when the agent's leases are over for certain.
func (n *session) lease(ctx context.Context) time.Duration {
	lease := n.server.opts.Lease
	now := n.server.opts.Clock.Now()
	if now.Sub(n.touch) >= lease/2 {
		bounded, cancel := context.WithTimeout(ctx, lease/2)
		defer cancel()
		mine, err := store.Q.AgentTouch(bounded, n.server.opts.Store.Pool(), db.AgentTouchParams{AgentID: n.agent, SessionID: n.id, Now: now})
		switch {
		case err != nil:
			n.log.Warn("could not record the heartbeat", "error", err)
		case mine == 0:
			n.end(errReplaced)
			return 0
		default:
			n.touch = now
		}
	}
	return min(lease, n.touch.Add(2*lease).Sub(n.server.opts.Clock.Now()))
}
