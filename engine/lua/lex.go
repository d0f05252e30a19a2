package lua

import (
	"fmt"
	"strings"
)

type token uint8

const (
	tEOF token = iota
	tName
	tString
	tNumber
	tAnd
	tBreak
	tDo
	tElse
	tElseif
	tEnd
	tFalse
	tFor
	tFunction
	tIf
	tIn
	tLocal
	tNil
	tNot
	tOr
	tRepeat
	tReturn
	tThen
	tTrue
	tUntil
	tWhile
	tConcat // ..
	tDots   // ...
	tEq
	tGe
	tLe
	tNe
	tChar // any single character: lexer.char
)

var keywords = map[string]token{
	"and": tAnd, "break": tBreak, "do": tDo, "else": tElse, "elseif": tElseif, "end": tEnd, "false": tFalse,
	"for": tFor, "function": tFunction, "if": tIf, "in": tIn, "local": tLocal, "nil": tNil, "not": tNot,
	"or": tOr, "repeat": tRepeat, "return": tReturn, "then": tThen, "true": tTrue, "until": tUntil, "while": tWhile,
}

// SyntaxError is what Compile returns for a text that is no Lua; it reads as C Lua's.
type SyntaxError struct{ Text string }

func (e *SyntaxError) Error() string { return e.Text }

type lexeme struct {
	kind token
	char byte // tChar
	text string
	num  float64
	line int
}

type lexer struct {
	src   string
	pos   int
	line  int
	chunk string // as error messages show it
	buf   []byte
}

func (x *lexer) failf(line int, format string, args ...any) {
	panic(&SyntaxError{fmt.Sprintf("%s:%d: %s", x.chunk, line, fmt.Sprintf(format, args...))})
}

func (x *lexer) failNear(text, near string) { x.failf(x.line, "%s near '%s'", text, near) }

func (x *lexer) newline() {
	c := x.src[x.pos]
	x.pos++
	if x.pos < len(x.src) && (x.src[x.pos] == '\n' || x.src[x.pos] == '\r') && x.src[x.pos] != c {
		x.pos++
	}
	x.line++
}

func (x *lexer) peek() byte {
	if x.pos < len(x.src) {
		return x.src[x.pos]
	}
	return 0
}

