package reconcile

import (
	"fmt"
	"time"
)

// Outcome is what a run ends with when there is no step left to apply.
type Outcome struct {
	kind    outcomeKind
	after   time.Duration
	message string // for the log: what is waited for, or why it ended
}

type outcomeKind int

const (
	outcomeDone outcomeKind = iota
	outcomeWait
	outcomeTerminal
)

// done: the observed state is the desired one.
func done() Outcome { return Outcome{} }

// wait: agents have work to do; their reports bring the next run. after > 0 asks for one by then.
func wait(after time.Duration, format string, args ...any) Outcome {
	return Outcome{kind: outcomeWait, after: after, message: fmt.Sprintf(format, args...)}
}

// terminal: the resource failed for good, and only its owner can do something about it.
func terminal(message string) Outcome {
	return Outcome{kind: outcomeTerminal, message: message}
}

// String is for logs.
func (o Outcome) String() string {
	switch o.kind {
	case outcomeWait:
		return "wait: " + o.message
	case outcomeTerminal:
		return "terminal: " + o.message
	default:
		return "done"
	}
}
