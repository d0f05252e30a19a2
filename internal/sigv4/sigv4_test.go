package sigv4

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

var (
	signedAt    = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	credentials = aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"}
)

// vector is a request before it is signed.
type vector struct {
	method, url, body string
	headers           map[string]string
	payloadHash       string // by default that of the body
	credentials       aws.Credentials
}

// signed returns the vector as the server receives it, signed in its headers by the AWS SDK.
func (v vector) signed(t testing.TB) *http.Request {
	t.Helper()
	r := v.request(t)
	if err := v4.NewSigner().SignHTTP(context.Background(), v.keys(), r, v.hash(), "elasticache", "eu-west-1", signedAt); err != nil {
		t.Fatal(err)
	}
	return received(t, r)
}

// presigned returns the vector as a URL that the AWS SDK signed.
func (v vector) presigned(t testing.TB, expires string) *http.Request {
	t.Helper()
	r := v.request(t)
	if expires != "" {
		q := r.URL.Query()
		q.Set("X-Amz-Expires", expires)
		r.URL.RawQuery = q.Encode()
	}
	url, _, err := v4.NewSigner().PresignHTTP(context.Background(), v.keys(), r, v.hash(), "elasticache", "eu-west-1", signedAt)
	if err != nil {
		t.Fatal(err)
	}
	v.url = url
	return received(t, v.request(t))
}

func (v vector) keys() aws.Credentials {
	if v.credentials.AccessKeyID != "" {
		return v.credentials
	}
	return credentials
}

func (v vector) hash() string {
	if v.payloadHash != "" {
		return v.payloadHash
	}
	sum := sha256.Sum256([]byte(v.body))
	return hex.EncodeToString(sum[:])
}

func (v vector) request(t testing.TB) *http.Request {
	t.Helper()
	r, err := http.NewRequest(v.method, v.url, strings.NewReader(v.body))
	if err != nil {
		t.Fatal(err)
	}
	for k, h := range v.headers {
		r.Header.Set(k, h)
	}
	if v.payloadHash != "" {
		r.Header.Set("X-Amz-Content-Sha256", v.payloadHash)
	}
	return r
}

// received sends a request over a real connection and returns what the server saw of it.
func received(t testing.TB, r *http.Request) *http.Request {
	t.Helper()
	seen := make(chan *http.Request, 1)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		seen <- r
	}))
	defer server.Close()
	if r.Host == "" {
		r.Host = r.URL.Host
	}
	r.URL.Host = strings.TrimPrefix(server.URL, "http://")
	r.URL.Scheme = "http"
	answer, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	return <-seen
}

var vectors = map[string]vector{
	"form":              {method: "POST", url: "https://elasticache.eu-west-1.amazonaws.com/", body: "Action=DescribeEvents&Version=2015-02-02", headers: map[string]string{"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}},
	"query string":      {method: "GET", url: "https://elasticache.local/?Version=2015-02-02&Action=DescribeUsers&Filters.member.1.Name=a%20b%2Bc&Z=&A=~x*", body: ""},
	"repeated keys":     {method: "GET", url: "https://elasticache.local/?b=2&a=2&a=1&b=1"},
	"path with colons":  {method: "GET", url: "https://elasticache.local/v1/tags/arn:aws:elasticache:eu-west-1:000000000000:cluster:x"},
	"path with escapes": {method: "GET", url: "https://elasticache.local/v1/users/a%20b%2Fc"},
	"port in the host":  {method: "GET", url: "http://127.0.0.1:4567/v1/users"},
	"odd header":        {method: "GET", url: "http://localhost:4567/", headers: map[string]string{"X-Amz-Meta": "  two   spaces\tand a tab "}},
	"session token":     {method: "POST", url: "http://localhost:4567/", body: "Action=X", credentials: aws.Credentials{AccessKeyID: "ASIA", SecretAccessKey: "s", SessionToken: "to/ken+="}},
	"unsigned payload":  {method: "POST", url: "http://localhost:4567/", body: "Action=X", payloadHash: unsignedPayload},
	"declared payload":  {method: "POST", url: "http://localhost:4567/", body: "", payloadHash: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
}

// TestVerifyAcceptsTheSDK checks that what the AWS SDK signs is accepted, and only with the right secret.
func TestVerifyAcceptsTheSDK(t *testing.T) {
	for name, v := range vectors {
		for form, r := range map[string]*http.Request{"header": v.signed(t), "presigned": v.presigned(t, "900")} {
			t.Run(name+"/"+form, func(t *testing.T) {
				s, err := Parse(r, "elasticache")
				if err != nil {
					t.Fatal(err)
				}
				if s.AccessKeyID != v.keys().AccessKeyID || s.Region != "eu-west-1" || !s.Time.Equal(signedAt) || s.SessionToken != v.keys().SessionToken {
					t.Errorf("parsed %+v", s)
				}
				if err := s.CheckTime(signedAt); err != nil {
					t.Error(err)
				}
				if err := s.Verify(r, []byte(v.body), v.keys().SecretAccessKey); err != nil {
					t.Error(err)
				}
				wantMismatch(t, s.Verify(r, []byte(v.body), v.keys().SecretAccessKey+"x"))
			})
		}
	}
}

// TestVerifyRefusesChanges changes one thing of a signed request at a time.
func TestVerifyRefusesChanges(t *testing.T) {
	v := vectors["form"]
	for name, change := range map[string]func(r *http.Request, body *string){
		"body":     func(_ *http.Request, body *string) { *body = strings.Replace(*body, "Events", "Users", 1) },
		"method":   func(r *http.Request, _ *string) { r.Method = "PUT" },
		"path":     func(r *http.Request, _ *string) { r.URL.Path = "/v1/users" },
		"query":    func(r *http.Request, _ *string) { r.URL.RawQuery = "Action=DeleteUser" },
		"host":     func(r *http.Request, _ *string) { r.Host = "other" },
		"header":   func(r *http.Request, _ *string) { r.Header.Set("Content-Type", "text/plain") },
		"time":     func(r *http.Request, _ *string) { r.Header.Set("X-Amz-Date", "20260304T050608Z") },
		"unsigned": func(r *http.Request, _ *string) { r.Header.Set("X-Amz-Content-Sha256", unsignedPayload) },
		"signature": func(r *http.Request, _ *string) {
			a := r.Header.Get("Authorization")
			last := "0"
			if strings.HasSuffix(a, "0") {
				last = "1"
			}
			r.Header.Set("Authorization", a[:len(a)-1]+last)
		},
		"region": func(r *http.Request, _ *string) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), "eu-west-1", "eu-west-2", 1))
		},
	} {
		t.Run(name, func(t *testing.T) {
			r, body := v.signed(t), v.body
			change(r, &body)
			s, err := Parse(r, "elasticache")
			if err != nil {
				t.Fatal(err)
			}
			wantMismatch(t, s.Verify(r, []byte(body), credentials.SecretAccessKey))
		})
	}
}

