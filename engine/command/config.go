package command

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/elastane/elastane/engine/glob"
	"github.com/elastane/elastane/engine/keyspace"
)

// kind is the type of a directive's value.
type kind uint8

const (
	kindString kind = iota
	kindInt
	kindBool
	kindMemory // bytes, with Valkey's units: 100mb
	kindEnum
	kindNotify // classes of keyspace notifications
	kindLimits // client-output-buffer-limit
)

// directive is one record of the configuration.
type directive struct {
	name      string
	kind      kind
	value     string // default
	low, high int64  // kindInt, kindMemory
	enum      []string
	fixed     bool // cannot be changed by CONFIG SET
	secret    bool // never shown
	apply     func(s *Server, value string)
}

// directives is the table of what elastane knows, in order of name. Directives of Valkey's that change nothing
// here are listed as well, because clients and parameter groups set and read them.
var directives = []directive{
	{name: "acl-pubsub-default", kind: kindEnum, value: "resetchannels", enum: []string{"allchannels", "resetchannels"}},
	{name: "aclfile", value: "", fixed: true},
	{name: "acllog-max-len", kind: kindInt, value: "128", high: math.MaxInt64},
	{name: "activedefrag", kind: kindBool, value: "no"},
	{name: "activerehashing", kind: kindBool, value: "yes"},
	{name: "appendfsync", kind: kindEnum, value: "everysec", enum: []string{"always", "everysec", "no"}},
	{name: "appendonly", kind: kindEnum, value: "no", enum: []string{"no"}},
	{name: "bind", value: "", fixed: true},
	{name: "client-output-buffer-limit", kind: kindLimits, value: "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60", apply: applyOutputLimits},
	{name: "client-query-buffer-limit", kind: kindMemory, value: "1073741824", low: 1 << 20, high: math.MaxInt64},
	{name: "close-on-replica-write", kind: kindBool, value: "yes"},
	{name: "cluster-allow-reads-when-down", kind: kindBool, value: "no"},
	{name: "cluster-enabled", kind: kindBool, value: "no", fixed: true},
	{name: "cluster-node-timeout", kind: kindInt, value: "15000", high: math.MaxInt32},
	{name: "cluster-require-full-coverage", kind: kindBool, value: "yes"},
	{name: "databases", kind: kindInt, value: "16", low: 1, high: 10000, fixed: true},
	{name: "dbfilename", value: "dump.rdb"},
	{name: "dir", value: "", fixed: true},
	{name: "hash-max-listpack-entries", kind: kindInt, value: "512", high: math.MaxInt64, apply: applyEncodings},
	{name: "hash-max-listpack-value", kind: kindInt, value: "64", high: math.MaxInt64, apply: applyEncodings},
	{name: "hll-sparse-max-bytes", kind: kindMemory, value: "3000", high: math.MaxInt64, apply: applyEncodings},
	{name: "hz", kind: kindInt, value: "10", low: 1, high: 500},
	{name: "latency-monitor-threshold", kind: kindInt, value: "0", high: math.MaxInt64},
	{name: "lazyfree-lazy-eviction", kind: kindBool, value: "no"},
	{name: "lazyfree-lazy-expire", kind: kindBool, value: "no"},
	{name: "lazyfree-lazy-server-del", kind: kindBool, value: "no"},
	{name: "lazyfree-lazy-user-del", kind: kindBool, value: "no"},
	{name: "lazyfree-lazy-user-flush", kind: kindBool, value: "no"},
	{name: "lfu-decay-time", kind: kindInt, value: "1", high: math.MaxInt32},
	{name: "lfu-log-factor", kind: kindInt, value: "10", high: math.MaxInt32},
	{name: "list-compress-depth", kind: kindInt, value: "0", high: math.MaxInt32},
	{name: "list-max-listpack-size", kind: kindInt, value: "-2", low: math.MinInt32, high: math.MaxInt32, apply: applyEncodings},
	{name: "maxclients", kind: kindInt, value: "10000", low: 1, high: math.MaxInt32},
	{name: "maxmemory", kind: kindMemory, value: "0", high: math.MaxInt64, apply: applyMemoryLimit},
	{name: "maxmemory-policy", kind: kindEnum, value: "noeviction", apply: applyMemoryLimit, enum: []string{
		"volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl", "allkeys-lru", "allkeys-lfu", "allkeys-random", "noeviction",
	}},
	{name: "maxmemory-samples", kind: kindInt, value: "5", low: 1, high: 64, apply: applyMemoryLimit},
	{name: "min-replicas-max-lag", kind: kindInt, value: "10", high: math.MaxInt32},
	{name: "min-replicas-to-write", kind: kindInt, value: "0", high: math.MaxInt32},
	{name: "notify-keyspace-events", kind: kindNotify, value: "", apply: applyNotify},
	{name: "port", kind: kindInt, value: "6379", high: 65535, fixed: true},
	{name: "proto-max-bulk-len", kind: kindMemory, value: "536870912", low: 1 << 20, high: math.MaxInt64},
	{name: "repl-backlog-size", kind: kindMemory, value: "10485760", low: 1, high: math.MaxInt64},
	{name: "repl-backlog-ttl", kind: kindInt, value: "3600", high: math.MaxInt32},
	{name: "repl-diskless-load", kind: kindEnum, value: "disabled", enum: []string{"disabled", "on-empty-db", "swapdb", "flush-before-load"}},
	{name: "repl-diskless-sync", kind: kindBool, value: "yes"},
	{name: "repl-diskless-sync-delay", kind: kindInt, value: "5", high: math.MaxInt32},
	{name: "repl-ping-replica-period", kind: kindInt, value: "10", low: 1, high: math.MaxInt32},
	{name: "repl-timeout", kind: kindInt, value: "60", low: 1, high: math.MaxInt32},
	{name: "replica-lazy-flush", kind: kindBool, value: "no"},
	{name: "replica-priority", kind: kindInt, value: "100", high: math.MaxInt32},
	{name: "replica-read-only", kind: kindBool, value: "yes"},
	{name: "replica-serve-stale-data", kind: kindBool, value: "yes"},
	{name: "requirepass", value: "", secret: true, apply: func(s *Server, value string) { s.Auth.SetPassword(value) }},
	{name: "save", value: ""},
	{name: "set-max-intset-entries", kind: kindInt, value: "512", high: math.MaxInt64, apply: applyEncodings},
	{name: "set-max-listpack-entries", kind: kindInt, value: "128", high: math.MaxInt64, apply: applyEncodings},
	{name: "set-max-listpack-value", kind: kindInt, value: "64", high: math.MaxInt64, apply: applyEncodings},
	{name: "slowlog-log-slower-than", kind: kindInt, value: "10000", low: -1, high: math.MaxInt64},
	{name: "slowlog-max-len", kind: kindInt, value: "128", high: math.MaxInt64},
	{name: "stream-node-max-bytes", kind: kindMemory, value: "4096", high: math.MaxInt64, apply: applyEncodings},
	{name: "stream-node-max-entries", kind: kindInt, value: "100", high: math.MaxInt64, apply: applyEncodings},
	{name: "tcp-keepalive", kind: kindInt, value: "300", high: math.MaxInt32},
	{name: "timeout", kind: kindInt, value: "0", high: math.MaxInt32},
	{name: "tls-port", kind: kindInt, value: "0", high: 65535, fixed: true},
	{name: "tracking-table-max-keys", kind: kindInt, value: "1000000", high: math.MaxInt64, apply: func(s *Server, _ string) {
		s.tracking.mu.Lock()
		defer s.tracking.mu.Unlock()
		s.boundTracking()
	}},
	{name: "zset-max-listpack-entries", kind: kindInt, value: "128", high: math.MaxInt64, apply: applyEncodings},
	{name: "zset-max-listpack-value", kind: kindInt, value: "64", high: math.MaxInt64, apply: applyEncodings},
}

