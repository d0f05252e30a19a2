package lua

// The tree. Every node knows its line.

type expr interface{ at() int }

type (
	line      int
	constExpr struct {
		line
		value Value
	}
	varargExpr struct{ line }
	nameExpr   struct {
		line
		name string
	}
	indexExpr struct {
		line
		object, key expr
	}
	callExpr struct {
		line
		fn     expr
		method string // "": a plain call
		args   []expr
	}
	functionExpr struct {
		line
		end    int
		params []string
		vararg bool
		body   []stat
	}
	binaryExpr struct {
		line
		op          binaryOp
		left, right expr
	}
	unaryExpr struct {
		line
		op      opcode // opNot, opUnm, opLen
		operand expr
	}
	parenExpr struct {
		line
		inner expr
	}
	tableExpr struct {
		line
		items []tableItem
	}
	tableItem struct{ key, value expr } // key nil: the next of the list
)

func (l line) at() int { return int(l) }

type stat interface{}

type (
	localStat struct {
		line
		names  []string
		values []expr
	}
	assignStat struct {
		line
		targets, values []expr
	}
	callStat struct{ call *callExpr }
	doStat   struct{ body []stat }
	ifStat   struct {
		line
		conditions []expr
		blocks     [][]stat
		otherwise  []stat
	}
	whileStat struct {
		line
		condition expr
		body      []stat
	}
	repeatStat struct {
		line
		condition expr
		body      []stat
	}
	numericFor struct {
		line
		name              string
		start, stop, step expr
		body              []stat
	}
	genericFor struct {
		line
		names  []string
		values []expr
		body   []stat
	}
	localFunction struct {
		line
		name string
		fn   *functionExpr
	}
	returnStat struct {
		line
		values []expr
	}
	breakStat struct{ line }
)

type binaryOp uint8

const (
	binAdd binaryOp = iota
	binSub
	binMul
	binDiv
	binMod
	binPow
	binConcat
	binEq
	binNe
	binLt
	binLe
	binGt
	binGe
	binAnd
	binOr
)

var binding = [...]struct{ left, right int }{
	binAdd: {6, 6}, binSub: {6, 6}, binMul: {7, 7}, binDiv: {7, 7}, binMod: {7, 7}, binPow: {10, 9}, binConcat: {5, 4},
	binEq: {3, 3}, binNe: {3, 3}, binLt: {3, 3}, binLe: {3, 3}, binGt: {3, 3}, binGe: {3, 3}, binAnd: {2, 2}, binOr: {1, 1},
}

const (
	unaryBinding = 8
	maxLevels    = 200 // of nesting
)

type parser struct {
	lexer
	cur    lexeme
	ahead  lexeme
	have   bool // ahead is set
	last   int  // line of the token before cur
	levels int
	vararg bool // the function being parsed takes ...
	loops  int
}

// parse reads a chunk. A SyntaxError is panicked.
func parse(src, chunk string) *functionExpr {
	p := &parser{lexer: lexer{src: src, line: 1, chunk: chunk}}
	p.vararg = true
	p.advance()
	f := &functionExpr{vararg: true, body: p.block()}
	if p.cur.kind != tEOF {
		p.expected("<eof>")
	}
	f.end = p.cur.line
	return f
}

func (p *parser) advance() {
	p.last = p.cur.line
	if p.have {
		p.cur, p.have = p.ahead, false
		return
	}
	p.cur = p.next()
}

func (p *parser) lookAhead() lexeme {
	if !p.have {
		p.ahead, p.have = p.next(), true
	}
	return p.ahead
}

func (p *parser) near(text string) {
	shown := p.cur.show()
	if p.cur.kind == tString {
		shown = p.src[max(0, min(p.pos, len(p.src))-len(p.cur.text)-2):min(p.pos, len(p.src))]
	}
	p.failf(p.cur.line, "%s near '%s'", text, shown)
}

func (p *parser) expected(what string) { p.near("'" + what + "' expected") }

func (p *parser) isChar(c byte) bool { return p.cur.kind == tChar && p.cur.char == c }

func (p *parser) takeChar(c byte) bool {
	if !p.isChar(c) {
		return false
	}
	p.advance()
	return true
}

func (p *parser) wantChar(c byte) {
	if !p.takeChar(c) {
		p.expected(string([]byte{c}))
	}
}

