package command

import (
	"crypto/sha1" //nolint:gosec // scripts are named by their SHA1
	"encoding/hex"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/elastane/elastane/engine/lua"
)

// maxEvalScripts is how many scripts that came by EVAL are kept; the oldest goes first.
const maxEvalScripts = 500

type shaText = [40]byte

func scriptSHA(source []byte) (text shaText) {
	sum := sha1.Sum(source) //nolint:gosec // as above
	hex.Encode(text[:], sum[:])
	return text
}

// script is a compiled script; any worker may run it.
type script struct {
	sha     shaText
	source  string
	proto   *lua.Proto
	flags   scriptFlag
	loaded  bool        // by SCRIPT LOAD: kept until SCRIPT FLUSH
	settled atomic.Bool // it has run once, …
	strays  atomic.Bool // … and touched a key that it had not declared
}

type scriptFlag uint8

const (
	scriptNoWrites scriptFlag = 1 << iota
	scriptAllowOOM
	scriptAllowStale
	scriptNoCluster
	scriptAllowCrossSlot
	scriptCompatible // no shebang: what its calls need is checked call by call
)

var scriptFlagNames = map[string]scriptFlag{
	"no-writes": scriptNoWrites, "allow-oom": scriptAllowOOM, "allow-stale": scriptAllowStale, "no-cluster": scriptNoCluster,
	"allow-cross-slot-keys": scriptAllowCrossSlot,
}

// newScript compiles a script; text is the error for the client otherwise.
func newScript(source []byte, sha shaText) (s *script, text string) {
	s = &script{sha: sha, source: string(source), flags: scriptCompatible}
	body := s.source
	if strings.HasPrefix(body, "#!") {
		shebang, _, ok := strings.Cut(body, "\n")
		if !ok {
			return nil, "ERR Invalid script shebang"
		}
		if s.flags, text = shebangFlags(shebang); text != "" {
			return nil, "ERR " + text
		}
		body = body[len(shebang):] // the line stays, so that line numbers are right
	}
	proto, err := lua.Compile(body, "@user_script")
	if err != nil {
		return nil, "ERR Error compiling script (new function): " + err.Error()
	}
	s.proto = proto
	return s, ""
}

func shebangFlags(shebang string) (flags scriptFlag, text string) {
	parts := strings.Fields(shebang)
	if parts[0] != "#!lua" {
		return 0, "Unexpected engine in script shebang: " + parts[0]
	}
	for _, part := range parts[1:] {
		list, ok := strings.CutPrefix(part, "flags=")
		if !ok {
			return 0, "Unknown lua shebang option: " + part
		}
		if list == "" {
			continue
		}
		for _, name := range strings.Split(list, ",") {
			flag, ok := scriptFlagNames[name]
			if !ok {
				return 0, "Unexpected flag in script shebang: " + name
			}
			flags |= flag
		}
	}
	return flags, ""
}

// scripts are a node's scripts, and the one that is running.
type scripts struct {
	mu      sync.RWMutex
	bySHA   map[shaText]*script
	evals   []*script // that came by EVAL, oldest first
	running struct {
		mu sync.Mutex
		// slow are the runs beyond busy-reply-threshold.
		slow map[*scriptRun]struct{}
	}
}

func (s *scripts) find(sha []byte) *script {
	var key shaText
	if len(sha) != len(key) {
		return nil
	}
	for i, c := range sha {
		key[i] = fold(c)
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.bySHA[key]
}

func (s *scripts) add(added *script, loaded bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.bySHA == nil {
		s.bySHA = make(map[shaText]*script)
	}
	if old := s.bySHA[added.sha]; old != nil {
		old.loaded = old.loaded || loaded
		return
	}
	added.loaded = loaded
	s.bySHA[added.sha] = added
	if loaded {
		return
	}
	s.evals = append(s.evals, added)
	if len(s.evals) > maxEvalScripts {
		if oldest := s.evals[0]; !oldest.loaded && s.bySHA[oldest.sha] == oldest {
			delete(s.bySHA, oldest.sha)
		}
		s.evals[0] = nil
		s.evals = s.evals[1:]
	}
}

func (s *scripts) flush() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bySHA, s.evals = nil, nil
}

// kill ends the slow scripts; text is the error if it cannot.
func (s *scripts) kill() (text string) {
	s.running.mu.Lock()
	defer s.running.mu.Unlock()
	if len(s.running.slow) == 0 {
		return ErrNotBusy
	}
	for r := range s.running.slow {
		if r.wrote.Load() {
			return ErrUnkillable
		}
	}
	for r := range s.running.slow {
		r.killed.Store(true)
	}
	return ""
}