// aliases are Redis' older names.
var aliases = map[string]string{
	"hash-max-ziplist-entries": "hash-max-listpack-entries",
	"hash-max-ziplist-value":   "hash-max-listpack-value",
	"list-max-ziplist-size":    "list-max-listpack-size",
	"min-slaves-max-lag":       "min-replicas-max-lag",
	"min-slaves-to-write":      "min-replicas-to-write",
	"repl-ping-slave-period":   "repl-ping-replica-period",
	"slave-priority":           "replica-priority",
	"slave-read-only":          "replica-read-only",
	"slave-serve-stale-data":   "replica-serve-stale-data",
	"zset-max-ziplist-entries": "zset-max-listpack-entries",
	"zset-max-ziplist-value":   "zset-max-listpack-value",
}

// directiveByName is filled at start, as the directives' functions look into it themselves.
var directiveByName = make(map[string]*directive, 2*len(aliases)+100)

func init() {
	for i := range directives {
		directiveByName[directives[i].name] = &directives[i]
	}
	for alias, name := range aliases {
		directiveByName[alias] = directiveByName[name]
	}
}

// Config holds a node's directives: what differs from the defaults.
type Config struct {
	server *Server
	mu     sync.RWMutex
	set    map[string]string

	encodings  atomic.Pointer[encodings]
	notify     atomic.Uint64 // classes, a bit each
	pubsubHard atomic.Int64
	pubsubSoft atomic.Int64
	pubsubFor  atomic.Int64 // seconds
	normalHard atomic.Int64
	normalSoft atomic.Int64
	normalFor  atomic.Int64
}