func (p *parser) want(kind token, text string) {
	if p.cur.kind != kind {
		p.expected(text)
	}
	p.advance()
}

// match wants what closes something opened at a line.
func (p *parser) match(ok bool, what, opening string, line int) {
	if ok {
		p.advance()
		return
	}
	if line == p.cur.line {
		p.expected(what)
	}
	p.near("'" + what + "' expected (to close '" + opening + "' at line " + formatNumber(float64(line)) + ")")
}

func (p *parser) name() string {
	if p.cur.kind != tName {
		p.expected("<name>")
	}
	s := p.cur.text
	p.advance()
	return s
}

func (p *parser) enter() {
	p.levels++
	if p.levels > maxLevels {
		p.failf(p.cur.line, "chunk has too many syntax levels")
	}
}

func (p *parser) blockEnds() bool {
	switch p.cur.kind {
	case tElse, tElseif, tEnd, tEOF, tUntil:
		return true
	}
	return false
}

func (p *parser) block() []stat {
	p.enter()
	defer func() { p.levels-- }()
	var list []stat
	for !p.blockEnds() {
		s, last := p.statement()
		list = append(list, s)
		p.takeChar(';')
		if last {
			break
		}
	}
	return list
}

func (p *parser) statement() (s stat, last bool) {
	at := line(p.cur.line)
	switch p.cur.kind {
	case tIf:
		return p.ifStatement(at), false
	case tWhile:
		p.advance()
		w := &whileStat{line: at, condition: p.expression()}
		p.want(tDo, "do")
		w.body = p.loop()
		p.match(p.cur.kind == tEnd, "end", "while", int(at))
		return w, false
	case tDo:
		p.advance()
		d := &doStat{p.block()}
		p.match(p.cur.kind == tEnd, "end", "do", int(at))
		return d, false
	case tFor:
		return p.forStatement(at), false
	case tRepeat:
		p.advance()
		r := &repeatStat{line: at, body: p.loop()}
		p.match(p.cur.kind == tUntil, "until", "repeat", int(at))
		r.condition = p.expression()
		return r, false
	case tFunction:
		p.advance()
		return p.functionStatement(at), false
	case tLocal:
		p.advance()
		if p.cur.kind == tFunction {
			p.advance()
			f := &localFunction{line: at, name: p.name()}
			f.fn = p.body(false, at)
			return f, false
		}
		l := &localStat{line: at, names: []string{p.name()}}
		for p.takeChar(',') {
			l.names = append(l.names, p.name())
		}
		if p.takeChar('=') {
			l.values = p.expressions()
		}
		return l, false
	case tReturn:
		p.advance()
		r := &returnStat{line: at}
		if !p.blockEnds() && !p.isChar(';') {
			r.values = p.expressions()
		}
		return r, true
	case tBreak:
		p.advance()
		if p.loops == 0 {
			p.near("no loop to break")
		}
		return &breakStat{at}, true
	}
	return p.expressionStatement(at), false
}

func (p *parser) loop() []stat {
	p.loops++
	body := p.block()
	p.loops--
	return body
}

func (p *parser) ifStatement(at line) stat {
	s := &ifStat{line: at}
	for {
		p.advance()
		s.conditions = append(s.conditions, p.expression())
		p.want(tThen, "then")
		s.blocks = append(s.blocks, p.block())
		if p.cur.kind != tElseif {
			break
		}
	}
	if p.cur.kind == tElse {
		p.advance()
		s.otherwise = p.block()
	}
	p.match(p.cur.kind == tEnd, "end", "if", int(at))
	return s
}

func (p *parser) forStatement(at line) stat {
	p.advance()
	names := []string{p.name()}
	if p.isChar('=') {
		p.advance()
		f := &numericFor{line: at, name: names[0], start: p.expression()}
		p.wantChar(',')
		f.stop = p.expression()
		if p.takeChar(',') {
			f.step = p.expression()
		}
		p.want(tDo, "do")
		f.body = p.loop()
		p.match(p.cur.kind == tEnd, "end", "for", int(at))
		return f
	}
	if !p.isChar(',') && p.cur.kind != tIn {
		p.near("'=' or 'in' expected")
	}
	for p.takeChar(',') {
		names = append(names, p.name())
	}
	p.want(tIn, "in")
	f := &genericFor{line: at, names: names, values: p.expressions()}
	p.want(tDo, "do")
	f.body = p.loop()
	p.match(p.cur.kind == tEnd, "end", "for", int(at))
	return f
}

