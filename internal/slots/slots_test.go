package slots

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestEven(t *testing.T) {
	for n, want := range map[int][]string{
		1: {"0-16383"},
		2: {"0-8191", "8192-16383"},
		3: {"0-5461", "5462-10922", "10923-16383"},
		4: {"0-4095", "4096-8191", "8192-12287", "12288-16383"},
	} {
		if got := Even(n); !slices.Equal(got, want) {
			t.Errorf("%d shards: %v", n, got)
		}
	}
}

func TestEvenCovers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var shards [][]Range
		for _, text := range Even(rapid.IntRange(1, 500).Draw(t, "shards")) {
			ranges, err := Parse(text)
			if err != nil {
				t.Fatal(err)
			}
			shards = append(shards, ranges)
		}
		if err := Cover(shards); err != nil {
			t.Fatal(err)
		}
	})
}

func TestCoverFindsGapsAndOverlaps(t *testing.T) {
	for _, test := range []struct {
		shards [][]Range
		ok     bool
	}{
		{[][]Range{{{0, 99}}, {{100, 16383}}}, true},
		{[][]Range{{{0, 99}, {200, 16383}}, {{100, 199}}}, true},
		{[][]Range{{{0, 99}}, {{99, 16383}}}, false},
		{[][]Range{{{0, 99}}, {{101, 16383}}}, false},
		{[][]Range{{{0, 99}}, {{100, 16382}}}, false},
		{nil, false},
	} {
		if err := Cover(test.shards); (err == nil) != test.ok {
			t.Errorf("%v: %v", test.shards, err)
		}
	}
}

func TestParse(t *testing.T) {
	for text, ok := range map[string]bool{
		"0-16383": true, "0": true, "0-1,5,7-9": true,
		"": false, "-": false, "1-": false, "5-1": false, "0-16384": false, "0-5,5-6": false, "+1": false, " 1": false, "0,,1": false,
	} {
		ranges, err := Parse(text)
		if (err == nil) != ok {
			t.Errorf("%q: %v", text, err)
		}
		if err == nil && Format(ranges) != text {
			t.Errorf("%q is written %q", text, Format(ranges))
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("0-5460,10000")
	f.Fuzz(func(t *testing.T, text string) {
		ranges, err := Parse(text)
		if err != nil {
			return
		}
		again, err := Parse(Format(ranges))
		if err != nil || !slices.Equal(again, ranges) {
			t.Fatalf("%q: %v, %v, %v", text, ranges, again, err)
		}
	})
}