func newConfig(s *Server) *Config {
	c := &Config{server: s, set: make(map[string]string)}
	c.applyLimits(directiveByName["client-output-buffer-limit"].value)
	c.applyEncodings()
	return c
}

// UnknownDirectiveError is the error for a directive that is not in the table.
type UnknownDirectiveError string

// Error names the directive.
func (e UnknownDirectiveError) Error() string { return "unknown directive '" + string(e) + "'" }

// Set checks and sets one directive, as at start: fixed ones can be set too.
func (c *Config) Set(name, value string) error {
	d := directiveByName[strings.ToLower(name)]
	if d == nil {
		return UnknownDirectiveError(name)
	}
	value, err := d.normalize(value)
	if err != nil {
		return fmt.Errorf("%s: %w", d.name, err)
	}
	c.store(d, value)
	return nil
}

func (c *Config) store(d *directive, value string) {
	c.mu.Lock()
	c.set[d.name] = value
	c.mu.Unlock()
	if d.apply != nil {
		d.apply(c.server, value)
	}
	if c.server.Host != nil {
		c.server.Host.Applied(d.name)
	}
}

// String returns a directive's value. It panics on an unknown name: that is a programming error.
func (c *Config) String(name string) string {
	c.mu.RLock()
	value, ok := c.set[name]
	c.mu.RUnlock()
	if ok {
		return value
	}
	return directiveByName[name].value
}

// Int returns a number; of memory, in bytes.
func (c *Config) Int(name string) int64 {
	n, err := strconv.ParseInt(c.String(name), 10, 64)
	if err != nil {
		panic("command: directive is no number: " + name)
	}
	return n
}

// Bool returns a yes or no.
func (c *Config) Bool(name string) bool { return c.String(name) == "yes" }

// OutputLimit returns client-output-buffer-limit of ordinary clients, or of subscribers.
func (c *Config) OutputLimit(pubsub bool) (hard, soft int, softFor time.Duration) {
	if pubsub {
		return int(c.pubsubHard.Load()), int(c.pubsubSoft.Load()), time.Duration(c.pubsubFor.Load()) * time.Second
	}
	return int(c.normalHard.Load()), int(c.normalSoft.Load()), time.Duration(c.normalFor.Load()) * time.Second
}

// CheckDirective tells whether a directive could be set to value: an UnknownDirectiveError, or what is wrong with the
// value, if not.
func CheckDirective(name, value string) error {
	d := directiveByName[strings.ToLower(name)]
	if d == nil {
		return UnknownDirectiveError(name)
	}
	if _, err := d.normalize(value); err != nil {
		return fmt.Errorf("%s: %w", d.name, err)
	}
	return nil
}

