package edge

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/elastane/elastane/api"
)

const faultNamespace = "http://webservices.amazon.com/AWSFault/2005-15-09"

// TestFrontEndErrors checks what AWS's common front end answers before it asks a service.
func TestFrontEndErrors(t *testing.T) {
	base, _ := testServer(t, Options{})
	form := func(body string) func(*testing.T) *http.Request {
		return func(t *testing.T) *http.Request { return newRequest(t, "POST", base+"/", formType, body) }
	}
	get := func(query string) func(*testing.T) *http.Request {
		return func(t *testing.T) *http.Request { return newRequest(t, "GET", base+"/?"+query, "", "") }
	}
	for name, c := range map[string]struct {
		make            func(*testing.T) *http.Request
		status          int
		code, message   string
		namespaceIsAWSs bool
	}{
		"unknown action":      {form("Action=Nope&Version=2015-02-02"), 400, "InvalidAction", "Could not find operation Nope for version 2015-02-02", true},
		"unknown action, GET": {get("Action=Nope&Version=2015-02-02"), 400, "InvalidAction", "Could not find operation Nope for version 2015-02-02", true},
		"wrong version":       {form("Action=DescribeEvents&Version=2014-01-01"), 400, "InvalidAction", "Could not find operation DescribeEvents for version 2014-01-01", true},
		"no version":          {form("Action=DescribeEvents"), 400, "InvalidAction", "Could not find operation DescribeEvents for version NO_VERSION_SPECIFIED", true},
		"no action":           {form("Version=2015-02-02"), 400, "MissingAction", "The request must contain the parameter Action.", true},
		"nothing":             {form(""), 400, "MissingAction", "The request must contain the parameter Action.", true},
		"long action":         {form("Version=2015-02-02&Action=" + strings.Repeat("x", 4000)), 400, "InvalidAction", "Could not find operation " + strings.Repeat("x", 128) + "… for version 2015-02-02", true},
		"broken form":         {form("Action=%zz"), 404, "MalformedQueryString", "The form is not well-formed.", false},
		"too many parameters": {form("Action=DescribeEvents&Version=2015-02-02" + strings.Repeat("&a", api.MaxQueryParameters)), 404, "MalformedQueryString", "The request has too many parameters.", false},
		"JSON":                {func(t *testing.T) *http.Request { return newRequest(t, "POST", base+"/", "application/json", "{}") }, 400, "MalformedInput", "The content type of the request must be application/x-www-form-urlencoded.", false},
		"bad integer":         {form("Action=DescribeEvents&Version=2015-02-02&MaxRecords=ten"), 400, "MalformedInput", `The value "ten" of the parameter MaxRecords can not be converted to an Integer.`, false},
		"bad time":            {get("Action=DescribeEvents&Version=2015-02-02&StartTime=noon"), 400, "MalformedInput", `The value "noon" of the parameter StartTime can not be converted to a Timestamp (ISO 8601).`, false},
		"below the range":     {get("Action=DescribeEvents&Version=2015-02-02&MaxRecords=19"), 400, "InvalidParameterValue", "1 validation error detected: Value '19' at 'maxRecords' failed to satisfy constraint: Member must have value greater than or equal to 20", false},
		"above the range":     {get("Action=DescribeEvents&Version=2015-02-02&MaxRecords=101"), 400, "InvalidParameterValue", "1 validation error detected: Value '101' at 'maxRecords' failed to satisfy constraint: Member must have value less than or equal to 100", false},
		"blank required":      {form("Action=DeleteCacheSubnetGroup&Version=2015-02-02&CacheSubnetGroupName="), 400, "InvalidParameterValue", "The parameter CacheSubnetGroupName must be provided and must not be blank.", false},
	} {
		t.Run(name, func(t *testing.T) {
			a := send(t, c.make(t), time.Now())
			want := api.Namespace
			if c.namespaceIsAWSs {
				want = faultNamespace
			}
			if a.status != c.status || a.code != c.code || a.message != c.message || a.kind != "Sender" || a.namespace != want {
				t.Errorf("got %+v", a)
			}
			if got := a.header.Get("Content-Type"); got != "text/xml" {
				t.Errorf("content type %q", got)
			}
		})
	}
	for _, limit := range []string{"20", "100"} {
		if a := send(t, get("Action=DescribeEvents&Version=2015-02-02&MaxRecords="+limit)(t), time.Now()); a.status != 501 {
			t.Errorf("MaxRecords=%s: %+v", limit, a)
		}
	}
}

