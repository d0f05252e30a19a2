package command

import (
	"math"
	"slices"
	"strconv"

	"github.com/elastane/elastane/engine/arena"
	"github.com/elastane/elastane/engine/ds"
	"github.com/elastane/elastane/engine/geo"
	"github.com/elastane/elastane/engine/keyspace"
)

// Places are members of a sorted set, whose scores are their geohashes (package geo).

var (
	eventGeoSearchStore = keyspace.Event{Name: "geosearchstore", Class: 'z'}
	eventGeoRadiusStore = keyspace.Event{Name: "georadiusstore", Class: 'z'}
)

// readPoint reads "longitude latitude".
func readPoint(a *Args) geo.Point {
	p := geo.Point{Longitude: a.Float(), Latitude: a.Float()}
	if !a.Failed() && !p.Valid() {
		a.Fail(errGeoPair(p.Longitude, p.Latitude))
	}
	return p
}

// readUnit reads a unit of length and returns how many meters it has.
func readUnit(a *Args) float64 {
	switch {
	case a.Word("M"):
		return 1
	case a.Word("KM"):
		return 1000
	case a.Word("FT"):
		return 0.3048
	case a.Word("MI"):
		return 1609.34
	}
	a.Fail(ErrGeoUnit)
	return 1
}

// distance writes a length with four digits.
func (c *Ctx) distance(d float64) {
	c.Reply.BulkString(strconv.FormatFloat(math.RoundToEven(d*10000)/10000, 'f', 4, 64))
}

// point writes a place, with up to 17 digits after the point.
func (c *Ctx) point(p geo.Point) {
	c.Reply.Array(2)
	for _, degrees := range [...]float64{p.Longitude, p.Latitude} {
		text := strconv.AppendFloat(nil, degrees, 'f', 17, 64)
		for text[len(text)-1] == '0' {
			text = text[:len(text)-1]
		}
		if text[len(text)-1] == '.' {
			text = text[:len(text)-1]
		}
		if c.Reply.Proto < 3 {
			c.Reply.Bulk(text)
			continue
		}
		c.Reply.RawString(",")
		c.Reply.Raw(text)
		c.Reply.RawString("\r\n")
	}
}

// GEOADD key [NX | XX] [CH] longitude latitude member [longitude latitude member …]
func cmdGEOADD(c *Ctx) {
	key := c.Args.Bytes()
	o := zaddOptions{}
	for more := true; more; {
		switch {
		case c.Args.Word("NX"):
			o.nx = true
		case c.Args.Word("XX"):
			o.xx = true
		case c.Args.Word("CH"):
			o.ch = true
		default:
			more = false
		}
	}
	if n := c.Args.Len(); n == 0 || n%3 != 0 || o.nx && o.xx {
		c.Args.Syntax()
	}
	var pairs Args
	for c.Args.More() {
		p := readPoint(&c.Args)
		pairs.argv = append(pairs.argv, strconv.AppendUint(nil, p.Score(), 10), c.Args.Bytes())
	}
	if c.Failed() {
		return
	}

	zadd(c, key, pairs, o, eventZadd)
}

// GEOPOS key [member …]
func cmdGEOPOS(c *Ctx) {
	eachPlace(c, c.Reply.NullArray, c.point)
}

// GEOHASH key [member …]
func cmdGEOHASH(c *Ctx) {
	eachPlace(c, c.Reply.Null, func(p geo.Point) { c.Reply.BulkString(p.Geohash()) })
}

// eachPlace answers for each member with what place writes, or missing.
func eachPlace(c *Ctx, missing func(), place func(geo.Point)) {
	key, members := c.Args.Bytes(), c.Args.Rest()

	z, ok := c.findSortedSet(key)
	if !ok {
		return
	}

	c.Reply.Array(len(members))
	for _, member := range members {
		if score, found := z.Score(member); found {
			place(geo.FromScore(score))
		} else {
			missing()
		}
	}
}

// GEODIST key member1 member2 [M | KM | FT | MI]
func cmdGEODIST(c *Ctx) {
	key, member1, member2, unit := c.Args.Bytes(), c.Args.Bytes(), c.Args.Bytes(), 1.0
	switch c.Args.Len() {
	case 0:
	case 1:
		unit = readUnit(&c.Args)
	default:
		c.Args.Syntax()
	}
	if c.Failed() {
		return
	}

	z, ok := c.findSortedSet(key)
	if !ok {
		return
	}
	score1, found1 := z.Score(member1)
	score2, found2 := z.Score(member2)
	if !found1 || !found2 {
		c.Reply.Null()
		return
	}

	c.distance(geo.Distance(geo.FromScore(score1), geo.FromScore(score2)) / unit)
}

