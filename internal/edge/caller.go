package edge

import (
	"context"
	"net/http"

	"github.com/elastane/elastane/api"
	"github.com/elastane/elastane/internal/sigv4"
)

// caller puts the api.Caller and the deadline of the operation into the context.
func (e *edge) caller(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec := about(r)
		if !sigv4.ValidRegion(rec.signer.region) {
			e.fail(w, r, api.InvalidParameterValue("The region is not valid."))
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), e.Timeout)
		defer cancel()
		ctx = api.WithCaller(ctx, api.Caller{
			Account:     rec.signer.account,
			Region:      rec.signer.region,
			Partition:   api.PartitionOf(rec.signer.region),
			AccessKeyID: rec.signer.accessKeyID,
			RequestID:   rec.id,
		})
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}