// TestSignatureErrors checks codes and statuses of refused signatures on both surfaces.
func TestSignatureErrors(t *testing.T) {
	now := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	base, _ := testServer(t, Options{Clock: func() time.Time { return now }})
	paths := map[string]string{"query": "/?Action=DescribeEvents&Version=2015-02-02", "rest": "/v1/events"}
	for surface, path := range paths {
		for name, c := range map[string]struct {
			send          func(*http.Request) answer
			status        int
			code, message string
		}{
			"good":     {func(r *http.Request) answer { return send(t, r, now) }, 501, "NotImplemented", ""},
			"unsigned": {func(r *http.Request) answer { return sendUnsigned(t, r) }, 403, "MissingAuthenticationToken", "Request is missing Authentication Token"},
			"expired": {
				func(r *http.Request) answer { return send(t, r, now.Add(-time.Hour)) }, 403, "SignatureDoesNotMatch",
				"Signature expired: 20260304T040607Z is now earlier than 20260304T045107Z (20260304T050607Z - 15 min.)",
			},
			"future": {
				func(r *http.Request) answer { return send(t, r, now.Add(time.Hour)) }, 403, "SignatureDoesNotMatch",
				"Signature not yet current: 20260304T060607Z is still later than 20260304T052107Z (20260304T050607Z + 15 min.)",
			},
			"malformed": {func(r *http.Request) answer {
				r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=x")
				return sendUnsigned(t, r)
			}, 400, "IncompleteSignature", "Authorization header requires 'Signature' parameter."},
			"unknown key": {func(r *http.Request) answer {
				r.Header.Set("X-Amz-Date", "20260304T050607Z")
				r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=AKIAOTHER/20260304/us-east-1/elasticache/aws4_request, SignedHeaders=host, Signature=00")
				return sendUnsigned(t, r)
			}, 403, "InvalidClientTokenId", "The security token included in the request is invalid."},
			"wrong signature": {func(r *http.Request) answer {
				r.Header.Set("X-Amz-Date", "20260304T050607Z")
				r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential="+testKey+"/20260304/us-east-1/elasticache/aws4_request, SignedHeaders=host, Signature=00")
				return sendUnsigned(t, r)
			}, 403, "SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details."},
		} {
			t.Run(surface+"/"+name, func(t *testing.T) {
				a := c.send(newRequest(t, "GET", base+path, "", ""))
				if a.status != c.status || a.code != c.code || !strings.HasPrefix(a.message, c.message) {
					t.Errorf("got %+v", a)
				}
			})
		}
	}
}

// TestOperationErrors checks what becomes of the errors that operations return, and of a panic.
func TestOperationErrors(t *testing.T) {
	const hidden = "password hunter2 in /etc/secret"
	for name, c := range map[string]struct {
		err      error
		status   int
		code     string
		kind     string
		isLogged bool
	}{
		"modelled":    {fmt.Errorf("wrapped: %w", api.ReplicationGroupNotFoundFault("Replication group x not found.")), 404, "ReplicationGroupNotFoundFault", "Sender", false},
		"unavailable": {fmt.Errorf("%s: %w", hidden, api.ErrUnavailable), 503, "ServiceUnavailable", "Receiver", true},
		"deadline":    {fmt.Errorf("%s: %w", hidden, context.DeadlineExceeded), 503, "ServiceUnavailable", "Receiver", true},
		"other":       {errors.New(hidden), 500, "InternalFailure", "Receiver", true},
		"panic":       {nil, 500, "InternalFailure", "Receiver", true},
	} {
		for surface, path := range map[string]string{"query": "/?Action=DescribeReplicationGroups&Version=2015-02-02", "rest": "/v1/replication-groups"} {
			t.Run(name+"/"+surface, func(t *testing.T) {
				var observed []string
				base, logged := testServer(t, Options{
					Handlers: handlersOf(func(context.Context, string, any) (reflect.Value, error) {
						if c.err == nil {
							panic(hidden)
						}
						return reflect.Value{}, c.err
					}),
					Observe: func(action, code string, _ time.Duration) { observed = append(observed, action+" "+code) },
				})
				a := send(t, newRequest(t, "GET", base+path, "", ""), time.Now())
				if a.status != c.status || a.code != c.code || (surface == "query" && a.kind != c.kind) {
					t.Errorf("got %+v", a)
				}
				if len(observed) != 1 || observed[0] != "DescribeReplicationGroups "+c.code {
					t.Errorf("observed %q", observed)
				}
				if strings.Contains(a.body, hidden) {
					t.Errorf("the client is told %s", a.body)
				}
				if c.code == "InternalFailure" && a.message != "An internal error has occurred. Please try your query again at a later time." {
					t.Errorf("message %q", a.message)
				}
				if strings.Contains(logged.String(), hidden) != c.isLogged || !strings.Contains(logged.String(), a.requestID) {
					t.Errorf("log:\n%s", logged)
				}
			})
		}
	}
}

