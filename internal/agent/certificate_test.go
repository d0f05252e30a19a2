package agent

import (
	"crypto/x509"
	"net"
	"testing"
	"time"
)

func TestCertificatesAreRenewedAfterTwoThirds(t *testing.T) {
	t.Parallel()
	start := time.Unix(0, 0)
	leaf := &x509.Certificate{NotBefore: start, NotAfter: start.Add(90 * time.Hour)}
	for age, want := range map[time.Duration]bool{0: false, 60 * time.Hour: false, 60*time.Hour + 1: true, 91 * time.Hour: true} {
		if got := aged(leaf, start.Add(age)); got != want {
			t.Errorf("after %v: aged = %v", age, got)
		}
	}
}

func TestCertificateMustHaveExactlyTheNames(t *testing.T) {
	t.Parallel()
	leaf := &x509.Certificate{DNSNames: []string{"web.example"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}}
	for _, tt := range []struct {
		names []string
		want  bool
	}{
		{[]string{"web.example", "127.0.0.1", "::1"}, true},
		{[]string{"127.0.0.1", "web.example", "web.example", "0:0:0:0:0:0:0:1"}, true},
		{[]string{"web.example"}, false},
		{[]string{"web.example", "127.0.0.1", "::1", "127.0.0.2"}, false},
		{nil, false},
	} {
		if got := hasNames(leaf, tt.names); got != tt.want {
			t.Errorf("%v: %v", tt.names, got)
		}
	}
}