func (p *parser) functionStatement(at line) stat {
	var target expr = &nameExpr{line(p.cur.line), p.name()}
	method := false
	for p.isChar('.') || p.isChar(':') {
		method = p.isChar(':')
		p.advance()
		target = &indexExpr{line(p.cur.line), target, &constExpr{line(p.cur.line), String(p.name())}}
		if method {
			break
		}
	}
	return &assignStat{line: at, targets: []expr{target}, values: []expr{p.body(method, at)}}
}

func (p *parser) expressionStatement(at line) stat {
	e := p.suffixed()
	if call, ok := e.(*callExpr); ok && !p.isChar('=') && !p.isChar(',') {
		return &callStat{call}
	}
	a := &assignStat{line: at}
	for {
		switch e.(type) {
		case *nameExpr, *indexExpr:
		default:
			p.near("syntax error")
		}
		a.targets = append(a.targets, e)
		if len(a.targets) > maxLevels {
			p.failf(p.cur.line, "chunk has too many syntax levels")
		}
		if !p.takeChar(',') {
			break
		}
		e = p.suffixed()
	}
	p.wantChar('=')
	a.values = p.expressions()
	return a
}

// body reads parameters and body of a function.
func (p *parser) body(method bool, at line) *functionExpr {
	f := &functionExpr{line: at}
	if method {
		f.params = append(f.params, "self")
	}
	p.wantChar('(')
	for !p.isChar(')') {
		if p.cur.kind == tDots {
			p.advance()
			f.vararg = true
			break
		}
		if p.cur.kind != tName {
			p.near("<name> or '...' expected")
		}
		f.params = append(f.params, p.name())
		if !p.takeChar(',') {
			break
		}
		if p.isChar(')') {
			p.near("<name> or '...' expected")
		}
	}
	p.wantChar(')')
	vararg, loops := p.vararg, p.loops
	p.vararg, p.loops = f.vararg, 0
	f.body = p.block()
	p.vararg, p.loops = vararg, loops
	f.end = p.cur.line
	p.match(p.cur.kind == tEnd, "end", "function", int(at))
	return f
}

func (p *parser) expressions() []expr {
	list := []expr{p.expression()}
	for p.takeChar(',') {
		list = append(list, p.expression())
	}
	return list
}

func (p *parser) expression() expr { return p.binary(0) }

func (p *parser) binaryOperator() (binaryOp, bool) {
	switch p.cur.kind {
	case tConcat:
		return binConcat, true
	case tEq:
		return binEq, true
	case tNe:
		return binNe, true
	case tLe:
		return binLe, true
	case tGe:
		return binGe, true
	case tAnd:
		return binAnd, true
	case tOr:
		return binOr, true
	case tChar:
		switch p.cur.char {
		case '+':
			return binAdd, true
		case '-':
			return binSub, true
		case '*':
			return binMul, true
		case '/':
			return binDiv, true
		case '%':
			return binMod, true
		case '^':
			return binPow, true
		case '<':
			return binLt, true
		case '>':
			return binGt, true
		}
	}
	return 0, false
}

func (p *parser) binary(limit int) expr {
	p.enter()
	defer func() { p.levels-- }()
	at := line(p.cur.line)
	var e expr
	switch {
	case p.cur.kind == tNot:
		p.advance()
		e = &unaryExpr{at, opNot, p.binary(unaryBinding)}
	case p.isChar('-'):
		p.advance()
		e = negate(at, p.binary(unaryBinding))
	case p.isChar('#'):
		p.advance()
		e = &unaryExpr{at, opLen, p.binary(unaryBinding)}
	default:
		e = p.simple()
	}
	for {
		op, ok := p.binaryOperator()
		if !ok || binding[op].left <= limit {
			return e
		}
		at := line(p.cur.line)
		p.advance()
		e = fold(&binaryExpr{at, op, e, p.binary(binding[op].right)})
	}
}

func negate(at line, operand expr) expr {
	if c, ok := operand.(*constExpr); ok && c.value.isNumber() {
		return &constExpr{at, Number(-c.value.num())}
	}
	return &unaryExpr{at, opUnm, operand}
}

