package main

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// contract is openapi.yaml with everything looked up that the emitters need.
type contract struct {
	sum         string // SHA-256 of openapi.yaml, in hex
	version     string
	namespace   string
	signingName string
	operations  []*operation // by name
	routes      []*route     // in the order of the file
	shapes      []*shape     // by name: nested structures and shared outputs
	strings     []*text      // by name: strings with a name, most of them enumerations
	errors      []modelled   // by code
}

type operation struct {
	name, summary string
	resultWrapper string
	errors        []string // codes
	raw           rawOperation
	route         *route // the one that has the whole input
	input         *shape
	output        *shape // its own, or one of contract.shapes
}

type route struct {
	method, path, operation string
	status                  int
	itemOf                  string // the list whose first element is the answer; empty: the answer is the output
	parameters              []parameter
}

type parameter struct {
	name  string
	in    string // path or query
	json  bool   // a structure, sent as JSON text
	typed typed
}

type shape struct {
	name    string
	doc     string
	members []member
}

type member struct {
	name, doc  string
	required   bool
	deprecated bool
	typed      typed
}

type kind int

const (
	kindText kind = iota
	kindSecret
	kindInteger
	kindDouble
	kindBoolean
	kindTimestamp
	kindStructure
	kindList
)

// typed is the type of a member or of a list's elements.
type typed struct {
	kind               kind
	text               *text  // kindText with constraints, or nil
	structure          string // kindStructure: name of the shape
	element            *typed // kindList
	word               string // kindList: element name in XML and in Query parameters
	minItems, maxItems int    // kindList: 0 is unbounded
	least, most        *int   // kindInteger: nil is unbounded
}

// text is a string with a name and constraints.
type text struct {
	name                 string
	enum                 []string
	pattern              string
	minLength, maxLength int
}

type modelled struct {
	shape, code string
	status      int
}

// load reads the contract and checks that it says everything the emitters rely on.
func load(source []byte) (*contract, error) {
	var doc document
	if err := yaml.Unmarshal(source, &doc); err != nil {
		return nil, fmt.Errorf("parse: %w", err)
	}
	sum := sha256.Sum256(source)
	l := &loader{doc: &doc, c: &contract{
		sum:         hex.EncodeToString(sum[:]),
		version:     doc.AWS.APIVersion,
		namespace:   doc.AWS.Namespace,
		signingName: doc.AWS.SigningName,
	}, codes: map[string]string{}}
	l.loadErrors()
	l.loadSchemas()
	l.loadOperations()
	if len(l.problems) > 0 {
		return nil, errors.Join(l.problems...)
	}
	return l.c, nil
}

type loader struct {
	doc      *document
	c        *contract
	codes    map[string]string // error shape → code
	problems []error
}

func (l *loader) problemf(format string, args ...any) {
	l.problems = append(l.problems, fmt.Errorf(format, args...))
}

func (l *loader) loadErrors() {
	for _, e := range l.doc.ErrorCodes {
		if e.value.Code == "" || e.value.Status < 400 {
			l.problemf("error %s: code and status are needed", e.key)
		}
		l.codes[e.key] = e.value.Code
		l.c.errors = append(l.c.errors, modelled{shape: e.key, code: e.value.Code, status: e.value.Status})
	}
	slices.SortFunc(l.c.errors, func(a, b modelled) int { return strings.Compare(a.code, b.code) })
}

// loadSchemas turns the named schemas into texts and shapes, texts first because shapes refer to them.
func (l *loader) loadSchemas() {
	for _, s := range l.doc.Components.Schemas {
		if s.value.Type == "string" {
			if _, err := regexp.Compile(s.value.Pattern); err != nil {
				l.problemf("schema %s: %w", s.key, err)
			}
			l.c.strings = append(l.c.strings, &text{
				name: s.key, enum: s.value.Enum, pattern: s.value.Pattern,
				minLength: s.value.MinLength, maxLength: s.value.MaxLength,
			})
		}
	}
	for _, s := range l.doc.Components.Schemas {
		switch {
		case s.key == "Problem": // has its own Go type, in the edge
		case s.value.Type == "object":
			l.c.shapes = append(l.c.shapes, l.shape(s.key, s.value))
		case s.value.Type != "string":
			l.problemf("schema %s: type %q is not supported", s.key, s.value.Type)
		}
	}
	slices.SortFunc(l.c.shapes, func(a, b *shape) int { return strings.Compare(a.name, b.name) })
	slices.SortFunc(l.c.strings, func(a, b *text) int { return strings.Compare(a.name, b.name) })
}