// geoQuery is a search for places.
type geoQuery struct {
	area                          geo.Area
	unit                          float64 // meters
	withDist, withHash, withCoord bool
	order                         int8  // 1: the nearest first, -1: the farthest
	count                         int64 // 0: all
	any                           bool  // the first that are found will do
	store                         []byte
	storeDist                     bool
}

// geoPlace is a place that was found.
type geoPlace struct {
	member   []byte
	score    float64
	point    geo.Point
	distance float64 // meters
}

// option reads one of the options that all searches have.
func (q *geoQuery) option(a *Args) bool {
	switch {
	case a.Word("WITHDIST"):
		q.withDist = true
	case a.Word("WITHHASH"):
		q.withHash = true
	case a.Word("WITHCOORD"):
		q.withCoord = true
	case a.Word("ANY"):
		q.any = true
	case a.Word("ASC"):
		q.order = 1
	case a.Word("DESC"):
		q.order = -1
	case a.Len() > 1 && a.Word("COUNT"):
		if q.count = a.Int(); !a.Failed() && q.count <= 0 {
			a.Fail(ErrGeoCount)
		}
	default:
		return false
	}
	return true
}

// radius reads "radius unit".
func (q *geoQuery) radius(a *Args) {
	radius := a.FloatOr(ErrGeoRadius)
	if !a.Failed() && radius < 0 {
		a.Fail(ErrGeoRadiusSign)
	}
	if !a.Failed() {
		q.unit = readUnit(a)
	}
	q.area.Radius = radius * q.unit
}

// box reads "width height unit".
func (q *geoQuery) box(a *Args) {
	width, height := a.FloatOr(ErrGeoWidth), a.FloatOr(ErrGeoHeight)
	if !a.Failed() && (height < 0 || width < 0) {
		a.Fail(ErrGeoBoxSign)
	}
	if !a.Failed() {
		q.unit = readUnit(a)
	}
	q.area.Rectangle, q.area.Width, q.area.Height = true, width*q.unit, height*q.unit
}

// center makes a member the center of the search. Without a sorted set nothing will be found, whoever it is.
func (q *geoQuery) center(a *Args, z *ds.SortedSet, member []byte) {
	if z.Len() == 0 || a.Failed() {
		return
	}
	score, found := z.Score(member)
	if !found {
		a.Fail(ErrGeoMember)
		return
	}
	q.area.Center = geo.FromScore(score)
}

// check latches what is wrong with options that do not go together. what is the name of a command that stores.
func (q *geoQuery) check(a *Args, what string) {
	if q.store != nil && (q.withDist || q.withHash || q.withCoord) {
		a.Fail(errGeoStore(what))
	}
}

// GEOSEARCH key FROMMEMBER member | FROMLONLAT longitude latitude BYRADIUS radius unit |
// BYBOX width height unit [ASC | DESC] [COUNT count [ANY]] [WITHCOORD] [WITHDIST] [WITHHASH]
func cmdGEOSEARCH(c *Ctx) {
	geoSearch(c, nil, c.Args.Bytes())
}

// GEOSEARCHSTORE destination source FROMMEMBER member | FROMLONLAT longitude latitude BYRADIUS radius unit |
// BYBOX width height unit [ASC | DESC] [COUNT count [ANY]] [STOREDIST]
func cmdGEOSEARCHSTORE(c *Ctx) {
	geoSearch(c, c.Args.Bytes(), c.Args.Bytes())
}

func geoSearch(c *Ctx, dst, key []byte) {
	z, ok := c.findSortedSet(key)
	if !ok {
		return
	}
	q := geoQuery{unit: 1, store: dst}
	var fromMember, fromPoint, byRadius, byBox bool
	a := &c.Args
	for a.More() {
		switch {
		case q.option(a):
		case dst != nil && a.Word("STOREDIST"):
			q.storeDist = true
		case a.Len() > 1 && !fromPoint && a.Word("FROMMEMBER"):
			q.center(a, &z, a.Bytes())
			fromMember = true
		case a.Len() > 2 && !fromMember && a.Word("FROMLONLAT"):
			q.area.Center = readPoint(a)
			fromPoint = true
		case a.Len() > 2 && !byBox && a.Word("BYRADIUS"):
			q.radius(a)
			byRadius = true
		case a.Len() > 3 && !byRadius && a.Word("BYBOX"):
			q.box(a)
			byBox = true
		default:
			a.Syntax()
		}
	}
	q.check(a, "GEOSEARCHSTORE")
	if name := string(a.All()[0]); !fromMember && !fromPoint {
		a.Fail(errGeoOneOf("FROMMEMBER or FROMLONLAT", name))
	} else if !byRadius && !byBox {
		a.Fail(errGeoOneOf("BYRADIUS and BYBOX", name))
	}
	q.answer(c, &z, eventGeoSearchStore)
}

