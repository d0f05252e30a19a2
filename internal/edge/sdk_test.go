package edge

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/elasticache"
	"github.com/aws/aws-sdk-go-v2/service/elasticache/types"
	"github.com/aws/smithy-go"

	"github.com/elastane/elastane/api"
)

const (
	testKey     = "AKIATEST"
	testSecret  = "test/secret+key"
	testAccount = "123456789012"
)

// testServer serves handlers with one access key and returns its URL. What it logs goes to the buffer.
func testServer(t testing.TB, o Options) (url string, logged *bytes.Buffer) {
	t.Helper()
	if o.Credentials == nil {
		keys, err := ParseCredentials(strings.NewReader(testKey + " " + testSecret + " " + testAccount))
		if err != nil {
			t.Fatal(err)
		}
		o.Credentials = keys
	}
	if o.Handlers == nil {
		o.Handlers = &api.Handlers{}
	}
	logged = &bytes.Buffer{}
	o.Logger = slog.New(slog.NewJSONHandler(logged, &slog.HandlerOptions{Level: slog.LevelDebug}))
	server := httptest.NewServer(New(o))
	t.Cleanup(server.Close)
	return server.URL, logged
}

func sdkClient(url string) *elasticache.Client {
	return elasticache.New(elasticache.Options{
		BaseEndpoint: &url,
		Region:       "eu-central-1",
		Credentials:  credentials.NewStaticCredentialsProvider(testKey, testSecret, ""),
		Retryer:      aws.NopRetryer{},
		HTTPClient:   ownBody{},
	})
}

// ownBody sends requests with a body of its own. The SDK closes a request's body as soon as the answer's header is there;
// when net/http has not yet looked for the body's end by then, it takes the SDK's EOF for a failed write and drops the
// connection with the rest of the answer.
type ownBody struct{}

func (ownBody) Do(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	r = r.Clone(r.Context())
	r.Body = io.NopCloser(bytes.NewReader(body))
	return http.DefaultClient.Do(r)
}

// callSDK calls an operation of the SDK's client by name.
func callSDK(client *elasticache.Client, operation string, in reflect.Value) (reflect.Value, error) {
	out := reflect.ValueOf(client).MethodByName(operation).Call([]reflect.Value{reflect.ValueOf(context.Background()), in})
	err, _ := out[1].Interface().(error)
	return out[0], err
}

// sdkInput converts an input to the SDK's type for it.
func sdkInput(t *testing.T, client *elasticache.Client, operation string, in any) reflect.Value {
	t.Helper()
	method := reflect.ValueOf(client).MethodByName(operation)
	if !method.IsValid() {
		t.Fatalf("the SDK has no operation %s", operation)
	}
	sdk := reflect.New(method.Type().In(1).Elem())
	if err := convert(sdk.Elem(), reflect.ValueOf(in)); err != nil {
		t.Fatal(err)
	}
	return sdk
}

// TestSDKRoundTrip sends every operation with every member filled through the SDK's client, and compares what the handler
// saw with what was sent, and what the SDK read with what the handler gave.
func TestSDKRoundTrip(t *testing.T) {
	var (
		seen   any
		caller api.Caller
		given  = map[string]reflect.Value{}
	)
	url, _ := testServer(t, Options{Handlers: handlersOf(func(ctx context.Context, operation string, in any) (reflect.Value, error) {
		seen, caller = in, api.CallerFrom(ctx)
		return given[operation], nil
	})})
	client := sdkClient(url)
	for _, o := range api.Operations {
		t.Run(o.Name, func(t *testing.T) {
			sent := fullInput(t, o.Name)
			given[o.Name] = fullOutput(o.Name)
			read, err := callSDK(client, o.Name, sdkInput(t, client, o.Name, sent))
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(seen, any(sent)) {
				t.Errorf("the handler saw another input:\n got %s\nwant %s", dump(seen), dump(sent))
			}
			got := reflect.New(given[o.Name].Type().Elem())
			if err := convert(got.Elem(), read); err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got.Interface(), given[o.Name].Interface()) {
				t.Errorf("the SDK read another output:\n got %s\nwant %s", dump(got.Interface()), dump(given[o.Name].Interface()))
			}
			if want := (api.Caller{
				Account: testAccount, Region: "eu-central-1", Partition: "aws", AccessKeyID: testKey, RequestID: caller.RequestID,
			}); caller != want || caller.RequestID == "" {
				t.Errorf("caller %+v", caller)
			}
		})
	}
}

