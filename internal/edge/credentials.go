package edge

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/elastane/elastane/api"
)

// ErrUnknownKey is what Lookup returns for an access key that does not exist.
var ErrUnknownKey = errors.New("unknown access key")

// Credentials knows the access keys that may sign requests.
type Credentials interface {
	// Lookup returns the key with the id, or ErrUnknownKey. The session token is empty for long-term keys;
	// it is for the implementation to check.
	Lookup(ctx context.Context, accessKeyID, sessionToken string) (Key, error)
}

// Key is what belongs to an access key id.
type Key struct {
	Secret  api.Secret
	Account string // twelve digits

	// Unverified means that neither signature nor time of the request are checked, only its form. It is for development.
	Unverified bool
}

// DevCredentials accepts every access key with every secret, for development on loopback. Signatures are not
// verified, and neither is their time. The account is DefaultAccount, or the access key id itself
// if that is twelve digits, so that several accounts can be used without setting up any.
type DevCredentials struct{}

// Lookup never fails.
func (DevCredentials) Lookup(_ context.Context, accessKeyID, _ string) (Key, error) {
	account := DefaultAccount
	if isAccount(accessKeyID) {
		account = accessKeyID
	}
	return Key{Account: account, Unverified: true}, nil
}

// FileCredentials are the keys of a file, which has one key in each line:
//
//	access_key_id secret_access_key account_id
//
// separated by spaces or tabs. The account id has twelve digits. Empty lines, and lines that begin with #, do not count.
type FileCredentials struct {
	keys map[string]Key
}

// LoadCredentials reads a file of keys. Its errors name lines, never what they hold.
func LoadCredentials(path string) (*FileCredentials, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("credentials: %w", err)
	}
	defer f.Close()
	c, err := ParseCredentials(f)
	if err != nil {
		return nil, fmt.Errorf("credentials %s: %w", path, err)
	}
	return c, nil
}

// ParseCredentials reads keys in the form of FileCredentials. There must be at least one.
func ParseCredentials(r io.Reader) (*FileCredentials, error) {
	c := &FileCredentials{keys: map[string]Key{}}
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		fields := strings.Fields(line)
		switch {
		case len(fields) != 3:
			return nil, fmt.Errorf("line %d: access key id, secret access key and account id are expected", n)
		case !isAccount(fields[2]):
			return nil, fmt.Errorf("line %d: the account id must have twelve digits", n)
		}
		if _, twice := c.keys[fields[0]]; twice {
			return nil, fmt.Errorf("line %d: this access key id has been given before", n)
		}
		c.keys[fields[0]] = Key{Secret: api.NewSecret(fields[1]), Account: fields[2]}
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	if len(c.keys) == 0 {
		return nil, errors.New("there is no key")
	}
	return c, nil
}

// Lookup finds long-term keys; a session token with one of them is not looked at.
func (c *FileCredentials) Lookup(_ context.Context, accessKeyID, _ string) (Key, error) {
	key, ok := c.keys[accessKeyID]
	if !ok {
		return Key{}, ErrUnknownKey
	}
	return key, nil
}

func isAccount(s string) bool {
	if len(s) != 12 {
		return false
	}
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}
