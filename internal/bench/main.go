// Command bench measures what a user waits for, on a `dev` of its own: start, a group from request to
// available, a describe; and the memory of an idle process. It prints one line for each, with what the
// project wants to reach.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/elasticache"
	"github.com/aws/aws-sdk-go-v2/service/elasticache/types"

	"github.com/elastane/elastane/internal/e2e/proc"
)

func main() {
	binary := flag.String("binary", "bin/elastane", "the program to measure")
	groups := flag.Int("groups", 20, "how many groups to create, one after the other")
	describes := flag.Int("describes", 1000, "how often to describe")
	starts := flag.Int("starts", 5, "how many warm starts")
	flag.Parse()
	if err := run(*binary, *groups, *describes, *starts); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(binary string, groups, describes, starts int) (err error) {
	ctx := context.Background()
	binary, err = filepath.Abs(binary)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "elastane-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()

	began := time.Now()
	d, err := proc.StartDev(binary, dir, "--quiet")
	if err != nil {
		return err
	}
	defer func() { d.Terminate() }()
	report("cold start of dev", samples{time.Since(began)}, 0)

	rss, err := residentMiB(d.Cmd.Process.Pid)
	if err != nil {
		return err
	}
	fmt.Printf("%-44s %6.1f MiB   (to reach: 80 MiB)\n", "RSS idle, without Postgres", rss)

	var available, deleted samples
	api := client(d)
	for i := range groups {
		id := "bench-" + strconv.Itoa(i)
		up, down, err := lifeOfGroup(ctx, api, id)
		if err != nil {
			return fmt.Errorf("group %s: %w\n%s", id, err, d.Log)
		}
		available, deleted = append(available, up), append(deleted, down)
	}
	report("3-node TLS group: request → available", available, 500*time.Millisecond)
	report("3-node TLS group: delete → gone", deleted, 0)

	if err := create(ctx, api, "described"); err != nil {
		return err
	}
	var described samples
	for range describes {
		began := time.Now()
		if _, err := status(ctx, api, "described"); err != nil {
			return err
		}
		described = append(described, time.Since(began))
	}
	report("DescribeReplicationGroups", described, 3*time.Millisecond)

	var warm, stopped samples
	for range starts {
		began := time.Now()
		if code := d.Terminate(); code != 0 {
			return fmt.Errorf("dev stopped with code %d\n%s", code, d.Log)
		}
		stopped = append(stopped, time.Since(began))
		began = time.Now()
		if err := d.Start(); err != nil {
			return err
		}
		warm = append(warm, time.Since(began))
	}
	report("warm start of dev, with one group", warm, 2*time.Second)
	report("stop of dev, with one group", stopped, 10*time.Second)
	return nil
}

type samples []time.Duration

// quantile is the smallest sample that at least the share q of all does not exceed.
func (s samples) quantile(q float64) time.Duration {
	sorted := slices.Sorted(slices.Values(s))
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}

func report(what string, s samples, target time.Duration) {
	toReach := ""
	if target > 0 {
		toReach = fmt.Sprintf("   (to reach: p50 %v)", target)
	}
	round := func(d time.Duration) time.Duration { return d.Round(10 * time.Microsecond) }
	if len(s) == 1 {
		fmt.Printf("%-44s %v%s\n", what, round(s[0]), toReach)
		return
	}
	fmt.Printf("%-44s p50 %v  p95 %v  p99 %v  n=%d%s\n", what,
		round(s.quantile(.5)), round(s.quantile(.95)), round(s.quantile(.99)), len(s), toReach)
}

func client(d *proc.Dev) *elasticache.Client {
	return elasticache.New(elasticache.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(d.Env["AWS_ENDPOINT_URL_ELASTICACHE"]), RetryMaxAttempts: 1, HTTPClient: proc.OwnBody{},
		Credentials: credentials.NewStaticCredentialsProvider("bench", "bench", ""),
	})
}

// lifeOfGroup creates a group, waits until it is available, deletes it and waits until it is gone.
func lifeOfGroup(ctx context.Context, api *elasticache.Client, id string) (up, down time.Duration, err error) {
	began := time.Now()
	if err := create(ctx, api, id); err != nil {
		return 0, 0, err
	}
	up = time.Since(began)
	began = time.Now()
	if _, err := api.DeleteReplicationGroup(ctx, &elasticache.DeleteReplicationGroupInput{ReplicationGroupId: &id}); err != nil {
		return 0, 0, err
	}
	err = poll(ctx, func() (bool, error) {
		_, err := status(ctx, api, id)
		var gone *types.ReplicationGroupNotFoundFault
		if errors.As(err, &gone) {
			return true, nil
		}
		return false, err
	})
	return up, time.Since(began), err
}

func create(ctx context.Context, api *elasticache.Client, id string) error {
	_, err := api.CreateReplicationGroup(ctx, &elasticache.CreateReplicationGroupInput{
		ReplicationGroupId: &id, ReplicationGroupDescription: aws.String("of the benchmark"),
		Engine: aws.String("redis"), CacheNodeType: aws.String("cache.r6g.large"), NumCacheClusters: aws.Int32(3),
		AutomaticFailoverEnabled: aws.Bool(true), MultiAZEnabled: aws.Bool(true), TransitEncryptionEnabled: aws.Bool(true),
	})
	if err != nil {
		return err
	}
	return poll(ctx, func() (bool, error) {
		is, err := status(ctx, api, id)
		return is == "available", err
	})
}

func status(ctx context.Context, api *elasticache.Client, id string) (string, error) {
	out, err := api.DescribeReplicationGroups(ctx, &elasticache.DescribeReplicationGroupsInput{ReplicationGroupId: &id})
	if err != nil {
		return "", err
	}
	return *out.ReplicationGroups[0].Status, nil
}

// poll asks each 5 ms, which bounds the error of what is measured with it.
func poll(ctx context.Context, done func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, proc.Patience)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		if ok, err := done(); ok || err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// residentMiB reads how much memory of a process is resident.
func residentMiB(pid int) (float64, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(raw)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return kib / 1024, err
		}
	}
	return 0, errors.New("no VmRSS in the process's status")
}
