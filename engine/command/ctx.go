package command

import (
	"strconv"

	"github.com/elastane/elastane/engine/keyspace"
	"github.com/elastane/elastane/engine/resp"
)

// Ctx is one call of one command, as its handler sees it. It is valid only during the call.
type Ctx struct {
	Server *Server
	Client *Client
	Spec   *Spec
	// View is the window on the keyspace: the stripes of the command's keys are locked, the client's
	// database is selected.
	View *keyspace.View
	// Args are the arguments after the command's name (and the subcommand's).
	Args Args
	// Reply takes the reply.
	Reply *resp.Writer
	// Now is the time of the call in Unix milliseconds; one call, one time.
	Now int64

	worker    *Worker
	effects   []effect
	words     [][]byte // backing of the effects' arguments
	digits    []byte   // backing of the numbers among them
	scratch   []byte   // for a handler that builds a value
	noEffects bool
	blocked   bool
}

type effect struct {
	db         int
	start, end int // in words
}

// Failed tells whether an argument was wrong, and if so has answered the client.
func (c *Ctx) Failed() bool {
	if c.Args.err == "" {
		return false
	}
	c.Reply.Error(c.Args.err)
	return true
}

// Propagate adds an effect to be sent to the replicas instead of the command as it was given, whether or not
// the keyspace has changed (a handler that changed nothing does not call it). It may be
// called several times: the effects then travel as one transaction. The words are kept until the call ends,
// not copied: they must not be changed before. Literals come from words.go, so that nothing is allocated.
func (c *Ctx) Propagate(words ...[]byte) {
	start := len(c.words)
	c.words = append(c.words, words...)
	c.effects = append(c.effects, effect{db: c.View.DB(), start: start, end: len(c.words)})
}

// number writes a number for Propagate.
func (c *Ctx) number(n int64) []byte {
	start := len(c.digits)
	c.digits = strconv.AppendInt(c.digits, n, 10)
	return c.digits[start:len(c.digits):len(c.digits)]
}

// PropagateNothing keeps the command as given away from the replicas.
func (c *Ctx) PropagateNothing() { c.noEffects = true }
