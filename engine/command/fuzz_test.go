package command

import (
	"bytes"
	"slices"
	"testing"
)

// FuzzCommands sends two commands of arbitrary words to a node that has a value of each type. Whatever
// they are, each gets exactly one reply, and no handler panics.
func FuzzCommands(f *testing.F) {
	for _, seed := range []string{
		"SET s v EX 9223372036854775807\nGET s",
		"SETRANGE s 536870911 x\nSTRLEN s",
		"ZRANGE z (1 +inf BYSCORE LIMIT 0 -1\nZUNION 2 z t WEIGHTS inf -inf",
		"LPOS l a RANK -9223372036854775807 MAXLEN 1\nLREM l -9223372036854775808 a",
		"HRANDFIELD h -5 WITHVALUES\nHSCAN h 18446744073709551615",
		"SINTERCARD 9223372036854775807 t\nZDIFFSTORE x -1 z",
		"COPY z z2\nLTRIM l 9223372036854775807 -9223372036854775808",
		"GETRANGE s -9223372036854775808 9223372036854775807\nEXPIRE s -9223372036854775808",
		"SETBIT s 7 1\nBITFIELD s INCRBY i64 #1 9223372036854775807 OVERFLOW FAIL SET u1 0 -1",
		"BITPOS s 0 -9223372036854775808 9223372036854775807 BIT\nBITCOUNT s -1 -9223372036854775808",
		"SET p HYLL\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80\x7f\nPFADD p a",
		"SET p HYLL\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80\xff\x41\nPFCOUNT p p",
		"GEOADD g 180 85.05112878 a\nGEOSEARCH g FROMMEMBER a BYBOX 1e308 1e-308 km COUNT 1 ANY",
		"GEORADIUS z 0 0 inf mi STORE z\nGEOHASH z a b",
		"SORT l BY s* GET # GET h*->f LIMIT -1 9223372036854775807\nLCS s s IDX MINMATCHLEN -1",
	} {
		f.Add([]byte(seed))
	}
	groups := []string{"bitmap", "hyperloglog", "geo", "generic", "string", "hash", "list", "set", "sorted-set"}
	f.Fuzz(func(t *testing.T, script []byte) {
		e := newTestEngine(t)
		for _, argv := range [][]string{
			{"SET", "s", "12"}, {"HSET", "h", "f", "1", "g", "v"}, {"RPUSH", "l", "a", "b", "a"}, {"SADD", "t", "1", "2", "m"}, {"ZADD", "z", "1", "a", "2", "b"},
		} {
			e.do(t, argv)
		}
		for line := range bytes.SplitSeq(script, []byte("\n")) {
			words := bytes.Fields(line)
			if len(words) == 0 || len(words) > 50 {
				continue
			}
			spec := e.server.Table.Resolve(words)
			if spec == nil || !slices.Contains(groups, spec.Group) || slices.ContainsFunc(words, isHugeCount) {
				continue
			}
			argv := make([]string, len(words))
			for i, w := range words {
				argv[i] = string(w)
			}
			e.do(t, argv)
			if n := e.server.Stats.Panics.Load(); n != 0 {
				t.Fatalf("%q panicked", argv)
			}
		}
	})
}

// isHugeCount keeps out counts that are lawful, but make gigabytes of reply or of string.
func isHugeCount(word []byte) bool {
	n, ok := parseInt(bytes.TrimPrefix(word, []byte("#")))
	return ok && ((n < -10_000 && n > -1<<62) || (n > 1<<20 && n < 1<<33))
}