func wantMismatch(t *testing.T, err error) {
	t.Helper()
	var refusal *Error
	if !errors.As(err, &refusal) || refusal.Kind != Mismatch ||
		!strings.HasPrefix(refusal.Message, "The request signature we calculated does not match the signature you provided.") {
		t.Errorf("got %v, want a mismatch", err)
	}
	if err != nil && strings.Contains(err.Error(), credentials.SecretAccessKey) {
		t.Error("the message holds the secret")
	}
}

// TestCheckTime tests both sides of every limit.
func TestCheckTime(t *testing.T) {
	header, err := Parse(vectors["form"].signed(t), "elasticache")
	if err != nil {
		t.Fatal(err)
	}
	minute, err := Parse(vectors["query string"].presigned(t, "90"), "elasticache")
	if err != nil {
		t.Fatal(err)
	}
	unlimited, err := Parse(vectors["query string"].presigned(t, ""), "elasticache")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		s    *Signature
		now  time.Duration
		want string
	}{
		"header, 15 min. old":       {header, MaxSkew, ""},
		"header, older":             {header, MaxSkew + time.Second, "Signature expired: 20260304T050607Z is now earlier than 20260304T050608Z (20260304T052108Z - 15 min.)"},
		"header, 15 min. ahead":     {header, -MaxSkew, ""},
		"header, further ahead":     {header, -MaxSkew - time.Second, "Signature not yet current: 20260304T050607Z is still later than 20260304T050606Z (20260304T045106Z + 15 min.)"},
		"presigned, at its end":     {minute, 90 * time.Second, ""},
		"presigned, past its end":   {minute, 91 * time.Second, "Signature expired: 20260304T050607Z is now earlier than 20260304T050608Z (20260304T050738Z - 90 sec.)"},
		"presigned, too far ahead":  {minute, -MaxSkew - time.Second, "Signature not yet current: 20260304T050607Z is still later than 20260304T050606Z (20260304T045106Z + 15 min.)"},
		"presigned without a life":  {unlimited, MaxSkew, ""},
		"presigned, 15 min. passed": {unlimited, MaxSkew + time.Second, "Signature expired: 20260304T050607Z is now earlier than 20260304T050608Z (20260304T052108Z - 15 min.)"},
		"presigned, a little ahead": {minute, -MaxSkew, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := ""
			if err := c.s.CheckTime(signedAt.Add(c.now)); err != nil {
				got = err.Error()
			}
			if got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// TestParseRefuses checks each way in which a signature can be malformed.
func TestParseRefuses(t *testing.T) {
	const good = "AWS4-HMAC-SHA256 Credential=AKID/20260304/us-east-1/elasticache/aws4_request, SignedHeaders=host;x-amz-date, Signature=00"
	for name, c := range map[string]struct {
		header, date, query string
		kind                Kind
		want                string
	}{
		"nothing":             {kind: Missing, want: "Request is missing Authentication Token"},
		"other algorithm":     {header: "Basic abc", kind: Incomplete, want: "Unsupported AWS 'algorithm'"},
		"no pairs":            {header: "AWS4-HMAC-SHA256 abc", kind: Incomplete, want: "not a valid key=value pair"},
		"no parts":            {header: "AWS4-HMAC-SHA256 Foo=bar", kind: Incomplete, want: "requires 'Credential' parameter. Authorization header requires 'Signature' parameter."},
		"no date":             {header: good, date: "-", kind: Incomplete, want: "'X-Amz-Date' or a 'Date' header"},
		"bad date":            {header: good, date: "yesterday", kind: Incomplete, want: "ISO-8601"},
		"short scope":         {header: strings.Replace(good, "/elasticache", "", 1), kind: Incomplete, want: "5 slash-delimited elements"},
		"no key":              {header: strings.Replace(good, "AKID", "", 1), kind: Incomplete, want: "5 slash-delimited elements"},
		"terminator":          {header: strings.Replace(good, "aws4_request", "aws5_request", 1), kind: Mismatch, want: "valid terminator"},
		"service":             {header: strings.Replace(good, "elasticache", "rds", 1), kind: Mismatch, want: "correct service: 'elasticache'"},
		"region":              {header: strings.Replace(good, "us-east-1", "us_east", 1), kind: Mismatch, want: "valid region"},
		"day":                 {header: strings.Replace(good, "20260304", "20260305", 1), kind: Mismatch, want: "Date in Credential scope does not match"},
		"host not signed":     {header: strings.Replace(good, "host;", "", 1), kind: Mismatch, want: "'Host'"},
		"query, no algorithm": {query: "X-Amz-Signature=00", kind: Incomplete, want: "Unsupported AWS 'algorithm'"},
		"query, parts":        {query: "X-Amz-Algorithm=AWS4-HMAC-SHA256", kind: Incomplete, want: "must include 'X-Amz-Credential'"},
		"query, expires 0":    {query: presignedQuery + "&X-Amz-Expires=0", kind: Incomplete, want: "between 1 and 604800"},
		"query, expires long": {query: presignedQuery + "&X-Amz-Expires=604801", kind: Incomplete, want: "between 1 and 604800"},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, "/?"+c.query, nil)
			if c.header != "" {
				r.Header.Set("Authorization", c.header)
				r.Header.Set("X-Amz-Date", "20260304T050607Z")
			}
			switch c.date {
			case "":
			case "-":
				r.Header.Del("X-Amz-Date")
			default:
				r.Header.Set("X-Amz-Date", c.date)
			}
			_, err := Parse(r, "elasticache")
			var refusal *Error
			if !errors.As(err, &refusal) || refusal.Kind != c.kind || !strings.Contains(refusal.Message, c.want) {
				t.Errorf("got %v, want kind %d with %q", err, c.kind, c.want)
			}
		})
	}
	for _, expires := range []string{"1", "604800"} {
		if _, err := Parse(httptest.NewRequest(http.MethodGet, "/?"+presignedQuery+"&X-Amz-Expires="+expires, nil), "elasticache"); err != nil {
			t.Errorf("expires %s: %v", expires, err)
		}
	}
}

