package fleet

import (
	"errors"
	"reflect"
	"slices"
	"testing"

	"github.com/google/uuid"
	"pgregory.net/rapid"
)

func testID(n int) uuid.UUID { return uuid.UUID{14: byte(n >> 8), 15: byte(n)} }

func agentIn(n int, zone, host string) candidate {
	return candidate{id: testID(n), zone: zone, host: host, drivers: []string{"embedded"}, live: true, memory: 100, vcpus: 100}
}

func want(zones ...string) ShardWant {
	return ShardWant{Region: "us-east-1", Driver: "embedded", MemoryBytes: 10, VCPUs: 2, Zones: zones}
}

func zonesOf(members []Placement) []string {
	zones := make([]string, len(members))
	for i, m := range members {
		zones[i] = m.Zone
	}
	return zones
}

func TestPlaceSpreadsOverZonesThenHosts(t *testing.T) {
	t.Parallel()
	agents := []candidate{
		agentIn(1, "us-east-1a", "h1"), agentIn(2, "us-east-1a", "h2"),
		agentIn(3, "us-east-1b", "h3"), agentIn(4, "us-east-1b", "h3"), agentIn(5, "eu-west-1a", "h5"),
	}
	got, err := place(agents, []ShardWant{want("", "", "", "")})
	if err != nil {
		t.Fatal(err)
	}
	agentsUsed := map[uuid.UUID]bool{}
	for _, m := range got[0] {
		agentsUsed[m.AgentID] = true
	}
	if zones := zonesOf(got[0]); !slices.Equal(zones, []string{"us-east-1a", "us-east-1b", "us-east-1a", "us-east-1b"}) {
		t.Errorf("zones = %v", zones)
	}
	if len(agentsUsed) != 4 {
		t.Errorf("agents used = %d, want 4: a fourth member must not double up while an agent is free", len(agentsUsed))
	}
}

func TestPlaceHonoursPreferredZones(t *testing.T) {
	t.Parallel()
	agents := []candidate{agentIn(1, "*a", "h"), agentIn(2, "*b", "h"), agentIn(3, "*c", "h")}
	got, err := place(agents, []ShardWant{want("", "us-east-1a", "us-east-1b")})
	if err != nil {
		t.Fatal(err)
	}
	if zones := zonesOf(got[0]); !slices.Equal(zones, []string{"us-east-1c", "us-east-1a", "us-east-1b"}) {
		t.Errorf("zones = %v: the member without a preference must take what is left", zones)
	}
}

func TestPlacePrimariesSpread(t *testing.T) {
	t.Parallel()
	agents := []candidate{agentIn(1, "*a", "h"), agentIn(2, "*b", "h"), agentIn(3, "*c", "h")}
	got, err := place(agents, []ShardWant{want("", "", ""), want("", "", ""), want("", "", "")})
	if err != nil {
		t.Fatal(err)
	}
	primaries := []string{got[0][0].Zone, got[1][0].Zone, got[2][0].Zone}
	slices.Sort(primaries)
	if !slices.Equal(primaries, []string{"us-east-1a", "us-east-1b", "us-east-1c"}) {
		t.Errorf("zones of primaries = %v, want three different ones", primaries)
	}
}

func TestPlaceRefusals(t *testing.T) {
	t.Parallel()
	dead := agentIn(1, "*a", "h")
	dead.live = false
	small := agentIn(1, "*a", "h")
	small.memory = 9
	exact := agentIn(1, "*a", "h")
	exact.memory = 10
	busy := agentIn(1, "*a", "h")
	busy.usedVCPUs = 99
	allowed := want("")
	allowed.AllowedZones = []string{"us-east-1b"}
	otherDriver := want("")
	otherDriver.Driver = "valkey"
	for name, tt := range map[string]struct {
		agent candidate
		want  ShardWant
		ok    bool
	}{
		"exactly enough memory": {exact, want(""), true},
		"one byte short":        {small, want(""), false},
		"no vCPU left":          {busy, want(""), false},
		"not seen lately":       {dead, want(""), false},
		"zone not offered":      {agentIn(1, "*a", "h"), want("us-east-1b"), false},
		"zone not allowed":      {agentIn(1, "*a", "h"), allowed, false},
		"driver not there":      {agentIn(1, "*a", "h"), otherDriver, false},
		"other region":          {agentIn(1, "us-east-2a", "h"), want(""), false},
	} {
		_, err := place([]candidate{tt.agent}, []ShardWant{tt.want})
		var refused *NoCapacityError
		if tt.ok != (err == nil) || err != nil && !errors.As(err, &refused) {
			t.Errorf("%s: error = %v", name, err)
		}
	}
}

func TestPlaceSpreadsAwayFromExisting(t *testing.T) {
	t.Parallel()
	agents := []candidate{agentIn(1, "*a", "h"), agentIn(2, "*b", "h")}
	agents[0].live = false
	w := want("")
	w.Existing = []uuid.UUID{testID(2)}
	agents = append(agents, agentIn(3, "*b", "h2"))
	got, err := place(agents, []ShardWant{w})
	if err != nil {
		t.Fatal(err)
	}
	if got[0][0].AgentID != testID(3) {
		t.Errorf("agent = %v, want the other host of zone b", got[0][0])
	}
}