// fold computes what is constant.
func fold(b *binaryExpr) expr {
	x, ok := b.left.(*constExpr)
	y, ok2 := b.right.(*constExpr)
	if !ok || !ok2 || !x.value.isNumber() || !y.value.isNumber() || b.op > binPow {
		return b
	}
	if (b.op == binDiv || b.op == binMod) && y.value.num() == 0 {
		return b
	}
	v := Number(arith(opAdd+opcode(b.op), x.value.num(), y.value.num()))
	if isNaN(v) {
		return b
	}
	return &constExpr{b.line, v}
}

func (p *parser) simple() expr {
	at := line(p.cur.line)
	var e expr
	switch p.cur.kind {
	case tNumber:
		e = &constExpr{at, Number(p.cur.num)}
	case tString:
		e = &constExpr{at, String(p.cur.text)}
	case tNil:
		e = &constExpr{at, Nil}
	case tTrue:
		e = &constExpr{at, True}
	case tFalse:
		e = &constExpr{at, False}
	case tDots:
		if !p.vararg {
			p.near("cannot use '...' outside a vararg function")
		}
		e = &varargExpr{at}
	case tFunction:
		p.advance()
		return p.body(false, at)
	default:
		if p.isChar('{') {
			return p.table()
		}
		return p.suffixed()
	}
	p.advance()
	return e
}

func (p *parser) primary() expr {
	at := line(p.cur.line)
	if p.cur.kind == tName {
		return &nameExpr{at, p.name()}
	}
	if p.takeChar('(') {
		e := p.expression()
		p.match(p.isChar(')'), ")", "(", int(at))
		switch e.(type) {
		case *callExpr, *varargExpr:
			return &parenExpr{at, e}
		case *nameExpr, *indexExpr: // no target of an assignment any more
			return &parenExpr{at, e}
		}
		return e
	}
	p.near("unexpected symbol")
	return nil
}

func (p *parser) suffixed() expr {
	e := p.primary()
	depth := 0
	for {
		at := line(p.cur.line)
		switch {
		case p.takeChar('.'):
			e = &indexExpr{at, e, &constExpr{at, String(p.name())}}
		case p.takeChar('['):
			key := p.expression()
			p.wantChar(']')
			e = &indexExpr{at, e, key}
		case p.takeChar(':'):
			method := p.name()
			at = line(p.cur.line)
			e = &callExpr{at, e, method, p.arguments()}
		case p.isChar('(') || p.isChar('{') || p.cur.kind == tString:
			e = &callExpr{at, e, "", p.arguments()}
		default:
			return e
		}
		if depth++; depth > 100*maxLevels { // the compiler recurses over it
			p.failf(p.cur.line, "chunk has too many syntax levels")
		}
	}
}

func (p *parser) arguments() []expr {
	at := p.cur.line
	switch {
	case p.cur.kind == tString:
		c := &constExpr{line(at), String(p.cur.text)}
		p.advance()
		return []expr{c}
	case p.isChar('{'):
		return []expr{p.table()}
	case p.isChar('('):
		if at != p.last {
			p.near("ambiguous syntax (function call x new statement)")
		}
		p.advance()
		if p.takeChar(')') {
			return nil
		}
		args := p.expressions()
		p.match(p.isChar(')'), ")", "(", at)
		return args
	}
	p.near("function arguments expected")
	return nil
}

func (p *parser) table() expr {
	t := &tableExpr{line: line(p.cur.line)}
	p.wantChar('{')
	for !p.isChar('}') {
		switch {
		case p.cur.kind == tName && func() bool { l := p.lookAhead(); return l.kind == tChar && l.char == '=' }():
			key := &constExpr{line(p.cur.line), String(p.name())}
			p.advance()
			t.items = append(t.items, tableItem{key, p.expression()})
		case p.isChar('['):
			p.advance()
			key := p.expression()
			p.wantChar(']')
			p.wantChar('=')
			t.items = append(t.items, tableItem{key, p.expression()})
		default:
			t.items = append(t.items, tableItem{nil, p.expression()})
		}
		if !p.takeChar(',') && !p.takeChar(';') {
			break
		}
	}
	p.match(p.isChar('}'), "}", "{", int(t.line))
	return t
}
