package parameters

import (
	"math"
	"strings"
	"testing"

	"github.com/elastane/elastane/internal/catalog"
)

func parameter(t testing.TB, family, name string) catalog.Parameter {
	t.Helper()
	p, ok := catalog.FindParameter(family, name)
	if !ok {
		t.Fatalf("%s has no %s", family, name)
	}
	return p
}

func TestCheck(t *testing.T) {
	for _, test := range []struct {
		family, name string
		good, bad    []string
	}{
		{"redis7", "maxmemory-policy", []string{"allkeys-lru", "noeviction"}, []string{"", "lru", "ALLKEYS-LRU", "yes,no"}},
		{"redis7", "activedefrag", []string{"yes", "no"}, []string{"1", "", "yes,no"}},
		{"redis7", "timeout", []string{"0", "20", "2147483647"}, []string{"1", "19", "-1", "2147483648", "x", "", "9223372036854775808"}},
		{"redis7", "reserved-memory-percent", []string{"0", "100"}, []string{"-1", "101", "12.5"}},
		{"redis7", "slowlog-log-slower-than", []string{"-1", "0", "1000000"}, []string{"-2", "2147483648"}},
		{"redis7", "repl-backlog-size", []string{"16384", "9223372036854775807"}, []string{"16383", "9223372036854775808"}},
		{"redis7", "notify-keyspace-events", []string{"", "KEA", "Kg$lshzxetd"}, []string{"Q", "KE A", "m"}},
		{"redis7", "rename-commands", []string{"", "keys blocked", "FLUSHALL wipe GET fetch"}, []string{"keys", "nosuch x", "keys a-b", "keys " + strings.Repeat("a", 21)}},
		{"redis5.0", "databases", []string{"1", "1200000"}, []string{"0", "1200001"}},
		{"redis6.x", "databases", []string{"1", "10000"}, []string{"0", "10001"}},
		{"redis4.0", "list-max-ziplist-size", []string{"-5", "-1", "1"}, []string{"-6", "0"}},
		{"memcached1.6", "chunk_size_growth_factor", []string{"1.01", "1.25", "100"}, []string{"1", "100.5", "", "x", "NaN"}},
		{"memcached1.6", "cas_disabled", []string{"0", "1"}, []string{"2", "yes"}},
	} {
		p := parameter(t, test.family, test.name)
		for _, value := range test.good {
			if err := Check(p, value); err != nil {
				t.Errorf("%s %s %q: %v", test.family, test.name, value, err)
			}
		}
		for _, value := range test.bad {
			if Check(p, value) == nil {
				t.Errorf("%s %s %q was let through", test.family, test.name, value)
			}
		}
	}
}

// The defaults of the families are themselves allowed.
func TestDefaultsAreAllowed(t *testing.T) {
	for _, family := range catalog.Families() {
		for _, p := range catalog.Parameters(family) {
			if p.Description == "" {
				t.Errorf("%s %s has no description", family, p.Name)
			}
			if p.NodeType != catalog.NoNodeTypeValue || p.Default == "" || p.DataType == "boolean" && p.AllowedValues == "all,1,2,3" {
				continue
			}
			// list-max-listpack-size has negative size classes; its range is not told.
			if err := Check(p, p.Default); err != nil && p.Name != "list-max-listpack-size" && p.Name != "cluster-databases" {
				t.Errorf("%s %s: %q: %v", family, p.Name, p.Default, err)
			}
		}
	}
}

func TestSettings(t *testing.T) {
	large, _ := catalog.FindNodeType("cache.r6g.large")
	for name, test := range map[string]struct {
		family string
		set    map[string]string
		memory int64
		want   map[string]string
	}{
		"defaults": {"redis7", nil, 10527885772, map[string]string{
			"maxmemory-policy": "volatile-lru", "maxclients": "65000", "databases": "16",
			"client-output-buffer-limit": "normal 0 0 0 replica 1403718103 1403718103 60 pubsub 33554432 8388608 60",
		}},
		"nothing reserved": {"redis7", map[string]string{"reserved-memory-percent": "0"}, 14037181030, nil},
		"all reserved":     {"redis7", map[string]string{"reserved-memory-percent": "100"}, 1, nil},
		"bytes reserved":   {"redis4.0", map[string]string{"reserved-memory": "37181030"}, 14000000000, nil},
		"too much":         {"redis4.0", map[string]string{"reserved-memory": "9223372036854775807"}, 1, nil},
		"subscribers": {"redis7", map[string]string{"client-output-buffer-limit-pubsub-soft-seconds": "5"}, 10527885772, map[string]string{
			"client-output-buffer-limit": "normal 0 0 0 replica 1403718103 1403718103 60 pubsub 33554432 8388608 5",
		}},
		"of old names": {"redis4.0", map[string]string{"close-on-slave-write": "no", "maxmemory-samples": "1000"}, 10527885772, map[string]string{
			"close-on-replica-write": "no", "maxmemory-samples": "64",
			"client-output-buffer-limit": "normal 0 0 0 replica 1403718103 1403718103 60 pubsub 33554432 8388608 60",
		}},
	} {
		got := For(test.family, large, test.set)
		if got.MaxMemoryBytes != test.memory {
			t.Errorf("%s: maxmemory %d, want %d", name, got.MaxMemoryBytes, test.memory)
		}
		for directive, value := range test.want {
			if got.Directives[directive] != value {
				t.Errorf("%s: %s %q, want %q", name, directive, got.Directives[directive], value)
			}
		}
		for directive := range Unsent {
			if _, sent := got.Directives[directive]; sent {
				t.Errorf("%s: %s is sent", name, directive)
			}
		}
	}
}

// What a node takes in only at its start stays as the node has it, and says that it differs.
func TestRunning(t *testing.T) {
	large, _ := catalog.FindNodeType("cache.r6g.large")
	before := For("redis7", large, nil)
	after := For("redis7", large, map[string]string{"databases": "4", "timeout": "30"})
	fresh := after.Running(nil)
	if fresh["databases"] != "4" || fresh["timeout"] != "30" {
		t.Errorf("of a new node: %v", fresh)
	}
	running := after.Running(before.Directives)
	if running["databases"] != "16" || running["timeout"] != "30" {
		t.Errorf("of a running node: %v", running)
	}
	if !after.NeedsReboot(running) || after.NeedsReboot(fresh) || before.NeedsReboot(running) {
		t.Error("what needs a reboot")
	}
	if _, ok := after.Running(map[string]string{"maxclients": "1"})["databases"]; ok {
		t.Error("a node that was started without databases is told of it while it runs")
	}
}

func FuzzCheck(f *testing.F) {
	for _, seed := range []string{"", "yes", "0", "-1", "9223372036854775808", "1e9", "KEA", "keys blocked", "0x10", "+5"} {
		f.Add(seed)
	}
	micro, _ := catalog.FindNodeType("cache.t4g.micro")
	f.Fuzz(func(t *testing.T, value string) {
		for _, family := range []string{"redis4.0", "redis7", "valkey9", "memcached1.6"} {
			for _, p := range catalog.Parameters(family) {
				if Check(p, value) != nil || catalog.EngineOf(family) == catalog.Memcached {
					continue
				}
				if s := For(family, micro, map[string]string{p.Name: value}); s.MaxMemoryBytes < 1 || s.MaxMemoryBytes > math.MaxInt32 {
					t.Errorf("%s %s %q: maxmemory %d", family, p.Name, value, s.MaxMemoryBytes)
				}
			}
		}
	})
}
