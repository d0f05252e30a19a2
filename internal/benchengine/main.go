// Command benchengine measures the engine beside a real Valkey or Redis: both run on loopback in one run, get
// the same load by turns, and each line shows medians, the ratio to the peer, and what the project wants to reach.
//
// The CPU time that the server takes for an operation is the figure to trust: throughput and latency move with what
// else the machine does, and with the client, which runs on it too.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

type options struct {
	binary, peer string
	full, huge   bool
	rounds       int
	each         time.Duration
	only         *regexp.Regexp
}

func main() {
	var o options
	flag.StringVar(&o.binary, "binary", "bin/elastane", "the program to measure")
	flag.StringVar(&o.peer, "peer", "redis-server", "the redis-server or valkey-server to measure it against")
	flag.BoolVar(&o.full, "full", false, "measure each row for seconds instead of fractions of one")
	flag.BoolVar(&o.huge, "huge", false, "measure the collector under write load over five million keys as well")
	flag.IntVar(&o.rounds, "rounds", 3, "measurements of each row, of which the median counts")
	only := flag.String("rows", "", "a regular expression: measure only the rows whose names it matches")
	flag.Parse()
	o.each = 200 * time.Millisecond
	if o.full {
		o.each = 2 * time.Second
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var err error
	if o.only, err = regexp.Compile("(?i)" + *only); err == nil {
		err = run(ctx, o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "benchengine:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	var err error
	if o.binary, err = filepath.Abs(o.binary); err != nil {
		return err
	}
	programs := [2]program{ours(o.binary), peer(o.peer)}
	fmt.Printf("%s beside %s, %d cores, %d connections, medians of %d\n", programs[0].name, o.peer, runtime.NumCPU(), conns, o.rounds)
	if err := measureRows(ctx, o, programs); err != nil {
		return err
	}
	if err := measureMemory(ctx, o, programs); err != nil {
		return err
	}
	if o.huge {
		return measureHuge(ctx, o, programs)
	}
	return nil
}

// figures are the medians of one row at one server.
type figures struct {
	cpu            float64 // µs per operation
	rate           float64 // operations per second
	p50, p99, p999 time.Duration
}

func measureRows(ctx context.Context, o options, programs [2]program) (err error) {
	var servers [2]*server
	for i, p := range programs {
		if servers[i], err = p.start(ctx); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, servers[i].stop()) }()
	}
	fmt.Printf("%-34s %3s | %-31s | %-31s | %s\n", "", "", "µs CPU  kop/s   p50/p99/p99.9 ms", "the peer", "CPU × (to reach)  op/s ×  p99 ×")
	filled := ""
	for _, row := range rows() {
		if !o.only.MatchString(row.name) {
			continue
		}
		if missing := lacks(servers[0], row.needs); missing {
			fmt.Printf("%-34s %3d | not measured: %s has no %s\n", row.name, row.pipeline, programs[0].name, row.needs)
			continue
		}
		key := fmt.Sprint(row.data.name, row.data.count)
		for _, s := range servers {
			if key == filled {
				continue
			}
			if err := s.fill(row.data); err != nil {
				return fmt.Errorf("%s: fill for %s: %w", s.name, row.name, err)
			}
		}
		filled = key
		if row.most > 0 {
			filled = ""
		}
		var seen [2][]figures
		for round := range o.rounds {
			for i := range servers {
				i = (i + round) % 2 // each goes first in turn
				f, err := servers[i].measure(row, o.each, uint64(round))
				if err != nil {
					return fmt.Errorf("%s: %s: %w", servers[i].name, row.name, err)
				}
				seen[i] = append(seen[i], f)
				if ctx.Err() != nil {
					return ctx.Err()
				}
			}
		}
		printRow(row, medians(seen[0]), medians(seen[1]))
	}
	return nil
}

func lacks(s *server, verb string) bool {
	if verb == "" {
		return false
	}
	_, err := s.do(verb)
	return err != nil && strings.Contains(err.Error(), "unknown command")
}

// fill replaces all that the server holds.
func (s *server) fill(d dataset) error {
	if _, err := s.do("FLUSHALL"); err != nil {
		return err
	}
	return s.add(d)
}

func (s *server) add(d dataset) error {
	i := 0
	_, err := s.load.run(func(dst []byte) []byte {
		dst = d.step(dst, i)
		i++
		return dst
	}, 64, d.count, 5*time.Minute)
	return err
}

func (s *server) measure(row row, each time.Duration, seed uint64) (f figures, err error) {
	if row.most > 0 {
		if err := s.fill(row.prepare); err != nil {
			return f, err
		}
	}
	random := rand.New(rand.NewPCG(seed, 1))
	next := func(dst []byte) []byte { return row.next(dst, random) }
	most := 1 << 40
	if row.most > 0 {
		most = row.most
	} else if _, err := s.load.run(next, row.pipeline, most, each/10); err != nil { // to warm up
		return f, err
	}
	before, err := s.cpu()
	if err != nil {
		return f, err
	}
	sample, err := s.load.run(next, row.pipeline, most, each)
	if err != nil {
		return f, err
	}
	after, err := s.cpu()
	if err != nil {
		return f, err
	}
	if sample.ops == 0 {
		return f, errors.New("no operation was measured")
	}
	return figures{
		cpu:  float64((after - before).Nanoseconds()) / 1000 / float64(sample.ops),
		rate: sample.rate(), p50: sample.percentile(0.5), p99: sample.percentile(0.99), p999: sample.percentile(0.999),
	}, nil
}

func medians(all []figures) figures {
	return figures{
		cpu:  median(all, func(f figures) float64 { return f.cpu }),
		rate: median(all, func(f figures) float64 { return f.rate }),
		p50:  median(all, func(f figures) time.Duration { return f.p50 }),
		p99:  median(all, func(f figures) time.Duration { return f.p99 }),
		p999: median(all, func(f figures) time.Duration { return f.p999 }),
	}
}

func median[T cmp.Ordered](all []figures, of func(figures) T) T {
	var values []T
	for _, f := range all {
		values = append(values, of(f))
	}
	slices.Sort(values)
	return values[len(values)/2]
}

func (f figures) String() string {
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	return fmt.Sprintf("%6.2f %7.0f %5.2f %5.2f %5.2f", f.cpu, f.rate/1000, ms(f.p50), ms(f.p99), ms(f.p999))
}

func printRow(row row, own, other figures) {
	fmt.Printf("%-34s %3d | %s | %s | %s  %s  %s\n", row.name, row.pipeline, own, other,
		atMost(own.cpu/other.cpu, row.cpu), atLeast(own.rate/other.rate, row.rate),
		atMost(float64(own.p99)/float64(max(other.p99, 1)), row.p99))
}

// atMost shows a value beside its target, and whether it is reached.
func atMost(value, target float64) string { return verdict(value, target, value <= target, "≤") }

func atLeast(value, target float64) string { return verdict(value, target, value >= target, "≥") }

func verdict(value, target float64, reached bool, sign string) string {
	if target == 0 {
		return fmt.Sprintf("%.2f", value)
	}
	word := "miss"
	if reached {
		word = "ok"
	}
	return fmt.Sprintf("%.2f (%s %.2f %s)", value, sign, target, word)
}
