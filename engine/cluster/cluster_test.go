package cluster

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func id(c string, n int) string { return strings.Repeat(c, 39) + fmt.Sprint(n) }

func two() Map {
	return Map{Epoch: 7, Shards: []Shard{
		{ID: id("a", 0), Slots: []SlotRange{{0, 100}, {200, 8191}}, Nodes: []Node{
			{ID: id("b", 1), Host: "127.0.0.1", Port: 6379, Primary: true, Epoch: 3},
			{ID: id("b", 2), Host: "127.0.0.2", Port: 6379, Epoch: 3},
		}},
		{ID: id("a", 1), Slots: []SlotRange{{8192, 16382}}, Nodes: []Node{
			{ID: id("b", 3), Host: "node-3.example", IP: "127.0.0.3", Port: 6379, TLS: true, Primary: true, Epoch: 4},
		}},
	}}
}

func TestRoute(t *testing.T) {
	tab, err := NewTable(two())
	if err != nil {
		t.Fatal(err)
	}
	p1, r1, p2 := id("b", 1), id("b", 2), id("b", 3)
	for _, c := range []struct {
		slot              int
		self              string
		primary, readable bool
		where             Where
		to                string
	}{
		{0, p1, true, false, Here, ""},
		{0, r1, false, false, Moved, "127.0.0.1:6379"},
		{0, r1, false, true, Here, ""},
		{0, r1, true, false, Here, ""},  // promoted, and the map not here yet
		{0, p1, false, false, Here, ""}, // demoted, and the map not here yet: never MOVED to itself
		{0, p2, true, false, Moved, "127.0.0.1:6379"},
		{8192, p1, true, true, Moved, "node-3.example:6379"},
		{8191, p2, true, false, Moved, "127.0.0.1:6379"},
		{16383, p1, true, false, Unassigned, ""},
		{150, p1, true, true, Unassigned, ""},
		{0, id("c", 0), true, true, Moved, "127.0.0.1:6379"}, // not in the map
	} {
		where, node := tab.Route(c.slot, c.self, c.primary, c.readable)
		to := ""
		if node != nil {
			to = node.Address()
		}
		if where != c.where || to != c.to {
			t.Errorf("%+v: %v %q", c, where, to)
		}
	}
	if tab.Complete() {
		t.Error("a map with holes is called complete")
	}
}

func TestText(t *testing.T) {
	tab, err := NewTable(two())
	if err != nil {
		t.Fatal(err)
	}
	want := id("b", 1) + " 127.0.0.1:6379@1122 myself,master - 0 0 3 connected 0-100 200-8191\n" +
		id("b", 2) + " 127.0.0.2:6379@1122 slave " + id("b", 1) + " 0 99 3 connected\n" +
		id("b", 3) + " node-3.example:6379@1122 master - 0 99 4 connected 8192-16382\n"
	if got := tab.NodesText(id("b", 1), 99); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	info := tab.InfoText(id("b", 3))
	for _, line := range []string{
		"cluster_state:fail\r\n", "cluster_slots_assigned:16284\r\n", "cluster_known_nodes:3\r\n",
		"cluster_size:2\r\n", "cluster_current_epoch:7\r\n", "cluster_my_epoch:4\r\n",
	} {
		if !strings.Contains(info, line) {
			t.Errorf("%q is missing in %q", line, info)
		}
	}
}

func TestRefusedMaps(t *testing.T) {
	for name, spoil := range map[string]func(m *Map){
		"range below":     func(m *Map) { m.Shards[0].Slots[0].Start = -1 },
		"range above":     func(m *Map) { m.Shards[1].Slots[0].End = Slots },
		"range backwards": func(m *Map) { m.Shards[0].Slots[0] = SlotRange{5, 4} },
		"two owners":      func(m *Map) { m.Shards[1].Slots[0].Start = 8191 },
		"node twice":      func(m *Map) { m.Shards[1].Nodes[0].ID = id("b", 1) },
		"no primary":      func(m *Map) { m.Shards[0].Nodes[0].Primary = false },
		"two primaries":   func(m *Map) { m.Shards[0].Nodes[1].Primary = true },
		"node id":         func(m *Map) { m.Shards[0].Nodes[1].ID = "x" },
		"shard id":        func(m *Map) { m.Shards[0].ID = strings.Repeat("G", 40) },
		"no host":         func(m *Map) { m.Shards[0].Nodes[1].Host = "" },
		"port":            func(m *Map) { m.Shards[0].Nodes[1].Port = 65536 },
	} {
		m := two()
		spoil(&m)
		if _, err := NewTable(m); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	if tab, err := NewTable(Map{}); err != nil || tab.Complete() {
		t.Errorf("empty map: %v", err)
	}
}

// TestEverySlotHasTheOwnerOfItsRange cuts the slots at random places and asks for each of them.
func TestEverySlotHasTheOwnerOfItsRange(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var m Map
		owner := make([]string, 0, Slots)
		for start := 0; start < Slots; {
			end := min(Slots-1, start+rapid.IntRange(0, 6000).Draw(t, "len"))
			n := Node{ID: fmt.Sprintf("%040x", start), Host: fmt.Sprint("h", start), Port: 1, Primary: true}
			m.Shards = append(m.Shards, Shard{ID: n.ID, Slots: []SlotRange{{start, end}}, Nodes: []Node{n}})
			for ; start <= end; start++ {
				owner = append(owner, n.ID)
			}
		}
		tab, err := NewTable(m)
		if err != nil || !tab.Complete() {
			t.Fatal(err)
		}
		for slot, want := range owner {
			if where, _ := tab.Route(slot, want, true, false); where != Here {
				t.Fatalf("slot %d is not at %s", slot, want)
			}
		}
	})
}
