package lua

import "strings"

const (
	maxCaptures     = 32
	maxMatchDepth   = 200000
	captureOpen     = -1
	capturePosition = -2
)

// matcher matches Lua patterns.
type matcher struct {
	l        *State
	s, p     string
	level    int
	depth    int
	steps    int
	captures [maxCaptures]struct{ start, length int }
}

// match matches the pattern from pi on at s[si:], and returns the end of the match, or -1.
func (m *matcher) match(si, pi int) int {
	if m.depth++; m.depth > maxMatchDepth {
		m.l.Errorf("pattern too complex")
	}
	defer func() { m.depth-- }()
	for pi < len(m.p) {
		switch m.p[pi] {
		case '(':
			if pi+1 < len(m.p) && m.p[pi+1] == ')' {
				return m.open(si, pi+2, capturePosition)
			}
			return m.open(si, pi+1, captureOpen)
		case ')':
			return m.close(si, pi+1)
		case '%':
			if pi+1 < len(m.p) {
				switch c := m.p[pi+1]; {
				case c == 'b':
					if si = m.balance(si, pi+2); si < 0 {
						return -1
					}
					pi += 4
					continue
				case c == 'f':
					pi += 2
					if pi >= len(m.p) || m.p[pi] != '[' {
						m.l.Errorf("missing '[' after '%%f' in pattern")
					}
					end := m.classEnd(pi)
					before, after := byte(0), byte(0)
					if si > 0 {
						before = m.s[si-1]
					}
					if si < len(m.s) {
						after = m.s[si]
					}
					if m.set(before, pi, end-1) || !m.set(after, pi, end-1) {
						return -1
					}
					pi = end
					continue
				case isDigit(c):
					if si = m.back(si, c); si < 0 {
						return -1
					}
					pi += 2
					continue
				}
			}
		case '$':
			if pi+1 == len(m.p) {
				if si == len(m.s) {
					return si
				}
				return -1
			}
		}
		end := m.classEnd(pi)
		fits := si < len(m.s) && m.single(m.s[si], pi, end)
		suffix := byte(0)
		if end < len(m.p) {
			suffix = m.p[end]
		}
		switch suffix {
		case '?':
			if fits {
				if e := m.match(si+1, end+1); e >= 0 {
					return e
				}
			}
			pi = end + 1
			continue
		case '*':
			return m.longest(si, pi, end, 0)
		case '+':
			if !fits {
				return -1
			}
			return m.longest(si, pi, end, 1)
		case '-':
			return m.shortest(si, pi, end)
		}
		if !fits {
			return -1
		}
		si++
		pi = end
	}
	return si
}

// step lets the hook run in a long match.
func (m *matcher) step() {
	if m.steps++; m.steps&0xfff == 0 {
		m.l.tick()
	}
}

func (m *matcher) longest(si, pi, end, least int) int {
	n := 0
	for si+n < len(m.s) && m.single(m.s[si+n], pi, end) {
		n++
	}
	for ; n >= least; n-- {
		m.step()
		if e := m.match(si+n, end+1); e >= 0 {
			return e
		}
	}
	return -1
}

func (m *matcher) shortest(si, pi, end int) int {
	for {
		m.step()
		if e := m.match(si, end+1); e >= 0 {
			return e
		}
		if si >= len(m.s) || !m.single(m.s[si], pi, end) {
			return -1
		}
		si++
	}
}

func (m *matcher) open(si, pi, what int) int {
	if m.level >= maxCaptures {
		m.l.Errorf("too many captures")
	}
	m.captures[m.level].start, m.captures[m.level].length = si, what
	m.level++
	e := m.match(si, pi)
	if e < 0 {
		m.level--
	}
	return e
}

func (m *matcher) close(si, pi int) int {
	i := m.level - 1
	for i >= 0 && m.captures[i].length != captureOpen {
		i--
	}
	if i < 0 {
		m.l.Errorf("invalid pattern capture")
	}
	m.captures[i].length = si - m.captures[i].start
	e := m.match(si, pi)
	if e < 0 {
		m.captures[i].length = captureOpen
	}
	return e
}

