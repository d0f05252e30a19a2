package edge

import (
	"errors"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"github.com/elastane/elastane/api"
	"github.com/elastane/elastane/internal/sigv4"
)

const (
	// DefaultAccount is the account of keys that say none.
	DefaultAccount = "000000000000"
	// DefaultRegion is the region of unsigned requests that say none.
	DefaultRegion = "us-east-1"

	regionHeader = "X-Elastane-Region"
)

// authenticate verifies the signature (AWS: Signature Version 4) and records who signed.
func (e *edge) authenticate(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who, err := e.signer(r)
		if err != nil {
			e.fail(w, r, err)
			return
		}
		about(r).signer = who
		next.ServeHTTP(w, r)
	})
}

func (e *edge) signer(r *http.Request) (identity, error) {
	signature, err := sigv4.Parse(r, api.SigningName)
	if err != nil {
		if who, ok := e.unsigned(r, err); ok {
			return who, nil
		}
		return identity{}, signatureError(err)
	}
	key, err := e.Credentials.Lookup(r.Context(), signature.AccessKeyID, signature.SessionToken)
	if errors.Is(err, ErrUnknownKey) {
		return identity{}, &api.Error{
			Code: api.CodeInvalidClientTokenID, Status: http.StatusForbidden,
			Message: "The security token included in the request is invalid.",
		}
	}
	if err != nil {
		return identity{}, err
	}
	if key.Unverified {
		if byWebPage(r) {
			return identity{}, &api.Error{
				Code: "AccessDenied", Status: http.StatusForbidden,
				Message: "Without credentials set up, requests are taken only under a name of this machine, and not from a web page of another site.",
			}
		}
	} else {
		if err := signature.CheckTime(e.Clock()); err != nil {
			return identity{}, signatureError(err)
		}
		if err := signature.Verify(r, about(r).body, key.Secret.Reveal()); err != nil {
			return identity{}, signatureError(err)
		}
	}
	return identity{accessKeyID: signature.AccessKeyID, account: key.Account, region: signature.Region}, nil
}

// unsigned lets a request without any signature pass where that is allowed: REST, from loopback, and not sent by a web page.
func (e *edge) unsigned(r *http.Request, refusal error) (identity, bool) {
	var missing *sigv4.Error
	if !e.AllowUnsigned || !isREST(r) || !errors.As(refusal, &missing) || missing.Kind != sigv4.Missing {
		return identity{}, false
	}
	if !isLoopback(r.RemoteAddr) || byWebPage(r) {
		return identity{}, false
	}
	region := r.URL.Query().Get("region")
	if region == "" {
		region = r.Header.Get(regionHeader)
	}
	if region == "" {
		region = DefaultRegion
	}
	return identity{account: DefaultAccount, region: region}, true
}

// byWebPage reports whether a request may come from a web page of another site: a browser on this machine sends requests
// to loopback for any page, so being here proves nothing. Browsers tell the site of the page; and a page that had its own
// name resolve to loopback still shows that name in Host.
func byWebPage(r *http.Request) bool {
	if !isLocalName(r.Host) {
		return true
	}
	switch r.Header.Get("Sec-Fetch-Site") {
	case "same-origin", "none":
		return false
	case "":
		origin := r.Header.Get("Origin")
		return origin != "" && origin != "http://"+r.Host && origin != "https://"+r.Host
	default:
		return true
	}
}

// isLocalName reports whether a host, with or without a port, is an address or a name that no public DNS server
// answers for: localhost, a name without a dot (as between containers), or one under .internal.
func isLocalName(hostport string) bool {
	host := withoutPort(hostport)
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	return !strings.Contains(host, ".") || strings.HasSuffix(host, ".localhost") || strings.HasSuffix(host, ".internal")
}

// isLoopback reports whether an address, with or without a port, is one of loopback.
func isLoopback(hostport string) bool {
	addr, err := netip.ParseAddr(withoutPort(hostport))
	return err == nil && addr.Unmap().IsLoopback()
}

func withoutPort(hostport string) string {
	if host, _, err := net.SplitHostPort(hostport); err == nil {
		return host
	}
	return strings.Trim(hostport, "[]")
}

// signatureError gives a refusal the code and status that AWS has for it.
func signatureError(err error) error {
	var refusal *sigv4.Error
	if !errors.As(err, &refusal) {
		return err
	}
	switch refusal.Kind {
	case sigv4.Missing:
		return &api.Error{Code: api.CodeMissingAuthenticationToken, Status: http.StatusForbidden, Message: refusal.Message}
	case sigv4.Incomplete:
		return &api.Error{Code: api.CodeIncompleteSignature, Status: http.StatusBadRequest, Message: refusal.Message}
	default:
		return &api.Error{Code: api.CodeSignatureDoesNotMatch, Status: http.StatusForbidden, Message: refusal.Message}
	}
}
