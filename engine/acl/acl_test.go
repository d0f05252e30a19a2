package acl

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func testCatalog() *Catalog {
	category := func(names string) (set Categories) {
		for name := range strings.FieldsSeq(names) {
			c, known := ParseCategory(name)
			if !known {
				panic(name)
			}
			set |= c
		}
		return set
	}
	return NewCatalog([]*Command{
		{ID: 0, Name: "get", Categories: category("read string fast")},
		{ID: 1, Name: "set", Categories: category("write string slow")},
		{ID: 70, Name: "config", Categories: category("slow"), Subcommands: []*Command{
			{ID: 71, Name: "config|get", Categories: category("admin slow dangerous"), Sub: true},
			{ID: 72, Name: "config|set", Categories: category("admin slow dangerous"), Sub: true},
		}},
		{ID: 3, Name: "select", Categories: category("fast connection")},
		{ID: 4, Name: "publish", Categories: category("pubsub fast")},
	})
}

func user(t testing.TB, c *Catalog, rules ...string) *User {
	t.Helper()
	u, err := NewUser(c, "u", false).With(c, Defaults{}, rules)
	if err != nil {
		t.Fatalf("%q: %v", rules, err)
	}
	return u
}

func TestRulesAsText(t *testing.T) {
	c := testCatalog()
	for rules, want := range map[string]string{
		"":                                "off sanitize-payload resetchannels -@all",
		"on nopass allkeys +@all":         "on nopass sanitize-payload ~* resetchannels +@all",
		"on >p <p skip-sanitize-payload":  "on skip-sanitize-payload resetchannels -@all",
		"~a %R~b %w~b %R~c %RW~d ~a":      "off sanitize-payload ~a ~b %R~c ~d resetchannels -@all",
		"&a &b &a":                        "off sanitize-payload resetchannels &a &b -@all",
		"allchannels":                     "off sanitize-payload &* -@all",
		"+get -get +GET":                  "off sanitize-payload resetchannels -@all +get",
		"+config|get +config -config|set": "off sanitize-payload resetchannels -@all +config -config|set",
		"+config|get -config":             "off sanitize-payload resetchannels -@all -config",
		"+@all -@dangerous +config|get":   "off sanitize-payload resetchannels +@all -@dangerous +config|get",
		"+select|1 +select|2":             "off sanitize-payload resetchannels -@all +select|1 +select|2",
		"+select|1 +select":               "off sanitize-payload resetchannels -@all +select",
		"+get (~k +set) ( %R~x +@all )":   "off sanitize-payload resetchannels -@all +get (~k resetchannels -@all +set) (%R~x resetchannels +@all)",
		"(~k +set) clearselectors":        "off sanitize-payload resetchannels -@all",
		"on >p ~* &* +@all (+get) reset":  "off sanitize-payload resetchannels -@all",
	} {
		u := user(t, c, strings.Fields(rules)...)
		if got := u.String(); got != want {
			t.Errorf("%q:\n got %q\nwant %q", rules, got, want)
		}
		if again := user(t, c, strings.Fields(u.String())...).String(); again != want {
			t.Errorf("%q: read back %q", want, again)
		}
	}
}

func TestWrongRules(t *testing.T) {
	c := testCatalog()
	hash := strings.Repeat("0", 64)
	for rules, want := range map[string]string{
		"nosuch":          "Syntax error",
		"+nosuch":         errUnknown.Error(),
		"-nosuch":         errUnknown.Error(),
		"-select|0":       errUnknown.Error(),
		"+@nosuch":        errUnknown.Error(),
		"+config|nosuch":  errUnknown.Error(),
		"+config|":        "Syntax error",
		"+config|get|x":   errNested.Error(),
		"%~a":             "Syntax error",
		"%RR~a":           "Syntax error",
		"%X~a":            "Syntax error",
		"%R":              "Syntax error",
		"~* ~a":           errAfterAllKeys.Error(),
		"&* &a":           errAfterAllChannels.Error(),
		"<p":              errNoSuchPassword.Error(),
		"!" + hash:        errNoSuchPassword.Error(),
		"#" + hash[1:]:    errHash.Error(),
		"#" + hash + "0":  errHash.Error(),
		"#A" + hash[1:]:   errHash.Error(),
		"(+get":           "Unmatched parenthesis in acl selector starting at '(+get'.",
		"(+get (nosuch))": "Syntax error",
		"(+get &x))":      "Syntax error",
		"(on)":            "Syntax error",
	} {
		_, err := NewUser(c, "u", false).With(c, Defaults{}, strings.Fields(rules))
		if err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%q: %v, want %q", rules, err, want)
		}
	}
	for _, rule := range []string{"~a b", "&a\tb"} {
		if _, err := NewUser(c, "u", false).With(c, Defaults{}, []string{rule}); err == nil {
			t.Errorf("%q is let in", rule)
		}
	}
}

