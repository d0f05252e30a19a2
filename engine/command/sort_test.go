package command

import (
	"strings"
	"testing"
)

// step is a command and its reply.
type step struct{ command, want string }

func (e *testEngine) steps(t *testing.T, steps []step) {
	t.Helper()
	for _, s := range steps {
		if got := e.do(t, strings.Fields(s.command)); got.String() != s.want {
			t.Errorf("%s = %v, want %s", s.command, got, s.want)
		}
	}
}

func TestSort(t *testing.T) {
	t.Parallel()
	newTestEngine(t).steps(t, []step{
		{"RPUSH l 3 1 10 2", `"4"`},
		{"SORT l", `*["1" "2" "3" "10"]`},
		{"SORT l DESC", `*["10" "3" "2" "1"]`},
		{"SORT l ALPHA", `*["1" "10" "2" "3"]`},
		{"SORT l LIMIT 1 2", `*["2" "3"]`},
		{"SORT l LIMIT 4 1", `*[]`},
		{"SORT l LIMIT 1 -1", `*["2" "3" "10"]`},
		{"MSET w1 30 w2 20 w3 10", `"OK"`},
		{"HSET h1 f one", `"1"`},
		{"SORT l BY w*", `*["10" "3" "2" "1"]`}, // what has no weight counts as 0
		{"SORT l BY w* GET # GET h*->f GET w*", `*["10" (nil) (nil) "3" (nil) "10" "2" (nil) "20" "1" "one" "30"]`},
		{"SORT l BY nosort", `*["3" "1" "10" "2"]`},
		{"SORT l BY nosort DESC LIMIT 0 3", `*["2" "10" "1"]`},
		{"SORT l BY w* GET h*->f STORE d", `"4"`},
		{"LRANGE d 0 -1", `*["" "" "" "one"]`},
		{"SORT d", `(error "ERR One or more scores can't be converted into double")`},
		{"SORT missing STORE d", `"0"`},
		{"EXISTS d", `"0"`},
		{"SORT l STORE l", `"4"`},
		{"LRANGE l 0 -1", `*["1" "2" "3" "10"]`},
		{"SORT_RO l STORE x", `(error "ERR syntax error")`},
		{"SORT w1", `(error "` + ErrWrongType + `")`},
		{"SADD t b a c", `"3"`},
		{"SORT t BY nosort STORE d", `"3"`},
		{"LRANGE d 0 -1", `*["a" "b" "c"]`},
		{"ZADD z 3 a 1 b 2 c", `"3"`},
		{"SORT z BY nosort", `*["b" "c" "a"]`},
		{"SORT z ALPHA DESC", `*["c" "b" "a"]`},
	})
}

// A user who may not read every key may not have SORT read those that the elements name.
func TestSortAsksTheACL(t *testing.T) {
	t.Parallel()
	newTestEngine(t).steps(t, []step{
		{"RPUSH l 1", `"1"`},
		{"ACL SETUSER u on nopass +@all ~l", `"OK"`},
		{"AUTH u any", `"OK"`},
		{"SORT l", `*["1"]`},
		{"SORT l BY nosort", `*["1"]`},
		{"SORT l BY w*", `(error "` + ErrSortByDenied + `")`},
		{"SORT l GET #", `(error "` + ErrSortGetDenied + `")`},
	})
}

// oneSlot is a cluster in which every slot is here.
type oneSlot struct{ Cluster }

func (oneSlot) Redirect(*Client, *Spec, [][]byte, []int) string { return "" }

func TestSortInAClusterStaysInTheSlot(t *testing.T) {
	t.Parallel()
	e := newTestEngine(t)
	e.server.Cluster = oneSlot{}
	e.steps(t, []step{
		{"RPUSH {a}l 1", `"1"`},
		{"SORT {a}l BY w*", `(error "` + ErrSortByCluster + `")`},
		{"SORT {a}l BY {b}w*", `(error "` + ErrSortByCluster + `")`},
		{"SORT {a}l BY {*}w", `(error "` + ErrSortByCluster + `")`},
		{"SORT {a}l BY w*{a}", `(error "` + ErrSortByCluster + `")`},
		{"SORT {a}l GET w*", `(error "` + ErrSortGetCluster + `")`},
		{"SORT {a}l BY {a}w* GET # GET {a}x*->f", `*["1" (nil)]`},
		{"SORT {a}l BY nosort", `*["1"]`},
	})
}