// TestSDKSparse is the other end of the round trip: what is not given must not appear, and an empty list is not an absent one.
func TestSDKSparse(t *testing.T) {
	var seen any
	answer := reflect.Value{}
	url, _ := testServer(t, Options{Handlers: handlersOf(func(_ context.Context, _ string, in any) (reflect.Value, error) {
		seen = in
		return answer, nil
	})})
	client := sdkClient(url)
	ctx := context.Background()

	if _, err := client.DescribeCacheClusters(ctx, &elasticache.DescribeCacheClustersInput{}); err != nil {
		t.Fatal(err)
	}
	if want := (&api.DescribeCacheClustersInput{}); !reflect.DeepEqual(seen, any(want)) {
		t.Errorf("got %s", dump(seen))
	}
	if _, err := client.ModifyCacheCluster(ctx, &elasticache.ModifyCacheClusterInput{
		CacheClusterId: aws.String("c"), SecurityGroupIds: []string{},
	}); err != nil {
		t.Fatal(err)
	}
	if in := seen.(*api.ModifyCacheClusterInput); in.SecurityGroupIds == nil || len(in.SecurityGroupIds) != 0 || in.CacheSecurityGroupNames != nil {
		t.Errorf("empty list became %#v, absent list %#v", in.SecurityGroupIds, in.CacheSecurityGroupNames)
	}

	answer = reflect.ValueOf(&api.DescribeCacheClustersOutput{CacheClusters: []api.CacheCluster{{
		SecurityGroups: []api.SecurityGroupMembership{}, PendingModifiedValues: &api.PendingModifiedValues{},
	}}})
	out, err := client.DescribeCacheClusters(ctx, &elasticache.DescribeCacheClustersInput{})
	if err != nil {
		t.Fatal(err)
	}
	c := out.CacheClusters[0]
	if c.SecurityGroups == nil || c.PendingModifiedValues == nil || c.CacheNodes != nil || c.CacheClusterId != nil || c.NumCacheNodes != nil {
		t.Errorf("read %s", dump(c))
	}
}

// TestSDKErrors checks that the SDK turns every modelled error into its own Go type, as it does with AWS's.
func TestSDKErrors(t *testing.T) {
	var fail error
	url, logged := testServer(t, Options{Handlers: handlersOf(func(context.Context, string, any) (reflect.Value, error) {
		return reflect.Value{}, fail
	})})
	client := sdkClient(url)
	for _, o := range api.Operations {
		for _, code := range o.Errors {
			fail = &api.Error{Code: code, Status: 400, Message: "why & <what>"}
			_, err := callSDK(client, o.Name, sdkInput(t, client, o.Name, fullInput(t, o.Name)))
			var shown smithy.APIError
			if !errors.As(err, &shown) || shown.ErrorMessage() != "why & <what>" {
				t.Fatalf("%s, %s: %v", o.Name, code, err)
			}
			if _, generic := shown.(*smithy.GenericAPIError); generic {
				t.Errorf("%s, %s: the SDK does not know this error", o.Name, code)
			}
		}
	}
	if strings.Contains(logged.String(), "does not declare") {
		t.Error("a declared error was taken for an undeclared one")
	}
	fail = api.TagNotFound("no")
	_, err := client.DescribeEvents(context.Background(), &elasticache.DescribeEventsInput{})
	var notDeclared *types.TagNotFoundFault
	if err == nil || errors.As(err, &notDeclared) {
		t.Errorf("got %v", err)
	}
	if !strings.Contains(logged.String(), "does not declare") {
		t.Error("an error that the operation does not declare should be logged")
	}
}
