package acl

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// The errors of rules, in Valkey's wording.
var (
	errUnknown = errors.New("Unknown command or category name in ACL") //nolint:staticcheck // Valkey's text
	errSyntax  = errors.New("Syntax error")                            //nolint:staticcheck // Valkey's text
	//nolint:staticcheck // Valkey's text
	errAfterAllKeys = errors.New("Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does " +
		"not have any effect. Try 'resetkeys' to start with an empty list of patterns")
	//nolint:staticcheck // Valkey's text
	errAfterAllChannels = errors.New("Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and does " +
		"not have any effect. Try 'resetchannels' to start with an empty list of channels")
	errNoSuchPassword = errors.New("The password you are trying to remove from the user does not exist")                                //nolint:staticcheck // Valkey's text
	errHash           = errors.New("The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters") //nolint:staticcheck // Valkey's text
	errNested         = errors.New("Allowing first-arg of a subcommand is not supported")                                               //nolint:staticcheck // Valkey's text
)

// RuleError is the error of one rule of a user.
type RuleError struct {
	// Rule is the rule as it was given. It may hold a password: show it only to whoever gave it.
	Rule string
	Err  error
}

// Error is the text that ACL SETUSER answers with.
func (e *RuleError) Error() string {
	return fmt.Sprintf("Error in ACL SETUSER modifier '%s': %v", e.Rule, e.Err)
}

// Unwrap returns what is wrong.
func (e *RuleError) Unwrap() error { return e.Err }

// Unknown tells whether the rule names a command or category that there is not.
func (e *RuleError) Unknown() bool { return errors.Is(e.Err, errUnknown) }

// DefaultUser is the name of the user of connections that have not authenticated as somebody else.
const DefaultUser = "default"

// User is a user and all permissions. It never changes: With returns another one.
type User struct {
	name      string
	enabled   bool
	noPass    bool
	skips     bool                // sanitizing of RESTORE's payloads
	passwords [][sha256.Size]byte // in the order in which they were added
	selectors []Selector          // the first one is the root
	open      bool
	removed   bool
}

// NewUser makes a user as SETUSER does before the first rule: off, without passwords and permissions; channels if allChannels
// (acl-pubsub-default).
func NewUser(c *Catalog, name string, allChannels bool) *User {
	u := &User{name: name, selectors: make([]Selector, 1)}
	u.selectors[0].reset(c, false)
	u.selectors[0].allChannels = allChannels
	return u
}

// NewDefaultUser makes the user that is there at first: it may do everything and needs no password.
func NewDefaultUser(c *Catalog) *User {
	u, err := NewUser(c, DefaultUser, true).With(c, Defaults{}, []string{"on", "nopass", "~*", "&*", "+@all"})
	if err != nil {
		panic(err) // these rules are right
	}
	return u
}

// Name returns the user's name.
func (u *User) Name() string { return u.name }

// Enabled tells whether one can authenticate as this user.
func (u *User) Enabled() bool { return u.enabled }

// NoPass tells whether every password is right.
func (u *User) NoPass() bool { return u.noPass }

// Unrestricted tells whether every call is allowed.
func (u *User) Unrestricted() bool { return u.open }

// Removed tells that the user was deleted while connections had it.
func (u *User) Removed() bool { return u.removed }

// Selectors returns the permissions, the root's first.
func (u *User) Selectors() []Selector { return u.selectors }

// Defaults are what the configuration says about new users.
type Defaults struct {
	AllChannels bool // acl-pubsub-default allchannels
}

// With returns the user with rules applied in order, of which all have to be right. A selector may be spread over several
// rules. An error is a *RuleError, or says that a parenthesis is missing.
func (u *User) With(c *Catalog, d Defaults, rules []string) (*User, error) {
	rules, err := joinSelectors(rules)
	if err != nil {
		return nil, err
	}
	next := u.clone()
	for _, rule := range rules {
		if err := next.set(c, d, rule); err != nil {
			return nil, &RuleError{rule, err}
		}
	}
	next.open = slices.ContainsFunc(next.selectors, func(s Selector) bool { return s.unrestricted() })
	return next, nil
}

func (u *User) clone() *User {
	c := *u
	c.passwords = slices.Clone(u.passwords)
	c.selectors = make([]Selector, len(u.selectors))
	for i := range u.selectors {
		c.selectors[i] = u.selectors[i].clone()
	}
	return &c
}

