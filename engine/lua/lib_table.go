package lua

import "math"

// OpenTable adds the library table.
func OpenTable(g *Table) {
	t := library(NewTable(0, 16), []entry{
		{"concat", tableConcat},
		{"foreach", tableForeach},
		{"foreachi", tableForeachi},
		{"getn", tableGetn},
		{"insert", tableInsert},
		{"maxn", tableMaxn},
		{"remove", tableRemove},
		{"setn", tableSetn},
		{"sort", tableSort},
	})
	g.SetString("table", TableValue(t))
}

func (l *State) checkWritable(t *Table) {
	if t.readOnly {
		l.Errorf("Attempt to modify a readonly table")
	}
}

func tableConcat(l *State, a Args) int {
	t := l.CheckTable(a, 1)
	separator := ""
	if !l.Arg(a, 2).isNil() {
		separator = l.CheckString(a, 2)
	}
	i := l.OptInt(a, 3, 1)
	last := t.Len()
	if !l.Arg(a, 4).isNil() {
		last = l.CheckInt(a, 4)
	}
	var b []byte
	for ; i <= last; i++ {
		v := t.GetInt(i)
		switch {
		case v.isString():
			b = append(b, v.str()...)
		case v.isNumber():
			b = AppendNumber(b, v.num())
		default:
			l.Errorf("invalid value (%s) at index %d in table for 'concat'", v.TypeName(), i)
		}
		if i != last {
			b = append(b, separator...)
		}
		if len(b) > maxString {
			l.charge(len(b))
		}
	}
	l.charge(len(b))
	l.Push(ownBytes(b))
	return 1
}

func tableForeach(l *State, a Args) int {
	t := l.CheckTable(a, 1)
	fn := l.checkFunction(a, 2)
	k, v, _ := t.Next(Nil)
	for !k.isNil() {
		if r := l.Invoke(fn, k, v); !r.isNil() {
			l.Push(r)
			return 1
		}
		var ok bool
		if k, v, ok = t.Next(k); !ok {
			l.Errorf("invalid key to 'next'")
		}
	}
	return 0
}

func (l *State) checkFunction(a Args, i int) Value {
	v := l.Arg(a, i)
	if !v.isFunction() {
		l.TypeError(a, i, "function")
	}
	return v
}

func tableForeachi(l *State, a Args) int {
	t := l.CheckTable(a, 1)
	fn := l.checkFunction(a, 2)
	for i, n := 1, t.Len(); i <= n; i++ {
		if r := l.Invoke(fn, Number(float64(i)), t.GetInt(i)); !r.isNil() {
			l.Push(r)
			return 1
		}
	}
	return 0
}

func tableGetn(l *State, a Args) int { return l.pushNumber(float64(l.CheckTable(a, 1).Len())) }

func tableSetn(l *State, a Args) int {
	l.CheckTable(a, 1)
	l.Errorf("'setn' is obsolete")
	return 0
}

func tableMaxn(l *State, a Args) int {
	t := l.CheckTable(a, 1)
	most := 0.0
	for k, _, _ := t.Next(Nil); !k.isNil(); k, _, _ = t.Next(k) {
		if k.isNumber() {
			most = math.Max(most, k.num())
		}
	}
	return l.pushNumber(most)
}

func tableInsert(l *State, a Args) int {
	t := l.CheckTable(a, 1)
	l.checkWritable(t)
	e := t.Len() + 1
	switch a.N {
	case 2:
		l.charge(16)
		t.SetInt(e, l.Arg(a, 2))
	case 3:
		pos := l.CheckInt(a, 2)
		if pos > e {
			e = pos
		}
		l.charge(16)
		if pos >= 1 && e == len(t.array)+1 && pos <= len(t.array) {
			v := l.Arg(a, 3)
			t.SetInt(e, t.array[e-2])
			copy(t.array[pos:e-1], t.array[pos-1:e-2])
			t.array[pos-1] = v
			break
		}
		for i := e; i > pos; i-- {
			t.SetInt(i, t.GetInt(i-1))
		}
		t.SetInt(pos, l.Arg(a, 3))
	default:
		l.Errorf("wrong number of arguments to 'insert'")
	}
	return 0
}

func tableRemove(l *State, a Args) int {
	t := l.CheckTable(a, 1)
	l.checkWritable(t)
	e := t.Len()
	pos := l.OptInt(a, 2, e)
	if pos < 1 || pos > e {
		return 0
	}
	v := t.GetInt(pos)
	if e <= len(t.array) {
		copy(t.array[pos-1:e-1], t.array[pos:e])
		t.array[e-1] = Nil
		if e == len(t.array) {
			t.array = t.array[:e-1]
		}
	} else {
		for ; pos < e; pos++ {
			t.SetInt(pos, t.GetInt(pos+1))
		}
		t.SetInt(e, Nil)
	}
	l.Push(v)
	return 1
}

func tableSort(l *State, a Args) int {
	t := l.CheckTable(a, 1)
	l.checkWritable(t)
	n := t.Len()
	less := l.less
	if fn := l.Arg(a, 2); !fn.isNil() {
		l.checkFunction(a, 2)
		less = func(x, y Value) bool { return l.Invoke(fn, x, y).truthy() }
	}
	values := make([]Value, n)
	for i := range values {
		values[i] = t.GetInt(i + 1)
	}
	l.charge(16 * n)
	// What was moved shows in the table even if the comparison fails.
	defer func() {
		for i, v := range values {
			t.SetInt(i+1, v)
		}
	}()
	l.sort(values, less, 0)
	return 0
}

// sort is a quicksort that tolerates an inconsistent order, and reports it as C Lua does.
func (l *State) sort(v []Value, less func(x, y Value) bool, depth int) {
	for len(v) > 12 && depth < 64 {
		mid, last := len(v)/2, len(v)-1
		if less(v[last], v[0]) {
			v[0], v[last] = v[last], v[0]
		}
		if less(v[mid], v[0]) {
			v[mid], v[0] = v[0], v[mid]
		} else if less(v[last], v[mid]) {
			v[mid], v[last] = v[last], v[mid]
		}
		pivot := v[mid]
		v[mid], v[last-1] = v[last-1], v[mid]
		i, j := 0, last-1
		for {
			for i++; less(v[i], pivot); i++ {
				if i >= last {
					l.Errorf("invalid order function for sorting")
				}
			}
			for j--; less(pivot, v[j]); j-- {
				if j <= 0 {
					l.Errorf("invalid order function for sorting")
				}
			}
			if j < i {
				break
			}
			v[i], v[j] = v[j], v[i]
		}
		v[last-1], v[i] = v[i], v[last-1]
		depth++
		if i < len(v)-i {
			l.sort(v[:i], less, depth)
			v = v[i+1:]
		} else {
			l.sort(v[i+1:], less, depth)
			v = v[:i]
		}
	}
	for i := 1; i < len(v); i++ {
		for j := i; j > 0 && less(v[j], v[j-1]); j-- {
			v[j], v[j-1] = v[j-1], v[j]
		}
	}
}
