package command

import "strings"

// maxLoggedArgs and maxLoggedBytes are how much of a command the slow log keeps.
const (
	maxLoggedArgs  = 32
	maxLoggedBytes = 128
)

var redacted = []byte("(redacted)")

// redact returns the words of a command with its secrets covered, for logs and MONITOR. It does not change argv.
func redact(spec *Spec, argv [][]byte) [][]byte {
	var secret func(i int) bool
	switch spec.full {
	case "auth":
		secret = func(i int) bool { return i > 0 }
	case "hello":
		secret = func(i int) bool {
			return i >= 3 && strings.EqualFold(string(argv[i-1]), "auth") || i >= 4 && strings.EqualFold(string(argv[i-2]), "auth")
		}
	case "acl|setuser":
		secret = func(i int) bool { return i > 2 }
	case "acl|deluser", "acl|getuser":
		secret = func(i int) bool { return i > 1 }
	case "config|set":
		secret = func(i int) bool {
			if i < 3 || i%2 == 0 {
				return false
			}
			d := directiveByName[strings.ToLower(string(argv[i-1]))]
			return d != nil && d.secret
		}
	case "migrate":
		secret = func(i int) bool {
			return i > 5 && (strings.EqualFold(string(argv[i-1]), "auth") || strings.EqualFold(string(argv[i-1]), "auth2") ||
				strings.EqualFold(string(argv[i-2]), "auth2"))
		}
	default:
		return argv
	}
	shown := make([][]byte, len(argv))
	for i, word := range argv {
		shown[i] = word
		if secret(i) {
			shown[i] = redacted
		}
	}
	return shown
}