func TestRulesApplyAsAWholeOrNotAtAll(t *testing.T) {
	c := testCatalog()
	r := NewRegistry(c)
	if _, err := r.Set("u", Defaults{}, []string{"on", "+get", "+nosuch"}); err == nil || r.Find("u") != nil {
		t.Fatalf("%v, %v", err, r.Find("u"))
	}
	if _, err := r.Set("u", Defaults{}, []string{"on", "+get"}); err != nil {
		t.Fatal(err)
	}
	before := r.Find("u").User().String()
	if _, err := r.Set("u", Defaults{}, []string{"off", "-get", "(+set)", "nosuch"}); err == nil {
		t.Fatal("no error")
	}
	if after := r.Find("u").User().String(); after != before {
		t.Errorf("%q became %q", before, after)
	}
}

func TestChecks(t *testing.T) {
	c := testCatalog()
	words := func(line string) (argv [][]byte) {
		for w := range strings.FieldsSeq(line) {
			argv = append(argv, []byte(w))
		}
		return argv
	}
	get := func(line string) *Call {
		return &Call{ID: 0, Argv: words(line), Keys: []int{1}, Access: func(int) Access { return Read }}
	}
	set := func(line string) *Call {
		return &Call{ID: 1, Argv: words(line), Keys: []int{1}, Access: func(int) Access { return Write }}
	}
	publish := func(line string) *Call { return &Call{ID: 4, Argv: words(line), FirstChannel: 1, LastChannel: 1} }
	for _, x := range []struct {
		rules string
		call  *Call
		want  Denial
		at    int
	}{
		{"+@all ~* &*", set("set k v"), Allowed, 0},
		{"~*", get("get k"), DeniedCommand, 0},
		{"+get ~a*", get("get abc"), Allowed, 0},
		{"+get ~a*", get("get b"), DeniedKey, 1},
		{"+get +set %R~a*", get("get a"), Allowed, 0},
		{"+get +set %R~a*", set("set a v"), DeniedKey, 1},
		{"+get +set %W~a*", set("set a v"), Allowed, 0},
		{"+get +set %W~a*", get("get a"), DeniedKey, 1},
		{"+@string -set ~*", get("get a"), Allowed, 0},
		{"+@string -set ~*", set("set a v"), DeniedCommand, 0},
		{"+get ~a (+set ~b)", set("set b v"), Allowed, 0},
		{"+get ~a (+set ~b)", set("set a v"), DeniedKey, 1},
		{"+get ~a (+set ~b)", get("get b"), DeniedKey, 1},
		{"+publish &a*", publish("publish abc m"), Allowed, 0},
		{"+publish &a*", publish("publish b m"), DeniedChannel, 1},
		{"+publish &a*", &Call{ID: 4, Argv: words("psubscribe a*"), FirstChannel: 1, LastChannel: 1, Patterns: true}, Allowed, 0},
		{"+publish &a*", &Call{ID: 4, Argv: words("psubscribe ab*"), FirstChannel: 1, LastChannel: 1, Patterns: true}, DeniedChannel, 1},
		{"+select|1", &Call{ID: 3, Argv: words("select 1")}, Allowed, 0},
		{"+select|1", &Call{ID: 3, Argv: words("select 2")}, DeniedCommand, 0},
		{"+select|1 -select", &Call{ID: 3, Argv: words("select 1")}, DeniedCommand, 0},
		{"+config|get", &Call{ID: 71, Sub: true, Argv: words("config get x")}, Allowed, 0},
		{"+config|get", &Call{ID: 72, Sub: true, Argv: words("config set x y")}, DeniedCommand, 0},
		{"+config -config|set", &Call{ID: 71, Sub: true, Argv: words("config get x")}, Allowed, 0},
		{"+@all -@admin", &Call{ID: 72, Sub: true, Argv: words("config set x y")}, DeniedCommand, 0},
		{"", &Call{ID: 3, NoAuth: true, Argv: words("auth x")}, Allowed, 0},
	} {
		u := user(t, c, strings.Fields(x.rules)...)
		if got, at := u.Check(x.call); got != x.want || at != x.at {
			t.Errorf("%q, %q: %v at %d, want %v at %d", x.rules, x.call.Argv, got, at, x.want, x.at)
		}
	}
	if !user(t, c, "+get", "%R~*").CheckAnyKey(get("get a"), Read) || user(t, c, "+get", "~a*").CheckAnyKey(get("get a"), Read) {
		t.Error("CheckAnyKey")
	}
	if !user(t, c, "+@all", "~*", "&*").Unrestricted() || user(t, c, "+@all", "-get", "~*", "&*").Unrestricted() ||
		!user(t, c, "(+@all ~* &*)").Unrestricted() {
		t.Error("Unrestricted")
	}
}