// GEORADIUS key longitude latitude radius unit [WITHCOORD] [WITHDIST] [WITHHASH] [COUNT count [ANY]]
// [ASC | DESC] [STORE key | STOREDIST key]
func cmdGEORADIUS(c *Ctx) { geoRadius(c, false, true) }

// GEORADIUS_RO is GEORADIUS without STORE.
func cmdGEORADIUSRO(c *Ctx) { geoRadius(c, false, false) }

// GEORADIUSBYMEMBER key member radius unit [WITHCOORD] [WITHDIST] [WITHHASH] [COUNT count [ANY]]
// [ASC | DESC] [STORE key | STOREDIST key]
func cmdGEORADIUSBYMEMBER(c *Ctx) { geoRadius(c, true, true) }

// GEORADIUSBYMEMBER_RO is GEORADIUSBYMEMBER without STORE.
func cmdGEORADIUSBYMEMBERRO(c *Ctx) { geoRadius(c, true, false) }

func geoRadius(c *Ctx, byMember, stores bool) {
	z, ok := c.findSortedSet(c.Args.Bytes())
	if !ok {
		return
	}
	q := geoQuery{unit: 1}
	a := &c.Args
	switch {
	case byMember && z.Len() == 0: // nothing will be found, whatever the radius
		a.Bytes()
		a.Bytes()
		a.Bytes()
	case byMember:
		q.center(a, &z, a.Bytes())
		q.radius(a)
	default:
		q.area.Center = readPoint(a)
		q.radius(a)
	}
	for a.More() {
		switch {
		case q.option(a):
		case stores && a.Len() > 1 && a.Word("STORE"):
			q.store, q.storeDist = a.Bytes(), false
		case stores && a.Len() > 1 && a.Word("STOREDIST"):
			q.store, q.storeDist = a.Bytes(), true
		default:
			a.Syntax()
		}
	}
	q.check(a, "STORE option in GEORADIUS")
	q.answer(c, &z, eventGeoRadiusStore)
}

// answer runs the search and answers, unless an argument was wrong.
func (q *geoQuery) answer(c *Ctx, z *ds.SortedSet, ev keyspace.Event) {
	if q.any && q.count == 0 {
		c.Args.Fail(ErrGeoAny)
	}
	if c.Failed() {
		return
	}

	places := q.search(z)

	if q.store != nil {
		q.storePlaces(c, places, ev)
		return
	}
	with := 0
	for _, w := range [...]bool{q.withDist, q.withHash, q.withCoord} {
		with += int(boolInt(w))
	}
	c.Reply.Array(len(places))
	for i := range places {
		p := &places[i]
		if with > 0 {
			c.Reply.Array(1 + with)
		}
		c.Reply.Bulk(p.member)
		if q.withDist {
			c.distance(p.distance / q.unit)
		}
		if q.withHash {
			c.Reply.Int(int64(p.score))
		}
		if q.withCoord {
			c.point(p.point)
		}
	}
}

// search returns the places that the query asks for, in its order.
func (q *geoQuery) search(z *ds.SortedSet) (places []geoPlace) {
	if z.Len() == 0 {
		return nil
	}
	for _, r := range q.area.Ranges() {
		low, high := float64(r.Low), float64(r.High)
		if q.any && int64(len(places)) >= q.count {
			break
		}
		from := z.Search(func(_ []byte, score float64) bool { return score < low })
		z.Each(from, false, func(member []byte, score float64) bool {
			if score >= high {
				return false
			}
			point := geo.FromScore(score)
			if distance, ok := q.area.Contains(point); ok {
				places = append(places, geoPlace{member, score, point, distance})
			}
			return !q.any || int64(len(places)) < q.count
		})
	}
	order := q.order
	if order == 0 && q.count > 0 && !q.any {
		order = 1 // the nearest are meant
	}
	if order != 0 {
		slices.SortStableFunc(places, func(a, b geoPlace) int {
			switch {
			case a.distance < b.distance:
				return -int(order)
			case a.distance > b.distance:
				return int(order)
			}
			return 0
		})
	}
	if q.count > 0 && q.count < int64(len(places)) {
		places = places[:q.count]
	}
	return places
}

