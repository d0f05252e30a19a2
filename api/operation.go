package api

import (
	"context"
	"slices"
	"sync"
)

// Func is an operation: what the caller (CallerFrom) asks for in, what it gets out. It returns an *Error
// for what the caller did wrong, an error that wraps ErrUnavailable when it cannot work now, and
// any other error for a fault of ours.
type Func[I, O any] = func(context.Context, *I) (*O, error)

// Input is a pointer to the input of an operation.
type Input interface {
	// Validate checks the input against the contract: required members, enumerations, ranges and patterns.
	// It returns an *Error with the code InvalidParameterValue.
	Validate() error
	decodeQuery(*queryNode)
}

// Output is a pointer to the output of an operation.
type Output interface {
	encodeXML(*xmlWriter)
}

// Paginator names the members that make an operation's answer come in pages.
type Paginator struct {
	InputToken  string // member of the input that takes the token
	OutputToken string // member of the output that gives the next token; a dot leads into a structure
	Limit       string // member of the input with the page size
	Result      string // member of the output with the records; a dot leads into a structure
}

// Operation is one action of the API.
type Operation struct {
	Name      string     // AWS's action, such as CreateReplicationGroup
	Summary   string     // one sentence
	Method    string     // of its REST route
	Path      string     // of its REST route, with {Member} for path parameters
	Errors    []string   // codes of the errors that it declares
	Paginator *Paginator // nil: the answer is whole

	resultWrapper string // element around the output in XML; empty: the answer has no output
	binding
}

// binding ties an operation to its Go types and its field in Handlers.
type binding struct {
	newInput func() Input
	built    func(*Handlers) bool
	call     func(context.Context, *Handlers, Input) (Output, error)
}

// bind makes the binding of the operation that pick takes from Handlers.
func bind[I, O any, PI interface {
	*I
	Input
}, PO interface {
	*O
	Output
}](pick func(*Handlers) Func[I, O]) binding {
	return binding{
		newInput: func() Input { return PI(new(I)) },
		built:    func(h *Handlers) bool { return pick(h) != nil },
		call: func(ctx context.Context, h *Handlers, in Input) (Output, error) {
			out, err := pick(h)(ctx, in.(PI))
			if err != nil {
				return nil, err
			}
			if out == nil {
				out = new(O)
			}
			return PO(out), nil
		},
	}
}

// Built reports whether h has the operation.
func (o *Operation) Built(h *Handlers) bool { return o.built(h) }

// Call runs the operation on h. An operation that h does not have fails with the code NotImplemented.
func (o *Operation) Call(ctx context.Context, h *Handlers, in Input) (Output, error) {
	if !o.built(h) {
		return nil, notImplemented(o.Name)
	}
	return o.call(ctx, h, in)
}

// Declares reports whether the contract names code among the operation's errors.
func (o *Operation) Declares(code string) bool { return slices.Contains(o.Errors, code) }

// OperationByName returns the operation with AWS's name for it, or nil.
func OperationByName(name string) *Operation { return operationsByName()[name] }

var operationsByName = sync.OnceValue(func() map[string]*Operation {
	byName := make(map[string]*Operation, len(Operations))
	for _, o := range Operations {
		byName[o.Name] = o
	}
	return byName
})

// Value returns what p points to, and the zero value for nil.
func Value[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}
