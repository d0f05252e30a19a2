package command

import (
	"strconv"
	"strings"
	"testing"
)

// Each limit of the compact encodings, at its border and one past it.
func TestEncodingsFollowTheConfiguration(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		directive, value string
		fill             string // %d counts up
		border           int    // the last number of rounds that stays compact
		compact, large   string
	}{
		{"", "", "HSET k f%d v", 512, "listpack", "hashtable"},
		{"", "", "SADD k %d", 512, "intset", "hashtable"},
		{"", "", "SADD k m%d", 128, "listpack", "hashtable"},
		{"", "", "ZADD k 1 m%d", 128, "listpack", "skiplist"},
		{"hash-max-listpack-entries", "3", "HSET k f%d v", 3, "listpack", "hashtable"},
		{"hash-max-ziplist-entries", "3", "HSET k f%d v", 3, "listpack", "hashtable"},
		{"hash-max-listpack-value", "4", "HSET k f 9%d", 999, "listpack", "hashtable"},
		{"set-max-intset-entries", "3", "SADD k 1000%d", 128, "listpack", "hashtable"},
		{"set-max-listpack-entries", "3", "SADD k m%d", 3, "listpack", "hashtable"},
		{"zset-max-listpack-entries", "3", "ZADD k 1 m%d", 3, "listpack", "skiplist"},
		{"zset-max-listpack-value", "3", "ZADD k 1 m%d", 99, "listpack", "skiplist"},
		{"list-max-listpack-size", "3", "RPUSH k v%d", 3, "listpack", "quicklist"},
	} {
		e := newTestEngine(t)
		if c.directive != "" {
			if v := e.do(t, []string{"CONFIG", "SET", c.directive, c.value}); v.IsError() {
				t.Fatalf("%s: %v", c.directive, v)
			}
		}
		for i := 1; i <= c.border+1; i++ {
			e.do(t, strings.Fields(strings.ReplaceAll(c.fill, "%d", strconv.Itoa(i))))
			want := c.compact
			if i > c.border {
				want = c.large
			}
			got := e.do(t, []string{"OBJECT", "ENCODING", "k"}).Str
			if i >= c.border && got != want {
				t.Errorf("%s %s: after %d times %s: %s, want %s", c.directive, c.value, i, c.fill, got, want)
			}
		}
	}
}

func TestListSizes(t *testing.T) {
	t.Parallel()
	for size, want := range map[int64][2]int{
		-1: {4 << 10, 0}, -2: {8 << 10, 0}, -5: {64 << 10, 0}, -9: {64 << 10, 0}, 7: {8 << 10, 7},
	} {
		if got := listLimits(size); got.Bytes != want[0] || got.Entries != want[1] {
			t.Errorf("list-max-listpack-size %d is %+v", size, got)
		}
	}
}
