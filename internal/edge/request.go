package edge

import (
	"context"
	"net/http"

	"github.com/google/uuid"
)

// request is what the steps of the edge tell each other about one request.
type request struct {
	id     string
	body   []byte
	action string // empty until it is known
	code   string // of the error that was answered
	signer identity
}

// identity is who signed a request, as far as it was checked.
type identity struct {
	accessKeyID string
	account     string
	region      string
}

type requestKey struct{}

// about returns the record of a request, which the first interceptor made.
func about(r *http.Request) *request {
	return r.Context().Value(requestKey{}).(*request)
}

// requestID gives the request its id. AWS writes the header's name in this very case.
func (e *edge) requestID(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec := &request{id: uuid.NewString()}
		w.Header()["x-amzn-RequestId"] = []string{rec.id}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), requestKey{}, rec)))
	})
}
