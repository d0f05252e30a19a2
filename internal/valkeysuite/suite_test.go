package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestParser reads what the suite prints, with the lines of its two processes in the order in which they may come.
func TestParser(t *testing.T) {
	var r fileResult
	p := parser{result: &r}
	for line := range strings.Lines(`[ready]: 17
Testing unit/x
starting test first
starting test second
[ok]: first (12 ms)
[err]: second in tests/unit/x.tcl
Expected 'a' to be equal to 'b'
more of itstarting test third
[ignore]: fourth: Tag: slow denied
[err]: cannot do it
`) {
		p.line(strings.TrimSuffix(line, "\n"))
	}
	p.flush()
	if p.current != "third" || p.complete {
		t.Fatalf("running %q, complete %v", p.current, p.complete)
	}
	p.line("[ok]: third (0 ms)")
	p.line("                   The End")
	p.line("[err]: second in tests/unit/x.tcl")
	if p.current != "" || !p.complete {
		t.Fatalf("at the end: running %q, complete %v", p.current, p.complete)
	}
	want := []outcome{
		{Name: "first", Passed: true},
		{Name: "second", Text: "second in tests/unit/x.tcl\nExpected 'a' to be equal to 'b'\nmore of it"},
		{Name: wholeFile, Text: "cannot do it"},
		{Name: "third", Passed: true},
	}
	if !slices.Equal(r.Tests, want) || r.Ignored != 1 {
		t.Fatalf("got %+v, %d ignored; want %+v", r.Tests, r.Ignored, want)
	}
}

func readList(t *testing.T, text string) (skipList, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "skips")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return readSkips(path)
}

func TestReadSkips(t *testing.T) {
	list, err := readList(t, "# one cause\n# of two lines\nunit/a: x: y\n\nunit/b: z\n# another\nunit/a: w\n")
	if err != nil {
		t.Fatal(err)
	}
	for want, cause := range map[test]string{
		{"unit/a", "x: y"}: "one cause of two lines",
		{"unit/b", "z"}:    "one cause of two lines",
		{"unit/a", "w"}:    "another",
	} {
		if list[want] != cause {
			t.Errorf("%v: cause %q, want %q", want, list[want], cause)
		}
	}
	for _, bad := range []string{"unit/a: x\n", "# c\nunit/a\n", "# c\nunit/a: x\nunit/a: x\n"} {
		if _, err := readList(t, bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

// TestRepositoryList reads the list of the repository.
func TestRepositoryList(t *testing.T) {
	if _, err := readSkips("../../engine/testdata/valkey-suite-skips.txt"); err != nil {
		t.Fatal(err)
	}
}

func TestJudge(t *testing.T) {
	list := skipList{
		{"unit/a", "known"}:  "c",
		{"unit/a", "healed"}: "c",
		{"unit/a", "gone"}:   "c",
		{"unit/b", "unseen"}: "c", // its file was not run
		{"unit/c", "unseen"}: "c", // its file ended early
		{"unit/a", "twice"}:  "c", // fails once of two times
	}
	v := list.judge([]fileResult{
		{File: "unit/a", Tests: []outcome{
			{Name: "fine", Passed: true},
			{Name: "known"},
			{Name: "healed", Passed: true},
			{Name: "new"},
			{Name: "twice", Passed: true},
			{Name: "twice"},
		}},
		{File: "unit/c", Tests: []outcome{{Name: wholeFile}}},
	})
	check := func(what string, got []string, want ...string) {
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", what, got, want)
		}
	}
	check("unexpected", v.unexpected, "unit/a: new", "unit/c: (file)")
	check("healed", v.healed, "unit/a: healed")
	check("gone", v.gone, "unit/a: gone")
	if v.passed != 3 || v.failed != 4 || v.listed != 2 || v.err() == nil {
		t.Errorf("%+v", v)
	}
	if v := (skipList{}).judge([]fileResult{{File: "unit/a", Tests: []outcome{{Name: "fine", Passed: true}}}}); v.err() != nil {
		t.Error(v.err())
	}
}
