package resp

import (
	"fmt"
	"strconv"
	"strings"
)

// Kind is the type of a reply, as the first byte of its wire form.
type Kind byte

// The kinds of replies. Null stands for RESP2's null bulk string and null array as well.
const (
	KindSimple   Kind = '+'
	KindError    Kind = '-'
	KindInt      Kind = ':'
	KindBulk     Kind = '$'
	KindArray    Kind = '*'
	KindNull     Kind = '_'
	KindDouble   Kind = ','
	KindBool     Kind = '#'
	KindBig      Kind = '('
	KindBlobErr  Kind = '!'
	KindVerbatim Kind = '='
	KindMap      Kind = '%'
	KindSet      Kind = '~'
	KindPush     Kind = '>'
)

// Value is one parsed reply.
type Value struct {
	Kind  Kind
	Str   string  // simple, error, bulk, big number, verbatim (without its format)
	Int   int64   // int; 1 for a true bool
	Float float64 // double
	Elems []Value // array, set, push; a map's keys and values in turn
}

// IsError tells whether the reply is an error.
func (v Value) IsError() bool { return v.Kind == KindError || v.Kind == KindBlobErr }

// Err returns the reply as a Go error if it is one, else nil.
func (v Value) Err() error {
	if v.IsError() {
		return Error(v.Str)
	}
	return nil
}

// IsNull tells whether the reply is a null.
func (v Value) IsNull() bool { return v.Kind == KindNull }

// Text returns the scalar as text: the string, the number, "" for null.
func (v Value) Text() string {
	switch v.Kind {
	case KindInt:
		return strconv.FormatInt(v.Int, 10)
	case KindDouble:
		return string(AppendDouble(nil, v.Float))
	case KindBool:
		return strconv.FormatBool(v.Int == 1)
	default:
		return v.Str
	}
}

// String is for logs and test failures.
func (v Value) String() string {
	switch v.Kind {
	case KindArray, KindSet, KindPush, KindMap:
		parts := make([]string, len(v.Elems))
		for i, e := range v.Elems {
			parts[i] = e.String()
		}
		return string(v.Kind) + "[" + strings.Join(parts, " ") + "]"
	case KindNull:
		return "(nil)"
	case KindError, KindBlobErr:
		return fmt.Sprintf("(error %q)", v.Str)
	default:
		return fmt.Sprintf("%q", v.Text())
	}
}

// Error is an error reply of a server; its text begins with its code.
type Error string

// Error returns the text of the reply.
func (e Error) Error() string { return string(e) }

// Code returns the first word: ERR, WRONGTYPE, MOVED, …
func (e Error) Code() string {
	code, _, _ := strings.Cut(string(e), " ")
	return code
}
