package embedded

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/elastane/elastane/engine/command"
	"github.com/elastane/elastane/internal/agent/driver"
	"github.com/elastane/elastane/internal/catalog"
	"github.com/elastane/elastane/internal/parameters"
)

// offered are the families that a group can be created with, each with a node type.
func offered(t *testing.T) map[string]catalog.NodeType {
	t.Helper()
	nodeType, ok := catalog.FindNodeType("cache.t4g.micro")
	if !ok {
		t.Fatal("no such node type")
	}
	families := map[string]catalog.NodeType{}
	for _, v := range catalog.EngineVersions() {
		if v.Engine != catalog.Memcached {
			families[v.Family] = nodeType
		}
	}
	return families
}

// What parameter groups send is what the engine knows; what they keep back it does not know.
func TestEngineKnowsWhatParameterGroupsSend(t *testing.T) {
	sent := map[string]bool{}
	for family, nodeType := range offered(t) {
		for name, value := range parameters.For(family, nodeType, nil).Directives {
			sent[name] = true
			if err := command.CheckDirective(name, value); err != nil {
				t.Errorf("%s: %s %q: %v; list it in parameters.Unsent if the engine does without", family, name, value, err)
			}
		}
	}
	carried := []string{catalog.ClusterEnabled, "cluster-preferred-endpoint-type"} // by the node's spec
	for name := range parameters.Unsent {
		err := command.CheckDirective(name, "")
		if sent[name] || !slices.Contains(carried, name) && !errors.As(err, new(command.UnknownDirectiveError)) {
			t.Errorf("%s: the engine has it now: take it off parameters.Unsent", name)
		}
	}
}

// Every value that a parameter group lets through is one that a running node takes: the ends of the
// ranges, and each of the values of a list.
func TestNodesTakeEveryAllowedValue(t *testing.T) {
	b := newBench(t)
	for family, nodeType := range offered(t) {
		config := func(set map[string]string) driver.Config {
			s := parameters.For(family, nodeType, set)
			return driver.Config{MaxMemoryBytes: s.MaxMemoryBytes, Parameters: s.Directives}
		}
		n := b.start(family, freePort(t), func(o *driver.Options) { o.Config = config(nil) })
		for _, p := range catalog.Parameters(family) {
			if p.Modifiable != catalog.ModifiableAlways || p.Hidden {
				continue
			}
			for _, value := range candidates(p) {
				if parameters.Check(p, value) != nil {
					continue
				}
				if err := n.Configure(b.ctx, config(map[string]string{p.Name: value})); err != nil {
					t.Errorf("%s: %s %q: %v", family, p.Name, value, err)
				}
			}
		}
		if err := n.Configure(b.ctx, config(nil)); err != nil {
			t.Errorf("%s: back to the defaults: %v", family, err)
		}
		b.close(n)
	}
}

func candidates(p catalog.Parameter) []string {
	values := []string{"", "yes", "no", "KEA", "KEg$lshzxetdA", p.Default}
	for _, n := range []int64{-5, -1, 0, 1, 19, 20, 100, math.MaxInt32, math.MaxInt32 + 1, math.MaxInt64} {
		values = append(values, fmt.Sprint(n))
	}
	for entry := range strings.SplitSeq(p.AllowedValues, ",") {
		low, high, _ := strings.Cut(entry, "-")
		values = append(values, entry, low, high)
	}
	return values
}

func TestDatabasesOfAParameterGroup(t *testing.T) {
	b := newBench(t)
	n := b.start("two", freePort(t), func(o *driver.Options) { o.Config.Parameters = map[string]string{"databases": "2"} })
	defer b.close(n)
	b.do(n, "SELECT", "1")
	if err := n.Do(b.ctx, "SELECT", "2"); err == nil || !strings.Contains(err.Error(), "DB index is out of range") {
		t.Errorf("SELECT 2 of 2 databases: %v", err)
	}
}
