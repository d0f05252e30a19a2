package lua

import "unsafe"

// ownBytes makes a string of b without copying: nobody may write b any more.
func ownBytes(b []byte) Value {
	if len(b) == 0 {
		return String("")
	}
	return String(unsafe.String(&b[0], len(b)))
}

// SetMemoryLimit bounds the bytes that a script's values may take, roughly; 0: no bound.
func (l *State) SetMemoryLimit(bytes int64) { l.maxBytes, l.memory = bytes, 0 }

// measure walks what the script can reach once it has asked for as much as it may have, and ends it if that much
// is still in use.
func (l *State) measure() {
	m := meter{seen: make(map[unsafe.Pointer]struct{})}
	m.table(l.globals)
	for s := l; s != nil; s = s.co.resumer {
		m.state(s)
	}
	if m.bytes > l.maxBytes {
		l.memory = 0
		l.Throw(String("not enough memory"))
	}
	l.memory = m.bytes
}

// MemoryInUse is how many bytes the reachable values take, roughly.
func (l *State) MemoryInUse() int64 {
	m := meter{seen: make(map[unsafe.Pointer]struct{})}
	m.table(l.globals)
	m.state(l)
	return m.bytes
}

type meter struct {
	seen  map[unsafe.Pointer]struct{}
	queue []Value
	bytes int64
}

func (m *meter) state(s *State) {
	m.bytes += int64(len(s.stack)) * int64(unsafe.Sizeof(Value{}))
	for _, v := range s.stack[:min(len(s.stack), s.top+frameRoom)] {
		m.value(v)
	}
	for i := range s.frames {
		if c := s.frames[i].cl; c != nil {
			m.value(closureValue(c))
		}
	}
}

func (m *meter) value(v Value) {
	m.queue = append(m.queue, v)
	for len(m.queue) > 0 {
		v := m.queue[len(m.queue)-1]
		m.queue = m.queue[:len(m.queue)-1]
		if v.n < tagString || v.isNumber() {
			continue
		}
		if _, ok := m.seen[v.p]; ok {
			continue
		}
		m.seen[v.p] = struct{}{}
		switch {
		case v.isString():
			m.bytes += int64(len(v.str()))
		case v.isTable():
			m.fields(v.table())
		case v.n == tagClosure:
			c := v.closure()
			m.bytes += int64(48 + 8*len(c.up))
			for _, u := range c.up {
				m.queue = append(m.queue, *u.v)
			}
			m.queue = append(m.queue, TableValue(c.env))
		case v.n == tagBuiltin:
			m.queue = append(m.queue, v.builtin().up...)
		case v.isThread():
			if co := v.coroutine(); co.co.status != coRunning {
				m.bytes += int64(len(co.stack)) * int64(unsafe.Sizeof(Value{}))
				m.queue = append(m.queue, co.stack[:co.top]...)
			}
		}
	}
}

func (m *meter) table(t *Table) { m.value(TableValue(t)) }

func (m *meter) fields(t *Table) {
	m.bytes += int64(64 + 16*cap(t.array) + 40*cap(t.nodes) + 4*len(t.buckets))
	m.queue = append(m.queue, t.array...)
	for i := range t.nodes {
		m.queue = append(m.queue, t.nodes[i].key, t.nodes[i].value)
	}
	if t.meta != nil {
		m.queue = append(m.queue, TableValue(t.meta))
	}
}