func (l *loader) shape(name string, s rawSchema) *shape {
	sh := &shape{name: name, doc: s.Description}
	for _, p := range s.Properties {
		sh.members = append(sh.members, member{
			name: p.key, doc: p.value.Description, deprecated: p.value.Deprecated,
			required: slices.Contains(s.Required, p.key),
			typed:    l.typed(name+"."+p.key, p.value),
		})
	}
	for _, r := range s.Required {
		if _, ok := s.Properties.get(r); !ok {
			l.problemf("%s: required member %s does not exist", name, r)
		}
	}
	return sh
}

func (l *loader) typed(where string, s rawSchema) typed {
	if s.Ref != "" {
		name, ok := strings.CutPrefix(s.Ref, "#/components/schemas/")
		target, found := l.doc.Components.Schemas.get(name)
		switch {
		case !ok || !found:
			l.problemf("%s: unknown reference %s", where, s.Ref)
			return typed{}
		case target.Type == "object":
			return typed{kind: kindStructure, structure: name}
		default:
			i := slices.IndexFunc(l.c.strings, func(t *text) bool { return t.name == name })
			return typed{kind: kindText, text: l.c.strings[i]}
		}
	}
	if s.Type == "string" && (len(s.Enum) > 0 || s.Pattern != "" || s.MinLength > 0 || s.MaxLength > 0) {
		l.problemf("%s: a string with constraints needs a schema with a name", where)
	}
	switch s.Type + "/" + s.Format {
	case "string/":
		return typed{kind: kindText}
	case "string/password":
		return typed{kind: kindSecret}
	case "string/date-time":
		return typed{kind: kindTimestamp}
	case "boolean/":
		return typed{kind: kindBoolean}
	case "number/double":
		return typed{kind: kindDouble}
	case "integer/int32":
		if (s.Minimum == nil) != (s.Maximum == nil) {
			l.problemf("%s: a range needs both ends", where)
		}
		return typed{kind: kindInteger, least: s.Minimum, most: s.Maximum}
	case "array/":
		if s.Items == nil || s.Items.XML.Name == "" || !s.XML.Wrapped {
			l.problemf("%s: a list needs xml.wrapped, and items with xml.name", where)
			return typed{}
		}
		element := l.typed(where, *s.Items)
		return typed{kind: kindList, element: &element, word: s.Items.XML.Name, minItems: s.MinItems, maxItems: s.MaxItems}
	default:
		l.problemf("%s: type %s/%s is not supported", where, s.Type, s.Format)
		return typed{}
	}
}

func (l *loader) loadOperations() {
	byName := map[string]*operation{}
	for _, path := range l.doc.Paths {
		for _, m := range path.value {
			if m.value.Action == "" {
				continue // Elastane's own; the edge serves it by hand
			}
			r := l.loadRoute(strings.ToUpper(m.key), path.key, m.value)
			if r.itemOf != "" {
				continue
			}
			if byName[m.value.Action] != nil {
				l.problemf("action %s has two routes without x-item-of", m.value.Action)
				continue
			}
			byName[m.value.Action] = l.loadOperation(m.value, r)
		}
	}
	for _, r := range l.c.routes {
		if byName[r.operation] == nil {
			l.problemf("%s %s: action %s has no route of its own", r.method, r.path, r.operation)
		}
	}
	l.checkWhole()
	slices.SortFunc(l.c.operations, func(a, b *operation) int { return strings.Compare(a.name, b.name) })
}