func TestAuthenticateAndDelete(t *testing.T) {
	r := NewRegistry(testCatalog())
	if r.Authenticate("default", []byte("anything")) == nil {
		t.Error("the first default user needs no password")
	}
	if _, err := r.Set("u", Defaults{}, []string{"on", ">one", ">two", "+@all", "~*", "&*"}); err != nil {
		t.Fatal(err)
	}
	account := r.Authenticate("u", []byte("two"))
	if account == nil || r.Authenticate("u", []byte("three")) != nil || r.Authenticate("nobody", nil) != nil {
		t.Fatal("passwords")
	}
	if _, err := r.Set("u", Defaults{}, []string{"off"}); err != nil || r.Authenticate("u", []byte("two")) != nil {
		t.Errorf("a user who is off got in (%v)", err)
	}
	if changes := r.Delete([]string{"u", "default", "nobody"}); len(changes) != 1 || changes[0].Account != account {
		t.Errorf("deleted %v", changes)
	}
	if denied, _ := account.User().Check(&Call{ID: 0}); denied != DeniedCommand || !account.User().Removed() {
		t.Errorf("a deleted user: %v", denied)
	}
}

func TestReplaceKeepsAccounts(t *testing.T) {
	c := testCatalog()
	r := NewRegistry(c)
	for _, name := range []string{"stays", "goes"} {
		if _, err := r.Set(name, Defaults{}, []string{"on", "&a"}); err != nil {
			t.Fatal(err)
		}
	}
	stays, goes := r.Find("stays"), r.Find("goes")
	next := NewUser(c, "stays", false)
	r.Replace([]*User{next, NewUser(c, "new", false)})
	if r.Find("stays") != stays || stays.User() != next || r.Find("goes") != nil || !goes.User().Removed() ||
		r.Find("new") == nil || r.Find("default") != r.Default() || len(r.List()) != 3 {
		t.Errorf("%v", r.List())
	}
}

func TestNarrowed(t *testing.T) {
	c := testCatalog()
	for _, x := range []struct {
		before, after string
		narrowed      bool
	}{
		{"&a", "&a &b", false},
		{"&a &b", "&a", true},
		{"&*", "&a", true},
		{"&a", "&*", false},
		{"&a", "(&a)", false},
		{"(&a) &b", "&b", true},
	} {
		before := user(t, c, strings.Fields(x.before)...)
		if _, got := before.Narrowed(user(t, c, strings.Fields(x.after)...)); got != x.narrowed {
			t.Errorf("%q to %q: %v", x.before, x.after, got)
		}
	}
}

