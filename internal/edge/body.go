package edge

import (
	"errors"
	"io"
	"net/http"

	"github.com/elastane/elastane/api"
)

// readBody reads the whole body, within the limit, because its hash is part of the signature.
func (e *edge) readBody(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, e.MaxBody))
		var tooLarge *http.MaxBytesError
		switch {
		case errors.As(err, &tooLarge):
			e.fail(w, r, &api.Error{
				Code: api.CodeRequestEntityTooLarge, Status: http.StatusRequestEntityTooLarge,
				Message: "The request body is too large.",
			})
			return
		case err != nil:
			e.fail(w, r, &api.Error{Code: api.CodeMalformedInput, Status: http.StatusBadRequest, Message: "The request body could not be read."})
			return
		}
		about(r).body = body
		next.ServeHTTP(w, r)
	})
}
