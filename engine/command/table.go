package command

import (
	"fmt"
	"slices"
	"strings"

	"github.com/elastane/elastane/engine/acl"
)

// Table finds records by name. It is built once, and read by all loops and nodes.
type Table struct {
	specs []*Spec // in order of name
	slots []*Spec // open addressing over the folded name's hash; length a power of two
	total int     // records including subcommands

	catalog *acl.Catalog
}

// NewTable builds a table. It panics on a record that is wrong or there twice: those are programming errors.
func NewTable(families ...[]Spec) *Table {
	t := &Table{}
	next := 0
	for _, family := range families {
		for i := range family {
			t.add(copySpec(&family[i], nil, &next))
		}
	}
	t.total = next
	t.index()
	t.catalog = t.makeCatalog()
	return t
}

// Find returns the record of a command, whatever the case of name; nil if there is none. It does not allocate.
func (t *Table) Find(name []byte) *Spec {
	mask := len(t.slots) - 1
	for i := int(foldHash(name)) & mask; t.slots[i] != nil; i = (i + 1) & mask {
		if foldEqual(name, t.slots[i].Name) {
			return t.slots[i]
		}
	}
	return nil
}

// Resolve finds the record that argv calls: the subcommand's for a container.
func (t *Table) Resolve(argv [][]byte) *Spec {
	s := t.Find(argv[0])
	if s == nil || s.sub == nil || len(argv) < 2 {
		return s
	}
	return s.sub.Find(argv[1])
}

// Specs lists the records in order of name, without subcommands.
func (t *Table) Specs() []*Spec { return t.specs }

// Subcommands lists a container's records in order of name; nil for others.
func (s *Spec) Subcommands() []*Spec {
	if s.sub == nil {
		return nil
	}
	return s.sub.specs
}

func copySpec(from *Spec, container *Spec, next *int) *Spec {
	s := *from
	s.full = s.Name
	s.container = container
	if container != nil {
		s.full = container.Name + "|" + s.Name
		if s.Group == "" {
			s.Group = container.Group
		}
	}
	s.id = *next
	*next++
	s.shows = s.Group == "connection" || s.Group == "pubsub"
	switch {
	case s.Name == "" || s.Name != strings.ToLower(s.Name):
		panic(fmt.Sprintf("command: bad name %q", s.Name))
	case s.Arity == 0:
		panic("command: no arity: " + s.full)
	case s.Handler == nil && len(s.Sub) == 0:
		panic("command: no handler: " + s.full)
	case s.Flags&(Write|ReadOnly) == Write|ReadOnly:
		panic("command: both write and read-only: " + s.full)
	}
	if s.Keys.Find != nil {
		s.Flags |= MovableKeys
	}
	if len(s.Sub) > 0 {
		sub := &Table{}
		for i := range s.Sub {
			sub.add(copySpec(&s.Sub[i], &s, next))
		}
		sub.index()
		s.sub = sub
	}
	return &s
}

func (t *Table) add(s *Spec) { t.specs = append(t.specs, s) }

func (t *Table) index() {
	slices.SortFunc(t.specs, func(a, b *Spec) int { return strings.Compare(a.Name, b.Name) })
	size := 8
	for size < 4*len(t.specs) {
		size *= 2
	}
	t.slots = make([]*Spec, size)
	for _, s := range t.specs {
		i := int(foldHash([]byte(s.Name))) & (size - 1)
		for t.slots[i] != nil {
			if t.slots[i].Name == s.Name {
				panic("command: registered twice: " + s.full)
			}
			i = (i + 1) & (size - 1)
		}
		t.slots[i] = s
	}
}

func fold(b byte) byte {
	if b >= 'A' && b <= 'Z' {
		return b + ('a' - 'A')
	}
	return b
}

func foldHash(name []byte) uint32 {
	h := uint32(2166136261)
	for _, b := range name {
		h = (h ^ uint32(fold(b))) * 16777619
	}
	return h ^ h>>15
}

// foldEqual compares name, of any case, with lower, which is lower case.
func foldEqual(name []byte, lower string) bool {
	if len(name) != len(lower) {
		return false
	}
	for i, b := range name {
		if fold(b) != lower[i] {
			return false
		}
	}
	return true
}
