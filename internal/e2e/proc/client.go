package proc

import (
	"bytes"
	"io"
	"net/http"
)

// OwnBody is the HTTP client for the AWS SDK where a call is tried only once. It sends requests with a body of its own: the
// SDK closes a request's body as soon as the answer's header is there, and when net/http has not yet looked for the body's
// end by then, it drops the connection with the rest of the answer.
type OwnBody struct{}

// Do sends a request.
func (OwnBody) Do(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	r = r.Clone(r.Context())
	r.Body = io.NopCloser(bytes.NewReader(body))
	return http.DefaultClient.Do(r)
}
