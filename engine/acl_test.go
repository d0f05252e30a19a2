package engine

import (
	"crypto/sha256"
	"encoding/hex"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/elastane/elastane/engine/internal/redistest"
	"github.com/elastane/elastane/engine/resp"
)

const noKey = "NOPERM No permissions to access a key"

func TestUsersAreHeldToTheirRules(t *testing.T) {
	s := serve(t, Options{ReplicationUser: "repl", ReplicationPassword: "inner"})
	root, c, listener := s.dial(), s.dial(), s.dial()
	root.want("OK", "ACL", "SETUSER", "alice", "on", ">pw", "~a*", "%R~r*", "&news*", "+@all", "-@dangerous")
	c.want("WRONGPASS invalid username-password pair or user is disabled.", "AUTH", "alice", "no")
	c.want("OK", "AUTH", "alice", "pw")
	c.want("alice", "ACL", "WHOAMI")
	c.want("OK", "SET", "a1", "v")
	c.want(noKey, "SET", "b1", "v")
	c.want(noKey, "SET", "r1", "v")
	if v := c.do("GET", "r1"); v.Kind != resp.KindNull {
		t.Errorf("GET of a key that may be read: %v", v)
	}
	c.want("OK", "RENAME", "a1", "a2")
	c.want(noKey, "RENAME", "a2", "r1")
	c.want("NOPERM User alice has no permissions to run the 'flushall' command", "FLUSHALL")
	c.want("NOPERM User alice has no permissions to run the 'config|get' command", "CONFIG", "GET", "x")
	c.want("NOPERM No permissions to access a channel", "PUBLISH", "other", "m")
	c.want("0", "PUBLISH", "news1", "m")

	c.want("OK", "MULTI")
	c.want("QUEUED", "SET", "a1", "v")
	c.want("QUEUED", "GET", "a1")
	root.want("OK", "ACL", "SETUSER", "alice", "-set")
	if v := c.do("EXEC"); len(v.Elems) != 2 || !strings.HasPrefix(v.Elems[0].Str, "NOPERM ACLs rules changed between") || v.Elems[1].IsError() {
		t.Fatalf("EXEC: %v", v)
	}

	log := root.do("ACL", "LOG")
	if len(log.Elems) != 7 || log.Elems[0].Elems[5].Str != "multi" || log.Elems[0].Elems[7].Str != "set" {
		t.Fatalf("%d entries: %v", len(log.Elems), log)
	}
	info := root.do("INFO", "stats").Str
	for _, line := range []string{"acl_access_denied_auth:1", "acl_access_denied_cmd:3", "acl_access_denied_key:3", "acl_access_denied_channel:1"} {
		if !strings.Contains(info, line+"\r\n") {
			t.Errorf("INFO has no %s", line)
		}
	}

	listener.want("OK", "AUTH", "alice", "pw")
	if v := listener.do("SUBSCRIBE", "news1"); v.IsError() {
		t.Fatal(v)
	}
	root.want("OK", "ACL", "SETUSER", "alice", "resetchannels", "&older")
	if _, err := resp.ReadReply(listener.r); err == nil {
		t.Error("a subscriber whose channel was taken away stays connected")
	}
	root.want("1", "ACL", "DELUSER", "alice", "nobody")
	if _, err := resp.ReadReply(c.r); err == nil {
		t.Error("a connection of a deleted user stays open")
	}
	if v := root.do("ACL", "USERS"); v.String() != `*["default"]` {
		t.Errorf("users: %v", v)
	}
	inner := s.dial()
	inner.want("OK", "AUTH", "repl", "inner")
	inner.want("repl", "ACL", "WHOAMI")
}

