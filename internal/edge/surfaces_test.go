package edge

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/elastane/elastane/api"
)

// answer is what came back, of either surface.
type answer struct {
	status                   int
	header                   http.Header
	body                     string
	code, message, requestID string
	kind                     string // Sender or Receiver, Query only
	namespace                string // Query only
}

// send signs a request with the test key, at the given time, and sends it.
func send(t testing.TB, r *http.Request, at time.Time) answer {
	t.Helper()
	var body []byte
	if r.Body != nil {
		body, _ = io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	sum := sha256.Sum256(body)
	keys := aws.Credentials{AccessKeyID: testKey, SecretAccessKey: testSecret}
	if err := v4.NewSigner().SignHTTP(context.Background(), keys, r, hex.EncodeToString(sum[:]), api.SigningName, "us-west-2", at); err != nil {
		t.Fatal(err)
	}
	return sendUnsigned(t, r)
}

func sendUnsigned(t testing.TB, r *http.Request) answer {
	t.Helper()
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	a := answer{status: response.StatusCode, header: response.Header, body: string(body)}
	switch response.Header.Get("Content-Type") {
	case "application/problem+json":
		var p struct {
			Type, Title, Detail, Code, RequestID string
			Status                               int
		}
		if err := json.Unmarshal(body, &p); err != nil {
			t.Fatal(err)
		}
		if p.Status != a.status || p.Type == "" || p.Title == "" {
			t.Errorf("problem %s with status %d", body, a.status)
		}
		a.code, a.message, a.requestID = p.Code, p.Detail, p.RequestID
	case "text/xml":
		var x struct {
			XMLName   xml.Name
			Error     struct{ Type, Code, Message string }
			RequestID string `xml:"RequestId"`
		}
		if err := xml.Unmarshal(body, &x); err != nil {
			t.Fatalf("%v: %s", err, body)
		}
		a.code, a.message, a.requestID = x.Error.Code, x.Error.Message, x.RequestID
		a.kind, a.namespace = x.Error.Type, x.XMLName.Space
	}
	if a.code != "" && a.requestID != response.Header.Get("X-Amzn-Requestid") {
		t.Errorf("request id %q in the body, %q in the header", a.requestID, response.Header.Get("X-Amzn-Requestid"))
	}
	return a
}

func newRequest(t testing.TB, method, url, contentType, body string) *http.Request {
	t.Helper()
	r, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	return r
}

// queryRequest makes a POST of the Query protocol from "Key=value" parts, which are escaped.
func queryRequest(t testing.TB, url string, parts ...string) *http.Request {
	t.Helper()
	return newRequest(t, http.MethodPost, url+"/", formType, form(parts...).Encode())
}

func form(parts ...string) url.Values {
	values := url.Values{}
	for _, p := range parts {
		k, v, _ := strings.Cut(p, "=")
		values.Add(k, v)
	}
	return values
}

// members returns what is set in an input, with secrets in the clear, as a client would send it.
func members(v reflect.Value) any {
	switch x := v.Interface().(type) {
	case time.Time:
		return x.Format(time.RFC3339Nano)
	case api.Secret:
		return x.Reveal()
	}
	switch v.Kind() {
	case reflect.Pointer:
		return members(v.Elem())
	case reflect.Slice:
		list := []any{}
		for i := range v.Len() {
			list = append(list, members(v.Index(i)))
		}
		return list
	case reflect.Struct:
		m := map[string]any{}
		for i := range v.NumField() {
			if !v.Field(i).IsZero() {
				m[v.Type().Field(i).Name] = members(v.Field(i))
			}
		}
		return m
	case reflect.String:
		return v.String()
	default:
		return v.Interface()
	}
}

// flatten writes members as Query parameters. Lists use .member, which every list accepts.
func flatten(values url.Values, prefix string, v any) {
	switch x := v.(type) {
	case map[string]any:
		for k, e := range x {
			flatten(values, strings.TrimPrefix(prefix+"."+k, "."), e)
		}
	case []any:
		for i, e := range x {
			flatten(values, prefix+".member."+strconv.Itoa(i+1), e)
		}
	default:
		values.Set(prefix, fmt.Sprint(x))
	}
}

// restRequest makes the request of a route from the members of an input.
func restRequest(t testing.TB, base string, route *api.Route, in map[string]any) *http.Request {
	t.Helper()
	path, query, body := route.Path, url.Values{}, map[string]any{}
	for name, v := range in {
		switch {
		case strings.Contains(path, "{"+name+"}"):
			path = strings.Replace(path, "{"+name+"}", url.PathEscape(v.(string)), 1)
		case route.Method == http.MethodGet || route.Method == http.MethodDelete:
			switch x := v.(type) {
			case []any:
				if _, structures := x[0].(map[string]any); structures {
					query.Set(name, jsonText(t, x))
					continue
				}
				for _, e := range x {
					query.Add(name, e.(string))
				}
			case map[string]any:
				query.Set(name, jsonText(t, x))
			default:
				query.Set(name, fmt.Sprint(v))
			}
		default:
			body[name] = v
		}
	}
	text := ""
	if len(body) > 0 {
		text = jsonText(t, body)
	}
	return newRequest(t, route.Method, base+path+"?"+query.Encode(), "application/json", text)
}

func jsonText(t testing.TB, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestNotBuilt checks that every operation is reached through both surfaces, decodes and validates, and then says that it is not built.
func TestNotBuilt(t *testing.T) {
	base, _ := testServer(t, Options{})
	for _, route := range api.Routes {
		name := route.Operation.Name
		t.Run(name+" "+route.Path, func(t *testing.T) {
			in := members(reflect.ValueOf(fullInput(t, name))).(map[string]any)
			wantMessage := "The operation " + name + " is not implemented yet."

			values := form("Action="+name, "Version="+api.Version)
			flatten(values, "", in)
			a := send(t, newRequest(t, http.MethodPost, base+"/", formType, values.Encode()), time.Now())
			if a.status != 501 || a.code != "NotImplemented" || a.message != wantMessage || a.kind != "Receiver" || a.namespace != api.Namespace {
				t.Errorf("query: %+v", a)
			}
			a = send(t, restRequest(t, base, route, pathOnly(route, in)), time.Now())
			if a.status != 501 || a.code != "NotImplemented" || a.message != wantMessage {
				t.Errorf("rest: %+v", a)
			}
		})
	}
}

// pathOnly leaves of an input what the route takes: a route for one item of a list has only its path parameters.
func pathOnly(route *api.Route, in map[string]any) map[string]any {
	if route.Path == route.Operation.Path {
		return in
	}
	out := map[string]any{}
	for name, v := range in {
		if strings.Contains(route.Path, "{"+name+"}") {
			out[name] = v
		}
	}
	return out
}

// TestRESTRoundTrip sends every route's whole input and compares what the handler saw, and the answer.
func TestRESTRoundTrip(t *testing.T) {
	var seen any
	given := map[string]reflect.Value{}
	base, _ := testServer(t, Options{Handlers: handlersOf(func(_ context.Context, operation string, in any) (reflect.Value, error) {
		seen = in
		return given[operation], nil
	})})
	for _, route := range api.Routes {
		name := route.Operation.Name
		t.Run(name+" "+route.Path, func(t *testing.T) {
			sent := fullInput(t, name)
			if route.Path != route.Operation.Path {
				only := pathOnly(route, members(reflect.ValueOf(sent)).(map[string]any))
				for i, v := 0, reflect.ValueOf(sent).Elem(); i < v.NumField(); i++ {
					if _, kept := only[v.Type().Field(i).Name]; !kept {
						v.Field(i).SetZero()
					}
				}
			}
			if route.Method == http.MethodGet || route.Method == http.MethodDelete {
				sortTexts(reflect.ValueOf(sent).Elem())
			}
			given[name] = fullOutput(name)
			a := send(t, restRequest(t, base, route, members(reflect.ValueOf(sent)).(map[string]any)), time.Now())
			if a.status != route.Status {
				t.Fatalf("%+v", a)
			}
			if !reflect.DeepEqual(seen, any(sent)) {
				t.Errorf("the handler saw another input:\n got %s\nwant %s", dump(seen), dump(sent))
			}
			if route.Status == http.StatusNoContent {
				if a.body != "" {
					t.Errorf("body %q", a.body)
				}
				return
			}
			want := given[name]
			if route.Path != route.Operation.Path {
				want = firstOfFirstList(want)
			}
			got := reflect.New(want.Type().Elem())
			if err := json.Unmarshal([]byte(a.body), got.Interface()); err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got.Interface(), want.Interface()) {
				t.Errorf("answer\n%s\nwant\n%s", a.body, dump(want.Interface()))
			}
		})
	}
}

// sortTexts sorts an input's lists of strings: the SDK's signer does it with repeated query parameters.
func sortTexts(in reflect.Value) {
	for i := range in.NumField() {
		if list, ok := in.Field(i).Interface().([]string); ok {
			slices.Sort(list)
		}
	}
}

// TestItemFlags checks that a route for one item passes on what it may ask for besides.
func TestItemFlags(t *testing.T) {
	var seen any
	base, _ := testServer(t, Options{Handlers: handlersOf(func(_ context.Context, operation string, in any) (reflect.Value, error) {
		seen = in
		return fullOutput(operation), nil
	})})
	a := send(t, newRequest(t, http.MethodGet, base+"/v1/cache-clusters/c?ShowCacheNodeInfo=true", "", ""), time.Now())
	in, ok := seen.(*api.DescribeCacheClustersInput)
	if !ok || a.status != http.StatusOK || api.Value(in.CacheClusterId) != "c" || !api.Value(in.ShowCacheNodeInfo) {
		t.Errorf("%+v, %s", a, dump(seen))
	}
	a = send(t, newRequest(t, http.MethodGet, base+"/v1/cache-clusters/c?MaxRecords=20", "", ""), time.Now())
	if a.status != http.StatusBadRequest || a.code != "MalformedInput" {
		t.Errorf("%+v", a)
	}
}

// TestItemMissing checks that an item route never answers with nothing.
func TestItemMissing(t *testing.T) {
	base, _ := testServer(t, Options{Handlers: handlersOf(func(context.Context, string, any) (reflect.Value, error) {
		return reflect.Value{}, nil
	})})
	if a := send(t, newRequest(t, http.MethodGet, base+"/v1/users/u", "", ""), time.Now()); a.status != 500 || a.code != "InternalFailure" {
		t.Errorf("%+v", a)
	}
}

// firstOfFirstList returns a pointer to the first element of an output's only list.
func firstOfFirstList(out reflect.Value) reflect.Value {
	for i := range out.Elem().NumField() {
		if f := out.Elem().Field(i); f.Kind() == reflect.Slice {
			return f.Index(0).Addr()
		}
	}
	panic("no list in " + out.Type().String())
}

// TestRequiredMembers leaves out one required member at a time, on both surfaces.
func TestRequiredMembers(t *testing.T) {
	base, _ := testServer(t, Options{})
	checked := 0
	for _, o := range api.Operations {
		whole := members(reflect.ValueOf(fullInput(t, o.Name))).(map[string]any)
		v := reflect.ValueOf(fullInput(t, o.Name))
		for name := range whole {
			f := v.Elem().FieldByName(name)
			kept := reflect.New(f.Type()).Elem()
			kept.Set(f)
			f.SetZero()
			err := v.Interface().(api.Input).Validate()
			f.Set(kept)
			if err == nil {
				continue // optional
			}
			checked++
			in := map[string]any{}
			for k, m := range whole {
				if k != name {
					in[k] = m
				}
			}
			values := form("Action="+o.Name, "Version="+api.Version)
			flatten(values, "", in)
			a := send(t, newRequest(t, http.MethodPost, base+"/", formType, values.Encode()), time.Now())
			if want := "The parameter " + name + " must be provided"; a.status != 400 || a.code != "InvalidParameterValue" || !strings.HasPrefix(a.message, want) {
				t.Errorf("%s without %s: %+v", o.Name, name, a)
			}
			if strings.Contains(o.Path, "{"+name+"}") {
				continue // another path
			}
			for _, route := range api.Routes {
				if route.Operation == o && route.Path == o.Path {
					a = send(t, restRequest(t, base, route, in), time.Now())
					if a.status != 400 || a.code != "InvalidParameterValue" {
						t.Errorf("%s without %s: %+v", o.Name, name, a)
					}
				}
			}
		}
	}
	if checked < 80 {
		t.Errorf("only %d required members were found", checked)
	}
}
