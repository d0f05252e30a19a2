package command

import (
	"strings"
	"testing"
)

// The commands of the hot path allocate nothing: what they would leave to the collector is paid for by
// every client of the process.
func TestHotCommandsDoNotAllocate(t *testing.T) {
	e := newTestEngine(t)
	e.server.Replication = noFeed{e}
	for _, command := range []string{
		"RPUSH l a b c", "HSET h f 1 g 2", "ZADD z 1 a 2 b 3 c", "SADD t a b c", "SET s 1", "SET n 1", "EXPIRE s 1000",
	} {
		if v := e.do(t, strings.Fields(command)); v.IsError() {
			t.Fatalf("%s: %v", command, v)
		}
	}
	for _, command := range []string{
		"GET s", "GET missing", "SET s 0123456789", "INCR n", "INCRBY n 5", "STRLEN s", "EXISTS s", "TTL s", "TYPE s",
		"HGET h f", "HSET h f 2", "HINCRBY h g 1", "HMGET h f g", "HGETALL h", "HLEN h", "HEXISTS h f",
		"LPUSH l x", "LPOP l", "RPUSH l x", "RPOP l", "LLEN l", "LRANGE l 0 -1", "LINDEX l 1",
		"ZADD z 5 a", "ZINCRBY z 1 b", "ZSCORE z a", "ZRANK z a", "ZRANGE z 0 -1 WITHSCORES", "ZREVRANGE z 0 1 WITHSCORES",
		"ZCARD z", "ZCOUNT z 1 3", "ZRANGEBYSCORE z 1 3",
		"SADD t a", "SREM t missing", "SISMEMBER t a", "SCARD t", "SMEMBERS t",
		"EXPIRE s 1000", "SET s v EX 100", "SETEX s 100 v",
	} {
		e.request.Buf = e.request.Buf[:0]
		e.request.CommandStrings(strings.Fields(command)...)
		allocs := testing.AllocsPerRun(100, func() {
			e.worker.Reply.Buf = e.worker.Reply.Buf[:0]
			e.worker.Run(e.server, e.client, e.request.Buf)
		})
		if allocs != 0 {
			t.Errorf("%s: %v allocations", command, allocs)
		}
	}
}

// noFeed is a Replication that keeps nothing.
type noFeed struct{ *testEngine }

func (noFeed) Feed(int, [][]byte) {}