// normalize checks a value and brings it into the form in which it is kept and shown. The error texts are
// Valkey's.
func (d *directive) normalize(value string) (string, error) {
	switch d.kind {
	case kindInt, kindMemory:
		n, err := strconv.ParseInt(value, 10, 64)
		if d.kind == kindMemory {
			n, err = parseMemory(value)
			if err != nil {
				return "", fmt.Errorf("argument must be a memory value")
			}
		}
		if err != nil {
			return "", fmt.Errorf("argument couldn't be parsed into an integer")
		}
		if n < d.low || n > d.high {
			return "", fmt.Errorf("argument must be between %d and %d inclusive", d.low, d.high)
		}
		return strconv.FormatInt(n, 10), nil
	case kindBool:
		value = strings.ToLower(value)
		if value != "yes" && value != "no" {
			return "", fmt.Errorf("argument must be 'yes' or 'no'")
		}
		return value, nil
	case kindEnum:
		value = strings.ToLower(value)
		if !slices.Contains(d.enum, value) {
			return "", fmt.Errorf("argument(s) must be one of the following: %s", strings.Join(d.enum, ", "))
		}
		return value, nil
	case kindNotify:
		classes, ok := parseClasses(value)
		if !ok {
			return "", fmt.Errorf("Invalid event class character. Use 'Ag$lshzxeKEtmdn'.") //nolint:staticcheck // Valkey's text
		}
		return formatClasses(classes), nil
	case kindLimits:
		if _, err := parseLimits(value); err != nil {
			return "", err
		}
		return value, nil
	default:
		return value, nil
	}
}

// parseMemory reads bytes with Valkey's units: k, kb, m, mb, g, gb; b.
func parseMemory(text string) (int64, error) {
	lower := strings.ToLower(text)
	number := strings.TrimRight(lower, "bkmg")
	unit, ok := map[string]int64{
		"": 1, "b": 1, "k": 1e3, "kb": 1 << 10, "m": 1e6, "mb": 1 << 20, "g": 1e9, "gb": 1 << 30,
	}[lower[len(number):]]
	n, err := strconv.ParseInt(number, 10, 64)
	if !ok || err != nil || n < 0 || n > math.MaxInt64/unit {
		return 0, fmt.Errorf("not a memory value: %q", text)
	}
	return n * unit, nil
}

// notifyClasses are the letters of notify-keyspace-events in the order in which Valkey shows them; those up
// to A's end are what A stands for.
const notifyClasses = "g$lshzxetdKEmn"

const allNotifyClasses = "g$lshzxetd"

func classBit(class byte) uint64 {
	if i := strings.IndexByte(notifyClasses, class); i >= 0 {
		return 1 << i
	}
	return 0
}

func parseClasses(text string) (classes uint64, ok bool) {
	for i := range len(text) {
		switch bit := classBit(text[i]); {
		case text[i] == 'A':
			classes |= 1<<len(allNotifyClasses) - 1
		case bit == 0:
			return 0, false
		default:
			classes |= bit
		}
	}
	return classes, true
}

func formatClasses(classes uint64) string {
	all := uint64(1)<<len(allNotifyClasses) - 1
	var b strings.Builder
	if classes&all == all {
		b.WriteByte('A')
		classes &^= all
	}
	for i := range len(notifyClasses) {
		if classes&(1<<i) != 0 {
			b.WriteByte(notifyClasses[i])
		}
	}
	return b.String()
}

func applyNotify(s *Server, value string) {
	classes, _ := parseClasses(value)
	// Without K or E nothing would be sent.
	if classes&(classBit('K')|classBit('E')) == 0 {
		classes = 0
	}
	s.Config.notify.Store(classes)
	s.Space.SetNotices(classes&classBit('n') != 0, classes&classBit('m') != 0)
}

