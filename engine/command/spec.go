package command

import "github.com/elastane/elastane/engine/keyspace"

// Flags say what a command is and needs. The gate, COMMAND, propagation and cluster routing read them.
type Flags uint32

// The flags, with the names that COMMAND INFO reports (flagNames).
const (
	Write          Flags = 1 << iota // may change the keyspace
	ReadOnly                         // reads keys and changes nothing
	DenyOOM                          // refused when memory is over maxmemory and nothing can be evicted
	Admin                            // for operators
	PubSub                           // publish/subscribe
	NoScript                         // not from scripts
	Blocking                         // may block the client
	Loading                          // allowed while the data set is being loaded
	Stale                            // allowed on a replica that has lost its primary and serves no stale data
	NoAuth                           // allowed before authentication
	NoMulti                          // refused inside MULTI
	Fast                             // O(1) or O(log N)
	MayReplicate                     // may reach the replicas without changing the keyspace (PUBLISH)
	SkipMonitor                      // not shown to MONITOR
	NoAsyncLoading                   // refused while a replica loads with the old data still served
	AllowBusy                        // allowed while a script is busy
	MovableKeys                      // key positions depend on other arguments (Keys.Find)
	SkipSlowlog                      // not in the slow log
	InSubscribe                      // allowed for a RESP2 client in subscriber mode
	Restricted                       // unknown to clients of a managed node, as on ElastiCache
)

// Keys tells where the keys are among the arguments (argument 0 is the command's name).
type Keys struct {
	First int // index of the first key; 0: no keys (unless Find is set)
	Last  int // index of the last one; negative counts from the end: -1 is the last argument
	Step  int // distance between two keys
	// Find, if set, appends the indices of the keys to dst instead; used where they depend on other
	// arguments (numkeys). It must tolerate any argv of at least the command's arity. It must not keep dst.
	Find func(argv [][]byte, dst []int) []int
}

// Frequent key specifications.
var (
	NoKeys  = Keys{}
	OneKey  = Keys{First: 1, Last: 1, Step: 1}
	TwoKeys = Keys{First: 1, Last: 2, Step: 1}
	AllKeys = Keys{First: 1, Last: -1, Step: 1}
)

// NumKeys is the key specification of commands with a numkeys argument at index at, followed by the keys.
// Further fixed keys (such as a destination) are at the indices in fixed.
func NumKeys(at int, fixed ...int) Keys {
	keys := Keys{}
	if len(fixed) > 0 { // what COMMAND INFO can tell of it
		keys = Keys{First: fixed[0], Last: fixed[0], Step: 1}
	}
	keys.Find = func(argv [][]byte, dst []int) []int {
		dst = append(dst, fixed...)
		if at >= len(argv) {
			return dst
		}
		n, ok := parseInt(argv[at])
		if !ok || n < 0 || n > int64(len(argv)-at-1) {
			return dst
		}
		for i := range int(n) {
			dst = append(dst, at+1+i)
		}
		return dst
	}
	return keys
}

// Lock says what is locked around the handler.
type Lock uint8

const (
	// LockKeys locks the stripes of the record's keys; a command without keys locks nothing.
	LockKeys Lock = iota
	// LockAll locks the whole keyspace of the node.
	LockAll
	// LockNone locks nothing although the command has keys.
	LockNone
)

// Handler runs one command.
type Handler func(c *Ctx)

// Spec is the record of one command or subcommand: everything that two places could disagree on.
type Spec struct {
	Name    string // lower case; of a subcommand: without its container's name
	Summary string // for COMMAND DOCS, our own words
	Group   string // generic, string, hash, list, sorted-set, connection, server, pubsub, transactions, cluster
	Since   string // version that introduced it
	// Arity is the number of arguments including the name (of a subcommand: including the container's
	// name too); negative: at least that many.
	Arity int
	Flags Flags
	Keys  Keys
	Lock  Lock
	// Categories are the ACL categories without @, separated by blanks.
	Categories string
	Handler    Handler
	// Sub holds the subcommands of a container (CONFIG GET). A container with a Handler may be called
	// without one (COMMAND).
	Sub []Spec

	transaction txRole
	// stripes, if set, says what is locked instead of Lock.
	stripes func(w *Worker, spec *Spec, argv [][]byte, keys []int) keyspace.StripeSet

	container *Spec // set by NewTable
	full      string
	sub       *Table
	shows     bool // changes what CLIENT LIST tells
	id        int  // index into the statistics of commands
}

// FullName is the name as statistics and ACL show it: "get", "config|get".
func (s *Spec) FullName() string { return s.full }

// Container returns the record of the container, nil for a command of its own.
func (s *Spec) Container() *Spec { return s.container }

// Is tells whether all of the flags are set.
func (s *Spec) Is(f Flags) bool { return s.Flags&f == f }

// AppendKeys appends the indices of the keys in argv to dst.
func (s *Spec) AppendKeys(dst []int, argv [][]byte) []int {
	k := &s.Keys
	if k.Find != nil {
		return k.Find(argv, dst)
	}
	if k.First == 0 {
		return dst
	}
	last := k.Last
	if last < 0 {
		last += len(argv)
	}
	step := max(k.Step, 1)
	for i := k.First; i <= last && i < len(argv); i += step {
		dst = append(dst, i)
	}
	return dst
}