// checkWhole looks for what the emitters do not need but readers of the contract and other OpenAPI tools do.
func (l *loader) checkWhole() {
	ids := map[string]bool{}
	for _, path := range l.doc.Paths {
		for _, m := range path.value {
			if ids[m.value.OperationID] || m.value.OperationID == "" {
				l.problemf("%s %s: operationId %q is not unique", m.key, path.key, m.value.OperationID)
			}
			ids[m.value.OperationID] = true
			if m.value.Summary == "" {
				l.problemf("%s %s: no summary", m.key, path.key)
			}
			inPath := 0
			for _, p := range m.value.Parameters {
				if p.In == "path" {
					inPath++
				}
			}
			if inPath != strings.Count(path.key, "{") {
				l.problemf("%s %s: the path and its parameters differ", m.key, path.key)
			}
		}
	}
	outputs := map[string]bool{}
	for _, op := range l.c.operations {
		outputs[op.name+"Output"] = true
	}
	for _, s := range l.c.shapes {
		if s.doc == "" && !outputs[s.name] {
			l.problemf("schema %s: no description", s.name)
		}
	}
}

func (l *loader) loadRoute(method, path string, raw rawOperation) *route {
	r := &route{method: method, path: path, operation: raw.Action, itemOf: raw.ItemOf}
	for _, p := range raw.Parameters {
		schema := p.Schema
		if schema == nil {
			media := p.Content["application/json"]
			schema = &media.Schema
		}
		r.parameters = append(r.parameters, parameter{
			name: p.Name, in: p.In, json: p.Schema == nil, typed: l.typed(path+"?"+p.Name, *schema),
		})
		if p.In == "path" && !strings.Contains(path, "{"+p.Name+"}") {
			l.problemf("%s %s: the path has no {%s}", method, path, p.Name)
		}
	}
	for _, response := range raw.Responses {
		if status, err := strconv.Atoi(response.key); err == nil && status < 300 {
			r.status = status
		}
	}
	if r.status == 0 {
		l.problemf("%s %s: no response for success", method, path)
	}
	l.c.routes = append(l.c.routes, r)
	return r
}

func (l *loader) loadOperation(raw rawOperation, r *route) *operation {
	op := &operation{name: raw.Action, summary: raw.Summary, resultWrapper: raw.ResultWrapper, raw: raw, route: r}
	for _, e := range raw.Errors {
		code, ok := l.codes[e]
		if !ok {
			l.problemf("%s: unknown error %s", raw.Action, e)
		}
		op.errors = append(op.errors, code)
	}
	slices.Sort(op.errors)

	op.input = l.shape(op.name+"Input", raw.RequestBody.Content["application/json"].Schema)
	for _, p := range slices.Backward(raw.Parameters) {
		schema := p.Schema
		if schema == nil {
			media := p.Content["application/json"]
			schema = &media.Schema
		}
		op.input.members = slices.Insert(op.input.members, 0, member{
			name: p.Name, doc: cmp.Or(p.Description, schema.Description), required: p.Required,
			deprecated: p.Deprecated, typed: l.typed(op.name+"."+p.Name, *schema),
		})
	}

	response := raw.Responses[0].value.Content["application/json"].Schema
	if response.Ref == "" {
		op.output = &shape{name: op.name + "Output"}
	} else {
		op.output = l.c.shape(l.typed(op.name, response).structure)
	}
	l.c.operations = append(l.c.operations, op)
	return op
}

// shape returns the shape with the name, or nil.
func (c *contract) shape(name string) *shape {
	for _, s := range c.shapes {
		if s.name == name {
			return s
		}
	}
	return nil
}

// reachable returns the names of all structures that the given ones lead to, themselves included.
func (c *contract) reachable(from []*shape) map[string]bool {
	seen := map[string]bool{}
	var visit func(*shape)
	visit = func(s *shape) {
		if s == nil || seen[s.name] {
			return
		}
		seen[s.name] = true
		for _, m := range s.members {
			t := m.typed
			if t.kind == kindList {
				t = *t.element
			}
			if t.kind == kindStructure {
				visit(c.shape(t.structure))
			}
		}
	}
	for _, s := range from {
		visit(s)
	}
	return seen
}

func (c *contract) inputs() []*shape {
	var in []*shape
	for _, op := range c.operations {
		in = append(in, op.input)
	}
	return in
}

func (c *contract) outputs() []*shape {
	var out []*shape
	for _, op := range c.operations {
		if !slices.Contains(out, op.output) {
			out = append(out, op.output)
		}
	}
	return out
}
