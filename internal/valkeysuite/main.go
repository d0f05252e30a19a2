// Command valkeysuite runs Valkey's own Tcl test suite against a server as an external one, as Valkey's
// continuous integration does, and compares what failed with the skip list of this repository.
//
// Each file of the suite gets a server of its own, so that a crash or a left-over setting in one says nothing
// about the next. The suite's files are read where they are; it runs in a directory of its own that links to
// them, so that nothing is ever written into the fetched tree.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

type options struct {
	valkey  string        // the fetched tree
	server  []string      // the server's program and first arguments
	skips   string        // the skip list
	tags    string        // as runtest's --tags
	files   []string      // what to run, such as unit/type/string; empty: all
	jobs    int           // how many files at a time
	quiet   time.Duration // how long a test may go without finishing
	timeout time.Duration // of the whole run
	results string        // where to write each test's outcome as JSON
	verbose bool
}

func main() {
	var o options
	var server, files string
	flag.StringVar(&o.valkey, "valkey", "", "directory of a fetched Valkey (its tests/ are used; src/ for valkey-cli and valkey-benchmark if built)")
	flag.StringVar(&server, "server", "bin/elastane engine", "the server's program and first arguments; it gets --port and more")
	flag.StringVar(&o.skips, "skips", "engine/testdata/valkey-suite-skips.txt", "the list of tests that are known to fail; empty: none")
	flag.StringVar(&o.tags, "tags", "-slow", "tags for the suite, as runtest's --tags")
	flag.StringVar(&files, "files", "", "files to run, such as unit/type/string, separated by blanks; default: unit/* and unit/type/*")
	flag.IntVar(&o.jobs, "jobs", 1, "how many files to run at a time")
	flag.DurationVar(&o.quiet, "quiet", 90*time.Second, "a test that has not finished after this time is stopped and counted as failed")
	flag.DurationVar(&o.timeout, "timeout", 30*time.Minute, "limit of the whole run")
	flag.StringVar(&o.results, "results", "", "write each test's outcome to this file as JSON")
	flag.BoolVar(&o.verbose, "v", false, "print the suite's text about each failure")
	flag.Parse()
	o.server, o.files = strings.Fields(server), strings.Fields(files)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, &o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "valkeysuite:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o *options) error {
	if o.valkey == "" || len(o.server) == 0 {
		return errors.New("-valkey and -server are needed")
	}
	for _, path := range []*string{&o.valkey, &o.server[0]} {
		absolute, err := filepath.Abs(*path)
		if err != nil {
			return err
		}
		*path = absolute
	}
	var skips skipList
	if o.skips != "" {
		var err error
		if skips, err = readSkips(o.skips); err != nil {
			return err
		}
	}
	units, err := suiteFiles(o.valkey)
	if err != nil {
		return err
	}
	if len(o.files) > 0 {
		for _, f := range o.files {
			if !slices.Contains(units, f) {
				return fmt.Errorf("the suite has no file %q", f)
			}
		}
		units = o.files
	}
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()

	began := time.Now()
	results := make([]fileResult, len(units))
	next := make(chan int)
	var workers sync.WaitGroup
	var printing sync.Mutex
	for range max(o.jobs, 1) {
		workers.Go(func() {
			for i := range next {
				results[i] = runFile(ctx, o, units[i])
				printing.Lock()
				results[i].print(o.verbose)
				printing.Unlock()
			}
		})
	}
	for i := range units {
		next <- i
	}
	close(next)
	workers.Wait()

	if o.results != "" {
		text, err := json.MarshalIndent(results, "", " ")
		if err != nil {
			return err
		}
		if err := os.WriteFile(o.results, text, 0o644); err != nil {
			return err
		}
	}
	v := skips.judge(results)
	v.print(time.Since(began))
	return v.err()
}

// suiteFiles lists the files that can run against an external server: unit/* and unit/type/*. The cluster's files
// start servers of their own, and the modules' need modules.
func suiteFiles(valkey string) ([]string, error) {
	var units []string
	for _, dir := range []string{"unit/type", "unit"} {
		names, err := filepath.Glob(filepath.Join(valkey, "tests", dir, "*.tcl"))
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			units = append(units, dir+"/"+strings.TrimSuffix(filepath.Base(name), ".tcl"))
		}
	}
	if len(units) == 0 {
		return nil, fmt.Errorf("%s holds no tests/unit/*.tcl: it is not a Valkey tree", valkey)
	}
	return units, nil
}
