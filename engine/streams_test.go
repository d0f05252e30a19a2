package engine

import (
	"fmt"
	"strings"
	"testing"
)

// waitBlocked waits until n clients are blocked.
func waitBlocked(watcher *rawConn, n int) {
	for !strings.Contains(watcher.do("INFO", "clients").Str, fmt.Sprintf("blocked_clients:%d\r\n", n)) {
		continue // the command has not come yet
	}
}

// TestBlockedReaders: every XREAD that waits gets the entry, those that wait for a later one stay, and of several
// consumers each gets one, in the order in which they came.
func TestBlockedReaders(t *testing.T) {
	s := serveOn(t, 1, Options{}) // the order is exact on one loop only
	writer := s.dial()
	writer.want("1-1", "XADD", "k", "1-1", "f", "v")

	late := s.dial()
	late.send("XREAD", "BLOCK", "0", "STREAMS", "k", "5-0") // in the queue before the others, and not to be served yet
	waitBlocked(writer, 1)
	readers := []*rawConn{s.dial(), s.dial(), s.dial()}
	for i, r := range readers {
		r.send("XREAD", "BLOCK", "0", "STREAMS", "other", "k", "0", "$")
		waitBlocked(writer, 2+i)
	}
	writer.want("2-1", "XADD", "k", "2-1", "f", "w")
	for i, r := range readers {
		if v := r.reply(); v.String() != `*[*["k" *[*["2-1" *["f" "w"]]]]]` {
			t.Fatalf("reader %d: %v", i, v)
		}
	}
	writer.want("5-1", "XADD", "k", "5-1", "f", "x")
	if v := late.reply(); v.String() != `*[*["k" *[*["5-1" *["f" "x"]]]]]` {
		t.Fatalf("the one that waited for more: %v", v)
	}
	if v := late.do("XREAD", "BLOCK", "10", "STREAMS", "k", "$"); !v.IsNull() {
		t.Fatalf("timeout: %v", v)
	}
}

func TestBlockedConsumers(t *testing.T) {
	s := serveOn(t, 1, Options{})
	writer := s.dial()
	writer.want("OK", "XGROUP", "CREATE", "k", "g", "$", "MKSTREAM")
	var consumers []*rawConn
	for i := range 3 {
		c := s.dial()
		c.send("XREADGROUP", "GROUP", "g", fmt.Sprint("c", i), "COUNT", "1", "BLOCK", "0", "STREAMS", "k", ">")
		waitBlocked(writer, i+1)
		consumers = append(consumers, c)
	}
	for i, c := range consumers[:2] {
		id := fmt.Sprint(i+1, "-1")
		writer.want(id, "XADD", "k", id, "f", "v")
		if v := c.reply(); v.String() != fmt.Sprintf(`*[*["k" *[*["%s" *["f" "v"]]]]]`, id) {
			t.Fatalf("consumer %d: %v", i, v)
		}
	}
	if v := writer.do("XPENDING", "k", "g"); v.String() != `*["2" "1-1" "2-1" *[*["c0" "1"] *["c1" "1"]]]` {
		t.Fatalf("pending: %v", v)
	}
	writer.want("1", "XGROUP", "DESTROY", "k", "g")
	if v := consumers[2].reply(); !strings.HasPrefix(v.Str, "NOGROUP ") {
		t.Fatalf("without a group: %v", v)
	}
}
