package edge

import (
	"net/http"
	"net/url"

	"github.com/go-chi/chi/v5"

	"github.com/elastane/elastane/api"
)

// rest serves one route of the REST surface.
func (e *edge) rest(route *api.Route) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		rec := about(r)
		rec.action = route.Operation.Name
		query, err := url.ParseQuery(r.URL.RawQuery)
		if err != nil {
			e.fail(w, r, malformedQuery("The query string is not well-formed."))
			return
		}
		in, err := route.DecodeREST(pathValues(r), query, rec.body)
		if err != nil {
			e.fail(w, r, err)
			return
		}
		out, err := e.call(r, route.Operation, in)
		if err != nil {
			e.fail(w, r, err)
			return
		}
		answer, err := route.EncodeJSON(out)
		if err != nil {
			e.fail(w, r, err)
			return
		}
		e.write(w, route.Status, "application/json", answer)
	}
}

// pathValues returns the path parameters of a request. chi matches the path as it was escaped, if it was.
func pathValues(r *http.Request) func(string) string {
	return func(name string) string {
		value := chi.URLParam(r, name)
		if r.URL.RawPath == "" {
			return value
		}
		if text, err := url.PathUnescape(value); err == nil {
			return text
		}
		return value
	}
}
