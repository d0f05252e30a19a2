package api

import (
	"errors"
	"fmt"
	"net/http"
)

// Error is an error that the client sees: a code of AWS's, the HTTP status that belongs to it and a
// message in AWS's wording. The functions of errors_gen.go make those that the contract models. Any other
// error that an operation returns is shown as InternalFailure, and only the log has its text.
type Error struct {
	Code    string // code on the wire, such as CacheClusterNotFound
	Status  int    // HTTP status
	Message string // must not hold a secret
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

// HasCode reports whether err is, or wraps, an Error with the given code.
func HasCode(err error, code string) bool {
	var e *Error
	return errors.As(err, &e) && e.Code == code
}

// ErrUnavailable marks errors that come from something the control plane depends on being away, such as
// Postgres. An operation wraps it (fmt.Errorf("…: %w", api.ErrUnavailable)), and the client is
// told ServiceUnavailable, HTTP 503, and may try again.
var ErrUnavailable = errors.New("service unavailable")

// Codes of the common front end, which no operation declares (AWS: Common Errors).
const (
	CodeIncompleteSignature        = "IncompleteSignature"
	CodeInternalFailure            = "InternalFailure"
	CodeInvalidAction              = "InvalidAction"
	CodeInvalidClientTokenID       = "InvalidClientTokenId"
	CodeMalformedInput             = "MalformedInput"
	CodeMalformedQueryString       = "MalformedQueryString"
	CodeMissingAction              = "MissingAction"
	CodeMissingAuthenticationToken = "MissingAuthenticationToken"
	CodeNotImplemented             = "NotImplemented"
	CodeRequestEntityTooLarge      = "RequestEntityTooLarge"
	CodeServiceUnavailable         = "ServiceUnavailable"
	CodeSignatureDoesNotMatch      = "SignatureDoesNotMatch"
)

func newError(code string, status int, format string, args []any) *Error {
	message := format
	if len(args) > 0 {
		message = fmt.Sprintf(format, args...)
	}
	return &Error{Code: code, Status: status, Message: message}
}

// malformedInput is the answer to a value that is not of its parameter's type.
func malformedInput(format string, args ...any) *Error {
	return newError(CodeMalformedInput, http.StatusBadRequest, format, args)
}

// notImplemented is the answer of an operation that has no handler. The code and the status are
// Elastane's own: AWS has every operation.
func notImplemented(operation string) *Error {
	return newError(CodeNotImplemented, http.StatusNotImplemented,
		"The operation %s is not implemented yet.", []any{operation})
}
