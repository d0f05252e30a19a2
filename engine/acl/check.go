package acl

import (
	"slices"
	"strings"
)

// Denial is why a call is refused; the greater one is told if selectors refuse for different reasons.
type Denial uint8

// The reasons.
const (
	Allowed Denial = iota
	DeniedCommand
	DeniedKey
	DeniedChannel
	DeniedAuth // a wrong name or password: only in the log
)

// String is the reason as ACL LOG shows it.
func (d Denial) String() string {
	return [...]string{"none", "command", "key", "channel", "auth"}[d]
}

// Call is what a user wants to run.
type Call struct {
	ID     int  // of the command
	NoAuth bool // a command that is allowed without authentication is allowed to everybody
	Sub    bool // it is a subcommand
	Argv   [][]byte
	Keys   []int // indices in Argv
	// Access is what is done with the nth of the keys.
	Access func(nth int) Access
	// Channels are Argv[FirstChannel:LastChannel+1]; FirstChannel 0: none.
	FirstChannel, LastChannel int
	// Patterns tells that the channels are patterns (PSUBSCRIBE).
	Patterns bool
}

// Check decides about a call. at is the index of the argument that it was refused for.
func (u *User) Check(call *Call) (reason Denial, at int) {
	if u.open {
		return Allowed, 0
	}
	reason = DeniedCommand
	for i := range u.selectors {
		why, where := u.selectors[i].check(call)
		if why == Allowed {
			return Allowed, 0
		}
		if why > reason || why == reason && where > at {
			reason, at = why, where
		}
	}
	return reason, at
}

// CheckAnyKey decides about a call that has access to keys which its arguments do not name.
func (u *User) CheckAnyKey(call *Call, access Access) bool {
	return u.open || slices.ContainsFunc(u.selectors, func(s Selector) bool {
		why, _ := s.check(call)
		return why == Allowed && s.anyKey(access)
	})
}

func (s *Selector) check(call *Call) (Denial, int) {
	if !s.allCommands && !call.NoAuth && s.commands[call.ID/64]&(1<<(call.ID%64)) == 0 && !s.allowsFirstArg(call) {
		return DeniedCommand, 0
	}
	if !s.allKeys {
		for nth, i := range call.Keys {
			if !s.allowsKey(call.Argv[i], call.Access(nth)) {
				return DeniedKey, i
			}
		}
	}
	if !s.allChannels && call.FirstChannel > 0 {
		for i := call.FirstChannel; i <= call.LastChannel && i < len(call.Argv); i++ {
			if !s.allowsChannel(call.Argv[i], call.Patterns) {
				return DeniedChannel, i
			}
		}
	}
	return Allowed, 0
}

func (s *Selector) allowsFirstArg(call *Call) bool {
	at := 1
	if call.Sub {
		at = 2
	}
	return len(call.Argv) > at && slices.ContainsFunc(s.firstArgs[call.ID], func(arg string) bool {
		return strings.EqualFold(arg, string(call.Argv[at]))
	})
}

// Narrowed tells whether next misses channels that u had, so that subscribers have to be looked at; and if so allowed tells
// whether next still has one.
func (u *User) Narrowed(next *User) (allowed func(channel string, pattern bool) bool, narrowed bool) {
	var upcoming []string
	for i := range next.selectors {
		if next.selectors[i].allChannels {
			return nil, false
		}
		upcoming = append(upcoming, next.selectors[i].channels...)
	}
	for i := range u.selectors {
		narrowed = narrowed || u.selectors[i].allChannels ||
			slices.ContainsFunc(u.selectors[i].channels, func(p string) bool { return !slices.Contains(upcoming, p) })
	}
	return func(channel string, pattern bool) bool { return channelIn(upcoming, []byte(channel), pattern) }, narrowed
}
