package acl

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// ParseFile reads the text of an ACL file: a user a line. name is the file's, for the messages. The error tells of all
// lines that are wrong, in Valkey's wording, and no password.
func ParseFile(c *Catalog, d Defaults, name, text string) ([]*User, error) {
	var users []*User
	var wrong strings.Builder
	seen := map[string]bool{}
	for i, line := range strings.Split(text, "\n") {
		line = strings.Trim(line, " \t\r\n")
		if line == "" {
			continue
		}
		words := strings.Split(line, " ")
		switch {
		case words[0] != "user" || len(words) < 2:
			fmt.Fprintf(&wrong, "%s:%d should start with user keyword followed by the username. ", name, i+1)
			continue
		case !ValidName(words[1]):
			fmt.Fprintf(&wrong, "'%s:%d: username '%s' contains invalid characters. ", name, i+1, words[1])
			continue
		case seen[words[1]]:
			fmt.Fprintf(&wrong, "WARNING: Duplicate user '%s' found on line %d. ", words[1], i+1)
			continue
		}
		seen[words[1]] = true
		rules := words[2:]
		for j := range rules {
			rules[j] = strings.Trim(rules[j], "\t\r\n")
		}
		u, err := NewUser(c, words[1], d.AllChannels).With(c, d, rules)
		var rule *RuleError
		switch {
		case err == nil:
			users = append(users, u)
		case errors.As(err, &rule) && rule.Unknown():
			fmt.Fprintf(&wrong, "%s:%d: Error in applying operation '%s': %v. ", name, i+1, rule.Rule, rule.Err)
		case rule != nil:
			fmt.Fprintf(&wrong, "%s:%d: %v. ", name, i+1, rule.Err)
		default:
			fmt.Fprintf(&wrong, "%s:%d: Unmatched parenthesis in selector definition.", name, i+1)
		}
	}
	if wrong.Len() > 0 {
		return nil, errors.New(wrong.String() +
			"WARNING: ACL errors detected, no change to the previously active ACL rules was performed")
	}
	return users, nil
}

// Load reads the users of an ACL file.
func Load(c *Catalog, d Defaults, path string) ([]*User, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		reason := err
		if inner := errors.Unwrap(err); inner != nil {
			reason = inner
		}
		return nil, fmt.Errorf("Error loading ACLs, opening file '%s': %w", path, reason) //nolint:staticcheck // Valkey's text
	}
	return ParseFile(c, d, path, string(text))
}

// Format writes users as an ACL file's text.
func Format(users []*User) string {
	var b strings.Builder
	for _, u := range users {
		b.WriteString("user " + u.name + " " + u.String() + "\n")
	}
	return b.String()
}

// Save writes users to an ACL file, which is replaced as a whole.
func Save(path string, users []*User) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".tmp-*")
	if err != nil {
		return fmt.Errorf("acl: save: %w", err)
	}
	_, err = f.WriteString(Format(users))
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name()) // it is of no use to anyone
		return fmt.Errorf("acl: save: %w", err)
	}
	return nil
}
