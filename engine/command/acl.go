package command

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"strconv"

	"github.com/elastane/elastane/engine/acl"
	"github.com/elastane/elastane/engine/pubsub"
)

const (
	aclFlags      = NoScript | Loading | Stale
	aclAdminFlags = Admin | aclFlags
)

var aclSpecs = []Spec{{
	Name: "acl", Group: "server", Since: "6.0.0", Arity: -2,
	Summary: "Container of the commands about users and their permissions.", Categories: "slow",
	Sub: []Spec{
		{
			Name: "cat", Since: "6.0.0", Arity: -2, Summary: "Lists the categories, or the commands of one.",
			Flags: aclFlags, Categories: "slow", Handler: cmdACLCAT,
		},
		{
			Name: "deluser", Since: "6.0.0", Arity: -3, Summary: "Deletes users, and closes their connections.",
			Flags: aclAdminFlags | Restricted, Categories: "admin slow dangerous", Handler: cmdACLDELUSER,
		},
		{
			Name: "dryrun", Since: "7.0.0", Arity: -4, Summary: "Tells whether a user may run a command, without running it.",
			Flags: aclAdminFlags, Categories: "admin slow dangerous", Handler: cmdACLDRYRUN,
		},
		{
			Name: "genpass", Since: "6.0.0", Arity: -2, Summary: "Makes a random password.",
			Flags: aclFlags, Categories: "slow", Handler: cmdACLGENPASS,
		},
		{
			Name: "getuser", Since: "6.0.0", Arity: 3, Summary: "Describes a user.",
			Flags: aclAdminFlags, Categories: "admin slow dangerous", Handler: cmdACLGETUSER,
		},
		{
			Name: "help", Since: "6.0.0", Arity: 2, Summary: "Explains the subcommands.",
			Flags: Loading | Stale, Categories: "slow", Handler: cmdHELP,
		},
		{
			Name: "list", Since: "6.0.0", Arity: 2, Summary: "Lists the users with their rules.",
			Flags: aclAdminFlags, Categories: "admin slow dangerous", Handler: cmdACLLIST,
		},
		{
			Name: "load", Since: "6.0.0", Arity: 2, Summary: "Reads the users from the ACL file.",
			Flags: aclAdminFlags | Restricted, Categories: "admin slow dangerous", Handler: cmdACLLOAD,
		},
		{
			Name: "log", Since: "6.0.0", Arity: -2, Summary: "Lists what was refused, or forgets it.",
			Flags: aclAdminFlags, Categories: "admin slow dangerous", Handler: cmdACLLOG,
		},
		{
			Name: "save", Since: "6.0.0", Arity: 2, Summary: "Writes the users to the ACL file.",
			Flags: aclAdminFlags | Restricted, Categories: "admin slow dangerous", Handler: cmdACLSAVE,
		},
		{
			Name: "setuser", Since: "6.0.0", Arity: -3, Summary: "Creates or changes a user.",
			Flags: aclAdminFlags | Restricted, Categories: "admin slow dangerous", Handler: cmdACLSETUSER,
		},
		{
			Name: "users", Since: "6.0.0", Arity: 2, Summary: "Lists the names of the users.",
			Flags: aclAdminFlags, Categories: "admin slow dangerous", Handler: cmdACLUSERS,
		},
		{
			Name: "whoami", Since: "6.0.0", Arity: 2, Summary: "Tells the connection's user.",
			Flags: aclFlags, Categories: "slow", Handler: cmdACLWHOAMI,
		},
	},
}}

// catalog lists the commands of a table for ACL rules. It panics on an unknown category: that is a programming error.
func (t *Table) makeCatalog() *acl.Catalog {
	var convert func(specs []*Spec) []*acl.Command
	convert = func(specs []*Spec) []*acl.Command {
		list := make([]*acl.Command, len(specs))
		for i, s := range specs {
			list[i] = &acl.Command{ID: s.id, Name: s.FullName(), Sub: s.container != nil, Subcommands: convert(s.Subcommands())}
			for _, name := range s.categories() {
				category, known := acl.ParseCategory(name)
				if !known {
					panic("command: unknown category of " + s.full + ": " + name)
				}
				list[i].Categories |= category
			}
		}
		return list
	}
	return acl.NewCatalog(convert(t.Specs()))
}

// aclDefaults are what the configuration says about new users.
func (s *Server) aclDefaults() acl.Defaults {
	return acl.Defaults{AllChannels: s.Config.String("acl-pubsub-default") == "allchannels"}
}

