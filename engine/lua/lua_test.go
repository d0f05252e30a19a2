package lua

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// newTestState is a State with all libraries and a print that collects.
func newTestState(out *strings.Builder) *State {
	g := NewTable(0, 64)
	OpenBase(g)
	meta := OpenString(g)
	OpenTable(g)
	OpenMath(g)
	OpenCoroutine(g)
	g.SetString("print", FunctionValue("print", func(l *State, a Args) int {
		for i := 1; i <= a.N; i++ {
			if i > 1 {
				out.WriteByte('\t')
			}
			out.WriteString(l.ToString(l.Arg(a, i)))
		}
		out.WriteByte('\n')
		return 0
	}))
	l := NewState(g)
	l.SetStringMeta(meta)
	return l
}

func runText(t testing.TB, src string) string {
	t.Helper()
	var out strings.Builder
	l := newTestState(&out)
	p, err := Compile(src, "=t")
	if err != nil {
		return "compile: " + err.Error()
	}
	deadline := time.Now().Add(10 * time.Second)
	l.SetHook(func(l *State) {
		if time.Now().After(deadline) {
			l.ThrowFinal(String("test ran too long"))
		}
	})
	if _, e := l.Run(l.Load(p)); e != nil {
		out.WriteString("error: " + l.ToString(e.Value) + "\n")
	}
	return out.String()
}

// TestAgainstC runs every file of testdata with the reference implementation and with this one; the outputs are equal.
func TestAgainstC(t *testing.T) {
	reference, err := exec.LookPath("lua5.1")
	if err != nil {
		t.Skip("lua5.1 is not installed: nothing to compare with")
	}
	files, err := filepath.Glob("testdata/*.lua")
	if err != nil || len(files) == 0 {
		t.Fatalf("no test data: %v", err)
	}
	for _, file := range files {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(filepath.Base(file), func(t *testing.T) {
			// One program per line group: a blank line ends it, so that one failure does not hide the next.
			for _, program := range strings.Split(string(src), "\n\n") {
				cmd := exec.Command(reference, "-")
				cmd.Stdin = strings.NewReader("local chunk = [==[\n" + program + "\n]==]\n" +
					"local f, e = loadstring(chunk, '=t')\nif not f then io.write('compile: ', e) return end\n" +
					"local ok, e = pcall(f)\nif not ok then print('error: ' .. tostring(e)) end")
				want, err := cmd.Output()
				if err != nil {
					t.Fatalf("lua5.1: %v\n%s", err, program)
				}
				if got := runText(t, program+"\n"); got != string(want) {
					t.Errorf("program:\n%s\ngot:\n%s\nwant:\n%s", program, got, want)
				}
			}
		})
	}
}

const fib = `local function fib(n) if n < 2 then return n end return fib(n-1) + fib(n-2) end return fib(27)`

func BenchmarkFib27(b *testing.B) {
	p, err := Compile(fib, "=fib")
	if err != nil {
		b.Fatal(err)
	}
	l := NewState(nil)
	for b.Loop() {
		v, e := l.Run(l.Load(p))
		if e != nil || v.num() != 196418 {
			b.Fatal(v, e)
		}
	}
}

func FuzzCompile(f *testing.F) {
	for _, s := range []string{fib, "return {1,2,[3]=4;x=5}", "for i=1,10 do local x = i end", "a.b:c'd' {e}", "x = [==[ ]==]", "while", "return ...", "--[[", "local function f(...) return ... end"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, src string) {
		if p, err := Compile(src, "=fuzz"); (p == nil) == (err == nil) {
			t.Fatal("neither a function nor an error")
		}
	})
}

// FuzzRun runs what compiles: nothing a script does may be more than a Lua error.
func FuzzRun(f *testing.F) {
	f.Add("return ('x'):rep(10):gsub('x', '%0%0')")
	f.Add("local t = {} t[1]=2 table.sort(t) return #t, next(t), unpack(t)")
	f.Add("local co = coroutine.wrap(function(...) coroutine.yield(...) error('x') end) co(1) pcall(co)")
	f.Fuzz(func(_ *testing.T, src string) {
		p, err := Compile(src, "=fuzz")
		if err != nil {
			return
		}
		var out strings.Builder
		l := newTestState(&out)
		l.SetMemoryLimit(16 << 20)
		ticks := 0
		l.SetHook(func(l *State) {
			if ticks++; ticks > 20 {
				l.ThrowFinal(String("enough"))
			}
		})
		l.Run(l.Load(p)) //nolint:errcheck // any Lua error will do
	})
}
