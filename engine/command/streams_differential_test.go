package command

import (
	"strconv"
	"strings"

	"github.com/elastane/elastane/engine/resp"
)

// The templates of streams for the differential test:
//
//	{x}                  a key of a stream
//	{id} {xid}           an ID to be added, an ID
//	{xmin} {xmax}        the ends of an interval
//	{g} {c}              a group, a consumer
var streamTemplates = strings.Split(strings.TrimSpace(`
XADD {x} {id} {mv*}
XADD {x} {id} f1 {v} f2 {i}
XADD {x} {id} f1 {v} f2 {i}
XADD {x} {NOMKSTREAM|MAXLEN 5|MAXLEN ~ 5|MINID = 10|MINID ~ 10|MAXLEN ~ 2 LIMIT 3|MAXLEN x|LIMIT 5|MAXLEN 3 MINID 4|MAXLEN = 3 LIMIT 1|} {id} {mv*}
XADD {x} {id} f
XLEN {x}
XRANGE {x} {xmin} {xmax} {COUNT 2|COUNT 0|COUNT -1|COUNT x|FOO|}
XREVRANGE {x} {xmax} {xmin} {COUNT 2|COUNT 100|}
XRANGE {x} - +
XREVRANGE {x} + -
XDEL {x} {xid} {xid}
XDEL {x} {xid}
XTRIM {x} {MAXLEN|MINID} {=|~|} {3|10|20-1|x} {LIMIT 2|LIMIT 0|LIMIT -1|}
XTRIM {x} {MAXLEN 20|MAXLEN ~ 10|MINID 8|MINID ~ 12 LIMIT 200|FOO 1|MAXLEN}
valkey: XSETID {x} {xid} {ENTRIESADDED 40|ENTRIESADDED -1|MAXDELETEDID 5-0|ENTRIESADDED 70 MAXDELETEDID 3-1|}
XREAD {COUNT 2|COUNT 1|BLOCK x|BLOCK -1|} STREAMS {x} {x} {xid} {xid}
valkey: XREAD STREAMS {x} {x} {xid}
XREAD {COUNT 1|} STREAMS {x} {xid|$|>}
XREAD GROUP {g} {c} STREAMS {x} 0
XGROUP CREATE {x} {g} {xid|$} {MKSTREAM|ENTRIESREAD 3|ENTRIESREAD -2|ENTRIESREAD x|FOO|}
XGROUP CREATE {x} {g} {0|$} MKSTREAM
valkey: XGROUP CREATECONSUMER {x} {g} {c}
valkey: XGROUP DELCONSUMER {x} {g} {c}
XGROUP DESTROY {x} {g}
XGROUP SETID {x} {g} {xid|$|-|+} {ENTRIESREAD 4|}
XGROUP {FOO|CREATE|SETID x0}
XREADGROUP GROUP {g} {c} {COUNT 2|COUNT 1|NOACK|COUNT 3 NOACK|} STREAMS {x} {>|>|>|0|xid|$}
XREADGROUP GROUP {g} {c} STREAMS {x} {x} {>|0} >
XREADGROUP GROUP {g} {c} COUNT 3 STREAMS {x} >
valkey: XREADGROUP GROUP {g} {c} STREAMS {x} {x} >
XREADGROUP {COUNT 1 COUNT 2|BLOCK x|NOACK NOACK} STREAMS {x} {x} 0 >
XACK {x} {g} {xid} {xid} {xid}
XPENDING {x} {g}
XPENDING {x} {g} {IDLE 0|IDLE 10000000|IDLE x|} {xmin} {xmax} {10|2|0|x} {c|}
XPENDING {x} {g} {-|IDLE 1} -
XCLAIM {x} {g} {c} {0|0|0|100000000|x|-1} {xid} {xid} {JUSTID|FORCE|FORCE JUSTID|RETRYCOUNT 5|IDLE 1000|LASTID 30-0|TIME x|FOO|JUSTID RETRYCOUNT 2 FORCE|}
XAUTOCLAIM {x} {g} {c} {0|0|0|100000000|x} {xmin} {COUNT 2|COUNT 1|COUNT 0|JUSTID|FOO|COUNT 3 JUSTID|}
valkey: XINFO STREAM {x}
valkey: XINFO CONSUMERS {x} {g}
valkey: XINFO STREAM {x} FULL {COUNT 2|COUNT 0|COUNT -1|COUNT x|FOO 1|}
XINFO {STREAM|GROUPS|FOO {x}|GROUPS {x} x}
valkey: XINFO GROUPS {x}
valkey: XREAD {COUNT 2|} STREAMS {x} {x} {+|xid} +
TYPE {x}
COPY {x} {x} {REPLACE|}
RENAME {x} {x}
DEL {x}
`), "\n")

func (g generator) streamID() string {
	if g.IntN(40) == 0 {
		return g.pick("0", "1-x", "-", "007-1", "18446744073709551615-1", "5-", "99999999999999999999-1")
	}
	return strconv.Itoa(1+g.IntN(60)) + "-" + strconv.Itoa(g.IntN(3))
}

// normalInfo takes out of a reply to XINFO what depends on the time or on the inside of a server, and what Redis 7.0
// does not have yet.
func normalInfo(v resp.Value) resp.Value {
	var elems []resp.Value
	for i := 0; i < len(v.Elems); i++ {
		e := v.Elems[i]
		switch e.Str {
		case "radix-tree-nodes", "idle", "inactive", "seen-time", "active-time":
			i++
			continue
		case "lag", "entries-read":
			if v.Kind == resp.KindNull {
				i++
				continue
			}
		}
		if e.Kind == resp.KindInt && e.Int > 1e12 {
			e.Int = 0
		}
		elems = append(elems, normalInfo(e))
	}
	v.Elems = elems
	return v
}
