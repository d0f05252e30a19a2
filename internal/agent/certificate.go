package agent

import (
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"connectrpc.com/connect"

	agentv1 "github.com/elastane/elastane/api/agent/v1"
)

// nodeCertificate is a node's key and certificate. The two TLS configurations live as long as the
// node's controller and look the certificate up at each handshake, so a renewal touches nothing else.
type nodeCertificate struct {
	current atomic.Pointer[tls.Certificate]
	server  *tls.Config
	client  *tls.Config // of the link to the primary
}

func newNodeCertificate(authority *x509.Certificate) *nodeCertificate {
	c := &nodeCertificate{}
	roots := x509.NewCertPool()
	roots.AddCert(authority)
	c.server = &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.current.Load(), nil },
	}
	c.client = &tls.Config{
		MinVersion: tls.VersionTLS12, RootCAs: roots,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return c.current.Load(), nil },
	}
	return c
}

// usable says whether clients would accept the certificate at all.
func (c *nodeCertificate) usable(now time.Time) bool {
	if c == nil {
		return false
	}
	current := c.current.Load()
	return current != nil && now.Before(current.Leaf.NotAfter)
}

// covers says whether the certificate is usable and for all names of the spec.
func (c *nodeCertificate) covers(spec *agentv1.NodeSpec, now time.Time) bool {
	return c.usable(now) && hasNames(c.current.Load().Leaf, spec.GetCertificateNames())
}

// hasNames says whether a certificate is for exactly these DNS names and addresses.
func hasNames(leaf *x509.Certificate, names []string) bool {
	held := slices.Clone(leaf.DNSNames)
	for _, ip := range leaf.IPAddresses {
		held = append(held, ip.String())
	}
	wanted := slices.Clone(names)
	for i, name := range wanted {
		if ip := net.ParseIP(name); ip != nil {
			wanted[i] = ip.String() // an IPv6 address can be written in several ways
		}
	}
	slices.Sort(held)
	slices.Sort(wanted)
	return slices.Equal(slices.Compact(held), slices.Compact(wanted))
}

func (n *node) certificatePath(name string) string { return filepath.Join(n.dir(), "tls", name) }

// refreshCertificate sees to it that the node has a certificate for the names of its spec: from disk,
// else from the control plane. As long as an older one is usable, a failure is only pending.
func (n *node) refreshCertificate(ctx context.Context, spec *agentv1.NodeSpec) (pending, err error) {
	now := n.agent.clock.Now()
	if n.certificate == nil {
		papers := n.agent.identity.papers.Load()
		if papers == nil {
			return nil, fmt.Errorf("%w for a certificate: the agent has not enrolled yet", errWaiting)
		}
		n.certificate = newNodeCertificate(papers.authority)
		if stored, err := n.readCertificate(); err != nil {
			n.log.Warn("the stored certificate cannot be used, a new one is asked for", "error", err)
		} else if stored != nil {
			n.certificate.current.Store(stored)
		}
	}
	c := n.certificate
	if c.covers(spec, now) && !aged(c.current.Load().Leaf, now) {
		return nil, nil
	}
	fresh, err := n.signCertificate(ctx)
	switch {
	case err == nil:
		c.current.Store(fresh)
		return nil, nil
	case c.usable(now):
		return fmt.Errorf("renew the certificate: %w", err), nil
	default:
		return nil, fmt.Errorf("%w for a certificate: %w", errWaiting, err)
	}
}

// readCertificate reads key and certificate from disk; nil if there is none.
func (n *node) readCertificate() (*tls.Certificate, error) {
	data, err := n.agent.files.Read(n.certificatePath(fileCertificate))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, fmt.Errorf("%s is damaged", n.certificatePath(fileCertificate))
	}
	key, err := readKey(n.agent.files, n.certificatePath(fileKey))
	if err != nil {
		return nil, err
	}
	return assemble(block.Bytes, key)
}

// assemble pairs a certificate with its key.
func assemble(der []byte, key *ecdsa.PrivateKey) (*tls.Certificate, error) {
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("parse certificate: %w", err)
	}
	if !key.PublicKey.Equal(leaf.PublicKey) {
		return nil, errors.New("the certificate belongs to another key")
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, nil
}

// signCertificate has the node's key signed; the key is made at the first time and stays here. The
// control plane takes the names from the spec that it holds.
func (n *node) signCertificate(ctx context.Context) (*tls.Certificate, error) {
	way := n.agent.client.Load()
	if way == nil {
		return nil, errors.New("the control plane cannot be reached")
	}
	if err := n.agent.files.MakeDir(n.certificatePath("")); err != nil {
		return nil, fmt.Errorf("make the certificate's directory: %w", err)
	}
	key, err := readKey(n.agent.files, n.certificatePath(fileKey))
	if err != nil { // none yet, or damaged: either way a new one does
		if key, err = makeKey(n.agent.files, n.certificatePath(fileKey)); err != nil {
			return nil, err
		}
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		return nil, fmt.Errorf("make the certificate request: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	response, err := way.agent.SignNodeCertificate(ctx, connect.NewRequest(&agentv1.SignNodeCertificateRequest{NodeId: n.id, CsrDer: csr}))
	if err != nil {
		return nil, fmt.Errorf("ask the control plane: %w", err)
	}
	fresh, err := assemble(response.Msg.GetCertificateDer(), key)
	if err != nil {
		return nil, err
	}
	certificates := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: response.Msg.GetCertificateDer()}),
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: response.Msg.GetCaDer()})...)
	if err := n.agent.files.Write(n.certificatePath(fileCertificate), certificates); err != nil {
		return nil, fmt.Errorf("store the certificate: %w", err)
	}
	return fresh, nil
}
