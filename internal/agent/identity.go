package agent

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"connectrpc.com/connect"
	"github.com/google/uuid"

	agentv1 "github.com/elastane/elastane/api/agent/v1"
	"github.com/elastane/elastane/api/agent/v1/agentv1connect"
)

// identity is who the agent is: its id and key from its first start on, and what enrolment gave it.
// Everything is kept in files of the data directory.
type identity struct {
	files files
	dir   string
	now   func() time.Time

	agentID uuid.UUID
	key     *ecdsa.PrivateKey
	papers  atomic.Pointer[papers]  // nil until enrolled
	unsaved *agentv1.EnrollResponse // in force, but not on disk yet; enroll's alone
}

// papers are what the control plane issued.
type papers struct {
	cert           tls.Certificate
	authority      *x509.Certificate
	installationID string
}

const (
	fileAgentID     = "agent-id"
	fileKey         = "key.pem"
	fileCertificate = "certificate.pem" // the agent's, then the authority's; written last of all
	fileInstall     = "installation-id"
)

// openIdentity reads the identity of a data directory, and makes id and key at the first start.
func openIdentity(f files, dir string, now func() time.Time) (*identity, error) {
	i := &identity{files: f, dir: dir, now: now}
	if err := f.MakeDir(dir); err != nil {
		return nil, fmt.Errorf("open the identity: %w", err)
	}
	if err := i.openKey(); err != nil {
		return nil, fmt.Errorf("open the identity: %w", err)
	}
	certificates, err := f.Read(i.path(fileCertificate))
	if errors.Is(err, fs.ErrNotExist) {
		return i, nil
	}
	if err != nil {
		return nil, fmt.Errorf("open the identity: %w", err)
	}
	installation, err := f.Read(i.path(fileInstall))
	if err != nil {
		return nil, fmt.Errorf("open the identity: %w", err)
	}
	leaf, rest := pem.Decode(certificates)
	authority, _ := pem.Decode(rest)
	if leaf == nil || authority == nil {
		return nil, fmt.Errorf("open the identity: %s is damaged", i.path(fileCertificate))
	}
	if err := i.set(leaf.Bytes, authority.Bytes, strings.TrimSpace(string(installation))); err != nil {
		return nil, fmt.Errorf("open the identity: %w", err)
	}
	return i, nil
}

func (i *identity) path(name string) string { return filepath.Join(i.dir, name) }

func (i *identity) openKey() error {
	stored, err := i.files.Read(i.path(fileAgentID))
	if err == nil {
		if i.agentID, err = uuid.Parse(strings.TrimSpace(string(stored))); err != nil {
			return fmt.Errorf("%s is damaged: %w", i.path(fileAgentID), err)
		}
		i.key, err = readKey(i.files, i.path(fileKey))
		return err
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if i.key, err = makeKey(i.files, i.path(fileKey)); err != nil {
		return err
	}
	i.agentID = uuid.New()
	return i.files.Write(i.path(fileAgentID), []byte(i.agentID.String()+"\n"))
}

// makeKey makes a private key and stores it.
func makeKey(f files, path string) (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode key: %w", err)
	}
	if err := f.Write(path, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})); err != nil {
		return nil, fmt.Errorf("store key: %w", err)
	}
	return key, nil
}

// readKey reads what makeKey stored. Its errors show nothing of the content.
func readKey(f files, path string) (*ecdsa.PrivateKey, error) {
	data, err := f.Read(path)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, fmt.Errorf("%s is damaged", path)
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s is damaged", path)
	}
	ecKey, ok := key.(*ecdsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("%s holds a %T", path, key)
	}
	return ecKey, nil
}

func (i *identity) set(leafDER, authorityDER []byte, installationID string) error {
	leaf, err := x509.ParseCertificate(leafDER)
	if err != nil {
		return fmt.Errorf("parse the agent's certificate: %w", err)
	}
	authority, err := x509.ParseCertificate(authorityDER)
	if err != nil {
		return fmt.Errorf("parse the authority's certificate: %w", err)
	}
	i.papers.Store(&papers{
		cert:      tls.Certificate{Certificate: [][]byte{leafDER}, PrivateKey: i.key, Leaf: leaf},
		authority: authority, installationID: installationID,
	})
	return nil
}

// installationID is empty until enrolled.
func (i *identity) installationID() string {
	if p := i.papers.Load(); p != nil {
		return p.installationID
	}
	return ""
}

// valid says whether the agent has a certificate that the control plane still accepts.
func (i *identity) valid() bool {
	p := i.papers.Load()
	return p != nil && i.now().Before(p.cert.Leaf.NotAfter)
}

