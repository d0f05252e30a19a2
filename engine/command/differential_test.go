package command

import (
	"bufio"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/elastane/elastane/engine/internal/redistest"
	"github.com/elastane/elastane/engine/resp"
)

// The differential test sends the same random commands of all data types to this engine and to a real
// redis-server, and compares the replies. A failure prints the seed, and the commands that touched the
// keys of the failing one.
//
//	go test ./engine/command -run Differential -commands 1000000 -seed 42
var (
	flagCommands = flag.Int("commands", 20_000, "commands of the differential test")
	flagOnly     = flag.String("only", "", "regular expression: use only the templates that match it")
	flagSeed     = flag.Uint64("seed", 0, "seed of the differential test; 0: a new one")
)

// startRedis runs a redis-server and returns a connection to it.
func startRedis(t *testing.T) *bufio.ReadWriter {
	t.Helper()
	conn, err := net.Dial("tcp", redistest.Start(t, "").Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	// A command that blocks there must fail the test, not hang it.
	if deadline, ok := t.Deadline(); ok {
		if err := conn.SetDeadline(deadline.Add(-5 * time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	return bufio.NewReadWriter(bufio.NewReader(conn), bufio.NewWriter(conn))
}

func ask(t *testing.T, conn *bufio.ReadWriter, argv []string) resp.Value {
	t.Helper()
	w := resp.Writer{Proto: 2}
	w.CommandStrings(argv...)
	if _, err := conn.Write(w.Buf); err != nil {
		t.Fatal(err)
	}
	if err := conn.Flush(); err != nil {
		t.Fatal(err)
	}
	v, err := resp.ReadReply(conn.Reader)
	if err != nil {
		t.Fatalf("%q: %v", argv, err)
	}
	return v
}

// The templates. A word in braces is drawn anew each time:
//
//	{s} {h} {l} {t} {z}  a key: of a string, hash, list, set, sorted set, and now and then of another type
//	{k}                  any key of these
//	{p} {e} {w}          a key of a HyperLogLog, of places, of a list of integers
//	{lon} {lat} {radius} {gp*}  coordinates, a length, places with names
//	{bit} {type} {bf*}   the offset of a bit, the type of a bitfield, operations of BITFIELD
//	{y}                  a sorted set in which all scores are equal, as ranges of members need
//	{v} {m} {i} {n}      a value, a member or field, an integer, a count
//	{score} {float} {min} {max} {lmin} {lmax}
//	{m*} {v*} {mv*} {sm*} {ym*} {sv*} {k*}  one to six of them, rarely many
//	{a|b|}               one of these, or nothing
var templates = strings.Split(strings.TrimSpace(`
SET {s} {v}
SET {s} {i}
SET {s} {v} {NX|XX|} {GET|} {EX 1000|PX 1000000|KEEPTTL|EXAT 9999999999|PXAT 9999999999999|EX 0|EX x|}
SETNX {s} {v}
SETEX {s} {1000|0|-1|x|9223372036854775807} {v}
PSETEX {s} {1000000|0} {v}
GET {s}
GETSET {s} {v}
GETDEL {s}
GETEX {s} {EX 1000|PERSIST|PXAT 9999999999999|PXAT 1|EX|PERSIST EX 1|}
MGET {k*}
MSET {sv*}
MSET a
MSETNX {sv*}
STRLEN {s}
APPEND {s} {v}
SETRANGE {s} {0|3|10|200|-1|x} {v}
GETRANGE {s} {i} {i}
SUBSTR {s} {i} {i}
INCR {s}
DECR {s}
INCRBY {s} {i|9223372036854775807|x}
DECRBY {s} {i|-9223372036854775808|x}
INCRBYFLOAT {s} {float}
DEL {k*}
UNLINK {k}
EXISTS {k*}
TOUCH {k*}
TYPE {k}
TTL {k}
PTTL {k}
EXPIRETIME {k}
PEXPIRETIME {k}
EXPIRE {k} {1000|2000|-1|x|9223372036854775807} {NX|XX|GT|LT|NX XX|GT LT|ZZ|}
PEXPIRE {k} {1000000|2000000|0} {NX|XX|GT|LT|XX GT|}
EXPIREAT {k} {9999999999|1}
PEXPIREAT {k} {9999999999999|9999999999998} {GT|LT|}
PERSIST {k}
RENAME {k} {k}
RENAMENX {k} {k}
COPY {k} {k} {REPLACE|DB 99|DB x|}
MOVE {k} {0|99|x}
OBJECT IDLETIME {k}
OBJECT FREQ {k}
KEYS {*|s*|?1|[a-l]*|nothing}
SCAN 0 COUNT 100000
SCAN 0 COUNT 100000 MATCH {s*|*1} TYPE {string|hash|zset|list|set}
SCAN {x|0 COUNT|0 COUNT 0|0 FOO 1}
OBJECT ENCODING {h}
OBJECT ENCODING {y}
HSET {h} {mv*}
HSET {h} {m}
HMSET {h} {mv*}
HSETNX {h} {m} {v}
HGET {h} {m}
HMGET {h} {m*}
HGETALL {h}
HKEYS {h}
HVALS {h}
HDEL {h} {m*}
HLEN {h}
HEXISTS {h} {m}
HSTRLEN {h} {m}
HINCRBY {h} {m} {i|9223372036854775807|x}
HINCRBYFLOAT {h} {m} {float}
HSCAN {h} 0 COUNT 100000 {MATCH m1*|}
HRANDFIELD {h} {100000|100000 WITHVALUES|0|x|1 FOO}
LPUSH {l} {v*}
RPUSH {l} {v*}
LPUSHX {l} {v*}
RPUSHX {l} {v*}
LPOP {l} {n|}
RPOP {l} {n|}
LLEN {l}
LRANGE {l} {i} {i}
LRANGE {l} 0 -1
LINDEX {l} {i|x}
LSET {l} {i|x} {v}
LINSERT {l} {BEFORE|AFTER|AT} {v} {v}
LREM {l} {-2|-1|0|1|2|x} {v}
LTRIM {l} {i} {i}
LPOS {l} {v} {RANK 1|RANK 2|RANK -1|RANK 0|COUNT 0|COUNT 2|MAXLEN 5|RANK -2 COUNT 0 MAXLEN 10|COUNT -1|}
LMOVE {l} {l} {LEFT|RIGHT|UP} {LEFT|RIGHT}
RPOPLPUSH {l} {l}
LMPOP {1|2|0|9|x} {l} {l} {LEFT|RIGHT|UP} {COUNT 2|COUNT 0|COUNT x|COUNT|}
LMPOP 2 {l} {l} {LEFT|RIGHT} {COUNT 2|COUNT 100|COUNT 2 COUNT 3|}
ZMPOP 2 {z} {z} {MIN|MAX|MID} {COUNT 2|COUNT 100|COUNT 0|}
BZPOPMIN {z} {x|-1}
BLPOP {l} {l} {x|-1}
BLMPOP {x|-1} 1 {l} LEFT
SADD {t} {m*}
SADD {t} {i}
SREM {t} {m*}
SMEMBERS {t}
SISMEMBER {t} {m}
SMISMEMBER {t} {m*}
SCARD {t}
SPOP {t} 100000
SPOP {t} {0|-1}
SRANDMEMBER {t} {100000|0|x}
SMOVE {t} {t} {m}
SSCAN {t} 0 COUNT 100000
SINTER {t} {t}
SUNION {t} {t} {t}
SDIFF {t} {t} {t}
SINTERSTORE {t} {t} {t}
SUNIONSTORE {t} {t} {t}
SDIFFSTORE {t} {t} {t}
SINTERCARD {1|2|0|x|5} {t} {t} {LIMIT 2|LIMIT -1|LIMIT|}
ZADD {z} {sm*}
ZADD {z} {NX|XX|GT|LT|CH|NX XX|GT LT|XX GT|NX GT|INCR|} {CH|} {score} {m}
ZADD {z} INCR {sm*}
ZADD {z} {x} {m}
ZINCRBY {z} {score} {m}
ZREM {z} {m*}
ZSCORE {z} {m}
ZMSCORE {z} {m*}
ZCARD {z}
ZCOUNT {z} {min} {max}
ZLEXCOUNT {y} {lmin} {lmax}
ZRANK {z} {m}
ZREVRANK {z} {m}
ZRANGE {z} {i} {i} {WITHSCORES|REV|REV WITHSCORES|LIMIT 0 1|}
ZRANGE {z} {min} {max} BYSCORE {WITHSCORES|LIMIT 1 3|LIMIT 0 -1|}
ZRANGE {z} {max} {min} BYSCORE REV {WITHSCORES|LIMIT 1 3|}
ZRANGE {y} {lmin} {lmax} BYLEX {WITHSCORES|LIMIT 1 3|}
ZRANGE {y} {lmax} {lmin} BYLEX REV {LIMIT 1 3|}
ZREVRANGE {z} {i} {i} {WITHSCORES|FOO|}
ZRANGEBYSCORE {z} {min} {max} {WITHSCORES|LIMIT 1 2|WITHSCORES LIMIT 0 -1|}
ZREVRANGEBYSCORE {z} {max} {min} {WITHSCORES|LIMIT 1 2|}
ZRANGEBYLEX {y} {lmin} {lmax} {LIMIT 1 2|}
ZREVRANGEBYLEX {y} {lmax} {lmin} {LIMIT 1 2|}
ZRANGESTORE {z} {z} {i} {i} {REV|}
ZRANGESTORE {z} {z} {min} {max} BYSCORE {LIMIT 0 3|}
ZREMRANGEBYRANK {z} {i} {i}
ZREMRANGEBYSCORE {z} {min} {max}
ZREMRANGEBYLEX {y} {lmin} {lmax}
ZADD {y} {ym*}
ZREM {y} {m*}
ZPOPMIN {z} {n|}
ZPOPMAX {z} {n|}
ZRANDMEMBER {z} {100000|100000 WITHSCORES|0|x}
ZUNION {1|2|3|0|x|9} {z} {z} {t} {WITHSCORES|WEIGHTS 1 2 3|AGGREGATE MAX WITHSCORES|WEIGHTS 1 2 -1 AGGREGATE MIN WITHSCORES|}
ZUNION 3 {z} {z} {t} {WITHSCORES|WEIGHTS 1 2 3|AGGREGATE MAX WITHSCORES|WEIGHTS 1 inf -1 AGGREGATE MIN WITHSCORES|WEIGHTS 1 x 2|}
ZINTER 2 {z} {z} {WITHSCORES|WEIGHTS 1 2|AGGREGATE MAX WITHSCORES|WEIGHTS 1 2 AGGREGATE MIN WITHSCORES|}
ZDIFF 3 {z} {z} {t} {WITHSCORES|WEIGHTS 1 2 3|}
ZUNIONSTORE {z} 3 {z} {z} {t} {WITHSCORES|WEIGHTS 1 2 3|AGGREGATE MAX|}
ZINTERSTORE {z} {1|2|0} {z} {t} {WEIGHTS 1 2|AGGREGATE MIN|}
ZDIFFSTORE {z} 2 {z} {z}
ZINTERCARD 2 {z} {z} {LIMIT 2|LIMIT 0|LIMIT -1|LIMIT x|LIMIT|}
ZSCAN {z} 0 COUNT 100000 {MATCH m1*|}
SETBIT {s} {bit|-1|x|4294967296} {0|1|1|2|x}
GETBIT {s} {bit|-1|x|4294967296}
BITCOUNT {s}
BITCOUNT {s} {i} {i} {BIT|BYTE|}
BITPOS {s} {0|1|2|x}
BITPOS {s} {0|1} {i}
BITPOS {s} {0|1} {i} {i} {BIT|BYTE|}
BITOP {AND|OR|XOR|NOT|NAND} {s} {s}
BITOP {AND|OR|XOR|NOT} {s} {s} {s} {s}
BITFIELD {s} {bf*} {bf*}
BITFIELD {s} OVERFLOW {WRAP|SAT|FAIL|FOO} {bf*} {bf*}
BITFIELD {s} GET {type} {bit|#bit}
BITFIELD_RO {s} GET {type} {bit|#1|x} GET u8 0
BITFIELD_RO {s} {bf*}
PFADD {p} {m*}
PFADD {p}
PFADD {p|s} {m}
PFCOUNT {p}
PFCOUNT {p} {p} {p}
PFMERGE {p} {p} {p}
PFMERGE {p|s}
PFDEBUG {DECODE|ENCODING|TODENSE|FOO} {p}
GET {p}
GEOADD {e} {gp*}
GEOADD {e} {NX|XX|CH|NX XX|XX CH} {gp*}
GEOADD {e|s} {lon} {lat|x|91} {m}
GEODIST {e} {m} {m} {km|m|FT|mi|xx|m km|}
GEOPOS {e|h} {m*}
GEOHASH {e} {m*}
GEORADIUS {e} {lon} {lat} {radius} {m|km|ft|mi} {WITHDIST|WITHCOORD|WITHHASH|} {ASC|DESC} {WITHDIST|COUNT 3|COUNT 0|}
GEORADIUS {e} {lon} {lat} {radius} km {STORE {e}|STOREDIST {e}|STORE} {WITHDIST|}
GEORADIUS_RO {e|s} {lon} {lat|90} {radius|-1|x} km {ASC|STORE x|COUNT 1 ANY|ANY}
GEORADIUSBYMEMBER {e} {m} {radius} km {ASC|DESC|ASC COUNT 2|DESC WITHDIST WITHCOORD WITHHASH}
GEORADIUSBYMEMBER {e} {m} {radius|x} {km|xx} {STORE {e}|STOREDIST {e}}
GEORADIUSBYMEMBER_RO {e} {m} {radius} km ASC
GEOSEARCH {e} FROMMEMBER {m} BYRADIUS {radius} km {ASC|DESC|DESC COUNT 3} {WITHDIST|WITHCOORD|WITHHASH|}
GEOSEARCH {e} FROMLONLAT {lon} {lat} BYBOX {radius} {radius|-1} {km|ft|xx} {ASC|DESC|COUNT 3} {WITHDIST|WITHCOORD|STOREDIST|}
GEOSEARCH {e} FROMLONLAT {lon} {lat} {FROMMEMBER m1|BYRADIUS 10 km BYBOX 1 1 m|BYRADIUS 10 km ANY|ASC ASC DESC} ASC
GEOSEARCHSTORE {e} {e} FROMMEMBER {m} BYBOX {radius} {radius} km {ASC|DESC|STOREDIST|WITHDIST|}
ZRANGE {e} 0 -1 WITHSCORES
RPUSH {w} {i} {i} {i} {i}
SADD {w} {i}
SORT {w} {ASC|DESC|} {LIMIT 1 3|LIMIT -5 2|LIMIT 2 -1|LIMIT 90 1|LIMIT x 1|} {GET #|GET s*|GET # GET h*->m1|GET nostar|STORE|}
SORT {w} BY {s*|h*->m1|h*->} {ASC|DESC|} {GET h*->m2|}
SORT {w} BY {h*->m1|x*} {ASC|DESC|} ALPHA
SORT {l|t|z} BY nosort {ASC|DESC|} {LIMIT 1 3|} {STORE {l}|STORE {l} GET s* GET #}
SORT {e} BY nosort {ASC|DESC|} {LIMIT 1 3|LIMIT 0 90|}
SORT {t} {ALPHA|ALPHA DESC|ALPHA LIMIT 1 2|BY nosort STORE {l}|ALPHA STORE {l}}
SORT_RO {l|t|z|w} ALPHA {ASC|DESC|} {LIMIT 0 4|STORE x|GET #|}
SORT {k} ALPHA
LCS {s} {s} {LEN|IDX|IDX WITHMATCHLEN|IDX MINMATCHLEN 2|IDX MINMATCHLEN -3|LEN IDX|MINMATCHLEN x|FOO|}
`), "\n")

// valkeyTemplate heads what Redis does not know, or does otherwise.
const valkeyTemplate = "valkey: "

// generator draws commands. With valkey set it draws those as well that only Valkey answers as we do.
type generator struct {
	*rand.Rand
	valkey bool
	chosen []string // templates
}

func newGenerator(seed, stream uint64) generator {
	g := generator{Rand: rand.New(rand.NewPCG(seed, stream))}
	g.only(*flagOnly)
	return g
}

// only chooses the templates that match.
func (g *generator) only(pattern string) {
	re := regexp.MustCompile(pattern)
	for _, t := range allTemplates() {
		if re.MatchString(t) {
			g.chosen = append(g.chosen, t)
		}
	}
}

func allTemplates() []string { return append(slices.Clone(templates), streamTemplates...) }

func (g generator) template() string {
	for {
		if t := g.pick(g.chosen...); g.valkey || !strings.HasPrefix(t, valkeyTemplate) {
			return strings.TrimPrefix(t, valkeyTemplate)
		}
	}
}

func (g generator) pick(from ...string) string { return from[g.IntN(len(from))] }

func (g generator) key(kind string) string {
	if kind == "k" || (!strings.Contains("ypew", kind) && g.IntN(12) == 0) {
		kind = g.pick("s", "h", "l", "t", "z", "x")
	}
	return kind + strconv.Itoa(g.IntN(3))
}

func (g generator) integer() string { return strconv.Itoa(g.IntN(30) - 8) }

func (g generator) value() string {
	switch g.IntN(8) {
	case 0:
		return g.integer()
	case 1:
		return strings.Repeat("v", []int{0, 43, 45, 64, 65, 127, 128, 200}[g.IntN(8)])
	case 2:
		return "a\r\nb\x00c"
	}
	return "v" + strconv.Itoa(g.IntN(12))
}

func (g generator) member() string {
	switch g.IntN(20) {
	case 0:
		return strings.Repeat("m", []int{0, 64, 65, 130}[g.IntN(4)])
	case 1:
		return strconv.Itoa(g.IntN(1000))
	}
	return "m" + strconv.Itoa(g.IntN(25))
}

func (g generator) score() string {
	return g.pick("0", "1", "2", "-1", "3", "1.5", "-2.25", "inf", "-inf", "1e10", "100", "3.14", "-0")
}

// one draws what stands in braces; the answer may be several words, or none.
func (g generator) one(name string) []string {
	if kind, many := strings.CutSuffix(name, "*"); many && slices.Contains([]string{"k", "m", "v", "mv", "sm", "sv", "ym"}, kind) {
		n := 1 + g.IntN(6)
		if g.IntN(60) == 0 {
			n = []int{150, 600}[g.IntN(2)]
		}
		var words []string
		for i := range n {
			switch {
			case n >= 150 && kind != "k" && kind != "sv" && kind != "ym": // different ones, to pass the limits of packed encodings
				for _, c := range kind {
					words = append(words, g.pick(string(c)+strconv.Itoa(i)))
					if kind == "sm" && c == 's' {
						words[len(words)-1] = strconv.Itoa(i % 40)
					}
				}
			case kind == "ym":
				words = append(words, "0", g.member())
			case kind == "mv":
				words = append(words, g.member(), g.value())
			case kind == "sm":
				words = append(words, g.score(), g.member())
			case kind == "sv":
				words = append(words, g.key("s"), g.value())
			default:
				words = append(words, g.one(kind)...)
			}
		}
		return words
	}
	switch name {
	case "id":
		return []string{g.pick(strconv.Itoa(g.IntN(60))+"-*", strconv.Itoa(g.IntN(60)), g.streamID(), g.streamID(), "0-0", "x")}
	case "xid":
		return []string{g.streamID()}
	case "xmin", "xmax":
		return []string{g.pick("", "", "", "(") + g.pick(g.streamID(), g.streamID(), strconv.Itoa(g.IntN(60)), "-", "+", "18446744073709551615-18446744073709551615", "0-0")}
	case "g":
		return []string{g.pick("g1", "g1", "g2")}
	case "c":
		return []string{g.pick("c1", "c2", "c3")}
	case "bit":
		return []string{strconv.Itoa(g.IntN(150))}
	case "#bit":
		return []string{"#" + strconv.Itoa(g.IntN(20))}
	case "type":
		return []string{g.pick("u1", "u2", "u8", "u8", "u13", "u32", "u63", "i1", "i5", "i8", "i8", "i33", "i63", "i64", "u64", "i65", "x8", "i0")}
	case "bf*":
		return g.bitfieldOps()
	case "lon":
		return []string{g.pick("0", "13.361389", "15.087269", "-122.4", "179.999", "-180", "180", "2.35", strconv.FormatFloat(g.Float64()*360-180, 'f', 6, 64))}
	case "lat":
		return []string{g.pick("0", "38.115556", "37.502669", "-85.05112878", "85.05112878", "84", "-70", "48.85", strconv.FormatFloat(g.Float64()*170-85, 'f', 6, 64))}
	case "radius":
		return []string{g.pick("0", "1", "100", "200.5", "1000", "5000", "10000", "30000", "1e9")}
	case "gp*":
		var words []string
		for range 1 + g.IntN(6) {
			words = append(words, g.one("lon")[0], g.one("lat")[0], g.member())
		}
		return words
	case "STORE {e}", "STOREDIST {e}":
		return []string{strings.Fields(name)[0], g.key("e")}
	case "STORE {l}", "BY nosort STORE {l}", "ALPHA STORE {l}", "STORE {l} GET s* GET #":
		words := strings.Fields(name)
		words[slices.Index(words, "{l}")] = g.key("l")
		return words
	case "s", "h", "l", "t", "z", "y", "p", "e", "w", "x", "k":
		return []string{g.key(name)}
	case "v":
		return []string{g.value()}
	case "m":
		return []string{g.member()}
	case "i":
		return []string{g.integer()}
	case "n":
		return []string{g.pick("0", "1", "2", "5", "100", "-1", "x")}
	case "score":
		return []string{g.score()}
	case "float":
		return []string{g.pick("1", "0.1", "-2.5", "1e3", "3.14", "x", "inf", "10.50", "1e-5")}
	case "min", "max":
		b := g.score()
		if name == "min" && g.IntN(4) == 0 {
			b = "-inf"
		} else if name == "max" && g.IntN(4) == 0 {
			b = "+inf"
		}
		return []string{g.pick("", "", "(") + g.pick(b, b, b, b, b, b, b, b, "x")}
	case "lmin", "lmax":
		return []string{g.pick("-", "+", "[m1", "(m1", "[m2", "(m20", "[m9", "m1")}
	}
	return nil
}

func (g generator) bitfieldOps() (words []string) {
	for range 1 + g.IntN(3) {
		operand := g.pick("0", "1", "-1", "2", "100", "-100", "255", "-128", "127", "1000000", "9223372036854775807", "-9223372036854775808")
		words = append(words, g.pick("GET", "SET", "INCRBY"))
		words = append(words, g.one("type")...)
		words = append(words, g.one(g.pick("bit", "#bit"))...)
		if words[len(words)-3] != "GET" {
			words = append(words, operand)
		}
	}
	return words
}

func (g generator) command() []string {
	var argv []string
	for rest := g.template(); rest != ""; {
		rest = strings.TrimLeft(rest, " ")
		if !strings.HasPrefix(rest, "{") {
			word, after, _ := strings.Cut(rest, " ")
			argv, rest = append(argv, word), after
			continue
		}
		inside, after := braces(rest)
		rest = after
		choice := g.pick(strings.Split(inside, "|")...)
		if words := g.one(choice); words != nil {
			argv = append(argv, words...)
		} else {
			argv = append(argv, strings.Fields(choice)...)
		}
	}
	return argv
}

// braces splits "{inside}after"; inside may have braces of its own.
func braces(s string) (inside, after string) {
	depth := 0
	for i, c := range s {
		switch c {
		case '{':
			depth++
		case '}':
			if depth--; depth == 0 {
				return s[1:i], s[i+1:]
			}
		}
	}
	panic("a template's braces: " + s)
}

// normal brings a reply into the form in which both servers must agree: what has no order is sorted.
func normal(argv []string, v resp.Value) resp.Value {
	if len(v.Elems) == 0 {
		return v
	}
	v.Elems = slices.Clone(v.Elems)
	last := argv[len(argv)-1]
	if strings.HasPrefix(argv[0], "GEO") && slices.Contains(argv, "COUNT") {
		// Which of the places at the same distance are among the first is open.
		for i := range v.Elems {
			kept := resp.Value{}
			if e := v.Elems[i].Elems; slices.Contains(argv, "WITHDIST") && len(e) > 1 {
				kept = e[1]
			}
			v.Elems[i] = kept
		}
	}
	switch argv[0] {
	case "XPENDING":
		for _, e := range v.Elems {
			if len(e.Elems) == 4 {
				e.Elems[2].Int = 0 // idle time
			}
		}
	case "XINFO":
		v = normalInfo(v)
	case "KEYS", "HKEYS", "HVALS", "SMEMBERS", "SPOP", "SRANDMEMBER", "SINTER", "SUNION", "SDIFF":
		sortGroups(v.Elems, 1)
	case "HGETALL":
		sortGroups(v.Elems, 2)
	case "HRANDFIELD", "ZRANDMEMBER":
		if strings.HasPrefix(last, "WITH") && v.Elems[0].Kind != resp.KindArray {
			sortGroups(v.Elems, 2)
		} else {
			sortGroups(v.Elems, 1)
		}
	case "SCAN", "SSCAN", "HSCAN", "ZSCAN":
		if len(v.Elems) == 2 {
			items := slices.Clone(v.Elems[1].Elems)
			if argv[0] == "HSCAN" || argv[0] == "ZSCAN" {
				sortGroups(items, 2)
			} else {
				sortGroups(items, 1)
			}
			v.Elems[1].Elems = items
		}
	}
	return v
}

func sortGroups(elems []resp.Value, size int) {
	groups := slices.Collect(slices.Chunk(slices.Clone(elems), size))
	slices.SortFunc(groups, func(a, b []resp.Value) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	copy(elems, slices.Concat(groups...))
}

// same compares two replies; numbers that are not integers by value, because versions print them
// otherwise, and times within two seconds.
func same(argv []string, a, b resp.Value) bool {
	if a.Kind != b.Kind || len(a.Elems) != len(b.Elems) {
		return false
	}
	for i := range a.Elems {
		if !same(argv, a.Elems[i], b.Elems[i]) {
			return false
		}
	}
	switch argv[0] {
	case "OBJECT":
		if a.Kind == resp.KindInt { // IDLETIME
			return math.Abs(float64(a.Int-b.Int)) <= 2
		}
	case "TTL", "EXPIRETIME":
		return math.Abs(float64(a.Int-b.Int)) <= 2
	case "PTTL", "PEXPIRETIME":
		return math.Abs(float64(a.Int-b.Int)) <= 2000
	}
	if a.Int == b.Int && a.Str == b.Str && a.Float == b.Float {
		return true
	}
	x, err1 := strconv.ParseFloat(a.Str, 64)
	y, err2 := strconv.ParseFloat(b.Str, 64)
	if a.Kind != resp.KindBulk {
		x, y, err1, err2 = a.Float, b.Float, nil, nil
	}
	if len(argv) > 1 && strings.HasPrefix(argv[1], "e") && err1 == nil && err2 == nil {
		return math.Abs(x-y) <= 1e-12*math.Abs(x) // a distance: sines differ in their last bits between libraries
	}
	return a.Kind == resp.KindBulk && err1 == nil && err2 == nil && x == y && strings.HasPrefix(argv[0], "Z")
}

func TestDifferential(t *testing.T) {
	t.Run("RESP2", func(t *testing.T) { differential(t, 2) })
	t.Run("RESP3", func(t *testing.T) { differential(t, 3) })
}

func differential(t *testing.T, proto int) {
	redis := startRedis(t)
	ask(t, redis, []string{"HELLO", strconv.Itoa(proto)})
	seed := *flagSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d", seed)
	g := newGenerator(seed, 0)
	g.valkey = strings.Contains(ask(t, redis, []string{"INFO", "server"}).Str, "valkey_version")
	e := newTestEngine(t)
	e.client.Proto = proto
	var history [][]string
	for i := range *flagCommands / 2 {
		argv := g.command()
		if argv[0] == "OBJECT" && argv[1] == "ENCODING" {
			// Redis 7.0 has no packed lists and sets yet, and tells other things of strings.
			// SORT unpacks sorted sets there.
			if kind := ask(t, redis, []string{"TYPE", argv[2]}).Str; kind != "hash" && argv[2][0] != 'y' {
				continue
			}
		}
		history = append(history, argv)
		want, got := normal(argv, ask(t, redis, argv)), normal(argv, e.do(t, argv))
		if !same(argv, want, got) {
			t.Errorf("seed %d, command %d: %.300q\n  redis: %.1000v\n  here:  %.1000v", seed, i, argv, want, got)
			for _, past := range relevant(history) {
				t.Logf("  after %.200q", past)
			}
			t.FailNow()
		}
		if i%500 == 499 {
			compareAll(t, redis, e, seed, g.valkey)
		}
	}
}

// compareAll reads every key in full from both.
func compareAll(t *testing.T, redis *bufio.ReadWriter, e *testEngine, seed uint64, valkey bool) {
	t.Helper()
	for _, key := range generatorKeys() {
		read := readAll(ask(t, redis, []string{"TYPE", key}).Str, key)
		if read[0] == "XINFO" && !valkey { // Redis 7.0 makes consumers later
			read = []string{"XRANGE", key, "-", "+"}
		}
		want, got := normal(read, ask(t, redis, read)), normal(read, e.do(t, read))
		if !same(read, want, got) {
			t.Fatalf("seed %d: %q\n  redis: %.1000v\n  here:  %.1000v", seed, read, want, got)
		}
	}
}

// readAll is the command that reads a whole value of the type that TYPE answered.
func readAll(kind, key string) []string {
	switch kind {
	case "string":
		return []string{"GET", key}
	case "hash":
		return []string{"HGETALL", key}
	case "list":
		return []string{"LRANGE", key, "0", "-1"}
	case "set":
		return []string{"SMEMBERS", key}
	case "zset":
		return []string{"ZRANGE", key, "0", "-1", "WITHSCORES"}
	case "stream":
		return []string{"XINFO", "STREAM", key, "FULL", "COUNT", "0"}
	}
	return []string{"TYPE", key}
}

// relevant returns the last commands that share a key with the last one.
func relevant(history [][]string) (past [][]string) {
	last := history[len(history)-1]
	for i := len(history) - 2; i >= 0 && len(past) < 12; i-- {
		if slices.ContainsFunc(history[i][1:], func(w string) bool {
			return len(w) == 2 && strings.Contains("shltzypewx", w[:1]) && slices.Contains(last[1:], w)
		}) {
			past = append(past, history[i])
		}
	}
	return past
}