func TestSortKeys(t *testing.T) {
	t.Parallel()
	newTestEngine(t).steps(t, []step{
		{"COMMAND GETKEYS SORT a BY store LIMIT 0 1 STORE b STORE c", `*["a" "c"]`},
		{"COMMAND GETKEYS SORT a STORE", `*["a"]`},
		{"COMMAND GETKEYS SORT_RO a STORE b", `*["a"]`},
		{"COMMAND GETKEYS GEORADIUS a 1 2 3 m STORE b STOREDIST c", `*["a" "c"]`},
		{"COMMAND GETKEYS GEORADIUSBYMEMBER a m 3 m STORE", `*["a"]`},
	})
}

func TestLCS(t *testing.T) {
	t.Parallel()
	e := newTestEngine(t)
	e.client.Proto = 2
	e.steps(t, []step{
		{"MSET a ohmytext b mynewtext", `"OK"`},
		{"LCS a b", `"mytext"`},
		{"LCS a b LEN", `"6"`},
		{"LCS a b IDX", `*["matches" *[*[*["4" "7"] *["5" "8"]] *[*["2" "3"] *["0" "1"]]] "len" "6"]`},
		{"LCS a b IDX MINMATCHLEN 4 WITHMATCHLEN", `*["matches" *[*[*["4" "7"] *["5" "8"] "4"]] "len" "6"]`},
		{"LCS a missing", `""`},
		{"LCS a b LEN IDX", `(error "` + ErrLCSLenIdx + `")`},
		{"RPUSH l x", `"1"`},
		{"LCS a l", `(error "` + ErrLCSStrings + `")`},
		{"SETRANGE a 20000 x", `"20001"`},
		{"SETRANGE b 20000 x", `"20001"`},
		{"LCS a b LEN", `(error "` + ErrLCSMemory + `")`},
	})
}

func TestGeo(t *testing.T) {
	t.Parallel()
	e := newTestEngine(t)
	e.steps(t, []step{
		{"GEOADD g 13.361389 38.115556 Palermo 15.087269 37.502669 Catania", `"2"`},
		{"GEOADD g NX CH 0 0 Palermo", `"0"`},
		{"GEOADD g XX CH 13.361389 38.115556 Palermo 0 0 other", `"0"`},
		{"GEOADD g NX XX 0 0 x", `(error "ERR syntax error")`},
		{"GEOADD g 181 0 x", `(error "ERR invalid longitude,latitude pair 181.000000,0.000000")`},
		{"GEODIST g Palermo Catania", `"166274.1516"`},
		{"GEODIST g Palermo Catania km", `"166.2742"`},
		{"GEODIST g Palermo nobody", "(nil)"},
		{"GEODIST g Palermo Catania yd", `(error "` + ErrGeoUnit + `")`},
		{"GEOHASH g Palermo Catania nobody", `*["sqc8b49rny0" "sqdtr74hyu0" (nil)]`},
		{"GEOPOS g Catania nobody", `*[*["15.08726745843887329" "37.50266842333162032"] (nil)]`},
		{"GEORADIUS g 15 37 200 km WITHDIST ASC", `*[*["Catania" "56.4413"] *["Palermo" "190.4424"]]`},
		{"GEOSEARCH g FROMLONLAT 15 37 BYBOX 400 400 km DESC", `*["Palermo" "Catania"]`},
		{"GEOSEARCH g FROMLONLAT 15 37 BYRADIUS 200 km COUNT 1", `*["Catania"]`},
		{"GEOSEARCHSTORE d g FROMMEMBER Palermo BYRADIUS 200 km COUNT 1", `"1"`},
		{"ZRANGE d 0 -1 WITHSCORES", `*["Palermo" "3479099956230698"]`},
		{"GEOSEARCHSTORE d missing FROMMEMBER x BYRADIUS 200 km", `"0"`},
		{"EXISTS d", `"0"`},
		{"GEOSEARCH g FROMMEMBER nobody BYRADIUS 1 m", `(error "` + ErrGeoMember + `")`},
		{"GEOSEARCH g BYRADIUS 1 m COUNT 1 ANY", `(error "ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for GEOSEARCH")`},
		{"GEORADIUS g 15 37 200 km WITHDIST STORE d", `(error "ERR STORE option in GEORADIUS is not compatible with WITHDIST, WITHHASH and WITHCOORD options")`},
	})
}
