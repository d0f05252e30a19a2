package edge

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/elastane/elastane/api"
)

// fail answers with an error, in the form of the surface that the request came by.
func (e *edge) fail(w http.ResponseWriter, r *http.Request, err error) {
	rec := about(r)
	shown := e.shown(r, err)
	rec.code = shown.Code
	if isREST(r) {
		e.write(w, shown.Status, "application/problem+json", problem(shown, rec.id))
		return
	}
	e.write(w, shown.Status, "text/xml", shown.EncodeXML(rec.id))
}

// shown is what the client may see of an error. Everything that is not meant for it goes to the log only.
func (e *edge) shown(r *http.Request, err error) *api.Error {
	var forClient *api.Error
	if errors.As(err, &forClient) {
		return forClient
	}
	shown := &api.Error{
		Code: api.CodeInternalFailure, Status: http.StatusInternalServerError,
		Message: "An internal error has occurred. Please try your query again at a later time.",
	}
	if errors.Is(err, api.ErrUnavailable) || errors.Is(err, context.DeadlineExceeded) {
		shown = &api.Error{
			Code: api.CodeServiceUnavailable, Status: http.StatusServiceUnavailable,
			Message: "The service is unavailable at the moment. Please try your query again at a later time.",
		}
	}
	switch rec := about(r); {
	case errors.Is(err, errPanicked):
	case errors.Is(err, context.Canceled) && r.Context().Err() != nil:
		e.Logger.DebugContext(r.Context(), "client went away", "request_id", rec.id, "action", rec.action)
	default:
		e.Logger.ErrorContext(r.Context(), "request failed",
			"request_id", rec.id, "action", rec.action, "code", shown.Code, "error", err)
	}
	return shown
}

// problem is an error as problem details (RFC 9457).
func problem(err *api.Error, requestID string) []byte {
	text, _ := json.Marshal(struct { // strings and a number always marshal
		Type      string `json:"type"`
		Title     string `json:"title"`
		Status    int    `json:"status"`
		Detail    string `json:"detail"`
		Code      string `json:"code"`
		RequestID string `json:"requestId"`
	}{"about:blank", http.StatusText(err.Status), err.Status, err.Message, err.Code, requestID})
	return text
}

// isREST reports whether a request came by the REST surface.
func isREST(r *http.Request) bool {
	return strings.HasPrefix(r.URL.Path, "/v1/")
}

// write sends an answer. A client that is gone does not matter to anyone.
func (e *edge) write(w http.ResponseWriter, status int, contentType string, body []byte) {
	if len(body) > 0 {
		w.Header().Set("Content-Type", contentType)
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	}
	w.WriteHeader(status)
	_, _ = w.Write(body)
}
