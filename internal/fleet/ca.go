package fleet

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"net"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	agentv1 "github.com/elastane/elastane/api/agent/v1"
	"github.com/elastane/elastane/internal/store"
	"github.com/elastane/elastane/internal/store/db"
)

// What the authority's certificates are for stands in their organization, so that one kind cannot
// pass for another: a node's certificate opens no session, an agent's does not make a server.
const (
	orgAgent  = "elastane agent"
	orgNode   = "elastane node"
	orgServer = "elastane control plane"
)

// How long certificates are valid. Holders renew theirs when two thirds have passed. A certificate is
// valid from an hour before it is made, for clocks that are behind.
const (
	caValidity     = 30 * 365 * 24 * time.Hour
	agentValidity  = 365 * 24 * time.Hour
	nodeValidity   = 90 * 24 * time.Hour
	serverValidity = 30 * 24 * time.Hour
	clockSlack     = time.Hour
)

// KeySealer encrypts the authority's private key for storage. Without one the key is stored as it is.
type KeySealer interface {
	Seal(ctx context.Context, plain []byte) ([]byte, error)
	Open(ctx context.Context, sealed []byte) ([]byte, error)
}

type noSealer struct{}

func (noSealer) Seal(_ context.Context, plain []byte) ([]byte, error)  { return plain, nil }
func (noSealer) Open(_ context.Context, sealed []byte) ([]byte, error) { return sealed, nil }

// authority is the installation's certificate authority.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	now  func() time.Time

	mu     sync.Mutex
	server *tls.Certificate // the control plane's own, remade as it ages
}

// loadAuthority reads the installation's authority, or makes it if this is the first start. Control
// planes that start together agree on one.
func loadAuthority(ctx context.Context, s *store.Store, sealer KeySealer, now func() time.Time) (*authority, uuid.UUID, error) {
	var row db.Installation
	err := s.Tx(ctx, func(tx pgx.Tx) (err error) {
		if row, err = store.Q.InstallationGet(ctx, tx); err != nil || row.CaCertificate != nil {
			return err
		}
		certificate, key, err := makeAuthority(now())
		if err != nil {
			return err
		}
		sealed, err := sealer.Seal(ctx, key)
		if err != nil {
			return fmt.Errorf("seal the authority's key: %w", err)
		}
		if _, err = store.Q.InstallationSetCA(ctx, tx, db.InstallationSetCAParams{CaCertificate: certificate, CaPrivateKey: sealed}); err != nil {
			return err
		}
		row, err = store.Q.InstallationGet(ctx, tx)
		return err
	})
	if err != nil {
		return nil, uuid.Nil, fmt.Errorf("load the certificate authority: %w", err)
	}
	plain, err := sealer.Open(ctx, row.CaPrivateKey)
	if err != nil {
		return nil, uuid.Nil, fmt.Errorf("open the authority's key: %w", err)
	}
	key, err := x509.ParsePKCS8PrivateKey(plain)
	if err != nil {
		return nil, uuid.Nil, errors.New("the stored key of the certificate authority cannot be read")
	}
	ecKey, ok := key.(*ecdsa.PrivateKey)
	if !ok {
		return nil, uuid.Nil, fmt.Errorf("the stored key of the certificate authority is a %T", key)
	}
	cert, err := x509.ParseCertificate(row.CaCertificate)
	if err != nil {
		return nil, uuid.Nil, fmt.Errorf("parse the authority's certificate: %w", err)
	}
	return &authority{cert: cert, key: ecKey, now: now}, row.InstallationID, nil
}

func makeAuthority(now time.Time) (certificate, key []byte, err error) {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("make the authority's key: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: "Elastane CA"},
		NotBefore: now.Add(-clockSlack), NotAfter: now.Add(caValidity),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	if certificate, err = x509.CreateCertificate(rand.Reader, template, template, &k.PublicKey, k); err != nil {
		return nil, nil, fmt.Errorf("make the authority's certificate: %w", err)
	}
	if key, err = x509.MarshalPKCS8PrivateKey(k); err != nil {
		return nil, nil, fmt.Errorf("encode the authority's key: %w", err)
	}
	return certificate, key, nil
}

// serial is a random serial number of 127 bits, as RFC 5280 asks for at most 20 octets.
func serial() *big.Int {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails, as documented
	b[0] &= 0x7f
	return new(big.Int).SetBytes(b[:])
}

// errBadCSR means that a certificate request is malformed or not signed by its own key.
var errBadCSR = errors.New("bad certificate request")

// parseCSR reads a request and checks that the sender has the key. Nothing but the key is taken from it.
func parseCSR(der []byte) (any, error) {
	csr, err := x509.ParseCertificateRequest(der)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errBadCSR, err)
	}
	if err := csr.CheckSignature(); err != nil {
		return nil, fmt.Errorf("%w: %w", errBadCSR, err)
	}
	if _, ok := csr.PublicKey.(*ecdsa.PublicKey); !ok {
		return nil, fmt.Errorf("%w: the key is not ECDSA", errBadCSR)
	}
	return csr.PublicKey, nil
}

func (a *authority) sign(template *x509.Certificate, publicKey any, validity time.Duration) ([]byte, error) {
	now := a.now()
	template.SerialNumber = serial()
	template.NotBefore, template.NotAfter = now.Add(-clockSlack), now.Add(validity)
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.BasicConstraintsValid = true
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, publicKey, a.key)
	if err != nil {
		return nil, fmt.Errorf("sign certificate for %s: %w", template.Subject.CommonName, err)
	}
	return der, nil
}

// signAgent signs the client certificate of an agent.
func (a *authority) signAgent(agentID uuid.UUID, csr []byte) ([]byte, error) {
	key, err := parseCSR(csr)
	if err != nil {
		return nil, err
	}
	return a.sign(&x509.Certificate{
		Subject:     pkix.Name{CommonName: agentID.String(), Organization: []string{orgAgent}},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, key, agentValidity)
}

// signNode signs a node's certificate for the names of its spec. Nodes use it as servers, and as
// clients of the primary they replicate.
func (a *authority) signNode(nodeID uuid.UUID, names []string, csr []byte) ([]byte, error) {
	key, err := parseCSR(csr)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		Subject:     pkix.Name{CommonName: nodeID.String(), Organization: []string{orgNode}},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	return a.sign(template, key, nodeValidity)
}

// serverCertificate returns the control plane's own certificate, remade when half its life is over.
func (a *authority) serverCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.server != nil && a.now().Before(a.server.Leaf.NotAfter.Add(-serverValidity/2)) {
		return a.server, nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make the server's key: %w", err)
	}
	der, err := a.sign(&x509.Certificate{
		Subject:     pkix.Name{CommonName: agentv1.ServerName, Organization: []string{orgServer}},
		DNSNames:    []string{agentv1.ServerName},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, &key.PublicKey, serverValidity)
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("parse the server's certificate: %w", err)
	}
	// The authority's certificate goes along: an agent that enrols knows only its fingerprint.
	a.server = &tls.Certificate{Certificate: [][]byte{der, a.cert.Raw}, PrivateKey: key, Leaf: leaf}
	return a.server, nil
}

// pool is what client certificates are verified against.
func (a *authority) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool
}