func applyMemoryLimit(s *Server, _ string) {
	policy, ok := keyspace.ParsePolicy(s.Config.String("maxmemory-policy"))
	if !ok {
		policy = keyspace.NoEviction
	}
	s.Space.SetMemoryLimit(keyspace.MemoryLimit{
		Max: s.Config.Int("maxmemory"), Policy: policy, Samples: int(s.Config.Int("maxmemory-samples")),
	})
}

// parseLimits reads "class hard soft seconds" groups.
func parseLimits(text string) (map[string][3]int64, error) {
	words := strings.Fields(text)
	if len(words)%4 != 0 {
		return nil, fmt.Errorf("wrong number of arguments in buffer limit configuration.") //nolint:staticcheck // Valkey's text
	}
	limits := make(map[string][3]int64)
	for group := range slices.Chunk(words, 4) {
		class := group[0]
		if class == "replica" {
			class = "slave"
		}
		hard, err1 := parseMemory(group[1])
		soft, err2 := parseMemory(group[2])
		seconds, err3 := strconv.ParseInt(group[3], 10, 32)
		if class != "normal" && class != "slave" && class != "pubsub" {
			return nil, fmt.Errorf("invalid client class specified in buffer limit configuration.") //nolint:staticcheck // Valkey's text
		}
		if err1 != nil || err2 != nil || err3 != nil || seconds < 0 {
			return nil, fmt.Errorf("error in hard, soft or soft_seconds setting in buffer limit configuration.") //nolint:staticcheck // Valkey's text
		}
		limits[class] = [3]int64{hard, soft, seconds}
	}
	return limits, nil
}

func applyOutputLimits(s *Server, value string) { s.Config.applyLimits(value) }

func (c *Config) applyLimits(value string) {
	limits, err := parseLimits(value)
	if err != nil {
		return // normalize has let it pass
	}
	if l, ok := limits["normal"]; ok {
		c.normalHard.Store(l[0])
		c.normalSoft.Store(l[1])
		c.normalFor.Store(l[2])
	}
	if l, ok := limits["pubsub"]; ok {
		c.pubsubHard.Store(l[0])
		c.pubsubSoft.Store(l[1])
		c.pubsubFor.Store(l[2])
	}
}

// CONFIG GET pattern [pattern …]
func cmdCONFIGGET(c *Ctx) {
	var found []string
	for _, arg := range c.Args.Rest() {
		pattern := []byte(strings.ToLower(string(arg)))
		for name := range directiveByName {
			if glob.Match(pattern, []byte(name)) && !slices.Contains(found, name) {
				found = append(found, name)
			}
		}
	}
	slices.Sort(found)
	c.Reply.Map(len(found))
	for _, name := range found {
		c.Reply.BulkString(name)
		if d := directiveByName[name]; d.secret {
			c.Reply.BulkString("")
		} else {
			c.Reply.BulkString(c.Server.Config.String(d.name))
		}
	}
}

// CONFIG SET directive value [directive value …]
func cmdCONFIGSET(c *Ctx) {
	words := c.Args.Rest()
	if len(words)%2 != 0 {
		c.Reply.Error("ERR wrong number of arguments for 'config|set' command")
		return
	}
	type change struct {
		d     *directive
		value string
	}
	var changes []change
	refuse := func(name, reason string) {
		c.Reply.Error("ERR CONFIG SET failed (possibly related to argument '" + name + "') - " + reason)
	}
	for i := 0; i < len(words); i += 2 {
		name := string(words[i])
		d := directiveByName[strings.ToLower(name)]
		if d == nil {
			c.Reply.Error("ERR Unknown option or number of arguments for CONFIG SET - '" + name + "'")
			return
		}
		if d.fixed {
			refuse(name, "can't set immutable config")
			return
		}
		for _, earlier := range changes {
			if earlier.d == d {
				refuse(name, "duplicate parameter")
				return
			}
		}
		value, err := d.normalize(string(words[i+1]))
		if err != nil {
			refuse(name, err.Error())
			return
		}
		changes = append(changes, change{d, value})
	}
	for _, ch := range changes {
		c.Server.Config.store(ch.d, ch.value)
	}
	c.Reply.OK()
}