func isNameByte(c byte) bool {
	return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// skip passes blanks and comments.
func (x *lexer) skip() {
	for x.pos < len(x.src) {
		switch c := x.src[x.pos]; {
		case c == '\n' || c == '\r':
			x.newline()
		case c == ' ' || c == '\t' || c == '\v' || c == '\f':
			x.pos++
		case c == '-' && strings.HasPrefix(x.src[x.pos:], "--"):
			x.pos += 2
			if x.peek() == '[' {
				if level := x.bracket(); level >= 0 {
					x.long(level, "comment")
					continue
				}
			}
			for x.pos < len(x.src) && x.src[x.pos] != '\n' && x.src[x.pos] != '\r' {
				x.pos++
			}
		default:
			return
		}
	}
}

// bracket returns the level of the long bracket at pos, -1 if there is none; it moves only over a whole one.
func (x *lexer) bracket() int {
	i := x.pos + 1
	for i < len(x.src) && x.src[i] == '=' {
		i++
	}
	if i < len(x.src) && x.src[i] == '[' {
		level := i - x.pos - 1
		x.pos = i + 1
		return level
	}
	return -1
}

func (x *lexer) long(level int, what string) string {
	closing := "]" + strings.Repeat("=", level) + "]"
	if c := x.peek(); c == '\n' || c == '\r' {
		x.newline()
	}
	x.buf = x.buf[:0]
	for {
		if x.pos >= len(x.src) {
			x.failNear("unfinished long "+what, "<eof>")
		}
		switch c := x.src[x.pos]; {
		case c == ']' && strings.HasPrefix(x.src[x.pos:], closing):
			x.pos += len(closing)
			return string(x.buf)
		case c == '\n' || c == '\r':
			x.newline()
			x.buf = append(x.buf, '\n')
		default:
			x.buf = append(x.buf, c)
			x.pos++
		}
	}
}

func (x *lexer) next() lexeme {
	x.skip()
	line := x.line
	if x.pos >= len(x.src) {
		return lexeme{kind: tEOF, line: line}
	}
	start := x.pos
	c := x.src[start]
	two := func(second byte, kind token) lexeme {
		x.pos++
		if x.peek() == second {
			x.pos++
			return lexeme{kind: kind, line: line}
		}
		return lexeme{kind: tChar, char: c, line: line}
	}
	switch {
	case isDigit(c) || c == '.' && start+1 < len(x.src) && isDigit(x.src[start+1]):
		return x.number()
	case isNameByte(c):
		for x.pos < len(x.src) && isNameByte(x.src[x.pos]) {
			x.pos++
		}
		text := x.src[start:x.pos]
		if kind, ok := keywords[text]; ok {
			return lexeme{kind: kind, text: text, line: line}
		}
		return lexeme{kind: tName, text: text, line: line}
	case c == '"' || c == '\'':
		return x.quoted()
	case c == '[':
		if level := x.bracket(); level >= 0 {
			s := x.long(level, "string")
			return lexeme{kind: tString, text: s, line: x.line}
		}
		if start+1 < len(x.src) && x.src[start+1] == '=' {
			x.failNear("invalid long string delimiter", "[=")
		}
	case c == '=':
		return two('=', tEq)
	case c == '<':
		return two('=', tLe)
	case c == '>':
		return two('=', tGe)
	case c == '~':
		return two('=', tNe)
	case c == '.':
		if strings.HasPrefix(x.src[start:], "...") {
			x.pos += 3
			return lexeme{kind: tDots, line: line}
		}
		return two('.', tConcat)
	}
	x.pos++
	return lexeme{kind: tChar, char: c, line: line}
}

func (x *lexer) number() lexeme {
	start := x.pos
	for x.pos < len(x.src) {
		c := x.src[x.pos]
		if (c == '+' || c == '-') && x.src[x.pos-1]|0x20 == 'e' && x.pos > start && !strings.HasPrefix(strings.ToLower(x.src[start:]), "0x") {
			x.pos++
			continue
		}
		if c != '.' && !isNameByte(c) {
			break
		}
		x.pos++
	}
	text := x.src[start:x.pos]
	f, ok := ParseNumber(text)
	if !ok {
		x.failNear("malformed number", text)
	}
	return lexeme{kind: tNumber, num: f, text: text, line: x.line}
}

func (x *lexer) quoted() lexeme {
	quote := x.src[x.pos]
	x.pos++
	b := x.buf[:0]
	for {
		if x.pos >= len(x.src) {
			x.failNear("unfinished string", "<eof>")
		}
		c := x.src[x.pos]
		switch {
		case c == quote:
			x.pos++
			x.buf = b
			return lexeme{kind: tString, text: string(b), line: x.line}
		case c == '\n' || c == '\r':
			x.failNear("unfinished string", string([]byte{quote})+string(b))
		case c != '\\':
			b = append(b, c)
			x.pos++
			continue
		}
		x.pos++
		if x.pos >= len(x.src) {
			continue
		}
		c = x.src[x.pos]
		if plain := strings.IndexByte("abfnrtv", c); plain >= 0 {
			b = append(b, "\a\b\f\n\r\t\v"[plain])
			x.pos++
			continue
		}
		if c == '\n' || c == '\r' {
			b = append(b, '\n')
			x.newline()
			continue
		}
		if !isDigit(c) {
			b = append(b, c)
			x.pos++
			continue
		}
		n := 0
		for i := 0; i < 3 && isDigit(x.peek()); i++ {
			n = n*10 + int(x.peek()-'0')
			x.pos++
		}
		if n > 255 {
			x.failNear("escape sequence too large", string([]byte{quote})+string(b))
		}
		b = append(b, byte(n))
	}
}

// show is how an error message names a token.
func (l *lexeme) show() string {
	switch l.kind {
	case tEOF:
		return "<eof>"
	case tConcat:
		return ".."
	case tDots:
		return "..."
	case tEq:
		return "=="
	case tGe:
		return ">="
	case tLe:
		return "<="
	case tNe:
		return "~="
	case tChar:
		if l.char < ' ' {
			return fmt.Sprintf("char(%d)", l.char)
		}
		return string([]byte{l.char})
	default:
		return l.text
	}
}
