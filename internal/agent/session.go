package agent

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"connectrpc.com/connect"
	"golang.org/x/sync/errgroup"

	agentv1 "github.com/elastane/elastane/api/agent/v1"
	"github.com/elastane/elastane/api/agent/v1/agentv1connect"
)

// errForeign means that the control plane belongs to another database than the agent's nodes. Nothing
// it says is applied.
var errForeign = errors.New("the control plane belongs to another installation; its specs are refused")

// Bounds of the pause between two attempts to reach the control plane.
const (
	minRetry = 100 * time.Millisecond
	maxRetry = 5 * time.Second
)

// reportPace is the least time between two reports; what changes in between goes together.
const reportPace = 5 * time.Millisecond

// greetTimeout bounds how long the control plane may take to answer Hello.
const greetTimeout = 10 * time.Second

// clients is a way to the control plane for calls beside the session.
type clients struct {
	agent agentv1connect.AgentServiceClient
}

// wire is the session's stream.
type wire = connect.BidiStreamForClient[agentv1.AgentMessage, agentv1.ServerMessage]

// keepSession enrols and holds a session, again and again, until ctx ends.
func (a *Agent) keepSession(ctx context.Context) {
	for failures := 0; ; failures++ {
		welcomed, err := a.session(ctx)
		if ctx.Err() != nil {
			return
		}
		if welcomed {
			failures = 0
		}
		a.log.Warn("no session with the control plane; the nodes run on", "error", err)
		if !a.pause(ctx, backoff(failures, minRetry, maxRetry)) {
			return
		}
	}
}

// backoff doubles from least to most, and takes off up to half at random so that many do not come at once.
func backoff(failures int, least, most time.Duration) time.Duration {
	d := min(least<<min(failures, 16), most)
	return d/2 + rand.N(d/2+1)
}

// pause waits; it is false if ctx ended first.
func (a *Agent) pause(ctx context.Context, d time.Duration) bool {
	fires, stop := a.clock.After(d)
	defer stop()
	select {
	case <-ctx.Done():
		return false
	case <-fires:
		return true
	}
}

// session holds one session from dialling to its end.
func (a *Agent) session(ctx context.Context) (welcomed bool, err error) {
	if err := a.enroll(ctx); err != nil {
		return false, err
	}
	client := httpClient(a.identity.tlsConfig())
	defer client.CloseIdleConnections()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	service := agentv1connect.NewAgentServiceClient(client, a.opts.ServerURL)
	stream := service.Session(ctx)
	// The HTTP/2 client sees the end of the context only once the request's body has ended, too.
	release := context.AfterFunc(ctx, func() { _ = stream.CloseRequest() })
	defer func() {
		cancel()
		release()
		_ = stream.CloseRequest() // the stream is over either way
		_ = stream.CloseResponse()
	}()
	impatient := time.AfterFunc(greetTimeout, cancel)
	if err := a.greet(stream); err != nil {
		if errors.As(err, new(*tls.CertificateVerificationError)) {
			err = fmt.Errorf("%w: %w", errForeign, err)
		}
		return false, err
	}
	if !impatient.Stop() {
		return false, errors.New("the control plane took too long to answer")
	}
	a.client.Store(&clients{agent: service})
	defer a.client.Store(nil)
	a.welcome.Do(func() { close(a.connected) })
	a.log.Info("connected to the control plane")
	for _, n := range a.allNodes() { // some may have waited for a certificate
		n.wakeUp()
	}

	beats := make(chan beat, 8)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return a.receive(stream, beats) })
	group.Go(func() error { return a.send(ctx, stream, beats) })
	group.Go(func() error { // Receive ends with the request's context, not with the group's
		<-ctx.Done()
		cancel()
		return nil
	})
	return true, group.Wait()
}

// enroll gets the agent a certificate. A failure to renew one that is still good is only logged.
func (a *Agent) enroll(ctx context.Context) error {
	err := a.identity.enroll(ctx, a.opts.ServerURL, a.opts.JoinToken)
	if err != nil && a.identity.valid() {
		a.log.Warn("could not renew the agent's certificate or store it", "error", err)
		return nil
	}
	return err
}