// Whatever the fleet and the wishes: capacity holds, wishes are kept, zones are as even as the
// choice allows when there is room everywhere, and the answer is the same each time.
func TestPlaceProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		zone := rapid.SampledFrom([]string{"*a", "*b", "us-east-1c", "us-west-2a"})
		agents := []candidate{}
		for i := range rapid.IntRange(1, 6).Draw(t, "agents") {
			a := agentIn(i+1, zone.Draw(t, "zone"), rapid.SampledFrom([]string{"h1", "h2", "h3"}).Draw(t, "host"))
			a.live = rapid.Bool().Draw(t, "live")
			a.memory = rapid.Int64Range(0, 60).Draw(t, "memory")
			a.vcpus = rapid.Int64Range(0, 20).Draw(t, "vcpus")
			agents = append(agents, a)
		}
		wish := rapid.SampledFrom([]string{"", "", "us-east-1a", "us-east-1b", "us-east-1c"})
		shards := []ShardWant{}
		for range rapid.IntRange(1, 3).Draw(t, "shards") {
			shards = append(shards, want(rapid.SliceOfN(wish, 1, 4).Draw(t, "zones")...))
		}
		got, err := place(slices.Clone(agents), shards)
		again, errAgain := place(slices.Clone(agents), shards)
		if !reflect.DeepEqual(got, again) || (err == nil) != (errAgain == nil) {
			t.Fatalf("not deterministic: %v and %v", got, again)
		}
		if err != nil {
			var refused *NoCapacityError
			if !errors.As(err, &refused) {
				t.Fatalf("error = %v", err)
			}
			return
		}
		memory, vcpus := map[uuid.UUID]int64{}, map[uuid.UUID]int64{}
		for i, shard := range shards {
			perZone := map[string]int{}
			for m, p := range got[i] {
				if wanted := shard.Zones[m]; wanted != "" && wanted != p.Zone {
					t.Fatalf("member %d is in %s, wanted %s", m, p.Zone, wanted)
				}
				memory[p.AgentID] += shard.MemoryBytes
				vcpus[p.AgentID] += int64(shard.VCPUs)
				perZone[p.Zone]++
			}
			for _, a := range agents {
				free := a.live && memory[a.id]+shard.MemoryBytes <= a.memory && vcpus[a.id]+int64(shard.VCPUs) <= a.vcpus
				z := a.zoneIn(shard.Region)
				if !free || z == "" || slices.ContainsFunc(shard.Zones, func(s string) bool { return s != "" }) {
					continue
				}
				for other, n := range perZone {
					if n > perZone[z]+1 {
						t.Fatalf("%s has %d members while %s, with room, has %d", other, n, z, perZone[z])
					}
				}
			}
		}
		for _, a := range agents {
			if memory[a.id] > a.memory || vcpus[a.id] > a.vcpus || !a.live && memory[a.id] > 0 {
				t.Fatalf("agent %v got %d bytes and %d vCPUs", a, memory[a.id], vcpus[a.id])
			}
		}
	})
}

// With room everywhere and no wishes, a shard's members differ by at most one between zones, then
// between the hosts of a zone.
func TestPlaceSpreadProperty(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		agents := []candidate{}
		hostsIn := map[string]map[string]bool{}
		for i := range rapid.IntRange(1, 8).Draw(t, "agents") {
			zone := rapid.SampledFrom([]string{"us-east-1a", "us-east-1b", "us-east-1c"}).Draw(t, "zone")
			host := zone + rapid.SampledFrom([]string{"-h1", "-h2"}).Draw(t, "host") // a host is in one zone
			a := agentIn(i+1, zone, host)
			a.memory, a.vcpus = 1000, 1000
			a.usedMemory = rapid.Int64Range(0, 500).Draw(t, "used")
			agents = append(agents, a)
			if hostsIn[zone] == nil {
				hostsIn[zone] = map[string]bool{}
			}
			hostsIn[zone][host] = true
		}
		got, err := place(agents, []ShardWant{want(make([]string, rapid.IntRange(1, 6).Draw(t, "members"))...)})
		if err != nil {
			t.Fatal(err)
		}
		inZone, onHost := map[string]int{}, map[string]int{}
		for _, p := range got[0] {
			inZone[p.Zone]++
			onHost[p.Host]++
		}
		for zone, hosts := range hostsIn {
			for other := range hostsIn {
				if inZone[other] > inZone[zone]+1 {
					t.Fatalf("%d members in %s, %d in %s", inZone[other], other, inZone[zone], zone)
				}
			}
			for one := range hosts {
				for two := range hosts {
					if onHost[two] > onHost[one]+1 {
						t.Fatalf("%d members on %s, %d on %s", onHost[two], two, onHost[one], one)
					}
				}
			}
		}
	})
}
