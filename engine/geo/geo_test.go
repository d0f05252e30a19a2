package geo

import (
	"math"
	"math/rand/v2"
	"testing"
)

// The worked examples of Valkey's documentation of GEOADD, GEODIST, GEOHASH and GEOPOS.
func TestKnownPlaces(t *testing.T) {
	t.Parallel()
	palermo, catania := Point{13.361389, 38.115556}, Point{15.087269, 37.502669}
	if got := palermo.Score(); got != 3479099956230698 {
		t.Errorf("score of Palermo = %d", got)
	}
	if got := catania.Score(); got != 3479447370796909 {
		t.Errorf("score of Catania = %d", got)
	}
	p, c := FromScore(3479099956230698), FromScore(3479447370796909)
	if got := Distance(p, c); math.Abs(got-166274.1516) > 0.00005 {
		t.Errorf("distance = %f", got)
	}
	if got := p.Geohash(); got != "sqc8b49rny0" {
		t.Errorf("geohash of Palermo = %s", got)
	}
	if p.Longitude != 13.36138933897018433 || p.Latitude != 38.11555639549629859 {
		t.Errorf("Palermo read back = %v", p)
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		p     Point
		valid bool
	}{
		{Point{180, MaxLatitude}, true},
		{Point{-180, -MaxLatitude}, true},
		{Point{180.000001, 0}, false},
		{Point{0, 85.051129}, false},
		{Point{-181, 0}, false},
		{Point{math.NaN(), 0}, false},
	} {
		if c.p.Valid() != c.valid {
			t.Errorf("%v: valid = %v", c.p, !c.valid)
		}
	}
	for _, score := range []float64{0, -1, 1 << 53, math.Inf(1), math.Inf(-1), -1e300, 1e300, 0.5} {
		if p := FromScore(score); !p.Valid() {
			t.Errorf("score %g gives %v", score, p)
		}
	}
}

// Every place that an area contains is in one of its ranges, and comes back from its score within a cell.
func TestRangesHoldTheArea(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	place := func() Point { return Point{r.Float64()*360 - 180, r.Float64()*140 - 70} }
	for range 3000 {
		a := Area{Center: place(), Radius: math.Pow(10, 1+5.5*r.Float64())}
		if r.IntN(2) == 0 {
			a = Area{Center: a.Center, Rectangle: true, Width: a.Radius, Height: math.Pow(10, 1+5.5*r.Float64())}
		}
		ranges := a.Ranges()
		for range 50 {
			// Nearby, so that many are inside.
			p := Point{a.Center.Longitude + r.NormFloat64()*a.Radius/1e5, a.Center.Latitude + r.NormFloat64()*a.Radius/1e5}
			if !p.Valid() {
				continue
			}
			score := p.Score()
			back := FromScore(float64(score))
			if math.Abs(back.Longitude-p.Longitude) > 1e-5 || math.Abs(back.Latitude-p.Latitude) > 1e-5 {
				t.Fatalf("%v came back as %v", p, back)
			}
			if _, ok := a.Contains(back); !ok || math.Abs(p.Longitude-a.Center.Longitude) > 90 {
				continue
			}
			found := false
			for _, x := range ranges {
				found = found || (score >= x.Low && score < x.High)
			}
			if !found {
				t.Fatalf("%+v contains %v, whose score %d is in none of %v", a, p, score, ranges)
			}
		}
	}
}
