// Package edge is the HTTP side of the control plane: the AWS Query protocol at /, the REST surface under
// /v1, and the endpoints for probes and metrics. It turns requests into calls of api.Handlers and
// knows nothing of what the operations do.
package edge

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/elastane/elastane/api"
)

const (
	defaultMaxBody = 1 << 20
	defaultTimeout = 30 * time.Second
)

// Options are what the edge is built from. Handlers and Credentials are needed, the rest has defaults.
type Options struct {
	Handlers    *api.Handlers
	Credentials Credentials

	// AllowUnsigned lets REST requests from loopback in without a signature, for curl in development. They
	// run as DefaultAccount, in the region of ?region= or the header X-Elastane-Region, by default us-east-1.
	AllowUnsigned bool

	Clock  func() time.Time // by default time.Now
	Logger *slog.Logger     // by default slog.Default()

	// MaxBody is the largest request body in bytes, by default 1 MiB.
	MaxBody int64
	// Timeout ends an operation, by default after 30 s.
	Timeout time.Duration

	// Ready says whether requests can be served now. Nil: always.
	Ready func(context.Context) error
	// CACertificatePEM gives the certificate of the authority that signs the nodes' TLS certificates. Nil: there is none.
	CACertificatePEM func() []byte
	// Observe is called for each answered operation; code is the error's, empty for a success. Nil: nobody counts.
	Observe func(action, code string, took time.Duration)
	// Metrics serves /metrics. Nil: not found.
	Metrics http.Handler
}

type edge struct {
	Options
}

// New returns the handler for all paths of the API. It is safe for concurrent use.
func New(o Options) http.Handler {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.MaxBody == 0 {
		o.MaxBody = defaultMaxBody
	}
	if o.Timeout == 0 {
		o.Timeout = defaultTimeout
	}
	e := &edge{Options: o}

	router := chi.NewRouter()
	outer, inner := e.interceptors()
	for _, i := range outer {
		router.Use(i.wrap)
	}
	router.NotFound(func(w http.ResponseWriter, r *http.Request) {
		e.fail(w, r, &api.Error{Code: "UnknownOperation", Status: http.StatusNotFound, Message: "There is nothing at this path."})
	})
	router.MethodNotAllowed(func(w http.ResponseWriter, r *http.Request) {
		e.fail(w, r, &api.Error{Code: "UnknownOperation", Status: http.StatusMethodNotAllowed, Message: "This path does not have the method " + r.Method + "."})
	})

	router.Get("/healthz", e.healthz)
	router.Get("/readyz", e.readyz)
	if o.Metrics != nil {
		router.Method(http.MethodGet, "/metrics", o.Metrics)
	}
	// The certificate is public: clients need it before they can trust anything.
	router.Get("/v1/certificate-authority", e.certificateAuthority)

	router.Group(func(signed chi.Router) {
		for _, i := range inner {
			signed.Use(i.wrap)
		}
		signed.Get("/", e.query)
		signed.Post("/", e.query)
		for _, route := range api.Routes {
			signed.Method(route.Method, route.Path, e.rest(route))
		}
	})
	return router
}

// interceptor is one step on the way of a request to its operation.
type interceptor struct {
	name string
	wrap func(http.Handler) http.Handler
}

// interceptors returns the steps in their order: those for every request, then those for operations. After
// them decode, validate, operation and encode follow in query.go and rest.go.
func (e *edge) interceptors() (outer, inner []interceptor) {
	outer = []interceptor{
		{"request id", e.requestID},
		{"recover", e.recover},
		{"access log", e.accessLog},
	}
	inner = []interceptor{
		{"body", e.readBody},
		{"sigv4", e.authenticate},
		{"caller", e.caller},
	}
	return outer, inner
}