func TestSetUsersReplacesTheWholeSet(t *testing.T) {
	s := serve(t, Options{})
	sum := sha256.Sum256([]byte("pw"))
	hash := "#" + hex.EncodeToString(sum[:])
	set := func(users ...User) {
		t.Helper()
		if err := s.node.SetUsers(users); err != nil {
			t.Fatal(err)
		}
	}
	set(User{"app", []string{"on", hash, "~*", "+@all"}}, User{"default", []string{"off"}})
	anonymous, app := s.dial(), s.dial()
	anonymous.want("NOAUTH Authentication required.", "PING")
	app.want("OK", "AUTH", "app", "pw")
	if err := s.node.SetUsers([]User{{"app", []string{"off"}}, {"bad", []string{">secret", "+nosuch"}}}); err == nil ||
		strings.Contains(err.Error(), "secret") {
		t.Fatalf("a wrong rule: %v", err)
	}
	app.want("PONG", "PING")
	set(User{"app", []string{"on", hash, "+ping"}}, User{"default", []string{"off"}})
	app.want("PONG", "PING")
	app.want("NOPERM User app has no permissions to run the 'get' command", "GET", "k")
	set()
	if _, err := resp.ReadReply(app.r); err == nil {
		t.Error("a connection of a user that is gone stays open")
	}
	s.dial().want("PONG", "PING")
}

func TestACLFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users.acl")
	s := serve(t, Options{})
	s.dial().want("ERR This instance is not configured to use an ACL file. You may want to specify users via the ACL SETUSER command "+
		"and then issue a CONFIG REWRITE (assuming you have a configuration file set) in order to store users in the configuration.",
		"ACL", "LOAD")
	if err := s.node.server.Config.Set("aclfile", path); err != nil {
		t.Fatal(err)
	}
	c := s.dial()
	c.want("OK", "ACL", "SETUSER", "u", "on", ">p", "~k")
	c.want("OK", "ACL", "SAVE")
	c.want("1", "ACL", "DELUSER", "u")
	c.want("OK", "ACL", "LOAD")
	s.dial().want("OK", "AUTH", "u", "p")
}

// aclConversations are what ACL commands answer, compared with the reference server. Rules are of a form that Redis 7.0, whose texts
// of commands are reckoned otherwise than Valkey's, shows the same.
var aclConversations = [][]string{
	{"ACL LIST", "ACL USERS", "ACL WHOAMI", "ACL CAT", "ACL CAT nosuch", "ACL GETUSER default", "ACL GETUSER nobody"},
	{"ACL SETUSER u", "ACL LIST", "ACL SETUSER u on >p ~a* %R~b %W~c &ch +@all", "ACL LIST", "ACL GETUSER u", "ACL DELUSER u"},
	{"ACL SETUSER u on nopass +get (~x +set) (%R~y +@all)", "ACL LIST", "ACL GETUSER u", "ACL SETUSER u clearselectors", "ACL LIST", "ACL DELUSER u"},
	{"ACL SETUSER u <p", "ACL SETUSER u !x", "ACL SETUSER u #x", "ACL SETUSER u ~* ~a", "ACL SETUSER u &* &a", "ACL SETUSER u nosuch", "ACL SETUSER u +nosuch", "ACL SETUSER u +@nosuch", "ACL SETUSER u (+get", "ACL SETUSER u +config|get|x", "ACL USERS"},
	{"ACL DELUSER default", "ACL DELUSER nobody", "ACL SETUSER", "ACL NOSUCH", "ACL GENPASS 0", "ACL GENPASS 4097", "ACL GENPASS x", "ACL LOG x"},
}

// aclConversationsOfValkey have texts that are newer than Redis 7.0.
var aclConversationsOfValkey = [][]string{
	{"ACL LOAD", "ACL SAVE"},
	{"ACL SETUSER u +config|get +config -@admin +select|1", "ACL LIST", "ACL SETUSER u +@all -config +config|get -@read", "ACL GETUSER u", "ACL DELUSER u"},
	{"ACL SETUSER u on nopass +@all -set ~a* resetchannels", "ACL DRYRUN u GET a1", "ACL DRYRUN u GET b", "ACL DRYRUN u SET a1 x", "ACL DRYRUN u PUBLISH c m", "ACL DRYRUN u NOSUCH", "ACL DRYRUN u GET", "ACL DRYRUN nobody GET a", "ACL DELUSER u"},
	{"ACL SETUSER u on nopass +@all -set ~a* resetchannels", "AUTH u x", "GET b", "SET a1 x", "PUBLISH c m", "MULTI", "SET a1 x", "EXEC", "ACL WHOAMI", "ACL DELUSER nobody"},
}

