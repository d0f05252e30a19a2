package command

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"sync/atomic"

	"github.com/elastane/elastane/engine/acl"
)

const defaultUser = acl.DefaultUser

// maxPasswords is how many passwords the default user can have at once by SetPasswords (ElastiCache's token rotation).
const maxPasswords = 2

// Auth knows who may use a node: the users of its ACL, and the internal user that replicas use, which no ACL command shows or
// changes. Passwords are kept and compared as SHA-256 only.
type Auth struct {
	// Users are the users that ACL commands see.
	Users *acl.Registry
	// Log is the log of refusals (ACL LOG).
	Log acl.Log

	internal atomic.Pointer[internalUser]
}

type internalUser struct {
	account  *acl.Account
	password [sha256.Size]byte
}

// Open tells whether no authentication is needed.
func (a *Auth) Open() bool {
	u := a.Users.Default().User()
	return u.NoPass() && u.Enabled()
}

// SetPasswords sets the passwords of the default user as lower-case hexadecimal SHA-256; none: open.
func (a *Auth) SetPasswords(sha256hex []string) error {
	if len(sha256hex) > maxPasswords {
		return fmt.Errorf("command: %d passwords, at most %d can be valid", len(sha256hex), maxPasswords)
	}
	rules := []string{"resetpass"}
	for _, text := range sha256hex {
		rules = append(rules, "#"+text)
	}
	if len(sha256hex) == 0 {
		rules = append(rules, "nopass")
	}
	if _, err := a.Users.Set(defaultUser, acl.Defaults{}, rules); err != nil {
		return fmt.Errorf("command: a password's SHA-256 is not %d lower-case hexadecimal digits", 2*sha256.Size)
	}
	return nil
}

// SetPassword sets the one password of the default user in clear (requirepass); "": open.
func (a *Auth) SetPassword(password string) {
	rules := []string{"resetpass", ">" + password}
	if password == "" {
		rules[1] = "nopass"
	}
	if _, err := a.Users.Set(defaultUser, acl.Defaults{}, rules); err != nil {
		panic(err) // these rules are right
	}
}

// SetReplicationUser sets the internal user; "" for none.
func (a *Auth) SetReplicationUser(name, password string) {
	if name == "" {
		a.internal.Store(nil)
		return
	}
	rules := []string{"on", "~*", "&*", "+@all"}
	u, err := acl.NewUser(a.Users.Catalog(), name, false).With(a.Users.Catalog(), acl.Defaults{}, rules)
	if err != nil {
		panic(err) // these rules are right
	}
	a.internal.Store(&internalUser{acl.NewAccount(u), sha256.Sum256([]byte(password))})
}

// login authenticates a client, or tells the error text.
func (c *Ctx) login(user string, password []byte) string {
	s, cl := c.Server, c.Client
	if in := s.Auth.internal.Load(); in != nil && user == in.account.User().Name() {
		sum := sha256.Sum256(password)
		if subtle.ConstantTimeCompare(sum[:], in.password[:]) == 1 {
			cl.become(in.account)
			cl.Flags |= ClientReplication
			return ""
		}
	} else if account := s.Auth.Users.Authenticate(user, password); account != nil {
		cl.become(account)
		cl.Flags &^= ClientReplication
		return ""
	}
	c.logDenied(acl.DeniedAuth, c.context(), user, cut(c.Args.argv[0], len(c.Args.argv[0])))
	return ErrWrongPass
}

// become makes the client an authenticated one of an account.
func (c *Client) become(account *acl.Account) {
	c.Authenticated = true
	c.account, c.User = account, account.User().Name()
}

// becomeDefault makes a client what it is when it connects: the default user, authenticated if that needs no password. A client
// in process is nobody, and may do everything.
func (s *Server) becomeDefault(c *Client) {
	c.User = defaultUser
	c.Authenticated = c.Conn == nil || s.Auth.Open()
	if c.Conn != nil {
		c.account = s.Auth.Users.Default()
	}
}