// TestTimeout checks that an operation gets a deadline, and that running into it is answered as unavailable.
func TestTimeout(t *testing.T) {
	base, _ := testServer(t, Options{Timeout: time.Millisecond, Handlers: &api.Handlers{
		DescribeEvents: func(ctx context.Context, _ *api.DescribeEventsInput) (*api.DescribeEventsOutput, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		},
	}})
	if a := send(t, newRequest(t, "GET", base+"/v1/events", "", ""), time.Now()); a.status != 503 || a.code != "ServiceUnavailable" {
		t.Errorf("got %+v", a)
	}
}

// TestRESTErrors checks what only the REST surface can get wrong.
func TestRESTErrors(t *testing.T) {
	base, _ := testServer(t, Options{})
	for name, c := range map[string]struct {
		method, path, body string
		status             int
		code, message      string
	}{
		"no such path":         {"GET", "/v1/nothing", "", 404, "UnknownOperation", "There is nothing at this path."},
		"no such method":       {"PUT", "/v1/users", "{}", 405, "UnknownOperation", "This path does not have the method PUT."},
		"not JSON":             {"POST", "/v1/users", "{", 400, "MalformedInput", "The body is not valid JSON: error at byte 1."},
		"not an object":        {"POST", "/v1/users", "[]", 400, "MalformedInput", "The body must be a JSON object."},
		"null":                 {"POST", "/v1/users", "null", 400, "MalformedInput", "The body must be a JSON object."},
		"unknown member":       {"POST", "/v1/users", `{"Shoe":1}`, 400, "MalformedInput", `The member "Shoe" is not known.`},
		"wrong type":           {"POST", "/v1/replication-groups", `{"NumCacheClusters":"three"}`, 400, "MalformedInput", "The member NumCacheClusters can not be a JSON string."},
		"too large a number":   {"POST", "/v1/replication-groups", `{"NumCacheClusters":2147483648}`, 400, "MalformedInput", "The member NumCacheClusters can not be a JSON number."},
		"path member in body":  {"PATCH", "/v1/users/u", `{"UserId":"v"}`, 400, "MalformedInput", "The member UserId does not belong in the body."},
		"unknown parameter":    {"GET", "/v1/users?Sort=up", "", 400, "MalformedInput", `The query parameter "Sort" is not known.`},
		"bad number":           {"GET", "/v1/users?MaxRecords=ten", "", 400, "MalformedInput", `The value "ten" of the parameter MaxRecords is not valid.`},
		"text for a number":    {"GET", "/v1/users?MaxRecords=%22ten%22", "", 400, "MalformedInput", "The member MaxRecords can not be a JSON string."},
		"bad structure":        {"GET", "/v1/users?Filters=%7B", "", 400, "MalformedInput", `The value "{" of the parameter Filters is not valid.`},
		"body without meaning": {"DELETE", "/v1/users/u", `{"Force":true}`, 400, "MalformedInput", `The member "Force" is not known.`},
		"bad time":             {"GET", "/v1/events?StartTime=noon", "", 400, "MalformedInput", "The value of a timestamp is not valid (RFC 3339)."},
	} {
		t.Run(name, func(t *testing.T) {
			a := send(t, newRequest(t, c.method, base+c.path, "application/json", c.body), time.Now())
			if a.status != c.status || a.code != c.code || a.message != c.message || a.requestID == "" {
				t.Errorf("got %+v", a)
			}
		})
	}
}
