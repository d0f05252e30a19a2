package edge

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/elastane/elastane/api"
)

// TestInterceptorOrder holds the order in which a request passes the steps.
func TestInterceptorOrder(t *testing.T) {
	outer, inner := (&edge{}).interceptors()
	var names []string
	for _, i := range slices.Concat(outer, inner) {
		names = append(names, i.name)
	}
	want := []string{"request id", "recover", "access log", "body", "sigv4", "caller"}
	if !slices.Equal(names, want) {
		t.Errorf("got %q, want %q", names, want)
	}
}

// TestBodyLimit tests both sides of the limit.
func TestBodyLimit(t *testing.T) {
	const limit = 1000
	base, _ := testServer(t, Options{MaxBody: limit})
	body := "Action=DescribeEvents&Version=2015-02-02&Pad="
	body += strings.Repeat("x", limit-len(body))
	if a := send(t, newRequest(t, "POST", base+"/", formType, body), time.Now()); a.status != 501 {
		t.Errorf("at the limit: %+v", a)
	}
	if a := send(t, newRequest(t, "POST", base+"/", formType, body+"x"), time.Now()); a.status != 413 || a.code != "RequestEntityTooLarge" {
		t.Errorf("past the limit: %+v", a)
	}
}

// TestSecretsStayHidden sends secrets into every kind of answer and looks for them in the log and the answers.
func TestSecretsStayHidden(t *testing.T) {
	const token = "correct-horse-battery-staple"
	var fail error
	base, logged := testServer(t, Options{Handlers: handlersOf(func(_ context.Context, _ string, in any) (reflect.Value, error) {
		if fail == nil {
			panic(in)
		}
		return reflect.Value{}, fail
	})})
	for _, f := range []error{nil, errors.New("broken"), api.InvalidParameterValue("Invalid AuthToken provided.")} {
		fail = f
		for _, r := range []*http.Request{
			queryRequest(t, base, "Action=CreateReplicationGroup", "Version=2015-02-02", "ReplicationGroupId=a", "ReplicationGroupDescription=b", "AuthToken="+token),
			queryRequest(t, base, "Action=CreateReplicationGroup", "Version=2015-02-02", "AuthToken="+token),
			queryRequest(t, base, "Action=CreateReplicationGroup", "Version=2015-02-02", "AuthToken="+token, "Port=x"),
			queryRequest(t, base, "Action=ModifyUser", "Version=2015-02-02", "UserId=a", "Passwords.member.1="+token),
			newRequest(t, "GET", base+"/?Action=ModifyUser&Version=2015-02-02&UserId=a&Passwords.member.1="+token, "", ""),
			newRequest(t, "PATCH", base+"/v1/users/u", "application/json", `{"Passwords":["`+token+`"]}`),
			newRequest(t, "PATCH", base+"/v1/users/u", "application/json", `{"Passwords":"`+token+`"}`),
			newRequest(t, "POST", base+"/v1/cache-clusters", "application/json", `{"AuthToken":{"`+token+`":1}}`),
			newRequest(t, "POST", base+"/v1/cache-clusters", "application/json", `{"CacheClusterId":"c","AuthToken":"`+token+`"`),
		} {
			if a := send(t, r, time.Now()); strings.Contains(a.body, token) {
				t.Errorf("%s: %s", r.URL, a.body)
			}
		}
	}
	if strings.Contains(logged.String(), token) || strings.Contains(logged.String(), testSecret) {
		t.Errorf("log:\n%s", logged)
	}
	if n := strings.Count(logged.String(), `"msg":"request"`); n != 27 {
		t.Errorf("%d lines in the access log for 27 requests", n)
	}
}

