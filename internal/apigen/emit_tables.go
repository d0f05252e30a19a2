package main

import (
	"fmt"
	"strings"
)

func emitErrors(f *file, c *contract) {
	f.p("// Codes of the errors that the API models.\nconst (")
	for _, e := range c.errors {
		f.p("Code%s = %q", goName(e.code), e.code)
	}
	f.p(")\n")
	for _, e := range c.errors {
		name := goName(e.code)
		f.p("// %s makes an error with the code %s, HTTP status %d. Its message is made as by fmt.Sprintf.", name, e.code, e.status)
		f.p("func %s(format string, args ...any) *Error {", name)
		f.p("return newError(Code%s, %d, format, args)\n}\n", name, e.status)
	}
}

func emitHandlers(f *file, c *contract) {
	f.p("// Handlers has a function for each operation. A nil one is not built: it answers HTTP 501, NotImplemented.")
	f.p("type Handlers struct {")
	for _, op := range c.operations {
		f.p("%s Func[%sInput, %sOutput] // %s", op.name, op.name, op.name, op.summary)
	}
	f.p("}")
}

func emitOperations(f *file, c *contract) {
	f.p("const (")
	f.p("// Version is the API's version, the only one there is.\nVersion = %q", c.version)
	f.p("// Namespace is the XML namespace of all answers.\nNamespace = %q", c.namespace)
	f.p("// SigningName is the service in the credential scope of signed requests.\nSigningName = %q", c.signingName)
	f.p(")\n")
	f.p("// Operations are all operations of the API, by name.")
	f.p("var Operations = []*Operation{")
	for _, op := range c.operations {
		f.p("{")
		f.p("Name: %q,", op.name)
		f.p("Summary: %q,", op.summary)
		f.p("Method: %q,", op.route.method)
		f.p("Path: %q,", op.route.path)
		f.p("Errors: []string{")
		for _, code := range op.errors {
			f.p("Code%s,", goName(code))
		}
		f.p("},")
		if p := op.raw.Paginator; p != nil {
			f.p("Paginator: &Paginator{InputToken: %q, OutputToken: %q, Limit: %q, Result: %q},", p.InputToken, p.OutputToken, p.Limit, p.Result)
		}
		if op.resultWrapper != "" {
			f.p("resultWrapper: %q,", op.resultWrapper)
		}
		f.p("binding: bind(func(h *Handlers) Func[%sInput, %sOutput] { return h.%s }),", op.name, op.name, op.name)
		f.p("},")
	}
	f.p("}")
}

func emitRoutes(f *file, c *contract) {
	f.p("// Routes are all REST routes that stand for an operation, in the order of the contract.")
	f.p("var Routes = []*Route{")
	for _, r := range c.routes {
		f.p("{")
		f.p("Method: %q, Path: %q, Status: %d,", r.method, r.path, r.status)
		f.p("Operation: OperationByName(%q),", r.operation)
		if len(r.parameters) > 0 {
			f.p("parameters: []parameter{")
			for _, p := range r.parameters {
				f.p("{name: %q, inPath: %t, form: %s},", p.name, p.in == "path", parameterForm(p))
			}
			f.p("},")
		}
		if r.itemOf != "" {
			f.p("item: func(out Output) (any, bool) { return first(out.(*%sOutput).%s) },", r.operation, r.itemOf)
		}
		f.p("},")
	}
	f.p("}")
}

// parameterForm is the Go name of how a path or query parameter is written.
func parameterForm(p parameter) string {
	t := p.typed
	switch {
	case p.json:
		return "formJSON"
	case t.kind == kindList && t.element.kind == kindText:
		return "formTexts"
	case t.kind == kindText, t.kind == kindTimestamp:
		return "formText"
	case t.kind == kindInteger, t.kind == kindBoolean:
		return "formLiteral"
	default:
		panic(fmt.Sprintf("parameter %s (%s) has no form", p.name, strings.ToLower(p.in)))
	}
}
