// Package geo turns places on the earth into the scores of a sorted set and back, and finds the ranges of
// scores that an area may be in: the arithmetic of Valkey's GEO commands, to the last bit where it decides what
// a client sees.
//
// A score is a geohash of 52 bits: 26 halvings of the longitude and of the latitude, interleaved, the latitude in
// the even bits. The latitude reaches as far as the Mercator projection does (EPSG:3857).
//
// Conversions to float64 around products keep the compiler from fusing operations, which would give other bits on
// other machines.
package geo

import "math"

// The limits of a place.
const (
	MaxLongitude = 180
	MaxLatitude  = 85.05112878
)

const (
	earthRadius = 6372797.560856 // meters
	mercatorMax = 20037726.37    // half of the earth's circumference in the projection
	maxStep     = 26
)

// radian is a degree in radians. It is divided at run time: as an exact constant it would be rounded otherwise.
var radian = func(pi float64) float64 { return pi / 180 }(math.Pi)

// Point is a place in degrees.
type Point struct{ Longitude, Latitude float64 }

// Valid tells whether the place is within the limits.
func (p Point) Valid() bool {
	return p.Longitude >= -MaxLongitude && p.Longitude <= MaxLongitude && p.Latitude >= -MaxLatitude && p.Latitude <= MaxLatitude
}

// Score returns the score of a valid place. It is below 2^53.
func (p Point) Score() uint64 { return encode(p, MaxLatitude, maxStep).bits }

// FromScore returns the middle of the cell that a score names; of a score that no place has, some place.
func FromScore(score float64) Point {
	bits := uint64(0)
	if score < 0 {
		bits = uint64(int64(max(score, math.MinInt64)))
	} else if score < 1<<63 {
		bits = uint64(score)
	}
	a := cell{bits, maxStep}.area()
	return Point{
		Longitude: min(max((a.west+a.east)/2, -MaxLongitude), MaxLongitude),
		Latitude:  min(max((a.south+a.north)/2, -MaxLatitude), MaxLatitude),
	}
}

// Geohash returns the place as the 11 characters of the public geohash, whose latitude reaches from pole to
// pole; the last one says nothing.
func (p Point) Geohash() string {
	const alphabet = "0123456789bcdefghjkmnpqrstuvwxyz"
	bits := encode(p, 90, maxStep).bits
	text := []byte("00000000000")
	for i := range 10 {
		text[i] = alphabet[bits>>(52-(i+1)*5)&0x1f]
	}
	return string(text)
}

// Distance returns the meters between two places on a sphere (haversine).
func Distance(a, b Point) float64 {
	v := math.Sin((b.Longitude*radian - a.Longitude*radian) / 2)
	if v == 0 {
		return latitudeDistance(a.Latitude, b.Latitude)
	}
	lat1, lat2 := float64(a.Latitude*radian), float64(b.Latitude*radian)
	u := math.Sin((lat2 - lat1) / 2)
	h := float64(u*u) + float64(float64(float64(math.Cos(lat1)*math.Cos(lat2))*v)*v)
	return 2 * earthRadius * math.Asin(math.Sqrt(h))
}

func latitudeDistance(a, b float64) float64 {
	return earthRadius * math.Abs(float64(b*radian)-float64(a*radian))
}

// cell is a geohash of a number of steps; the zero cell is none.
type cell struct {
	bits uint64
	step uint
}

// encode returns the cell of a place; the latitude reaches from -latitude to latitude.
func encode(p Point, latitude float64, step uint) cell {
	scale := float64(uint64(1) << step)
	y := (p.Latitude + latitude) / (2 * latitude) * scale
	x := (p.Longitude + MaxLongitude) / (2 * MaxLongitude) * scale
	return cell{spread(uint32(y)) | spread(uint32(x))<<1, step}
}

// spread puts the bits of x into the even places.
func spread(x uint32) uint64 {
	v := uint64(x)
	v = (v | v<<16) & 0x0000ffff0000ffff
	v = (v | v<<8) & 0x00ff00ff00ff00ff
	v = (v | v<<4) & 0x0f0f0f0f0f0f0f0f
	v = (v | v<<2) & 0x3333333333333333
	return (v | v<<1) & 0x5555555555555555
}

// gather is the reverse of spread.
func gather(v uint64) uint32 {
	v &= 0x5555555555555555
	v = (v | v>>1) & 0x3333333333333333
	v = (v | v>>2) & 0x0f0f0f0f0f0f0f0f
	v = (v | v>>4) & 0x00ff00ff00ff00ff
	v = (v | v>>8) & 0x0000ffff0000ffff
	return uint32(v | v>>16)
}

// area is a rectangle in degrees.
type area struct{ west, south, east, north float64 }

func (c cell) area() area {
	scale := float64(uint64(1) << c.step)
	y, x := gather(c.bits), gather(c.bits>>1)
	latitude := func(y float64) float64 { return -MaxLatitude + float64(y/scale*(2*MaxLatitude)) }
	longitude := func(x float64) float64 { return -MaxLongitude + float64(x/scale*(2*MaxLongitude)) }
	// y+1 is one of 32 bits: at the very top it is 0, as in Valkey.
	return area{
		west: longitude(float64(x)), east: longitude(float64(x + 1)),
		south: latitude(float64(y)), north: latitude(float64(y + 1)),
	}
}

// move returns the cell some cells to the east and to the north, around the world.
func (c cell) move(east, north int) cell {
	mask := uint32(1)<<c.step - 1
	y, x := gather(c.bits), gather(c.bits>>1)
	if east != 0 {
		x = (x + uint32(east)) & mask
	}
	if north != 0 {
		y = (y + uint32(north)) & mask
	}
	return cell{spread(y) | spread(x)<<1, c.step}
}

// scores returns the scores of all places in the cell: low is one of them, high is not.
func (c cell) scores() (low, high uint64) {
	shift := 52 - c.step*2
	return c.bits << shift, (c.bits + 1) << shift
}
