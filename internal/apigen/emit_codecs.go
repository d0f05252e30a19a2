package main

import (
	"fmt"
	"strconv"
)

func emitDecoders(f *file, c *contract) {
	for _, s := range c.inputs() {
		f.decoder(s)
	}
	reached := c.reachable(c.inputs())
	for _, s := range c.shapes {
		if reached[s.name] {
			f.decoder(s)
		}
	}
}

var scalarMethod = map[kind]string{
	kindText: "string", kindSecret: "secret", kindInteger: "integer",
	kindDouble: "double", kindBoolean: "boolean", kindTimestamp: "timestamp",
}

func (f *file) decoder(s *shape) {
	f.pf("func (in *%s) decodeQuery(q *queryNode) {", s.name)
	for _, m := range s.members {
		f.pf("in.%s = %s", m.name, decodeCall(m))
	}
	f.pf("}\n")
}

func decodeCall(m member) string {
	switch t := m.typed; t.kind {
	case kindList:
		if t.element.kind == kindStructure {
			return fmt.Sprintf("decodeStructures[%s](q, %q, %q)", t.element.structure, m.name, t.word)
		}
		return fmt.Sprintf("q.%ss(%q, %q)", scalarMethod[t.element.kind], m.name, t.word)
	case kindStructure:
		return fmt.Sprintf("decodeStructure[%s](q, %q)", t.structure, m.name)
	default:
		return fmt.Sprintf("q.%s(%q)", scalarMethod[t.kind], m.name)
	}
}

func emitEncoders(f *file, c *contract) {
	reached := c.reachable(c.outputs())
	for _, s := range c.outputs() {
		if len(s.members) == 0 {
			f.pf("func (*%s) encodeXML(*xmlWriter) {}\n", s.name)
		}
	}
	for _, s := range c.shapes {
		if !reached[s.name] {
			continue
		}
		f.pf("func (out *%s) encodeXML(w *xmlWriter) {", s.name)
		for _, m := range s.members {
			f.pf("%s", encodeCall(m))
		}
		f.pf("}\n")
	}
}

func encodeCall(m member) string {
	switch t := m.typed; t.kind {
	case kindList:
		if t.element.kind == kindStructure {
			return fmt.Sprintf("encodeStructures(w, %q, %q, out.%s)", m.name, t.word, m.name)
		}
		return fmt.Sprintf("w.strings(%q, %q, out.%s)", m.name, t.word, m.name)
	case kindStructure:
		return fmt.Sprintf("encodeStructure(w, %q, out.%s)", m.name, m.name)
	default:
		return fmt.Sprintf("w.%s(%q, out.%s)", scalarMethod[t.kind], m.name, m.name)
	}
}

func emitValidators(f *file, c *contract) {
	f.imports = []string{"regexp"}
	for _, t := range c.strings {
		f.pf("var constraint%s = constraint{", t.name)
		if t.minLength > 0 {
			f.pf("minLength: %d,", t.minLength)
		}
		if t.maxLength > 0 {
			f.pf("maxLength: %d,", t.maxLength)
		}
		if t.pattern != "" {
			f.pf("pattern: regexp.MustCompile(`%s`),", t.pattern)
		}
		if len(t.enum) > 0 {
			f.pf("enum: []string{")
			for _, v := range t.enum {
				f.pf("%s%s,", t.name, goName(v))
			}
			f.pf("},")
		}
		f.pf("}\n")
	}
	checked := c.constrained()
	for _, s := range c.inputs() {
		f.pf("// Validate checks the input against the contract.")
		f.pf("func (in *%s) Validate() error {", s.name)
		f.pf("v := &validator{}")
		f.checks(s, "", checked)
		f.pf("return v.err()\n}\n")
	}
	reached := c.reachable(c.inputs())
	for _, s := range c.shapes {
		if reached[s.name] && checked[s.name] {
			f.pf("func (in *%s) validate(v *validator, path string) {", s.name)
			f.checks(s, "path+", checked)
			f.pf("}\n")
		}
	}
}

// checks writes the checks of all members of a shape. prefix is the Go text before each member's name.
func (f *file) checks(s *shape, prefix string, checked map[string]bool) {
	for _, m := range s.members {
		path := prefix + strconv.Quote(m.name)
		t := m.typed
		if m.required {
			switch t.kind {
			case kindText:
				f.pf("v.requireText(%s, in.%s)", path, m.name)
			case kindList:
				f.pf("requireList(v, %s, in.%s)", path, m.name)
			default:
				f.pf("requireValue(v, %s, in.%s)", path, m.name)
			}
		}
		switch {
		case t.kind == kindText && t.text != nil:
			f.pf("v.text(%s, in.%s, &constraint%s)", path, m.name, t.text.name)
		case t.kind == kindInteger && t.least != nil:
			f.pf("v.number(%s, in.%s, %d, %d)", path, m.name, *t.least, *t.most)
		case t.kind == kindStructure && checked[t.structure]:
			f.pf("validateStructure(v, %s, in.%s)", path, m.name)
		case t.kind == kindList:
			if t.minItems > 0 || t.maxItems > 0 {
				f.pf("items(v, %s, in.%s, %d, %d)", path, m.name, t.minItems, t.maxItems)
			}
			switch e := t.element; {
			case e.kind == kindText && e.text != nil:
				f.pf("v.texts(%s, in.%s, &constraint%s)", path, m.name, e.text.name)
			case e.kind == kindStructure && checked[e.structure]:
				f.pf("validateStructures(v, %s, in.%s)", path, m.name)
			}
		}
	}
}

// constrained returns the names of the shapes that have anything to check, themselves or further down.
func (c *contract) constrained() map[string]bool {
	checked := map[string]bool{}
	for changed := true; changed; {
		changed = false
		for _, s := range c.shapes {
			if checked[s.name] {
				continue
			}
			for _, m := range s.members {
				t := m.typed
				bounded := t.minItems > 0 || t.maxItems > 0
				if t.kind == kindList {
					t = *t.element
				}
				if m.required || bounded || t.text != nil || t.least != nil || (t.kind == kindStructure && checked[t.structure]) {
					checked[s.name], changed = true, true
					break
				}
			}
		}
	}
	return checked
}