func (m *matcher) balance(si, pi int) int {
	if pi+1 >= len(m.p) {
		m.l.Errorf("unbalanced pattern")
	}
	if si >= len(m.s) || m.s[si] != m.p[pi] {
		return -1
	}
	depth := 1
	for i := si + 1; i < len(m.s); i++ {
		switch m.s[i] {
		case m.p[pi+1]:
			if depth--; depth == 0 {
				return i + 1
			}
		case m.p[pi]:
			depth++
		}
	}
	return -1
}

func (m *matcher) back(si int, c byte) int {
	i := int(c) - '1'
	if i < 0 || i >= m.level || m.captures[i].length == captureOpen {
		m.l.Errorf("invalid capture index")
	}
	text := m.s[m.captures[i].start : m.captures[i].start+max(m.captures[i].length, 0)]
	if strings.HasPrefix(m.s[si:], text) {
		return si + len(text)
	}
	return -1
}

func (m *matcher) classEnd(pi int) int {
	c := m.p[pi]
	pi++
	if c == '%' {
		if pi >= len(m.p) {
			m.l.Errorf("malformed pattern (ends with '%%')")
		}
		return pi + 1
	}
	if c != '[' {
		return pi
	}
	if pi < len(m.p) && m.p[pi] == '^' {
		pi++
	}
	for {
		if pi >= len(m.p) {
			m.l.Errorf("malformed pattern (missing ']')")
		}
		c := m.p[pi]
		pi++
		if c == '%' && pi < len(m.p) {
			pi++
		}
		if pi < len(m.p) && m.p[pi] == ']' {
			return pi + 1
		}
	}
}

func (m *matcher) single(c byte, pi, end int) bool {
	switch m.p[pi] {
	case '.':
		return true
	case '%':
		return inClass(c, m.p[pi+1])
	case '[':
		return m.set(c, pi, end-1)
	default:
		return m.p[pi] == c
	}
}

// set tells whether c is in the set from [ at pi to ] at last.
func (m *matcher) set(c byte, pi, last int) bool {
	in := true
	pi++
	if m.p[pi] == '^' {
		in = false
		pi++
	}
	for ; pi < last; pi++ {
		switch {
		case m.p[pi] == '%':
			pi++
			if inClass(c, m.p[pi]) {
				return in
			}
		case pi+2 < last && m.p[pi+1] == '-':
			if m.p[pi] <= c && c <= m.p[pi+2] {
				return in
			}
			pi += 2
		case m.p[pi] == c:
			return in
		}
	}
	return !in
}

func inClass(c, class byte) bool {
	letter := c|0x20 >= 'a' && c|0x20 <= 'z'
	digit := isDigit(c)
	var in bool
	switch class | 0x20 {
	case 'a':
		in = letter
	case 'c':
		in = c < 32 || c == 127
	case 'd':
		in = digit
	case 'l':
		in = c >= 'a' && c <= 'z'
	case 'p':
		in = c > 32 && c < 127 && !letter && !digit
	case 's':
		in = c == ' ' || c >= '\t' && c <= '\r'
	case 'u':
		in = c >= 'A' && c <= 'Z'
	case 'w':
		in = letter || digit
	case 'x':
		in = digit || c|0x20 >= 'a' && c|0x20 <= 'f'
	case 'z':
		in = c == 0
	default:
		return class == c
	}
	if class < 'A' || class > 'z' || class > 'Z' && class < 'a' {
		return class == c
	}
	if class <= 'Z' {
		return !in
	}
	return in
}

func (m *matcher) capture(i, start, end int) Value {
	if i >= m.level {
		if i != 0 {
			m.l.Errorf("invalid capture index")
		}
		return String(m.s[start:end])
	}
	c := m.captures[i]
	switch c.length {
	case captureOpen:
		m.l.Errorf("unfinished capture")
	case capturePosition:
		return Number(float64(c.start + 1))
	}
	return String(m.s[c.start : c.start+c.length])
}

// pushCaptures pushes all captures, or the whole match (start ≥ 0) if there are none.
func (m *matcher) pushCaptures(start, end int) int {
	n := m.level
	if n == 0 && start >= 0 {
		n = 1
	}
	for i := range n {
		m.l.Push(m.capture(i, start, end))
	}
	return n
}