// greet says Hello, with all that the agent holds, and expects Welcome within a while.
func (a *Agent) greet(stream *wire) error {
	statuses, endpoints := []*agentv1.NodeStatus{}, a.endpoints.statuses()
	for _, n := range a.allNodes() {
		if s := n.status(); s != nil {
			statuses = append(statuses, s)
		}
	}
	drivers := []string{}
	for _, d := range a.opts.Drivers {
		drivers = append(drivers, d.Name())
	}
	o := &a.opts
	err := stream.Send(&agentv1.AgentMessage{Message: &agentv1.AgentMessage_Hello{Hello: &agentv1.Hello{
		Protocol: agentv1.ProtocolVersion, AgentId: a.identity.agentID.String(), InstallationId: a.identity.installationID(),
		Version: o.Version, Host: o.Host, Zone: o.Zone, Vcpus: o.VCPUs, MemoryBytes: o.MemoryBytes, Drivers: drivers,
		AddressMode: o.AddressMode, AdvertiseHost: o.AdvertiseHost, ClusterHost: o.ClusterHost,
		PortMin: o.PortMin, PortMax: o.PortMax, Nodes: statuses, Endpoints: endpoints,
	}}})
	if err != nil {
		// The reason is on the receiving side.
		if _, receiveErr := stream.Receive(); receiveErr != nil {
			err = receiveErr
		}
		return fmt.Errorf("say hello: %w", err)
	}
	first, err := stream.Receive()
	if err != nil {
		return fmt.Errorf("wait for the welcome: %w", err)
	}
	welcome := first.GetWelcome()
	switch {
	case welcome == nil:
		return errors.New("the control plane's first message is not Welcome")
	case welcome.GetProtocol() != agentv1.ProtocolVersion:
		return fmt.Errorf("the control plane speaks protocol %d, this agent %d", welcome.GetProtocol(), agentv1.ProtocolVersion)
	case welcome.GetInstallationId() != a.identity.installationID():
		return errForeign
	}
	return nil
}

// beat is a heartbeat under way.
type beat struct {
	sequence uint64
	sentAt   time.Time
}

// receive takes what the control plane says until the stream ends.
func (a *Agent) receive(stream *wire, beats <-chan beat) error {
	for {
		message, err := stream.Receive()
		if err != nil {
			return fmt.Errorf("receive: %w", err)
		}
		switch m := message.GetMessage().(type) {
		case *agentv1.ServerMessage_Specs:
			a.apply(m.Specs, false)
		case *agentv1.ServerMessage_Lease:
			a.answered(m.Lease, beats)
		}
	}
}

// answered extends the lease from when the answered heartbeat was sent.
func (a *Agent) answered(lease *agentv1.Lease, beats <-chan beat) {
	for {
		select {
		case b := <-beats:
			if b.sequence < lease.GetHeartbeatSequence() {
				continue // the control plane answers only the latest
			}
			if b.sequence == lease.GetHeartbeatSequence() {
				a.lease.Store(b.sentAt.Add(time.Duration(lease.GetDurationMs()) * time.Millisecond).UnixNano())
			}
			return
		default:
			return
		}
	}
}

// send is the only one that writes to the stream: reports as they come, and heartbeats.
func (a *Agent) send(ctx context.Context, stream *wire, beats chan beat) error {
	var sequence uint64
	var reported time.Time
	for nextBeat := a.clock.Now(); ; {
		fires, stop := a.clock.After(nextBeat.Sub(a.clock.Now()))
		var err error
		select {
		case <-ctx.Done():
			err = ctx.Err()
		case <-a.reports.ready:
			if since := a.clock.Now().Sub(reported); since < reportPace && !a.pause(ctx, reportPace-since) {
				err = ctx.Err()
				break
			}
			report := a.reports.take()
			if report == nil {
				break
			}
			if err = stream.Send(&agentv1.AgentMessage{Message: &agentv1.AgentMessage_Report{Report: report}}); err == nil {
				a.forget(report.GetNodes())
				a.endpoints.forget(report.GetEndpoints())
			}
			reported = a.clock.Now()
		case <-fires:
			now := a.clock.Now()
			nextBeat = now.Add(a.opts.Heartbeat)
			sequence++
			if len(beats) == cap(beats) { // unanswered for long: the oldest does not matter any more
				select {
				case <-beats:
				default:
				}
			}
			beats <- beat{sequence, now} // there is room: nobody else sends
			err = stream.Send(&agentv1.AgentMessage{Message: &agentv1.AgentMessage_Heartbeat{Heartbeat: &agentv1.Heartbeat{Sequence: sequence}}})
			for _, n := range a.allNodes() {
				n.wakeUp()
			}
			if err == nil {
				err = a.enroll(ctx)
			}
		}
		stop()
		if err != nil {
			return fmt.Errorf("send: %w", err)
		}
	}
}