// aclCall describes a call to the ACL.
func aclCall(spec *Spec, argv [][]byte) *acl.Call {
	call := &acl.Call{
		ID: spec.id, Sub: spec.container != nil, NoAuth: spec.Is(NoAuth), Argv: argv,
		FirstChannel: spec.Channels.First, LastChannel: spec.Channels.Last, Patterns: spec.Channels.Patterns,
		Access: func(nth int) (access acl.Access) {
			use := spec.KeyUse(argv, nth)
			if use&KeyAccess != 0 {
				access |= acl.Read
			}
			if use&(KeyUpdate|KeyInsert|KeyDelete) != 0 {
				access |= acl.Write
			}
			return access
		},
	}
	if call.LastChannel < 0 {
		call.LastChannel += len(argv)
	}
	if !spec.Is(PubSub) { // shard channels have slots, but are not keys
		call.Keys = spec.AppendKeys(nil, argv)
	}
	return call
}

// permitted asks the ACL about a call of the client, and logs a refusal. at is the index of the argument that is refused.
func (c *Ctx) permitted(spec *Spec, argv [][]byte, context acl.Context) (denied acl.Denial, at int) {
	cl := c.Client
	if cl.account == nil {
		return acl.Allowed, 0
	}
	u := cl.account.User()
	if u.Unrestricted() {
		return acl.Allowed, 0
	}
	if u.Removed() {
		cl.CloseAfterReply()
	}
	denied, at = u.Check(aclCall(spec, argv))
	if denied == acl.Allowed {
		return denied, at
	}
	object := spec.FullName()
	if denied != acl.DeniedCommand {
		object = string(argv[at])
	}
	c.logDenied(denied, context, u.Name(), object)
	return denied, at
}

// mayReadAnyKey tells whether the client may run the present command with keys that its arguments do not name (SORT … BY).
func (c *Ctx) mayReadAnyKey() bool {
	account := c.Client.account
	return account == nil || account.User().CheckAnyKey(aclCall(c.Spec, c.Args.argv), acl.Read)
}

// deniedText is the error of a refusal, without its code. verbose names the key or channel.
func deniedText(denied acl.Denial, user string, spec *Spec, object []byte, verbose bool) string {
	switch {
	case denied == acl.DeniedCommand:
		return "User " + user + " has no permissions to run the '" + spec.FullName() + "' command"
	case verbose:
		return "User " + user + " has no permissions to access the '" + string(object) + "' " + denied.String()
	}
	return "No permissions to access a " + denied.String()
}

// context is where the present command runs, for the log.
func (c *Ctx) context() acl.Context {
	if c.Client.Has(ClientMulti | ClientExec) {
		return acl.Transaction
	}
	return acl.TopLevel
}

// logDenied counts and logs a refusal.
func (c *Ctx) logDenied(reason acl.Denial, context acl.Context, user, object string) {
	s := c.Server
	s.Stats.Denied[reason].Add(1)
	s.Auth.Log.Add(acl.Entry{
		Reason: reason, Context: context, Object: object, Username: user, Client: c.describe(c.Client),
	}, c.Now, int(s.Config.Int("acllog-max-len")))
}

// settle does to connections what a change of users asks for: those of deleted users are closed, and those that listen to
// channels which their user may not hear any more.
func (s *Server) settle(changes []acl.Change) {
	for _, change := range changes {
		if change.Before == nil {
			continue
		}
		allowed := func(string, bool) bool { return true }
		if !change.After.Removed() {
			still, narrowed := change.Before.Narrowed(change.After)
			if !narrowed {
				continue
			}
			allowed = still
		}
		for _, cl := range s.Clients.List() {
			cl.Conn.Post(func() {
				if cl.account == change.Account && (change.After.Removed() || !cl.subs.all(allowed)) {
					cl.Conn.Close()
				}
			})
		}
	}
}

// all tells whether every subscription is allowed.
func (s *subscriptions) all(allowed func(channel string, pattern bool) bool) bool {
	for kind, names := range s.names {
		for name := range names {
			if !allowed(name, pubsub.Kind(kind) == pubsub.Pattern) {
				return false
			}
		}
	}
	return true
}

