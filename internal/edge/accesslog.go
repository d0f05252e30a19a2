package edge

import (
	"log/slog"
	"net/http"

	"github.com/go-chi/chi/v5/middleware"

	"github.com/elastane/elastane/api"
)

// accessLog writes one line for each request. Query strings, headers and bodies hold signatures and
// secrets, and are never written.
func (e *edge) accessLog(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := e.Clock()
		ww := middleware.NewWrapResponseWriter(w, r.ProtoMajor)
		defer func() {
			rec, status := about(r), ww.Status()
			if status == 0 { // it is panicking; recover answers
				status, rec.code = http.StatusInternalServerError, api.CodeInternalFailure
			}
			took := e.Clock().Sub(start)
			if e.Observe != nil && rec.action != "" {
				e.Observe(rec.action, rec.code, took)
			}
			level := slog.LevelInfo
			if rec.action == "" && status < http.StatusBadRequest {
				level = slog.LevelDebug // probes
			}
			e.Logger.LogAttrs(r.Context(), level, "request",
				slog.String("request_id", rec.id),
				slog.String("method", r.Method),
				slog.String("path", r.URL.Path),
				slog.String("action", rec.action),
				slog.String("account", rec.signer.account),
				slog.String("region", rec.signer.region),
				slog.String("access_key_id", rec.signer.accessKeyID),
				slog.Int("status", status),
				slog.String("code", rec.code),
				slog.Int("bytes", ww.BytesWritten()),
				slog.Duration("duration", took),
				slog.String("remote", r.RemoteAddr),
			)
		}()
		next.ServeHTTP(ww, r)
	})
}
