package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// memoryRow is the memory of one kind of data: the growth of the server's resident memory for each key, field or entry.
type memoryRow struct {
	name     string
	data     dataset
	absolute float64 // bytes to reach; 0: none
	ratio    float64 // to the peer to reach; 0: none
	needs    string
}

func memoryRows() []memoryRow {
	return []memoryRow{
		{name: "bytes a key, value of 16", data: stringsOf(manyKeys, 16), absolute: 70},
		{name: "bytes a key, value of 64", data: stringsOf(manyKeys, 64), absolute: 115},
		{name: "bytes a key, value of 256", data: stringsOf(manyKeys, 256), absolute: 320},
		{name: "bytes a field, hashes of 100", data: hashesOf(10_000, 100), absolute: 33},
		{name: "bytes a member, sorted set of 1 M", data: sortedSetOf("zset", manyKeys), absolute: 75},
		{name: "bytes an element, lists of 100", data: collection("RPUSH", "list", 10_000, 100), ratio: 1},
		{name: "bytes an element, list of 1 M", data: collection("RPUSH", "list", 1, manyKeys), ratio: 1},
		{name: "bytes a member, sets of 100", data: collection("SADD", "sets", 10_000, 100), ratio: 1},
		{name: "bytes a member, set of 1 M", data: collection("SADD", "sets", 1, manyKeys), ratio: 1},
		{name: "bytes an entry, 1,000 streams", data: streamOf(manyKeys), ratio: 1, needs: "XADD"},
	}
}

func measureMemory(ctx context.Context, o options, programs [2]program) error {
	for _, row := range memoryRows() {
		if !o.only.MatchString(row.name) {
			continue
		}
		var bytes [2]float64
		for i, p := range programs {
			n, err := memoryOf(ctx, p, row)
			if errors.Is(err, errMissing) {
				fmt.Printf("%-38s | not measured: %s has no %s\n", row.name, p.name, row.needs)
				break
			}
			if err != nil {
				return fmt.Errorf("%s: %s: %w", p.name, row.name, err)
			}
			bytes[i] = n
		}
		if bytes[1] == 0 {
			continue
		}
		fmt.Printf("%-38s | %s | peer %.1f | × %s\n", row.name, atMost(bytes[0], row.absolute), bytes[1],
			atMost(bytes[0]/bytes[1], row.ratio))
	}
	return nil
}

var errMissing = errors.New("the server does not have the command")

func memoryOf(ctx context.Context, p program, row memoryRow) (n float64, err error) {
	s, err := p.start(ctx)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	if lacks(s, row.needs) {
		return 0, errMissing
	}
	// A few keys first: what a server takes once is not what a key takes.
	if err := s.add(stringsOf(100, 64)); err != nil {
		return 0, err
	}
	before, err := s.resident()
	if err != nil {
		return 0, err
	}
	if err := s.add(row.data); err != nil {
		return 0, err
	}
	after, err := s.resident()
	return float64(after-before) / float64(row.data.count), err
}

// measureHuge writes at full speed over five million keys, and reports the tail of the latency and the share of
// the collector in the processor time.
func measureHuge(ctx context.Context, o options, programs [2]program) error {
	const keys = 5_000_000
	programs[0].env = []string{"GODEBUG=gctrace=1"}
	var tails [2]time.Duration
	for i, p := range programs {
		err := func() (err error) {
			s, err := p.start(ctx)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, s.stop()) }()
			if err := s.add(stringsOf(keys, 64)); err != nil {
				return err
			}
			began, err := s.cpu()
			if err != nil {
				return err
			}
			collectedBefore, err := s.collected()
			if err != nil {
				return err
			}
			write := set(keys)
			random := rand.New(rand.NewPCG(1, 1))
			sample, err := s.load.run(func(dst []byte) []byte { return write(dst, random) }, 1, 1<<40, max(10*o.each, 5*time.Second))
			if err != nil {
				return err
			}
			ended, err := s.cpu()
			if err != nil {
				return err
			}
			tails[i] = sample.percentile(0.999)
			fmt.Printf("%-38s | %-12s | %.0f kop/s, p99.9 %.2f ms\n", "SET over 5 M keys at full speed", p.name, sample.rate()/1000,
				float64(tails[i].Microseconds())/1000)
			if i != 0 {
				return nil
			}
			collected, err := s.collected()
			if err != nil {
				return err
			}
			share := float64(collected-collectedBefore) / float64(ended-began) * 100
			fmt.Printf("%-38s | %s\n", "the collector's share of CPU, %", atMost(share, 1))
			return nil
		}()
		if err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	fmt.Printf("%-38s | × %s\n", "p99.9 under full write load", atMost(float64(tails[0])/float64(max(tails[1], 1)), 1))
	return nil
}

// gcTimes are the processor times of one line of GODEBUG=gctrace=1: "… 0.1+0.2/0.3/0.4+0.5 ms cpu …".
var gcTimes = regexp.MustCompile(`([0-9.+/]+) ms cpu`)

// collected is the processor time of all collections so far, from the server's log; without idle time, which nobody
// else wanted.
func (s *server) collected() (total time.Duration, err error) {
	f, err := os.Open(s.log.Name())
	if err != nil {
		return 0, err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		m := gcTimes.FindStringSubmatch(lines.Text())
		if !strings.HasPrefix(lines.Text(), "gc ") || m == nil {
			continue
		}
		parts := strings.FieldsFunc(m[1], func(r rune) bool { return r == '+' || r == '/' })
		for i, part := range parts {
			const idle = 3 // sweep termination, assist, background, idle, mark termination
			if i == idle {
				continue
			}
			ms, err := strconv.ParseFloat(part, 64)
			if err != nil {
				return 0, fmt.Errorf("gctrace: %q: %w", lines.Text(), err)
			}
			total += time.Duration(ms * float64(time.Millisecond))
		}
	}
	return total, lines.Err()
}
