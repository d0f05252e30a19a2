package acl

import (
	"slices"
	"strings"

	"github.com/elastane/elastane/engine/glob"
)

// Access is what may be, or is to be, done with a key.
type Access uint8

// The kinds of access.
const (
	Read  Access = 1 << iota // the value's data is returned or copied
	Write                    // data is added, changed or removed
)

type keyPattern struct {
	pattern string
	access  Access
}

// text writes the pattern as a rule.
func (p keyPattern) text() string {
	switch p.access {
	case Read:
		return "%R~" + p.pattern
	case Write:
		return "%W~" + p.pattern
	}
	return "~" + p.pattern
}

// Selector is one set of permissions of a user: a call has to be allowed by a single one as a whole.
type Selector struct {
	allKeys, allChannels bool
	allCommands          bool // +@all, and nothing taken away since
	future               bool // rules begin with +@all
	commands             []uint64
	firstArgs            map[int][]string // by command: allowed although the command is not, with this argument
	keys                 []keyPattern
	channels             []string
	rules                []string // of commands, after +@all or -@all
}

func (s *Selector) clone() Selector {
	c := *s
	c.commands, c.keys = slices.Clone(s.commands), slices.Clone(s.keys)
	c.channels, c.rules = slices.Clone(s.channels), slices.Clone(s.rules)
	if s.firstArgs != nil {
		c.firstArgs = make(map[int][]string, len(s.firstArgs))
		for id, args := range s.firstArgs {
			c.firstArgs[id] = slices.Clone(args)
		}
	}
	return c
}

// set applies one rule.
func (s *Selector) set(c *Catalog, op string) error {
	switch lower := strings.ToLower(op); lower {
	case "allkeys", "~*":
		s.allKeys, s.keys = true, nil
		return nil
	case "resetkeys":
		s.allKeys, s.keys = false, nil
		return nil
	case "allchannels", "&*":
		s.allChannels, s.channels = true, nil
		return nil
	case "resetchannels":
		s.allChannels, s.channels = false, nil
		return nil
	case "allcommands", "+@all":
		s.reset(c, true)
		return nil
	case "nocommands", "-@all":
		s.reset(c, false)
		return nil
	}
	switch op[0] {
	case '~', '%':
		return s.addKeys(op)
	case '&':
		return s.addChannel(op[1:])
	case '+':
		return s.allow(c, op[1:])
	case '-':
		return s.deny(c, op[1:])
	}
	return errSyntax
}

func (s *Selector) reset(c *Catalog, all bool) {
	s.allCommands, s.future, s.rules, s.firstArgs = all, all, nil, nil
	s.commands = make([]uint64, c.words)
	if all {
		for i := range s.commands {
			s.commands[i] = ^uint64(0)
		}
	}
}

func (s *Selector) addKeys(op string) error {
	if s.allKeys {
		return errAfterAllKeys
	}
	access, pattern := Read|Write, op[1:]
	if op[0] == '%' {
		letters, rest, found := strings.Cut(op[1:], "~")
		if !found {
			return errSyntax
		}
		access, pattern = 0, rest
		for _, letter := range strings.ToUpper(letters) {
			var bit Access
			switch letter {
			case 'R':
				bit = Read
			case 'W':
				bit = Write
			}
			if bit == 0 || access&bit != 0 {
				return errSyntax
			}
			access |= bit
		}
		if access == 0 {
			return errSyntax
		}
	}
	if hasSpaces(pattern) {
		return errSyntax
	}
	if i := slices.IndexFunc(s.keys, func(p keyPattern) bool { return p.pattern == pattern }); i >= 0 {
		s.keys[i].access |= access
		return nil
	}
	s.keys = append(s.keys, keyPattern{pattern, access})
	return nil
}

func (s *Selector) addChannel(pattern string) error {
	switch {
	case s.allChannels:
		return errAfterAllChannels
	case hasSpaces(pattern):
		return errSyntax
	case !slices.Contains(s.channels, pattern):
		s.channels = append(s.channels, pattern)
	}
	return nil
}

func (s *Selector) allow(c *Catalog, name string) error {
	if strings.HasPrefix(name, "@") {
		return s.category(c, name, true)
	}
	at := strings.LastIndexByte(name, '|')
	if at < 0 {
		return s.command(c, name, true)
	}
	container, sub := c.find(name[:at]), name[at+1:]
	switch {
	case container == nil:
		return errUnknown
	case container.Sub:
		return errNested
	case sub == "":
		return errSyntax
	case len(container.Subcommands) > 0:
		return s.command(c, name, true)
	}
	if s.firstArgs == nil {
		s.firstArgs = make(map[int][]string)
	}
	if args := s.firstArgs[container.ID]; !slices.ContainsFunc(args, func(a string) bool { return strings.EqualFold(a, sub) }) {
		s.firstArgs[container.ID] = append(args, sub)
	}
	s.remember(name, true)
	return nil
}

