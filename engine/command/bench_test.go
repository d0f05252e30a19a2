package command

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// BenchmarkPipeline runs pipelines of 16 commands through a worker, without a network: what the framework, the
// family and the data structure cost. One operation is one command.
func BenchmarkPipeline(b *testing.B) {
	const pipeline, pipelines = 16, 8192
	value := strings.Repeat("v", 64)
	for _, load := range []struct {
		name    string
		prepare func(run func(string))
		command func(r *rand.Rand) string
	}{
		{"GET", func(run func(string)) {
			for i := range 1000 {
				run(fmt.Sprintf("SET key:%012d %s", i, value))
			}
		}, func(r *rand.Rand) string { return fmt.Sprintf("GET key:%012d", r.IntN(1000)) }},
		{"SET", nil, func(r *rand.Rand) string { return fmt.Sprintf("SET key:%012d %s", r.IntN(1000), value) }},
		{"INCR", nil, func(r *rand.Rand) string { return fmt.Sprintf("INCR num:%012d", r.IntN(1000)) }},
		{"MSET", nil, func(r *rand.Rand) string {
			var s strings.Builder
			s.WriteString("MSET")
			for range 10 {
				fmt.Fprintf(&s, " key:%012d %s", r.IntN(1000), value)
			}
			return s.String()
		}},
		{"HSET", nil, func(r *rand.Rand) string {
			return fmt.Sprintf("HSET hash%012d field:%02d %s", r.IntN(1000), r.IntN(100), value[:16])
		}},
		{"HGET", func(run func(string)) {
			for i := range 100_000 {
				run(fmt.Sprintf("HSET hash%012d field:%02d %s", i%1000, i/1000, value[:16]))
			}
		}, func(r *rand.Rand) string { return fmt.Sprintf("HGET hash%012d field:%02d", r.IntN(1000), r.IntN(100)) }},
		{"LPUSH-RPOP", nil, func(r *rand.Rand) string {
			if key := fmt.Sprintf("list%012d", r.IntN(100)); r.IntN(2) == 0 {
				return "LPUSH " + key + " " + value
			} else {
				return "RPOP " + key
			}
		}},
		{"SADD-SREM", nil, func(r *rand.Rand) string {
			return []string{"SADD", "SREM"}[r.IntN(2)] + fmt.Sprintf(" sets%012d elem%012d", r.IntN(100), r.IntN(1000))
		}},
		{"SADD-packed", nil, func(r *rand.Rand) string {
			return fmt.Sprintf("SADD sets%012d elem%012d", r.IntN(1000), r.IntN(100))
		}},
		{"ZADD", func(run func(string)) {
			for i := range 100_000 {
				run(fmt.Sprintf("ZADD zset %d elem%012d", uint32(i)*2654435761, i))
			}
		}, func(r *rand.Rand) string {
			return fmt.Sprintf("ZADD zset %d elem%012d", r.Uint32(), r.IntN(100_000))
		}},
		{"ZRANGE", func(run func(string)) {
			for i := range 100_000 {
				run(fmt.Sprintf("ZADD zset %d elem%012d", uint32(i)*2654435761, i))
			}
		}, func(*rand.Rand) string { return "ZRANGE zset 0 99" }},
		{"LRANGE", func(run func(string)) {
			for i := range 100_000 {
				run(fmt.Sprintf("RPUSH list%012d elem%012d", i%1000, i))
			}
		}, func(r *rand.Rand) string { return fmt.Sprintf("LRANGE list%012d 0 99", r.IntN(1000)) }},
	} {
		b.Run(load.name, func(b *testing.B) {
			e := newTestEngine(b)
			e.server.Replication = noFeed{e}
			if load.prepare != nil {
				load.prepare(func(command string) { e.do(b, strings.Fields(command)) })
			}
			r := rand.New(rand.NewPCG(1, 1))
			requests := make([][]byte, pipelines)
			for i := range requests {
				e.request.Buf = nil
				for range pipeline {
					e.request.CommandStrings(strings.Fields(load.command(r))...)
				}
				requests[i] = e.request.Buf
			}
			b.ReportAllocs()
			b.ResetTimer()
			for i := 0; i < b.N; i += pipeline {
				e.worker.Reply.Buf = e.worker.Reply.Buf[:0]
				e.worker.Run(e.server, e.client, requests[i/pipeline%pipelines])
			}
		})
	}
}