func TestACLAgainstReference(t *testing.T) {
	reference := &served{t: t, addr: redistest.Start(t, t.TempDir()).Addr()}
	ours := serve(t, Options{Engine: "redis", Version: "7.0.15"})
	isValkey := strings.Contains(reference.dial().do("INFO", "server").Str, "valkey_version")
	plain := func(v resp.Value) string {
		if isValkey {
			return v.String()
		}
		return strings.NewReplacer("sanitize-payload ", "", ` "sanitize-payload"`, "", "off sanitize-payload", "off").Replace(v.String())
	}
	conversations := aclConversations
	if isValkey {
		conversations = append(slices.Clone(conversations), aclConversationsOfValkey...)
	}
	for i, conversation := range conversations {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			a, b := reference.dial(), ours.dial()
			a.t, b.t = t, t
			for _, line := range conversation {
				if want, got := a.do(strings.Split(line, " ")...), b.do(strings.Split(line, " ")...); plain(want) != plain(got) {
					t.Errorf("%s:\n got %v\nwant %v", line, got, want)
				}
			}
		})
	}
}

func TestTrackingTellsOfChanges(t *testing.T) {
	s := serve(t, Options{})
	reader, writer := s.dial(), s.dial()
	told := func(c *rawConn, keys ...string) {
		t.Helper()
		v, err := resp.ReadReply(c.r)
		if err != nil || len(v.Elems) != 2 || v.Elems[0].Str != "invalidate" {
			t.Fatalf("got %v, %v", v, err)
		}
		var got []string
		for _, e := range v.Elems[1].Elems {
			got = append(got, e.Str)
		}
		if !slices.Equal(got, keys) {
			t.Fatalf("told of %q, want %q", got, keys)
		}
	}
	reader.do("HELLO", "3")
	reader.want("OK", "CLIENT", "TRACKING", "ON")
	reader.do("GET", "k")
	writer.want("OK", "SET", "k", "1")
	told(reader, "k")
	writer.want("OK", "SET", "k", "2") // not read since: nobody is told
	reader.do("MGET", "x", "y")
	writer.want("OK", "MSET", "y", "1")
	told(reader, "y")
	reader.do("GET", "x")
	writer.want("OK", "FLUSHALL")
	told(reader)
	reader.do("GET", "z")
	reader.want("OK", "SET", "z", "1") // one's own change, after the reply
	told(reader, "z")
	reader.want("OK", "CLIENT", "TRACKING", "ON", "NOLOOP")
	reader.do("GET", "z")
	reader.want("OK", "SET", "z", "2")
	reader.do("GET", "w")
	writer.want("OK", "SET", "w", "2")
	told(reader, "w")
	reader.want("OK", "CLIENT", "TRACKING", "OFF")
	reader.want("OK", "CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "p:", "PREFIX", "q:")
	writer.want("OK", "MSET", "p:2", "1", "p:1", "1", "other", "1")
	told(reader, "p:1", "p:2")
	reader.want("ERR Prefix 'p:x' overlaps with an existing prefix 'p:'. Prefixes for a single client must not overlap.",
		"CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "p:x")
	reader.want("OK", "CLIENT", "TRACKING", "OFF")
	reader.want("OK", "CLIENT", "TRACKING", "ON", "OPTIN")
	reader.do("GET", "k")
	reader.want("OK", "CLIENT", "CACHING", "YES")
	reader.do("GET", "l")
	reader.do("GET", "m")
	writer.want("OK", "MSET", "k", "1", "l", "1", "m", "1")
	told(reader, "l")
	if info := writer.do("INFO", "stats").Str; !strings.Contains(info, "tracking_total_keys:0\r\n") {
		t.Error("keys are left")
	}
}

func TestTrackingTableIsBounded(t *testing.T) {
	s := serve(t, Options{})
	c := s.dial()
	c.want("OK", "CONFIG", "SET", "tracking-table-max-keys", "10")
	c.want("OK", "CLIENT", "TRACKING", "ON")
	for i := range 20 {
		c.do("GET", strconv.Itoa(i))
	}
	if info := c.do("INFO", "stats").Str; !strings.Contains(info, "tracking_total_keys:10\r\n") || !strings.Contains(info, "tracking_total_items:10\r\n") {
		t.Errorf("%s", info)
	}
}

// notified are commands whose notifications are compared with the reference server, in order.
var notified = []string{
	"SET s 1", "INCR s", "APPEND s x", "SETRANGE s 0 y", "GETSET s z", "GETEX s EX 100", "PERSIST s", "GETDEL s", "MSET s 1 t 2", "SETEX s 10 v",
	"EXPIRE s 100", "RENAME s r", "COPY r r2", "MOVE r2 1", "DEL r t", "INCRBYFLOAT f 1.5", "SET f x GET", "SET f y EX 10", "SETNX f 1", "DEL f",
	"HSET h a 1 b 2", "HINCRBY h a 1", "HINCRBYFLOAT h a 1", "HDEL h a", "HSETNX h c 1", "HDEL h b c",
	"LPUSH l 1 2 3", "RPUSH l 4", "LSET l 0 x", "LINSERT l BEFORE x y", "LREM l 1 x", "LTRIM l 0 1", "LPOP l", "LMOVE l l2 LEFT RIGHT", "RPOP l2", "LPUSHX l 1",
	"SADD a 1 2 3", "SREM a 1", "SMOVE a b 2", "SPOP a", "SINTERSTORE d b b", "SDIFFSTORE d b b", "SUNIONSTORE d b", "DEL b d",
	"ZADD z 1 a 2 b 3 c", "ZINCRBY z 1 a", "ZREM z a", "ZPOPMIN z", "ZRANGESTORE y z 0 -1", "ZREMRANGEBYRANK z 0 0", "ZADD z 1 a 2 b", "ZREMRANGEBYSCORE z 1 1", "ZUNIONSTORE y 1 z", "DEL z y",
	"XADD x 1-1 f v", "XADD x 1-2 f v", "XGROUP CREATE x g 0", "XGROUP CREATECONSUMER x g c", "XGROUP SETID x g 1", "XGROUP DELCONSUMER x g c", "XGROUP DESTROY x g", "XDEL x 1-1", "XTRIM x MAXLEN 0", "XSETID x 5-5", "DEL x",
	"SETBIT s 1 1", "BITOP NOT s2 s", "BITFIELD s SET u8 0 1", "PFADD p a", "PFADD p2 b", "PFMERGE p2 p", "GEOADD geo 1 1 a", "LPUSH l 1 2", "SORT l STORE l3", "PEXPIREAT s 1", "FLUSHALL",
	"GET nokey",
}

func TestNotificationsAgainstReference(t *testing.T) {
	events := func(s *served) (list []string) {
		c, listener := s.dial(), s.dial()
		c.want("OK", "CONFIG", "SET", "notify-keyspace-events", "KEAm")
		listener.do("PSUBSCRIBE", "__key*__:*")
		for i, line := range notified {
			c.do(strings.Split(line, " ")...)
			c.do("PUBLISH", "__keyevent@9__:"+strconv.Itoa(i), line) // so that a difference is found where it is
		}
		for {
			v, err := resp.ReadReply(listener.r)
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, v.Elems[2].Str+" "+v.Elems[3].Str)
			if v.Elems[2].Str == "__keyevent@9__:"+strconv.Itoa(len(notified)-1) {
				return list
			}
		}
	}
	want := events(&served{t: t, addr: redistest.Start(t, t.TempDir()).Addr()})
	got := events(serve(t, Options{Engine: "redis", Version: "7.0.15"}))
	for i := range want {
		if i >= len(got) || got[i] != want[i] {
			t.Fatalf("notification %d of\n%s\nwant\n%s", i, strings.Join(got[max(0, i-4):min(len(got), i+4)], "\n"), strings.Join(want[max(0, i-4):min(len(want), i+4)], "\n"))
		}
	}
}