func (s *Selector) deny(c *Catalog, name string) error {
	if strings.HasPrefix(name, "@") {
		return s.category(c, name, false)
	}
	return s.command(c, name, false)
}

func (s *Selector) command(c *Catalog, name string, on bool) error {
	cmd := c.find(name)
	if cmd == nil {
		return errUnknown
	}
	s.switchCommand(cmd, on)
	s.remember(cmd.Name, on)
	return nil
}

func (s *Selector) category(c *Catalog, name string, on bool) error {
	category, known := ParseCategory(name[1:])
	if !known {
		return errUnknown
	}
	s.remember(name, on)
	for _, cmd := range c.list {
		if cmd.Categories&category != 0 {
			s.switchCommand(cmd, on)
		}
		for _, sub := range cmd.Subcommands {
			if sub.Categories&category != 0 {
				s.switchCommand(sub, on)
			}
		}
	}
	return nil
}

// switchCommand allows or forbids a command with its subcommands.
func (s *Selector) switchCommand(cmd *Command, on bool) {
	bit := uint64(1) << (cmd.ID % 64)
	if on {
		s.commands[cmd.ID/64] |= bit
	} else {
		s.commands[cmd.ID/64] &^= bit
		s.allCommands = false
	}
	delete(s.firstArgs, cmd.ID)
	for _, sub := range cmd.Subcommands {
		s.switchCommand(sub, on)
	}
}

// remember adds a rule to those that are shown, and drops the ones that it makes moot: of the same name, or of a subcommand.
func (s *Selector) remember(name string, on bool) {
	name = strings.ToLower(name)
	s.rules = slices.DeleteFunc(s.rules, func(rule string) bool {
		return rule[1:] == name || strings.HasPrefix(rule[1:], name+"|")
	})
	sign := "-"
	if on {
		sign = "+"
	}
	s.rules = append(s.rules, sign+name)
}

// Commands is the text of the command rules, as SETUSER would take them.
func (s *Selector) Commands() string {
	first := "-@all"
	if s.future {
		first = "+@all"
	}
	return strings.Join(append([]string{first}, s.rules...), " ")
}

// Keys is the text of the key patterns.
func (s *Selector) Keys() string {
	if s.allKeys {
		return "~*"
	}
	texts := make([]string, len(s.keys))
	for i, p := range s.keys {
		texts[i] = p.text()
	}
	return strings.Join(texts, " ")
}

// Channels is the text of the channel patterns.
func (s *Selector) Channels() string {
	if s.allChannels {
		return "&*"
	}
	texts := make([]string, len(s.channels))
	for i, p := range s.channels {
		texts[i] = "&" + p
	}
	return strings.Join(texts, " ")
}

// String is the selector as ACL LIST shows it.
func (s *Selector) String() string {
	var parts []string
	if keys := s.Keys(); keys != "" {
		parts = append(parts, keys)
	}
	if !s.allChannels {
		parts = append(parts, "resetchannels")
	}
	if channels := s.Channels(); channels != "" {
		parts = append(parts, channels)
	}
	return strings.Join(append(parts, s.Commands()), " ")
}

// unrestricted tells whether the selector allows everything.
func (s *Selector) unrestricted() bool { return s.allCommands && s.allKeys && s.allChannels }

func (s *Selector) allowsKey(key []byte, access Access) bool {
	if s.allKeys {
		return true
	}
	for _, p := range s.keys {
		if p.access&access == access && glob.Match([]byte(p.pattern), key) {
			return true
		}
	}
	return false
}

// anyKey tells whether the access is allowed to whatever key.
func (s *Selector) anyKey(access Access) bool {
	return s.allKeys || slices.ContainsFunc(s.keys, func(p keyPattern) bool {
		return p.access&access == access && p.pattern == "*"
	})
}

func (s *Selector) allowsChannel(channel []byte, pattern bool) bool {
	return s.allChannels || channelIn(s.channels, channel, pattern)
}

// channelIn looks for a channel among patterns. A pattern has to be there literally.
func channelIn(patterns []string, channel []byte, pattern bool) bool {
	for _, p := range patterns {
		if pattern && p == string(channel) || !pattern && glob.Match([]byte(p), channel) {
			return true
		}
	}
	return false
}

// hasSpaces tells whether a name or pattern holds what would break the text form.
func hasSpaces(s string) bool {
	return strings.ContainsAny(s, " \t\n\v\f\r\x00")
}