// aged says whether two thirds of a certificate's life are over.
func aged(leaf *x509.Certificate, now time.Time) bool {
	return now.After(leaf.NotAfter.Add(-leaf.NotAfter.Sub(leaf.NotBefore) / 3))
}

// enroll gets a certificate: with the join token the first time, with the present certificate as it
// ages. It does nothing while the certificate is good.
func (i *identity) enroll(ctx context.Context, serverURL, joinToken string) error {
	if i.unsaved != nil {
		return i.save()
	}
	p := i.papers.Load()
	if p != nil && !aged(p.cert.Leaf, i.now()) {
		return nil
	}
	config, token := i.tlsConfig(), ""
	if p == nil || i.now().After(p.cert.Leaf.NotAfter) {
		if joinToken == "" {
			return errors.New("enrol: this agent has no valid certificate: it needs a join token")
		}
		fingerprint, err := agentv1.JoinTokenFingerprint(joinToken)
		if err != nil {
			return fmt.Errorf("enrol: %w", err)
		}
		config, token = tlsByFingerprint(fingerprint, i.now), joinToken
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{
		Subject: pkix.Name{CommonName: i.agentID.String()},
	}, i.key)
	if err != nil {
		return fmt.Errorf("enrol: make the certificate request: %w", err)
	}
	client := httpClient(config)
	defer client.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	response, err := agentv1connect.NewEnrollmentServiceClient(client, serverURL).Enroll(ctx,
		connect.NewRequest(&agentv1.EnrollRequest{JoinToken: token, AgentId: i.agentID.String(), CsrDer: csr}))
	if err != nil {
		return fmt.Errorf("enrol: %w", err)
	}
	m := response.Msg
	if p != nil && p.installationID != m.GetInstallationId() {
		return fmt.Errorf("enrol: %w", errForeign)
	}
	if err := i.set(m.GetCertificateDer(), m.GetCaDer(), m.GetInstallationId()); err != nil {
		return fmt.Errorf("enrol: %w", err)
	}
	i.unsaved = m
	return i.save()
}

// save stores what enrolment gave. The token is spent by then, so it is tried until it succeeds.
func (i *identity) save() error {
	m := i.unsaved
	if err := i.files.Write(i.path(fileInstall), []byte(m.GetInstallationId()+"\n")); err != nil {
		return fmt.Errorf("enrol: store the installation id: %w", err)
	}
	certificates := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: m.GetCertificateDer()}),
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: m.GetCaDer()})...)
	if err := i.files.Write(i.path(fileCertificate), certificates); err != nil {
		return fmt.Errorf("enrol: store the certificate: %w", err)
	}
	i.unsaved = nil
	return nil
}

// tlsConfig is for an agent that has enrolled. The certificate is looked up at each handshake.
func (i *identity) tlsConfig() *tls.Config {
	roots := x509.NewCertPool()
	if p := i.papers.Load(); p != nil {
		roots.AddCert(p.authority)
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS13, ServerName: agentv1.ServerName, RootCAs: roots, Time: i.now,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return &i.papers.Load().cert, nil
		},
	}
}

// tlsByFingerprint accepts a control plane whose authority has the fingerprint of the join token.
func tlsByFingerprint(fingerprint [sha256.Size]byte, now func() time.Time) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13, ServerName: agentv1.ServerName,
		InsecureSkipVerify: true, // VerifyConnection does it, with an authority that is known only then
		VerifyConnection: func(state tls.ConnectionState) error {
			for _, authority := range state.PeerCertificates[1:] {
				if sha256.Sum256(authority.Raw) != fingerprint {
					continue
				}
				roots := x509.NewCertPool()
				roots.AddCert(authority)
				_, err := state.PeerCertificates[0].Verify(x509.VerifyOptions{
					Roots: roots, DNSName: agentv1.ServerName, CurrentTime: now(),
				})
				return err
			}
			return errors.New("the server is not the control plane that made the join token")
		},
	}
}

// httpClient speaks HTTP/2 over TLS only, and finds out by itself when the other side is gone.
func httpClient(config *tls.Config) *http.Client {
	protocols := &http.Protocols{}
	protocols.SetHTTP2(true)
	return &http.Client{Transport: &http.Transport{
		TLSClientConfig: config, Protocols: protocols, TLSHandshakeTimeout: 5 * time.Second,
		HTTP2: &http.HTTP2Config{SendPingTimeout: 3 * time.Second, PingTimeout: 3 * time.Second},
	}}
}