// joinSelectors puts selectors together that were split at their blanks.
func joinSelectors(rules []string) ([]string, error) {
	var joined []string
	begin := -1
	for i, rule := range rules {
		switch {
		case begin >= 0:
			if strings.HasSuffix(rule, ")") {
				joined = append(joined, strings.Join(rules[begin:i+1], " "))
				begin = -1
			}
		case strings.HasPrefix(rule, "(") && !strings.HasSuffix(rule, ")"):
			begin = i
		default:
			joined = append(joined, rule)
		}
	}
	if begin >= 0 {
		return nil, fmt.Errorf("Unmatched parenthesis in acl selector starting at '%s'.", rules[begin]) //nolint:staticcheck // Valkey's text
	}
	return joined, nil
}

// set applies one rule.
func (u *User) set(c *Catalog, d Defaults, op string) error {
	if op == "" {
		return nil
	}
	switch strings.ToLower(op) {
	case "on":
		u.enabled = true
		return nil
	case "off":
		u.enabled = false
		return nil
	case "skip-sanitize-payload":
		u.skips = true
		return nil
	case "sanitize-payload":
		u.skips = false
		return nil
	case "nopass":
		u.noPass, u.passwords = true, nil
		return nil
	case "resetpass":
		u.noPass, u.passwords = false, nil
		return nil
	case "clearselectors":
		u.selectors = u.selectors[:1]
		return nil
	case "reset":
		fresh := NewUser(c, u.name, d.AllChannels)
		*u = *fresh
		return nil
	}
	switch {
	case strings.ContainsRune("><#!", rune(op[0])):
		return u.setPassword(op[0], op[1:])
	case op[0] == '(' && op[len(op)-1] == ')':
		var s Selector
		s.reset(c, false)
		for _, rule := range strings.Fields(op[1 : len(op)-1]) {
			if rule[len(rule)-1] == ')' { // the text form could not be read back
				return errSyntax
			}
			if err := s.set(c, rule); err != nil {
				return err
			}
		}
		u.selectors = append(u.selectors, s)
		return nil
	}
	return u.selectors[0].set(c, op)
}

func (u *User) setPassword(op byte, text string) error {
	sum := sha256.Sum256([]byte(text))
	if op == '#' || op == '!' {
		var ok bool
		if sum, ok = parseHash(text); !ok {
			return errHash
		}
	}
	at := slices.Index(u.passwords, sum)
	switch {
	case op == '>' || op == '#':
		if at < 0 {
			u.passwords = append(u.passwords, sum)
		}
		u.noPass = false
	case at < 0:
		return errNoSuchPassword
	default:
		u.passwords = slices.Delete(u.passwords, at, at+1)
	}
	return nil
}

func parseHash(text string) (sum [sha256.Size]byte, ok bool) {
	if strings.ToLower(text) != text || len(text) != hex.EncodedLen(len(sum)) {
		return sum, false
	}
	_, err := hex.Decode(sum[:], []byte(text))
	return sum, err == nil
}

// Passwords lists the SHA-256 of the valid passwords in hexadecimal.
func (u *User) Passwords() []string {
	list := make([]string, len(u.passwords))
	for i, sum := range u.passwords {
		list[i] = hex.EncodeToString(sum[:])
	}
	return list
}

// Flags lists the user's flags in Valkey's order.
func (u *User) Flags() []string {
	flags := []string{"off"}
	if u.enabled {
		flags[0] = "on"
	}
	if u.noPass {
		flags = append(flags, "nopass")
	}
	if u.skips {
		return append(flags, "skip-sanitize-payload")
	}
	return append(flags, "sanitize-payload")
}

// String is the user as ACL LIST shows it, without the word user and the name: rules that make the same user.
func (u *User) String() string {
	parts := u.Flags()
	for _, password := range u.Passwords() {
		parts = append(parts, "#"+password)
	}
	parts = append(parts, u.selectors[0].String())
	for i := range u.selectors[1:] {
		parts = append(parts, "("+u.selectors[i+1].String()+")")
	}
	return strings.Join(parts, " ")
}

// Matches tells whether one can authenticate as the user with this password. It takes the same time for each wrong password.
func (u *User) Matches(password []byte) bool {
	sum := sha256.Sum256(password)
	match := 0
	for i := range u.passwords {
		match |= subtle.ConstantTimeCompare(sum[:], u.passwords[i][:])
	}
	return u.enabled && !u.removed && (u.noPass || match == 1)
}
