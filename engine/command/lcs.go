package command

import "slices"

// lcsOptions are the options of LCS.
type lcsOptions struct {
	length, matches, matchLengths bool
	shortest                      int64 // matches below are left out
}

// LCS key1 key2 [LEN] [IDX] [MINMATCHLEN min-match-len] [WITHMATCHLEN]
func cmdLCS(c *Ctx) {
	keys := [2][]byte{c.Args.Bytes(), c.Args.Bytes()}

	var strings [2][]byte
	for i, key := range keys {
		if e, found := c.View.Find(key); found {
			if !isString(e) {
				c.Reply.Error(ErrLCSStrings)
				return
			}
			strings[i] = e.Value()
		}
	}
	o := lcsOptions{}
	for a := &c.Args; a.More(); {
		switch {
		case a.Word("IDX"):
			o.matches = true
		case a.Word("LEN"):
			o.length = true
		case a.Word("WITHMATCHLEN"):
			o.matchLengths = true
		case a.Len() > 1 && a.Word("MINMATCHLEN"):
			o.shortest = a.Int()
		default:
			a.Syntax()
		}
	}
	if o.length && o.matches {
		c.Args.Fail(ErrLCSLenIdx)
	}
	if cells := int64(len(strings[0])+1) * int64(len(strings[1])+1); cells*4 > maxString {
		c.Args.Fail(ErrLCSMemory)
	}
	if c.Failed() {
		return
	}
	s := newSubsequence(strings[0], strings[1])

	switch {
	case o.matches:
		o.reply(c, s)
	case o.length:
		c.Reply.Int(int64(s.len()))
	default:
		text, _ := s.trace()
		c.Reply.Bulk(text)
	}
}

func (o *lcsOptions) reply(c *Ctx, s *subsequence) {
	_, matches := s.trace()
	matches = slices.DeleteFunc(matches, func(m lcsMatch) bool { return int64(m.n) < o.shortest })
	c.Reply.Map(2)
	c.Reply.BulkString("matches")
	c.Reply.Array(len(matches))
	for _, m := range matches {
		c.Reply.Array(2 + int(boolInt(o.matchLengths)))
		for _, start := range [...]int{m.a, m.b} {
			c.Reply.Array(2)
			c.Reply.Int(int64(start))
			c.Reply.Int(int64(start + m.n - 1))
		}
		if o.matchLengths {
			c.Reply.Int(int64(m.n))
		}
	}
	c.Reply.BulkString("len")
	c.Reply.Int(int64(s.len()))
}

// subsequence is the table of the lengths of the longest common subsequences of all beginnings of a and of b.
type subsequence struct {
	a, b    []byte
	lengths []uint32 // of a[:i] and b[:j] at i*(len(b)+1)+j
}

// lcsMatch is a common substring: n bytes from a on in the first string, from b on in the second.
type lcsMatch struct{ a, b, n int }

func newSubsequence(a, b []byte) *subsequence {
	width := len(b) + 1
	s := &subsequence{a, b, make([]uint32, (len(a)+1)*width)}
	for i := 1; i <= len(a); i++ {
		above, row := s.lengths[(i-1)*width:i*width], s.lengths[i*width:(i+1)*width]
		for j := 1; j <= len(b); j++ {
			if a[i-1] == b[j-1] {
				row[j] = above[j-1] + 1
			} else {
				row[j] = max(above[j], row[j-1])
			}
		}
	}
	return s
}

func (s *subsequence) at(i, j int) uint32 { return s.lengths[i*(len(s.b)+1)+j] }

// len is the length of the longest common subsequence.
func (s *subsequence) len() int { return int(s.lengths[len(s.lengths)-1]) }

// trace goes the way back through the table. It returns the subsequence, and the substrings that it consists of,
// the last one first.
func (s *subsequence) trace() (text []byte, matches []lcsMatch) {
	text = make([]byte, s.len())
	left := len(text)
	for i, j, joined := len(s.a), len(s.b), false; i > 0 && j > 0; {
		switch {
		case s.a[i-1] == s.b[j-1]:
			i, j, left = i-1, j-1, left-1
			text[left] = s.a[i]
			if !joined {
				matches, joined = append(matches, lcsMatch{}), true
			}
			last := &matches[len(matches)-1]
			*last = lcsMatch{i, j, last.n + 1}
		case s.at(i-1, j) > s.at(i, j-1):
			i, joined = i-1, false
		default:
			j, joined = j-1, false
		}
	}
	return text, matches
}

var lcsSpecs = []Spec{{
	Name: "lcs", Group: "string", Since: "7.0.0", Arity: -3,
	Summary: "Finds the longest common subsequence of two strings.",
	Flags:   ReadOnly, Keys: TwoKeys.Uses("RO access"), Categories: "read string slow", Handler: cmdLCS,
}}