func (q *geoQuery) storePlaces(c *Ctx, places []geoPlace, ev keyspace.Event) {
	result := ds.OpenSortedSet(c.heap(), arena.Nil)
	for _, p := range places {
		score := p.score
		if q.storeDist {
			score = p.distance / q.unit
		}
		result.Set(p.member, score, c.encodings().sortedSet)
	}
	n := c.replaceWith(q.store, keyspace.TypeZSet, result.Encoding(), result.Root(), result.Len(), ev)

	c.Reply.Int(int64(n))
}

// storeKeys are the keys of GEORADIUS and GEORADIUSBYMEMBER, whose options begin at an index.
func storeKeys(options int) Keys {
	return Keys{
		First: 1, Last: 1, Step: 1,
		Find: func(argv [][]byte, dst []int) []int {
			store := 0
			for i := options; i < len(argv)-1; i++ {
				if isWord(argv[i], "STORE") || isWord(argv[i], "STOREDIST") {
					i++
					store = i
				}
			}
			dst = append(dst, 1)
			if store > 0 {
				dst = append(dst, store)
			}
			return dst
		},
		Shape: []KeyShape{
			{Use: "RO access", Index: 1, Step: 1},
			{Use: "OW update", Keyword: "STORE", StartFrom: options, Step: 1},
			{Use: "OW update", Keyword: "STOREDIST", StartFrom: options, Step: 1},
		},
	}.Uses("RO access", "OW update")
}

var geoSpecs = []Spec{
	{
		Name: "geoadd", Group: "geo", Since: "3.2.0", Arity: -5,
		Summary: "Adds places or moves them.",
		Flags:   Write | DenyOOM, Keys: OneKey.Uses("RW update"), Categories: "write geo slow", Handler: cmdGEOADD,
	},
	{
		Name: "geodist", Group: "geo", Since: "3.2.0", Arity: -4,
		Summary: "Returns the distance between two places.",
		Flags:   ReadOnly, Keys: OneKey.Uses("RO access"), Categories: "read geo slow", Handler: cmdGEODIST,
	},
	{
		Name: "geohash", Group: "geo", Since: "3.2.0", Arity: -2,
		Summary: "Returns the geohashes of places.",
		Flags:   ReadOnly, Keys: OneKey.Uses("RO access"), Categories: "read geo slow", Handler: cmdGEOHASH,
	},
	{
		Name: "geopos", Group: "geo", Since: "3.2.0", Arity: -2,
		Summary: "Returns the coordinates of places.",
		Flags:   ReadOnly, Keys: OneKey.Uses("RO access"), Categories: "read geo slow", Handler: cmdGEOPOS,
	},
	{
		Name: "georadius", Group: "geo", Since: "3.2.0", Arity: -6,
		Summary: "Finds the places around coordinates, and returns or stores them.",
		Flags:   Write | DenyOOM, Keys: storeKeys(6), Categories: "write geo slow", Handler: cmdGEORADIUS,
	},
	{
		Name: "georadius_ro", Group: "geo", Since: "3.2.10", Arity: -6,
		Summary: "Finds the places around coordinates.",
		Flags:   ReadOnly, Keys: OneKey.Uses("RO access"), Categories: "read geo slow", Handler: cmdGEORADIUSRO,
	},
	{
		Name: "georadiusbymember", Group: "geo", Since: "3.2.0", Arity: -5,
		Summary: "Finds the places around a member, and returns or stores them.",
		Flags:   Write | DenyOOM, Keys: storeKeys(5), Categories: "write geo slow", Handler: cmdGEORADIUSBYMEMBER,
	},
	{
		Name: "georadiusbymember_ro", Group: "geo", Since: "3.2.10", Arity: -5,
		Summary: "Finds the places around a member.",
		Flags:   ReadOnly, Keys: OneKey.Uses("RO access"), Categories: "read geo slow", Handler: cmdGEORADIUSBYMEMBERRO,
	},
	{
		Name: "geosearch", Group: "geo", Since: "6.2.0", Arity: -7,
		Summary: "Finds the places in a circle or a rectangle.",
		Flags:   ReadOnly, Keys: OneKey.Uses("RO access"), Categories: "read geo slow", Handler: cmdGEOSEARCH,
	},
	{
		Name: "geosearchstore", Group: "geo", Since: "6.2.0", Arity: -8,
		Summary: "Stores the places in a circle or a rectangle.",
		Flags:   Write | DenyOOM, Keys: TwoKeys.Uses("OW update", "RO access"), Categories: "write geo slow", Handler: cmdGEOSEARCHSTORE,
	},
}
