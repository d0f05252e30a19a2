package command

import (
	"slices"
	"strings"
	"testing"

	"github.com/elastane/elastane/engine/resp"
)

// The records of the data types' commands must say what a real server says of its own: clients route
// and check by them.
func TestRecordsAgreeWithRedis(t *testing.T) {
	redis := startRedis(t)
	e := newTestEngine(t)
	groups := []string{"generic", "string", "hash", "list", "set", "sorted-set"}
	// What Redis 7.0 says otherwise than Valkey 8.
	newer := map[string]string{
		"zrank arity": "3", "zrevrank arity": "3", // without WITHSCORE
		// not from scripts yet
		"blmove flags": "blocking denyoom noscript write", "brpoplpush flags": "blocking denyoom noscript write",
		"bzpopmax flags": "blocking fast noscript write", "bzpopmin flags": "blocking fast noscript write",
		"blpop flags": "blocking noscript write", "brpop flags": "blocking noscript write",
	}
	compared := 0
	for _, spec := range e.server.Table.Specs() {
		if !slices.Contains(groups, spec.Group) {
			continue
		}
		info := []string{"COMMAND", "INFO", spec.Name}
		theirs, ours := ask(t, redis, info).Elems[0], e.do(t, info).Elems[0]
		if len(theirs.Elems) < 7 {
			t.Errorf("%s: redis does not know it", spec.Name)
			continue
		}
		compared++
		for i, what := range []string{"name", "arity", "flags", "first key", "last key", "key step", "categories"} {
			want, got := words(theirs.Elems[i]), words(ours.Elems[i])
			if want != got && newer[spec.Name+" "+what] != want {
				t.Errorf("%s: %s is %s, redis says %s", spec.Name, what, got, want)
			}
		}
	}
	if compared < 100 {
		t.Errorf("only %d commands were compared", compared)
	}
}

// words is a scalar, or a set of words in order.
func words(v resp.Value) string {
	if len(v.Elems) == 0 {
		return v.Text()
	}
	var all []string
	for _, e := range v.Elems {
		all = append(all, e.Text())
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}
