package command

import (
	"math/bits"
	"strings"
)

// KeyUse says what a command does with a key, in the terms of Valkey's key specifications: the whole (RO, RW, OW, RM) and
// the user's data in it (access, update, insert, delete). ACL rules, COMMAND INFO and COMMAND GETKEYSANDFLAGS read it.
type KeyUse uint16

// The uses, with the names that COMMAND INFO reports (keyUseNames).
const (
	KeyRO         KeyUse = 1 << iota // reads the key's value or what is known of it
	KeyRW                            // reads and changes it
	KeyOW                            // replaces it without looking
	KeyRM                            // removes it
	KeyAccess                        // data of the value is returned or copied
	KeyUpdate                        // data is changed
	KeyInsert                        // data is only added
	KeyDelete                        // data is only removed
	KeyNotKey                        // not a key, but has a slot (shard channels)
	KeyIncomplete                    // the specification does not find all keys
	KeyVaries                        // depends on other arguments (Keys.Varies)
)

var keyUseNames = [...]string{
	"RO", "RW", "OW", "RM", "access", "update", "insert", "delete", "not_key", "incomplete", "variable_flags",
}

// parseKeyUse reads names of uses. It panics on an unknown one: that is a programming error.
func parseKeyUse(words string) (use KeyUse) {
next:
	for word := range strings.FieldsSeq(words) {
		for i, name := range keyUseNames {
			if word == name {
				use |= 1 << i
				continue next
			}
		}
		panic("command: unknown use of a key: " + word)
	}
	return use
}

// names lists the uses in COMMAND INFO's order.
func (u KeyUse) names() []string {
	names := make([]string, 0, bits.OnesCount16(uint16(u)))
	for i, name := range keyUseNames {
		if u&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return names
}

// Keys tells where the keys are among the arguments (argument 0 is the command's name), and what is done with them.
type Keys struct {
	First int // index of the first key; 0: no keys (unless Find is set)
	Last  int // index of the last one; negative counts from the end: -1 is the last argument
	Step  int // distance between two keys
	// Find, if set, appends the indices of the keys to dst instead; used where they depend on other
	// arguments (numkeys). It must tolerate any argv of at least the command's arity. It must not keep dst.
	Find func(argv [][]byte, dst []int) []int
	// Shape describes the keys to COMMAND INFO where Find is not NumKeys' own.
	Shape []KeyShape

	uses  []KeyUse
	vary  func(argv [][]byte) KeyUse
	count int // of NumKeys: index of numkeys
}

// KeyShape is one of the key specifications that COMMAND INFO reports: where it begins, and how the keys follow.
type KeyShape struct {
	Use     string // as for Keys.Uses
	Unknown bool   // nothing can be said of where
	Index   int    // of the first key, or of numkeys
	Keyword string // instead: the first key follows this word, which is searched for from StartFrom on
	// StartFrom counts from the end if it is negative.
	StartFrom int
	NumKeys   bool // the number of keys comes first
	// Last is relative to the first key; negative counts from the end of the arguments. With Limit n only
	// the first nth of what follows are keys.
	Last, Step, Limit int
}

// Frequent key specifications. Uses says what is done with the keys.
var (
	NoKeys  = Keys{}
	OneKey  = Keys{First: 1, Last: 1, Step: 1}
	TwoKeys = Keys{First: 1, Last: 2, Step: 1}
	AllKeys = Keys{First: 1, Last: -1, Step: 1}
)

// Uses says what the command does with its keys, in the words of COMMAND INFO ("RW access delete"): with the first key, the
// second, …; the last entry holds for all that follow. Without it a command is taken to read (ReadOnly), or to
// read and change all of its keys.
func (k Keys) Uses(uses ...string) Keys {
	k.uses = make([]KeyUse, len(uses))
	for i, words := range uses {
		k.uses[i] = parseKeyUse(words)
	}
	return k
}

// Varies has use tell what one call does with its keys, where that depends on its other arguments (SET … GET).
func (k Keys) Varies(use func(argv [][]byte) KeyUse) Keys {
	k.vary = use
	return k
}

// NumKeys is the key specification of commands with a numkeys argument at index at, followed by the keys.
// Further fixed keys (such as a destination) are at the indices in fixed, and come first in Uses.
func NumKeys(at int, fixed ...int) Keys {
	keys := Keys{count: at}
	if len(fixed) > 0 { // what COMMAND INFO can tell of it
		keys = Keys{First: fixed[0], Last: fixed[0], Step: 1, count: at}
	}
	keys.Find = func(argv [][]byte, dst []int) []int {
		dst = append(dst, fixed...)
		if at >= len(argv) {
			return dst
		}
		n, ok := parseInt(argv[at])
		if !ok || n < 0 || n > int64(len(argv)-at-1) {
			return dst
		}
		for i := range int(n) {
			dst = append(dst, at+1+i)
		}
		return dst
	}
	return keys
}

// AppendKeys appends the indices of the keys in argv to dst.
func (s *Spec) AppendKeys(dst []int, argv [][]byte) []int {
	k := &s.Keys
	if k.Find != nil {
		return k.Find(argv, dst)
	}
	if k.First == 0 {
		return dst
	}
	last := k.Last
	if last < 0 {
		last += len(argv)
	}
	step := max(k.Step, 1)
	for i := k.First; i <= last && i < len(argv); i += step {
		dst = append(dst, i)
	}
	return dst
}

// KeyUse is what the call argv does with the nth of the keys that AppendKeys has found.
func (s *Spec) KeyUse(argv [][]byte, nth int) KeyUse {
	k := &s.Keys
	if k.vary != nil {
		return k.vary(argv)
	}
	return s.keyUse(nth)
}

func (s *Spec) keyUse(nth int) KeyUse {
	switch uses := s.Keys.uses; {
	case len(uses) > 0:
		return uses[min(nth, len(uses)-1)]
	case s.Is(ReadOnly):
		return KeyRO | KeyAccess
	}
	return KeyRW | KeyAccess | KeyUpdate
}

// shapes are the key specifications for COMMAND INFO.
func (s *Spec) shapes() []KeyShape {
	k := &s.Keys
	if len(k.Shape) > 0 {
		return k.Shape
	}
	use := func(nth int) string { return strings.Join(s.keyUse(nth).names(), " ") }
	var shapes []KeyShape
	single := func(index int) { shapes = append(shapes, KeyShape{Use: use(len(shapes)), Index: index, Step: 1}) }
	switch {
	case k.count > 0:
		if k.First > 0 {
			single(k.First)
		}
		return append(shapes, KeyShape{Use: use(len(shapes)), Index: k.count, NumKeys: true, Step: 1})
	case k.First == 0:
		return nil
	}
	for len(shapes) < len(k.uses)-1 {
		single(k.First + len(shapes)*max(k.Step, 1))
	}
	first, last := k.First+len(shapes)*max(k.Step, 1), k.Last
	if last >= 0 {
		last -= first
	}
	return append(shapes, KeyShape{Use: use(len(shapes)), Index: first, Last: last, Step: max(k.Step, 1)})
}