const presignedQuery = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKID%2F20260304%2Fus-east-1%2Felasticache%2Faws4_request" +
	"&X-Amz-Date=20260304T050607Z&X-Amz-SignedHeaders=host&X-Amz-Signature=00"

// FuzzParse checks that no header or query string makes parsing or verifying panic, or passes without the secret.
func FuzzParse(f *testing.F) {
	f.Add("", presignedQuery, "20260304T050607Z")
	f.Add("AWS4-HMAC-SHA256 Credential=AKID/20260304/us-east-1/elasticache/aws4_request, SignedHeaders=host, Signature=00", "a=%zz&b;c", "20260304T050607Z")
	f.Add("AWS4-HMAC-SHA256 =,=/////;;", "%", "")
	f.Fuzz(func(t *testing.T, header, query, date string) {
		r := httptest.NewRequest(http.MethodPost, "/", nil)
		r.URL.RawQuery = query
		r.Header.Set("Authorization", header)
		r.Header.Set("X-Amz-Date", date)
		s, err := Parse(r, "elasticache")
		if err != nil {
			return
		}
		_ = s.CheckTime(signedAt)
		if err := s.Verify(r, nil, "a secret that no fuzzer knows"); err == nil {
			t.Errorf("%q %q was accepted", header, query)
		}
	})
}
