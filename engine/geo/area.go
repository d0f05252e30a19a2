package geo

import "math"

// Area is what a search looks through: a circle or a rectangle around a place, in meters.
type Area struct {
	Center        Point
	Radius        float64 // of a circle
	Width, Height float64 // of a rectangle
	Rectangle     bool
}

// Contains tells whether a place is in the area, and how many meters from the center it is.
func (a *Area) Contains(p Point) (distance float64, ok bool) {
	if a.Rectangle {
		if latitudeDistance(p.Latitude, a.Center.Latitude) > a.Height/2 {
			return 0, false
		}
		if Distance(p, Point{a.Center.Longitude, p.Latitude}) > a.Width/2 {
			return 0, false
		}
		return Distance(a.Center, p), true
	}
	distance = Distance(a.Center, p)
	return distance, distance <= a.Radius
}

// Range is a range of scores: Low belongs to it, High does not.
type Range struct{ Low, High uint64 }

// Ranges returns up to nine ranges of scores that hold every place of the area, and others: the cell of the
// center and those around it, in the order in which Valkey looks through them.
func (a *Area) Ranges() []Range {
	bounds := a.bounds()
	step := a.step()
	center := encode(a.Center, MaxLatitude, step)
	// Near the edge of its cell the area may reach beyond the neighbours.
	if step > 1 && (center.move(0, 1).area().north < bounds.north || center.move(0, -1).area().south > bounds.south ||
		center.move(1, 0).area().east < bounds.east || center.move(-1, 0).area().west > bounds.west) {
		step--
		center = encode(a.Center, MaxLatitude, step)
	}
	own := center.area()
	var ranges []Range
	last, seen := cell{}, false
	for _, to := range [...]struct{ east, north int }{{0, 0}, {0, 1}, {0, -1}, {1, 0}, {-1, 0}, {1, 1}, {-1, 1}, {1, -1}, {-1, -1}} {
		if step >= 2 && // neighbours on a side to which the area does not reach
			((to.north < 0 && own.south < bounds.south) || (to.north > 0 && own.north > bounds.north) ||
				(to.east < 0 && own.west < bounds.west) || (to.east > 0 && own.east > bounds.east)) {
			continue
		}
		c := center.move(to.east, to.north)
		if seen && c == last { // of a huge area neighbours are the same
			continue
		}
		last, seen = c, to.east != 0 || to.north != 0
		low, high := c.scores()
		ranges = append(ranges, Range{low, high})
	}
	return ranges
}

// step is how fine cells must be for an area to fit into nine of them.
func (a *Area) step() uint {
	meters := a.Radius
	if a.Rectangle {
		meters = math.Sqrt(float64(a.Width/2*(a.Width/2)) + float64(a.Height/2*(a.Height/2)))
	}
	if meters == 0 {
		return maxStep
	}
	step := 1
	for meters < mercatorMax {
		meters *= 2
		step++
	}
	step -= 2
	// Cells are narrower towards the poles.
	if latitude := math.Abs(a.Center.Latitude); latitude > 80 {
		step -= 2
	} else if latitude > 66 {
		step--
	}
	return uint(min(max(step, 1), maxStep))
}

// bounds is the rectangle in degrees around the area.
func (a *Area) bounds() area {
	height, width := a.Radius, a.Radius
	if a.Rectangle {
		height, width = a.Height/2, a.Width/2
	}
	dy := height / earthRadius / radian
	// The parallel that is nearer to the pole is the shorter one.
	nearer := a.Center.Latitude + dy
	if a.Center.Latitude < 0 {
		nearer = a.Center.Latitude - dy
	}
	dx := width / earthRadius / math.Cos(nearer*radian) / radian
	return area{
		west: a.Center.Longitude - dx, east: a.Center.Longitude + dx,
		south: a.Center.Latitude - dy, north: a.Center.Latitude + dy,
	}
}
