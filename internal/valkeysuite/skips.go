package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
)

// wholeFile stands for a test's name where the file itself is meant: it ended early, or something failed between
// its tests.
const wholeFile = "(file)"

// test names one test of the suite. Several tests of a file may have the same name; they are one here.
type test struct{ File, Name string }

// skipList maps the tests that are known to fail to the cause.
type skipList map[test]string

// readSkips reads the list: a line that begins with # is a cause (several of them in a row are one), and holds for
// the lines "file: name" below it, up to the next cause.
func readSkips(path string) (skipList, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	list := skipList{}
	cause, inCause := "", false
	lines := bufio.NewScanner(file)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if text, isCause := strings.CutPrefix(line, "#"); isCause {
			if !inCause {
				cause = ""
			}
			cause, inCause = strings.TrimSpace(cause+" "+strings.TrimSpace(text)), true
			continue
		}
		inCause = false
		if line == "" {
			continue
		}
		unit, name, ok := strings.Cut(line, ": ")
		t := test{unit, strings.TrimSpace(name)}
		switch {
		case !ok:
			return nil, fmt.Errorf("%s:%d: want \"file: name of the test\"", path, n)
		case cause == "":
			return nil, fmt.Errorf("%s:%d: no cause (a line beginning with #) stands above", path, n)
		case list[t] != "":
			return nil, fmt.Errorf("%s:%d: %s is listed twice", path, n, t.Name)
		}
		list[t] = cause
	}
	return list, lines.Err()
}

// verdict is what a run means against the skip list.
type verdict struct {
	passed, failed, ignored int
	listed                  int      // failed, and known to
	unexpected              []string // failed, and not listed
	healed                  []string // listed, and passed
	gone                    []string // listed, but its file ran to the end without it
}

// judge counts tests, each run of a name that occurs several times; a listed name that failed once may pass otherwise.
func (list skipList) judge(results []fileResult) verdict {
	var v verdict
	for _, f := range results {
		failed, seen := map[string]bool{}, map[string]bool{}
		v.ignored += f.Ignored
		for _, o := range f.Tests {
			seen[o.Name] = true
			if o.Passed {
				v.passed++
				continue
			}
			failed[o.Name] = true
			v.failed++
			if list[test{f.File, o.Name}] != "" {
				v.listed++
			} else {
				v.unexpected = append(v.unexpected, f.File+": "+o.Name)
			}
		}
		for t := range list {
			switch {
			case t.File != f.File || failed[t.Name]:
			case seen[t.Name] || t.Name == wholeFile:
				v.healed = append(v.healed, t.File+": "+t.Name)
			case !failed[wholeFile]:
				v.gone = append(v.gone, t.File+": "+t.Name)
			}
		}
	}
	return v
}

func (v *verdict) print(took time.Duration) {
	section := func(title string, names []string) {
		if len(names) == 0 {
			return
		}
		fmt.Printf("\n%s:\n", title)
		for _, name := range names {
			fmt.Println("  " + name)
		}
	}
	section("failed, and not in the skip list", v.unexpected)
	section("in the skip list, but passed: take them out", v.healed)
	section("in the skip list, but not in the suite: take them out", v.gone)
	fmt.Printf("\n%d passed, %d failed (%d of them in the skip list), %d not for an external server or these tags; %.0f s\n",
		v.passed, v.failed, v.listed, v.ignored, took.Seconds())
}

func (v *verdict) err() error {
	if len(v.unexpected)+len(v.healed)+len(v.gone) > 0 {
		return errors.New("the run and the skip list differ")
	}
	if v.passed == 0 {
		return errors.New("no test passed")
	}
	return nil
}
