package main

import (
	"fmt"
	"strings"
)

func emitErrors(f *file, c *contract) {
	f.pf("// Codes of the errors that the API models.\nconst (")
	for _, e := range c.errors {
		f.pf("Code%s = %q", goName(e.code), e.code)
	}
	f.pf(")\n")
	for _, e := range c.errors {
		name := goName(e.code)
		f.pf("// %s makes an error with the code %s, HTTP status %d. Its message is made as by fmt.Sprintf.", name, e.code, e.status)
		f.pf("func %s(format string, args ...any) *Error {", name)
		f.pf("return newError(Code%s, %d, format, args)\n}\n", name, e.status)
	}
}

func emitHandlers(f *file, c *contract) {
	f.pf("// Handlers has a function for each operation. A nil one is not built: it answers HTTP 501, NotImplemented.")
	f.pf("type Handlers struct {")
	for _, op := range c.operations {
		f.pf("%s Func[%sInput, %sOutput] // %s", op.name, op.name, op.name, op.summary)
	}
	f.pf("}")
}

func emitOperations(f *file, c *contract) {
	f.pf("const (")
	f.pf("// Version is the API's version, the only one there is.\nVersion = %q", c.version)
	f.pf("// Namespace is the XML namespace of all answers.\nNamespace = %q", c.namespace)
	f.pf("// SigningName is the service in the credential scope of signed requests.\nSigningName = %q", c.signingName)
	f.pf(")\n")
	f.pf("// Operations are all operations of the API, by name.")
	f.pf("var Operations = []*Operation{")
	for _, op := range c.operations {
		f.pf("{")
		f.pf("Name: %q,", op.name)
		f.pf("Summary: %q,", op.summary)
		f.pf("Method: %q,", op.route.method)
		f.pf("Path: %q,", op.route.path)
		f.pf("Errors: []string{")
		for _, code := range op.errors {
			f.pf("Code%s,", goName(code))
		}
		f.pf("},")
		if p := op.raw.Paginator; p != nil {
			f.pf("Paginator: &Paginator{InputToken: %q, OutputToken: %q, Limit: %q, Result: %q},", p.InputToken, p.OutputToken, p.Limit, p.Result)
		}
		if op.resultWrapper != "" {
			f.pf("resultWrapper: %q,", op.resultWrapper)
		}
		f.pf("binding: bind(func(h *Handlers) Func[%sInput, %sOutput] { return h.%s }),", op.name, op.name, op.name)
		f.pf("},")
	}
	f.pf("}")
}

func emitRoutes(f *file, c *contract) {
	f.pf("// Routes are all REST routes that stand for an operation, in the order of the contract.")
	f.pf("var Routes = []*Route{")
	for _, r := range c.routes {
		f.pf("{")
		f.pf("Method: %q, Path: %q, Status: %d,", r.method, r.path, r.status)
		f.pf("Operation: OperationByName(%q),", r.operation)
		if len(r.parameters) > 0 {
			f.pf("parameters: []parameter{")
			for _, p := range r.parameters {
				f.pf("{name: %q, inPath: %t, form: %s},", p.name, p.in == "path", parameterForm(p))
			}
			f.pf("},")
		}
		if r.itemOf != "" {
			f.pf("item: func(out Output) (any, bool) { return first(out.(*%sOutput).%s) },", r.operation, r.itemOf)
		}
		f.pf("},")
	}
	f.pf("}")
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
