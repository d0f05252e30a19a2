package acl

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// Account is what connections hold of a user: always its present state.
type Account struct{ user atomic.Pointer[User] }

// NewAccount makes an account that no registry lists (an internal user).
func NewAccount(u *User) *Account {
	a := &Account{}
	a.user.Store(u)
	return a
}

// User returns the user as it is now. Of a deleted user Removed is true, and nothing is allowed.
func (a *Account) User() *User { return a.user.Load() }

// Registry is the users of a node. The default user is always there.
type Registry struct {
	catalog *Catalog
	mu      sync.Mutex // held by whoever changes something
	all     atomic.Pointer[map[string]*Account]
	def     *Account
}

// NewRegistry makes a registry that has the default user only.
func NewRegistry(c *Catalog) *Registry {
	r := &Registry{catalog: c, def: NewAccount(NewDefaultUser(c))}
	r.all.Store(&map[string]*Account{DefaultUser: r.def})
	return r
}

// Catalog returns the commands that rules can name.
func (r *Registry) Catalog() *Catalog { return r.catalog }

// Default returns the default user's account, which stays the same for ever.
func (r *Registry) Default() *Account { return r.def }

// Find returns an account, nil if there is none.
func (r *Registry) Find(name string) *Account { return (*r.all.Load())[name] }

// List returns the users in order of their names.
func (r *Registry) List() []*User {
	all := *r.all.Load()
	list := make([]*User, 0, len(all))
	for _, a := range all {
		list = append(list, a.User())
	}
	slices.SortFunc(list, func(a, b *User) int { return strings.Compare(a.name, b.name) })
	return list
}

// Change is what became of one account.
type Change struct {
	Account       *Account
	Before, After *User // Before is nil of a new one; After.Removed is true of a deleted one
}

// Set creates or changes a user by rules. All of them are applied, or none.
func (r *Registry) Set(name string, d Defaults, rules []string) (Change, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	account := r.Find(name)
	before := (*User)(nil)
	base := NewUser(r.catalog, name, d.AllChannels)
	if account != nil {
		before = account.User()
		base = before
	}
	after, err := base.With(r.catalog, d, rules)
	if err != nil {
		return Change{}, err
	}
	if account == nil {
		account = NewAccount(after)
		all := maps.Clone(*r.all.Load())
		all[name] = account
		r.all.Store(&all)
	} else {
		account.user.Store(after)
	}
	return Change{account, before, after}, nil
}

// Delete removes users; the default user stays.
func (r *Registry) Delete(names []string) []Change {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := maps.Clone(*r.all.Load())
	var changes []Change
	for _, name := range names {
		if account := all[name]; account != nil && account != r.def {
			delete(all, name)
			changes = append(changes, account.remove())
		}
	}
	r.all.Store(&all)
	return changes
}

// remove marks the user as gone, so that a connection that holds the account can do nothing any more.
func (a *Account) remove() Change {
	before := a.User()
	gone := &User{name: before.name, removed: true}
	a.user.Store(gone)
	return Change{a, before, gone}
}

// Replace makes users the whole set. Accounts whose users stay are kept. A default user that is not among them becomes the
// one that there is at first.
func (r *Registry) Replace(users []*User) []Change {
	r.mu.Lock()
	defer r.mu.Unlock()
	old := *r.all.Load()
	all := make(map[string]*Account, len(users)+1)
	var changes []Change
	set := func(u *User) {
		account := old[u.name]
		if account == nil {
			all[u.name] = NewAccount(u)
			changes = append(changes, Change{all[u.name], nil, u})
			return
		}
		all[u.name] = account
		changes = append(changes, Change{account, account.User(), u})
		account.user.Store(u)
	}
	for _, u := range users {
		set(u)
	}
	if all[DefaultUser] == nil {
		set(NewDefaultUser(r.catalog))
	}
	for name, account := range old {
		if all[name] == nil {
			changes = append(changes, account.remove())
		}
	}
	r.all.Store(&all)
	return changes
}

// Authenticate finds the account of a name and password, nil if they are wrong or the user is off.
func (r *Registry) Authenticate(name string, password []byte) *Account {
	account := r.Find(name)
	if account == nil || !account.User().Matches(password) {
		return nil
	}
	return account
}

// ValidName tells whether a name can be written in the text form.
func ValidName(name string) bool { return !hasSpaces(name) }