// SetUsers replaces all users at once: a user is a name and the rules that ACL SETUSER takes. Connections of users that are
// not there any more are closed. A default user that is not listed becomes the one of a new node.
func (s *Server) SetUsers(users []UserRules) error {
	var list []*acl.User
	for _, rules := range users {
		if !acl.ValidName(rules.Name) {
			return errors.New("command: a user's name has blanks")
		}
		u, err := acl.NewUser(s.Auth.Users.Catalog(), rules.Name, false).With(s.Auth.Users.Catalog(), acl.Defaults{}, rules.Rules)
		if rule := (*acl.RuleError)(nil); errors.As(err, &rule) {
			err = rule.Err // the rule may be a password
		}
		if err != nil {
			return errors.Join(errors.New("command: rules of user "+rules.Name), err)
		}
		list = append(list, u)
	}
	s.settle(s.Auth.Users.Replace(list))
	return nil
}

// UserRules are a user for SetUsers.
type UserRules struct {
	Name  string
	Rules []string // as ACL SETUSER takes them; secrets as #hash
}

// LoadUsers reads the users from the file that aclfile names, if it does.
func (s *Server) LoadUsers() error {
	path := s.Config.String("aclfile")
	if path == "" {
		return nil
	}
	users, err := acl.Load(s.Auth.Users.Catalog(), s.aclDefaults(), path)
	if err != nil {
		return err
	}
	s.settle(s.Auth.Users.Replace(users))
	return nil
}

// ACL CAT [category]
func cmdACLCAT(c *Ctx) {
	if c.Args.Len() > 1 {
		c.badSubcommand()
		return
	}
	names := acl.CategoryNames()
	if c.Args.More() {
		name := c.Args.String()
		category, known := acl.ParseCategory(name)
		if !known {
			c.Reply.Error("ERR Unknown category '" + cut([]byte(name), 128) + "'")
			return
		}
		names = nil
		for _, s := range c.Server.Table.Specs() {
			for _, x := range append([]*Spec{s}, s.Subcommands()...) {
				if c.Server.Auth.Users.Catalog().In(x.FullName(), category) {
					names = append(names, x.FullName())
				}
			}
		}
	}
	c.Reply.Array(len(names))
	for _, name := range names {
		c.Reply.BulkString(name)
	}
}

// badSubcommand answers a subcommand with a wrong number of optional arguments.
func (c *Ctx) badSubcommand() {
	c.Reply.Error("ERR unknown subcommand or wrong number of arguments for '" + cut(c.Args.argv[1], 128) + "'. Try ACL HELP.")
}

// ACL DELUSER username [username …]
func cmdACLDELUSER(c *Ctx) {
	var names []string
	for _, arg := range c.Args.Rest() {
		if string(arg) == defaultUser {
			c.Reply.Error("ERR The 'default' user cannot be removed")
			return
		}
		names = append(names, string(arg))
	}
	changes := c.Server.Auth.Users.Delete(names)
	c.Server.settle(changes)
	c.Reply.Int(int64(len(changes)))
}

// ACL DRYRUN username command [arg …]
func cmdACLDRYRUN(c *Ctx) {
	name, argv := c.Args.String(), c.Args.Rest()
	account, spec := c.Server.Auth.Users.Find(name), c.Server.Table.Resolve(argv)
	switch {
	case account == nil:
		c.Reply.Error("ERR User '" + name + "' not found")
		return
	case spec == nil:
		c.Reply.Error("ERR Command '" + string(argv[0]) + "' not found")
		return
	case spec.Arity > 0 && len(argv) != spec.Arity, len(argv) < -spec.Arity:
		c.Reply.Error("ERR wrong number of arguments for '" + spec.FullName() + "' command")
		return
	}
	if denied, at := account.User().Check(aclCall(spec, argv)); denied != acl.Allowed {
		c.Reply.BulkString(deniedText(denied, name, spec, argv[at], true))
		return
	}
	c.Reply.OK()
}

// ACL GENPASS [bits]
func cmdACLGENPASS(c *Ctx) {
	const most = 4096
	if c.Args.Len() > 1 {
		c.badSubcommand()
		return
	}
	bits := int64(256)
	if c.Args.More() {
		bits = c.Args.Int()
	}
	if bits <= 0 || bits > most {
		c.Args.Fail("ERR ACL GENPASS argument must be the number of bits for the output password, a positive number up to " +
			strconv.Itoa(most))
	}
	if c.Failed() {
		return
	}
	var secret [most / 8]byte
	_, _ = rand.Read(secret[:]) // crypto/rand never fails
	c.Reply.BulkString(hex.EncodeToString(secret[:])[:(bits+3)/4])
}

