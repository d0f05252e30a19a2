package main

import (
	"fmt"
	"strings"
	"unicode"
)

func emitInputs(f *file, c *contract) {
	f.imports = []string{"time"}
	for _, op := range c.operations {
		f.structure(op.input, "is what "+op.name+" takes. "+op.summary)
	}
}

func emitOutputs(f *file, c *contract) {
	f.imports = []string{"time"}
	for _, op := range c.operations {
		name := op.name + "Output"
		if op.output.name != name {
			f.pf("// %s is what %s gives.", name, op.name)
			f.pf("type %s = %s\n", name, op.output.name)
			continue
		}
		f.structure(op.output, "is what "+op.name+" gives.")
	}
}

func emitTypes(f *file, c *contract) {
	f.imports = []string{"time"}
	own := map[string]bool{}
	for _, op := range c.operations {
		own[op.name+"Output"] = true
	}
	for _, s := range c.shapes {
		if !own[s.name] {
			f.structure(s, structureDoc(s))
		}
	}
}

func emitEnums(f *file, c *contract) {
	for _, t := range c.strings {
		if len(t.enum) == 0 {
			continue
		}
		f.pf("// Values of %s.\nconst (", t.name)
		for _, v := range t.enum {
			f.pf("%s%s = %q", t.name, goName(v), v)
		}
		f.pf(")\n")
	}
}

func (f *file) structure(s *shape, doc string) {
	f.pf("// %s %s", s.name, strings.TrimSpace(doc))
	if len(s.members) == 0 {
		f.pf("type %s struct{}\n", s.name)
		return
	}
	f.pf("type %s struct {", s.name)
	for _, m := range s.members {
		f.comment(m)
		f.pf("%s %s `json:\"%s,omitzero\"`", m.name, m.typed.goType(), m.name)
	}
	f.pf("}\n")
}

// comment writes what a reader should know of a member beyond its name and type.
func (f *file) comment(m member) {
	var facts []string
	if m.doc != "" {
		facts = append(facts, m.doc)
	}
	if m.required {
		facts = append(facts, "Required.")
	}
	t := m.typed
	if t.kind == kindList {
		switch {
		case t.minItems > 0 && t.maxItems > 0:
			facts = append(facts, fmt.Sprintf("From %d to %d elements.", t.minItems, t.maxItems))
		case t.minItems > 0:
			facts = append(facts, fmt.Sprintf("At least %d elements, if given.", t.minItems))
		case t.maxItems > 0:
			facts = append(facts, fmt.Sprintf("At most %d elements.", t.maxItems))
		}
		t = *t.element
	}
	if t.least != nil {
		facts = append(facts, fmt.Sprintf("From %d to %d.", *t.least, *t.most))
	}
	if t.text != nil && len(t.text.enum) > 0 {
		facts = append(facts, "One of the "+t.text.name+" values.")
	}
	if len(facts) > 0 {
		f.pf("// %s", strings.Join(facts, " "))
	}
	if m.deprecated {
		if len(facts) > 0 {
			f.pf("//")
		}
		f.pf("// Deprecated: AWS ignores it.")
	}
}

func (t typed) goType() string {
	switch t.kind {
	case kindList:
		return "[]" + strings.TrimPrefix(t.element.goType(), "*")
	case kindStructure:
		return "*" + t.structure
	default:
		return "*" + map[kind]string{
			kindText: "string", kindSecret: "Secret", kindInteger: "int32",
			kindDouble: "float64", kindBoolean: "bool", kindTimestamp: "time.Time",
		}[t.kind]
	}
}

// goName makes an exported identifier's part of a value such as cross-az or QuotaExceeded.CacheSecurityGroup.
func goName(value string) string {
	var b strings.Builder
	for part := range strings.FieldsFuncSeq(value, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
		b.WriteString(strings.ToUpper(part[:1]) + part[1:])
	}
	return b.String()
}

// structureDoc is the doc comment of a nested structure after its name.
func structureDoc(s *shape) string {
	return "is " + strings.ToLower(s.doc[:1]) + s.doc[1:]
}
