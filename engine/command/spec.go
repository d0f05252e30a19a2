package command

import (
	"strings"

	"github.com/elastane/elastane/engine/keyspace"
)

// Flags say what a command is and needs. The gate, COMMAND, propagation and cluster routing read them.
type Flags uint32

// The flags, with the names that COMMAND INFO reports (flagNames).
const (
	Write           Flags = 1 << iota // may change the keyspace
	ReadOnly                          // reads keys and changes nothing
	DenyOOM                           // refused when memory is over maxmemory and nothing can be evicted
	Admin                             // for operators
	PubSub                            // publish/subscribe
	NoScript                          // not from scripts
	Blocking                          // may block the client
	Loading                           // allowed while the data set is being loaded
	Stale                             // allowed on a replica that has lost its primary and serves no stale data
	NoAuth                            // allowed before authentication
	NoMulti                           // refused inside MULTI
	Fast                              // O(1) or O(log N)
	MayReplicate                      // may reach the replicas without changing the keyspace (PUBLISH)
	SkipMonitor                       // not shown to MONITOR
	NoAsyncLoading                    // refused while a replica loads with the old data still served
	AllowBusy                         // allowed while a script is busy
	MovableKeys                       // key positions depend on other arguments (Keys.Find)
	SkipSlowlog                       // not in the slow log
	InSubscribe                       // allowed for a RESP2 client in subscriber mode
	Alone                             // needs no stripe, and waits for those who hold some: EXEC gives its own back around it
	NoMandatoryKeys                   // may be called without a key
	Restricted                        // unknown to clients of a managed node, as on ElastiCache
)

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

// Channels tells where pub/sub channels are among the arguments that the ACL has to look at. First 0: there are none; a
// negative Last counts from the end.
type Channels struct {
	First, Last int
	Patterns    bool // they are patterns of channels
}

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
	// Channels are the pub/sub channels among the arguments.
	Channels Channels
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
	quick     bool // short enough to be timed together with others
	shows     bool // changes what CLIENT LIST tells
	id        int  // index into the statistics of commands
}

// FullName is the name as statistics and ACL show it: "get", "config|get".
func (s *Spec) FullName() string { return s.full }

func (s *Spec) categories() []string { return strings.Fields(s.Categories) }

// Container returns the record of the container, nil for a command of its own.
func (s *Spec) Container() *Spec { return s.container }

// Is tells whether all of the flags are set.
func (s *Spec) Is(f Flags) bool { return s.Flags&f == f }
