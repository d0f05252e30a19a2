package command

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"sync/atomic"
)

const defaultUser = "default"

// maxPasswords is how many passwords the default user can have at once (ElastiCache's token rotation).
const maxPasswords = 2

// Auth knows who may use a node: the default user, with up to two valid passwords, and the internal user that
// replicas use. Passwords are kept and compared as SHA-256 only.
type Auth struct{ state atomic.Pointer[authState] }

type authState struct {
	passwords       [][sha256.Size]byte // of the default user; none: open
	replicationUser string
	replication     [sha256.Size]byte
}

func (a *Auth) load() authState {
	if st := a.state.Load(); st != nil {
		return *st
	}
	return authState{}
}

// Open tells whether no authentication is needed.
func (a *Auth) Open() bool { return len(a.load().passwords) == 0 }

// SetPasswords sets the passwords of the default user as lower-case hexadecimal SHA-256; none: open.
func (a *Auth) SetPasswords(sha256hex []string) error {
	if len(sha256hex) > maxPasswords {
		return fmt.Errorf("command: %d passwords, at most %d can be valid", len(sha256hex), maxPasswords)
	}
	st := a.load()
	st.passwords = nil
	for _, text := range sha256hex {
		sum, err := hex.DecodeString(text)
		if err != nil || len(sum) != sha256.Size {
			return fmt.Errorf("command: a password's SHA-256 is not %d hexadecimal digits", 2*sha256.Size)
		}
		st.passwords = append(st.passwords, [sha256.Size]byte(sum))
	}
	a.state.Store(&st)
	return nil
}

// SetPassword sets the one password of the default user in clear (requirepass); "": open.
func (a *Auth) SetPassword(password string) {
	st := a.load()
	st.passwords = nil
	if password != "" {
		st.passwords = append(st.passwords, sha256.Sum256([]byte(password)))
	}
	a.state.Store(&st)
}

// SetReplicationUser sets the internal user; "" for none.
func (a *Auth) SetReplicationUser(name, password string) {
	st := a.load()
	st.replicationUser, st.replication = name, sha256.Sum256([]byte(password))
	a.state.Store(&st)
}

// check compares in constant time with every password.
func (a *Auth) check(user string, password []byte) bool {
	st := a.load()
	sum := sha256.Sum256(password)
	valid := 0
	switch {
	case st.replicationUser != "" && user == st.replicationUser:
		valid = subtle.ConstantTimeCompare(sum[:], st.replication[:])
	case user == defaultUser && len(st.passwords) == 0:
		return true
	case user == defaultUser:
		for i := range st.passwords {
			valid |= subtle.ConstantTimeCompare(sum[:], st.passwords[i][:])
		}
	}
	return valid == 1
}

// login authenticates a client, or tells the error text.
func (s *Server) login(c *Client, user string, password []byte) string {
	if !s.Auth.check(user, password) {
		s.Stats.AuthFailures.Add(1)
		return ErrWrongPass
	}
	c.Authenticated = true
	c.User = user
	c.Flags &^= ClientReplication
	if user != defaultUser {
		c.Flags |= ClientReplication
	}
	return ""
}