// ACL GETUSER username
func cmdACLGETUSER(c *Ctx) {
	account := c.Server.Auth.Users.Find(c.Args.String())
	if account == nil {
		c.Reply.Null()
		return
	}
	u := account.User()
	c.Reply.Map(6)
	c.Reply.BulkString("flags")
	flags := u.Flags()
	c.Reply.Set(len(flags))
	for _, flag := range flags {
		c.Reply.BulkString(flag)
	}
	c.Reply.BulkString("passwords")
	passwords := u.Passwords()
	c.Reply.Array(len(passwords))
	for _, password := range passwords {
		c.Reply.BulkString(password)
	}
	selectors := u.Selectors()
	c.writeSelector(&selectors[0])
	c.Reply.BulkString("selectors")
	c.Reply.Array(len(selectors) - 1)
	for i := range selectors[1:] {
		c.Reply.Map(3)
		c.writeSelector(&selectors[i+1])
	}
}

func (c *Ctx) writeSelector(s *acl.Selector) {
	for _, field := range [...][2]string{{"commands", s.Commands()}, {"keys", s.Keys()}, {"channels", s.Channels()}} {
		c.Reply.BulkString(field[0])
		c.Reply.BulkString(field[1])
	}
}

// ACL LIST
func cmdACLLIST(c *Ctx) {
	users := c.Server.Auth.Users.List()
	c.Reply.Array(len(users))
	for _, u := range users {
		c.Reply.BulkString("user " + u.Name() + " " + u.String())
	}
}

// ACL LOAD
func cmdACLLOAD(c *Ctx) {
	if c.Server.Config.String("aclfile") == "" {
		c.Reply.Error(ErrNoACLFile)
		return
	}
	if err := c.Server.LoadUsers(); err != nil {
		c.Reply.Error("ERR " + err.Error())
		return
	}
	c.Reply.OK()
}

// ACL SAVE
func cmdACLSAVE(c *Ctx) {
	path := c.Server.Config.String("aclfile")
	if path == "" {
		c.Reply.Error(ErrNoACLFile)
		return
	}
	if err := acl.Save(path, c.Server.Auth.Users.List()); err != nil {
		c.Server.Logger.Error("ACL SAVE failed", "error", err)
		c.Reply.Error("ERR There was an error trying to save the ACLs. Please check the server logs for more information")
		return
	}
	c.Reply.OK()
}

// ACL LOG [count | RESET]
func cmdACLLOG(c *Ctx) {
	if c.Args.Len() > 1 {
		c.badSubcommand()
		return
	}
	if c.Args.Word("RESET") {
		c.Server.Auth.Log.Reset()
		c.Reply.OK()
		return
	}
	count := int64(10)
	if c.Args.More() {
		count = c.Args.Int()
	}
	if c.Failed() {
		return
	}
	entries := c.Server.Auth.Log.Newest(int(min(count, 1<<30)))
	c.Reply.Array(len(entries))
	for _, e := range entries {
		c.Reply.Map(10)
		text := func(name, value string) {
			c.Reply.BulkString(name)
			c.Reply.BulkString(value)
		}
		number := func(name string, value int64) {
			c.Reply.BulkString(name)
			c.Reply.Int(value)
		}
		number("count", e.Count)
		text("reason", e.Reason.String())
		text("context", string(e.Context))
		text("object", e.Object)
		text("username", e.Username)
		c.Reply.BulkString("age-seconds")
		c.Reply.Double(float64(c.Now-e.Updated) / 1000)
		text("client-info", e.Client)
		number("entry-id", e.ID)
		number("timestamp-created", e.Created)
		number("timestamp-last-updated", e.Updated)
	}
}

// ACL SETUSER username [rule [rule …]]
func cmdACLSETUSER(c *Ctx) {
	name := c.Args.String()
	if !acl.ValidName(name) {
		c.Reply.Error("ERR Usernames can't contain spaces or null characters")
		return
	}
	words := c.Args.Rest()
	rules := make([]string, len(words))
	for i, word := range words {
		rules[i] = string(word)
	}
	change, err := c.Server.Auth.Users.Set(name, c.Server.aclDefaults(), rules)
	if err != nil {
		c.Reply.Error("ERR " + err.Error())
		return
	}
	c.Server.settle([]acl.Change{change})
	c.Reply.OK()
}

// ACL USERS
func cmdACLUSERS(c *Ctx) {
	users := c.Server.Auth.Users.List()
	c.Reply.Array(len(users))
	for _, u := range users {
		c.Reply.BulkString(u.Name())
	}
}

// ACL WHOAMI
func cmdACLWHOAMI(c *Ctx) {
	if c.Client.account == nil {
		c.Reply.Null()
		return
	}
	c.Reply.BulkString(c.Client.User)
}