func TestLogJoinsWhatIsAlike(t *testing.T) {
	var l Log
	e := Entry{Reason: DeniedKey, Context: TopLevel, Object: "k", Username: "u"}
	l.Add(e, 1000, 3)
	l.Add(e, 61_000, 3) // 60 s later: still the same
	if got := l.Newest(10); len(got) != 1 || got[0].Count != 2 || got[0].Created != 1000 || got[0].Updated != 61_000 {
		t.Fatalf("%+v", got)
	}
	l.Add(e, 121_001, 3) // later than that: another one
	other := e
	other.Object = "other"
	l.Add(other, 121_001, 3)
	l.Add(e, 121_002, 3)
	got := l.Newest(10)
	if len(got) != 3 || got[0].Object != "k" || got[0].Count != 2 || got[1].Object != "other" || got[0].ID != 1 {
		t.Fatalf("%+v", got)
	}
	other.Object = "third"
	l.Add(other, 121_003, 3)
	if got := l.Newest(10); len(got) != 3 || got[0].Object != "third" || got[2].Object != "other" {
		t.Fatalf("%+v", got)
	}
	if len(l.Newest(2)) != 2 || len(l.Newest(-1)) != 0 {
		t.Error("Newest")
	}
	l.Add(e, 121_004, 0)
	if len(l.Newest(10)) != 0 {
		t.Error("a limit of 0 keeps entries")
	}
}

func TestFile(t *testing.T) {
	c := testCatalog()
	path := filepath.Join(t.TempDir(), "users.acl")
	text := "\nuser alice on >secret ~a* +get ( ~b +set )\r\n  user default on nopass ~* &* +@all\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	users, err := Load(c, Defaults{}, path)
	if err != nil || len(users) != 2 {
		t.Fatal(users, err)
	}
	if err := Save(path, users); err != nil {
		t.Fatal(err)
	}
	again, err := Load(c, Defaults{}, path)
	if err != nil || Format(again) != Format(users) || strings.Contains(Format(users), "secret") {
		t.Fatalf("%v\n%s\n%s", err, Format(again), Format(users))
	}
	for line, want := range map[string]string{
		"alice on":                     "f:1 should start with user keyword followed by the username. ",
		"user a on >secret +nosuch":    "f:1: Error in applying operation '+nosuch': Unknown command or category name in ACL. ",
		"user a <secret":               "f:1: The password you are trying to remove from the user does not exist. ",
		"user a on\nuser a off":        "WARNING: Duplicate user 'a' found on line 2. ",
		"user a (+get":                 "f:1: Unmatched parenthesis in selector definition.",
		"user a on\nuser b\nuser c {}": "f:3: Syntax error. ",
	} {
		_, err := ParseFile(c, Defaults{}, "f", line)
		if err == nil || !strings.HasPrefix(err.Error(), want+"WARNING: ACL errors detected") || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", line, err)
		}
	}
	if _, err := Load(c, Defaults{}, filepath.Join(t.TempDir(), "none")); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Error(err)
	}
	if err := Save(filepath.Join(t.TempDir(), "none", "file"), users); err == nil {
		t.Error("saved into a directory that is not there")
	}
}

// FuzzRules: whatever the rules, a user's text makes the same user again, and nothing else.
func FuzzRules(f *testing.F) {
	c := testCatalog()
	for _, seed := range []string{
		"on >p ~a %R~b &c +get -@all", "+@all -config +config|get (~x +set) clearselectors", "reset #" + strings.Repeat("a", 64),
		"+select|1 -select +select|2", "( ) (()) %RW~ ~ & + - @ # ! < >", "(+get -@read %W~x)",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		u, err := NewUser(c, "u", false).With(c, Defaults{}, strings.Split(text, " "))
		if err != nil {
			return
		}
		shown := u.String()
		again, err := NewUser(c, "u", false).With(c, Defaults{}, strings.Split(shown, " "))
		if err != nil {
			t.Fatalf("%q is shown as %q: %v", text, shown, err)
		}
		if again.String() != shown || again.Unrestricted() != u.Unrestricted() {
			t.Fatalf("%q is shown as %q, and then as %q", text, shown, again)
		}
		for i := range u.selectors {
			for word := range u.selectors[i].commands {
				if u.selectors[i].commands[word] != again.selectors[i].commands[word] {
					t.Fatalf("%q and %q allow different commands", text, shown)
				}
			}
		}
	})
}