// TestDevelopment checks what development lets pass, and what it does not.
func TestDevelopment(t *testing.T) {
	var caller api.Caller
	handler := New(Options{Credentials: DevCredentials{}, AllowUnsigned: true, Logger: slog.New(slog.DiscardHandler), Handlers: handlersOf(
		func(ctx context.Context, _ string, _ any) (reflect.Value, error) {
			caller = api.CallerFrom(ctx)
			return reflect.Value{}, nil
		})})
	signature := func(key, region string) string {
		return "AWS4-HMAC-SHA256 Credential=" + key + "/20200101/" + region + "/elasticache/aws4_request, SignedHeaders=host, Signature=00"
	}
	for name, c := range map[string]struct {
		target, remote, host string
		header               map[string]string
		status               int
		account, region      string
	}{
		"any key, at any time":        {"/v1/events", "10.0.0.1:1", "host.docker.internal:4567", map[string]string{"Authorization": signature("abc", "eu-west-3"), "X-Amz-Date": "20200101T000000Z"}, 200, "000000000000", "eu-west-3"},
		"a key that is an account":    {"/v1/events", "10.0.0.1:1", "elastane:4567", map[string]string{"Authorization": signature("111122223333", "cn-north-1"), "X-Amz-Date": "20200101T000000Z"}, 200, "111122223333", "cn-north-1"},
		"a bad region":                {"/v1/events", "127.0.0.1:1", "localhost", map[string]string{"Authorization": signature("abc", "x y"), "X-Amz-Date": "20200101T000000Z"}, 403, "", ""},
		"unsigned":                    {"/v1/events", "127.0.0.1:1", "127.0.0.1:4567", nil, 200, "000000000000", "us-east-1"},
		"unsigned, IPv6":              {"/v1/events", "[::1]:1", "localhost:4567", nil, 200, "000000000000", "us-east-1"},
		"unsigned, region":            {"/v1/events?region=ap-south-1", "127.0.0.1:1", "localhost", nil, 200, "000000000000", "ap-south-1"},
		"unsigned, region header":     {"/v1/events", "127.0.0.1:1", "localhost", map[string]string{"X-Elastane-Region": "ap-south-2"}, 200, "000000000000", "ap-south-2"},
		"unsigned, bad region":        {"/v1/events?region=..%2F", "127.0.0.1:1", "localhost", nil, 400, "", ""},
		"unsigned, from elsewhere":    {"/v1/events", "10.0.0.1:1", "localhost", nil, 403, "", ""},
		"unsigned, to another name":   {"/v1/events", "127.0.0.1:1", "rebound.example:4567", nil, 403, "", ""},
		"unsigned, Query":             {"/?Action=DescribeEvents&Version=2015-02-02", "127.0.0.1:1", "localhost", nil, 403, "", ""},
		"malformed signature":         {"/v1/events", "127.0.0.1:1", "localhost", map[string]string{"Authorization": "Bearer x"}, 400, "", ""},
		"signed Query, wrong service": {"/?Action=DescribeEvents&Version=2015-02-02", "127.0.0.1:1", "localhost", map[string]string{"Authorization": strings.Replace(signature("abc", "us-east-1"), "elasticache", "rds", 1), "X-Amz-Date": "20200101T000000Z"}, 403, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			caller = api.Caller{}
			r := httptest.NewRequest(http.MethodGet, c.target, nil)
			r.RemoteAddr, r.Host = c.remote, c.host
			for k, v := range c.header {
				r.Header.Set(k, v)
			}
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			if w.Code != c.status || caller.Account != c.account || caller.Region != c.region {
				t.Errorf("status %d, caller %+v: %s", w.Code, caller, w.Body)
			}
		})
	}
	signed := map[string]string{"Authorization": signature("abc", "us-east-1"), "X-Amz-Date": "20200101T000000Z"}
	const presigned = "/?Action=DeleteUser&Version=2015-02-02&UserId=u&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=a%2F20200101%2Fus-east-1%2F" +
		"elasticache%2Faws4_request&X-Amz-Date=20200101T000000Z&X-Amz-SignedHeaders=host&X-Amz-Signature=00"
	for name, c := range map[string]struct {
		method, target, host string
		signed               bool
		header, value        string
		status               int
	}{
		"unsigned, another site's page":        {"POST", "/v1/users", "localhost:4567", false, "Sec-Fetch-Site", "cross-site", 403},
		"unsigned, another site's old browser": {"POST", "/v1/users", "localhost:4567", false, "Origin", "http://evil.example", 403},
		"unsigned, our own page":               {"GET", "/v1/users", "localhost:4567", false, "Sec-Fetch-Site", "same-origin", 200},
		"unsigned, typed into a browser":       {"GET", "/v1/users", "localhost:4567", false, "Sec-Fetch-Site", "none", 200},
		"signed, another port's page":          {"GET", "/v1/users", "localhost:4567", true, "Sec-Fetch-Site", "same-site", 403},
		"signed, another site's page":          {"GET", "/v1/users", "localhost:4567", true, "Sec-Fetch-Site", "cross-site", 403},
		"signed, our own old browser":          {"GET", "/v1/users", "127.0.0.1:4567", true, "Origin", "http://127.0.0.1:4567", 200},
		"signed, a name that was rebound":      {"GET", "/v1/users", "evil.example:4567", true, "", "", 403},
		"presigned link in another site":       {"GET", presigned, "127.0.0.1:4567", false, "Sec-Fetch-Site", "cross-site", 403},
		"presigned, by a program":              {"GET", presigned, "127.0.0.1:4567", false, "", "", 200},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest(c.method, c.target, nil)
			r.RemoteAddr, r.Host = "127.0.0.1:1", c.host
			if c.signed {
				for k, v := range signed {
					r.Header.Set(k, v)
				}
			}
			if c.header != "" {
				r.Header.Set(c.header, c.value)
			}
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			if w.Code != c.status {
				t.Errorf("status %d: %s", w.Code, w.Body)
			}
		})
	}
	t.Run("not allowed", func(t *testing.T) {
		r := httptest.NewRequest(http.MethodGet, "/v1/events", nil)
		r.RemoteAddr, r.Host = "127.0.0.1:1", "localhost"
		w := httptest.NewRecorder()
		New(Options{Credentials: DevCredentials{}, Logger: slog.New(slog.DiscardHandler), Handlers: &api.Handlers{}}).ServeHTTP(w, r)
		if w.Code != 403 {
			t.Errorf("status %d: %s", w.Code, w.Body)
		}
	})
}

