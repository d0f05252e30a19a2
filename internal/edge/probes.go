package edge

import (
	"net/http"

	"github.com/elastane/elastane/api"
)

// healthz says that the process answers.
func (e *edge) healthz(w http.ResponseWriter, _ *http.Request) {
	e.write(w, http.StatusOK, "text/plain; charset=utf-8", []byte("ok\n"))
}

// readyz says whether requests can be served; the reason why not is in the log.
func (e *edge) readyz(w http.ResponseWriter, r *http.Request) {
	if e.Ready != nil {
		if err := e.Ready(r.Context()); err != nil {
			e.Logger.WarnContext(r.Context(), "not ready", "error", err)
			e.write(w, http.StatusServiceUnavailable, "text/plain; charset=utf-8", []byte("not ready\n"))
			return
		}
	}
	e.write(w, http.StatusOK, "text/plain; charset=utf-8", []byte("ready\n"))
}

func (e *edge) certificateAuthority(w http.ResponseWriter, r *http.Request) {
	if e.CACertificatePEM != nil {
		if pem := e.CACertificatePEM(); len(pem) > 0 {
			e.write(w, http.StatusOK, "application/x-pem-file", pem)
			return
		}
	}
	e.fail(w, r, &api.Error{Code: "CertificateAuthorityNotFound", Status: http.StatusNotFound, Message: "There is no certificate authority."})
}
