// Package glob matches the patterns of KEYS, SCAN, PSUBSCRIBE and CONFIG GET, as Valkey's
// stringmatch does: * ? [abc] [a-z] [^a] and \ to take a character as it is.
package glob

// Match reports whether s, as a whole, matches pattern. Its time is bounded by the product of the
// two lengths, whatever the number of stars.
func Match(pattern, s []byte) bool {
	p, i := 0, 0
	star, resume := -1, 0 // the last star, and where in s to go on if what follows it fails
	for i < len(s) {
		if p < len(pattern) && pattern[p] == '*' {
			star, resume = p, i
			p++
			continue
		}
		if p < len(pattern) {
			if ok, next := matchOne(pattern, p, s[i]); ok {
				p, i = next, i+1
				continue
			}
		}
		if star < 0 {
			return false
		}
		resume++
		p, i = star+1, resume
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}

// matchOne matches c with the element of pattern at p, and returns where the next element begins.
func matchOne(pattern []byte, p int, c byte) (ok bool, next int) {
	switch pattern[p] {
	case '?':
		return true, p + 1
	case '[':
		return matchClass(pattern, p+1, c)
	case '\\':
		if p+1 < len(pattern) {
			p++
		}
	}
	return pattern[p] == c, p + 1
}

// matchClass matches c with the class whose content begins at p. A class that is not closed ends with
// the pattern.
func matchClass(pattern []byte, p int, c byte) (ok bool, next int) {
	negated := p < len(pattern) && pattern[p] == '^'
	if negated {
		p++
	}
	for ; p < len(pattern) && pattern[p] != ']'; p++ {
		switch {
		case pattern[p] == '\\' && p+1 < len(pattern):
			p++
			ok = ok || pattern[p] == c
		case p+2 < len(pattern) && pattern[p+1] == '-':
			low, high := pattern[p], pattern[p+2]
			if low > high {
				low, high = high, low
			}
			ok = ok || (low <= c && c <= high)
			p += 2
		default:
			ok = ok || pattern[p] == c
		}
	}
	if p < len(pattern) {
		p++
	}
	return ok != negated, p
}