// TestProbes checks the paths that are open to everyone.
func TestProbes(t *testing.T) {
	var notReady error
	var pem []byte
	base, logged := testServer(t, Options{
		Ready:            func(context.Context) error { return notReady },
		CACertificatePEM: func() []byte { return pem },
		Metrics:          http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }),
	})
	check := func(path string, status int, body string) {
		t.Helper()
		a := sendUnsigned(t, newRequest(t, "GET", base+path, "", ""))
		if a.status != status || !strings.Contains(a.body, body) {
			t.Errorf("%s: %+v", path, a)
		}
	}
	check("/healthz", 200, "ok")
	check("/readyz", 200, "ready")
	check("/metrics", http.StatusTeapot, "")
	check("/v1/certificate-authority", 404, "CertificateAuthorityNotFound")
	notReady, pem = errors.New("no database at dsn"), []byte("-----BEGIN CERTIFICATE-----")
	check("/readyz", 503, "not ready")
	check("/v1/certificate-authority", 200, string(pem))
	if !strings.Contains(logged.String(), "no database at dsn") {
		t.Error("why it is not ready should be in the log")
	}
}

// TestParseCredentials checks the file's form, and that errors do not repeat what it holds.
func TestParseCredentials(t *testing.T) {
	keys, err := ParseCredentials(strings.NewReader("# keys\n\nAKIA1 s3cret/+= 123456789012\n\tAKIA2\tother  210987654321 \r\n"))
	if err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]Key{"AKIA1": {Secret: api.NewSecret("s3cret/+="), Account: "123456789012"}, "AKIA2": {Secret: api.NewSecret("other"), Account: "210987654321"}} {
		if got, err := keys.Lookup(context.Background(), id, ""); err != nil || got.Secret.Reveal() != want.Secret.Reveal() || got.Account != want.Account || got.Unverified {
			t.Errorf("%s: %+v, %v", id, got, err)
		}
	}
	if _, err := keys.Lookup(context.Background(), "AKIA3", ""); !errors.Is(err, ErrUnknownKey) {
		t.Errorf("got %v", err)
	}
	for text, want := range map[string]string{
		"":                                "there is no key",
		"# nothing\n":                     "there is no key",
		"AKIA s3cret":                     "line 1: access key id, secret access key and account id are expected",
		"AKIA s3cret 12345678901":         "line 1: the account id must have twelve digits",
		"AKIA s3cret 1234567890123":       "line 1: the account id must have twelve digits",
		"AKIA s3cret 12345678901x":        "line 1: the account id must have twelve digits",
		"A s3cret 123456789012 more":      "line 1: access key id, secret access key and account id are expected",
		"\nA s 123456789012\nA s3cret 12": "line 3: the account id must have twelve digits",
		"A s3cret 123456789012\nA s3cret 123456789012": "line 2: this access key id has been given before",
	} {
		if _, err := ParseCredentials(strings.NewReader(text)); err == nil || err.Error() != want {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

// FuzzParseCredentials checks that no file makes the parser panic or take a key without an account.
func FuzzParseCredentials(f *testing.F) {
	f.Add("AKIA1 s3cret 123456789012\n#\n")
	f.Fuzz(func(t *testing.T, text string) {
		keys, err := ParseCredentials(strings.NewReader(text))
		if err != nil {
			return
		}
		for id, k := range keys.keys {
			if id == "" || k.Secret.Reveal() == "" || !isAccount(k.Account) || k.Unverified {
				t.Errorf("%q gave %+v", text, k)
			}
		}
	})
}
