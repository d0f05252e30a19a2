package edge

import (
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
)

// recover turns a panic into InternalFailure, so that one bad request harms no other.
func (e *edge) recover(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			switch v := recover(); v {
			case nil:
			case http.ErrAbortHandler: // net/http's own way to drop a connection
				panic(v)
			default:
				e.Logger.ErrorContext(r.Context(), "request panicked",
					"request_id", about(r).id, "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
				e.fail(w, r, errPanicked)
			}
		}()
		next.ServeHTTP(w, r)
	})
}

// errPanicked is answered for a panic, which has been logged already.
var errPanicked = errors.New("panic")
