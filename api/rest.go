package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"
)

// Route is one REST route: it stands for an operation, or for one element of its answer.
type Route struct {
	Method    string
	Path      string // with {Member} for path parameters
	Status    int    // HTTP status of success
	Operation *Operation

	parameters []parameter
	item       func(Output) (any, bool) // the element that is the answer; nil: the whole output is
}

type parameter struct {
	name   string
	inPath bool
	form   form
}

// form is how a parameter of the path or the query string is written.
type form int

const (
	formText    form = iota // as it is
	formLiteral             // a JSON literal: a number, true or false
	formTexts               // repeated, once for each element
	formJSON                // a structure as JSON
)

// DecodeREST makes the input of the route's operation from path parameters (pathValue gives them, decoded),
// the query string and the body, which is a JSON object or empty. Unlike the Query surface it refuses
// members that the operation does not have.
func (r *Route) DecodeREST(pathValue func(name string) string, query url.Values, body []byte) (Input, error) {
	members := map[string]json.RawMessage{}
	if len(bytes.TrimSpace(body)) > 0 {
		if err := json.Unmarshal(body, &members); err != nil {
			return nil, jsonError(err)
		}
		if members == nil {
			return nil, malformedInput("The body must be a JSON object.")
		}
	}
	known := map[string]bool{}
	for _, p := range r.parameters {
		known[p.name] = !p.inPath
		if _, twice := members[p.name]; twice {
			return nil, malformedInput("The member %s does not belong in the body.", p.name)
		}
		values := query[p.name]
		if p.inPath {
			values = []string{pathValue(p.name)}
		}
		if len(values) == 0 {
			continue
		}
		text, err := p.json(values)
		if err != nil {
			return nil, err
		}
		members[p.name] = text
	}
	for name := range query {
		if !known[name] && !isCommonParameter(name) {
			return nil, malformedInput("The query parameter %s is not known.", quote(name))
		}
	}
	whole, err := json.Marshal(members)
	if err != nil {
		return nil, jsonError(err)
	}
	in := r.Operation.newInput()
	decoder := json.NewDecoder(bytes.NewReader(whole))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(in); err != nil {
		return nil, jsonError(err)
	}
	return in, nil
}

// isCommonParameter reports whether a query parameter belongs to the request itself: the region, or a presigned URL's signature.
func isCommonParameter(name string) bool {
	return name == "region" || strings.HasPrefix(strings.ToLower(name), "x-amz-")
}

func (p parameter) json(values []string) (json.RawMessage, error) {
	var v any = values[0]
	switch p.form {
	case formText:
	case formTexts:
		v = values
	case formLiteral, formJSON:
		if !json.Valid([]byte(values[0])) {
			return nil, malformedInput("The value %s of the parameter %s is not valid.", quote(values[0]), p.name)
		}
		return json.RawMessage(values[0]), nil
	}
	return json.Marshal(v)
}

// jsonError says what is wrong with a JSON text, without repeating values, which may be secret.
func jsonError(err error) *Error {
	var (
		wrongType *json.UnmarshalTypeError
		syntax    *json.SyntaxError
		badTime   *time.ParseError
	)
	switch {
	case errors.As(err, &wrongType) && wrongType.Field == "":
		return malformedInput("The body must be a JSON object.")
	case errors.As(err, &wrongType):
		return malformedInput("The member %s can not be a JSON %s.", wrongType.Field, firstWord(wrongType.Value))
	case errors.As(err, &syntax):
		return malformedInput("The body is not valid JSON: error at byte %d.", syntax.Offset)
	case errors.As(err, &badTime):
		return malformedInput("The value of a timestamp is not valid (RFC 3339).")
	case errors.Is(err, io.ErrUnexpectedEOF):
		return malformedInput("The body is not valid JSON: it ends too early.")
	default:
		if field, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
			return malformedInput("The member %s is not known.", field)
		}
		return malformedInput("The body is not valid.")
	}
}

// firstWord leaves out what encoding/json adds to the kind of a value: the value itself.
func firstWord(s string) string {
	word, _, _ := strings.Cut(s, " ")
	return word
}

// EncodeJSON returns the route's answer. It is empty where the contract has no answer (HTTP 204).
func (r *Route) EncodeJSON(out Output) ([]byte, error) {
	if r.Operation.resultWrapper == "" {
		return nil, nil
	}
	var v any = out
	if r.item != nil {
		element, ok := r.item(out)
		if !ok {
			return nil, fmt.Errorf("%s gave no element for %s %s", r.Operation.Name, r.Method, r.Path)
		}
		v = element
	}
	return json.Marshal(v)
}

// first returns a pointer to the first element of a list.
func first[T any](list []T) (any, bool) {
	if len(list) == 0 {
		return nil, false
	}
	return &list[0], true
}
