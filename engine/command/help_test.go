package command

import (
	"strings"
	"testing"
)

// HELP explains every subcommand of its container. (That each container has it is held by docs/commands.md.)
func TestHelp(t *testing.T) {
	t.Parallel()
	e := newTestEngine(t)
	for _, s := range e.server.Table.Specs() {
		subs := s.Subcommands()
		if s.sub == nil || s.sub.Find([]byte("help")) == nil {
			continue
		}
		if s.Name == "debug" { // refused, its HELP too, unless the configuration allows it
			continue
		}
		v := e.do(t, []string{s.Name, "help"})
		if len(v.Elems) != 1+2*len(subs) || !strings.HasPrefix(v.Elems[0].Str, strings.ToUpper(s.Name)+" <subcommand>") {
			t.Errorf("%s HELP: %v", s.Name, v)
		}
	}
}
