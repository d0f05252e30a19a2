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
	kindNotify      // classes of keyspace notifications
	kindLimits      // client-output-buffer-limit
	kindPercent     // bytes, or a share of maxmemory: 5%
	kindPercentiles // numbers between 0 and 100
	kindSave        // seconds and changes, in pairs
	kindScores      // oom-score-adj-values
	kindShutdown    // options of SHUTDOWN
)

// directive is one record of the configuration.
type directive struct {
	name      string
	kind      kind
	value     string // default
	low, high int64  // kindInt, kindMemory
	enum      []string
	fixed     bool   // cannot be changed by CONFIG SET
	protected bool   // as fixed, with the error of enable-protected-configs
	secret    bool   // never shown
	inert     string // why it changes nothing; "" if it does something
	apply     func(s *Server, value string)
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

	slowlogAt  atomic.Int64 // nanoseconds; negative: never
	slowlogLen atomic.Int64
	latencyAt  atomic.Int64 // nanoseconds; 0: never
	slowest    atomic.Int64 // the lower one of both: commands below concern neither

	queryLimit   atomic.Int64 // bytes
	maxBulk      atomic.Int64 // bytes
	goodReplicas atomic.Int64 // that a write needs
	savePoints   atomic.Pointer[[]savePoint]
}

// newConfig returns the defaults, applied.
func newConfig(s *Server) *Config {
	c := &Config{server: s, set: make(map[string]string)}
	s.Config = c
	for i := range directives {
		switch d := &directives[i]; d.name {
		case "maxmemory", "maxmemory-policy", "maxmemory-samples", "lfu-decay-time", "lfu-log-factor", "requirepass":
			// a new keyspace and a new Auth have these defaults
		default:
			if d.apply != nil {
				d.apply(s, d.value)
			}
		}
	}
	return c
}

// QueryLimit is client-query-buffer-limit in bytes.
func (c *Config) QueryLimit() int64 { return c.queryLimit.Load() }

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
	case kindInt, kindMemory, kindPercent:
		return d.normalizeNumber(value)
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
	case kindPercentiles, kindSave, kindScores, kindShutdown:
		return d.normalizeList(value)
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

// normalizeNumber is normalize for numbers.
func (d *directive) normalizeNumber(value string) (string, error) {
	var n int64
	var err error
	switch d.kind {
	case kindInt:
		if n, err = strconv.ParseInt(value, 10, 64); err != nil {
			return "", fmt.Errorf("argument couldn't be parsed into an integer")
		}
	case kindMemory:
		if n, err = parseMemory(value); err != nil {
			return "", fmt.Errorf("argument must be a memory value")
		}
	default:
		share, percent := strings.CutSuffix(value, "%")
		if percent {
			n, err = strconv.ParseInt(share, 10, 64)
		} else {
			n, err = parseMemory(value)
		}
		if err != nil || n < 0 {
			return "", fmt.Errorf("argument must be a memory or percent value")
		}
		if percent {
			if n > -d.low {
				return "", fmt.Errorf("percentage argument must be less or equal to %d", -d.low)
			}
			return share + "%", nil
		}
	}
	if n < d.low || n > d.high {
		return "", fmt.Errorf("argument must be between %d and %d inclusive", d.low, d.high)
	}
	return strconv.FormatInt(n, 10), nil
}

// normalizeList is normalize for values of several words.
func (d *directive) normalizeList(value string) (string, error) {
	words := strings.Fields(value)
	switch d.kind {
	case kindSave:
		if _, err := parseSavePoints(words); err != nil {
			return "", err
		}
	case kindPercentiles:
		for _, word := range words {
			f, err := strconv.ParseFloat(word, 64)
			if err != nil {
				return "", fmt.Errorf("Invalid latency-tracking-info-percentiles parameters") //nolint:staticcheck // Valkey's text
			}
			if !(f >= 0 && f <= 100) {
				return "", fmt.Errorf("latency-tracking-info-percentiles parameters should sit between [0.0,100.0]")
			}
		}
	case kindScores:
		if len(words) != 3 {
			return "", fmt.Errorf("wrong number of arguments")
		}
		for i, word := range words {
			n, err := strconv.Atoi(word)
			if err != nil || n < -2000 || n > 2000 {
				return "", fmt.Errorf("Invalid oom-score-adj-values, elements must be between -2000 and 2000.") //nolint:staticcheck // Valkey's text
			}
			words[i] = strconv.Itoa(n)
		}
	default:
		for i, word := range words {
			words[i] = strings.ToLower(word)
			if !slices.Contains([]string{"default", "save", "nosave", "now", "force"}, words[i]) {
				return "", fmt.Errorf("argument(s) must be one of the following: default, save, nosave, now, force")
			}
		}
		if slices.Contains(words, "save") && slices.Contains(words, "nosave") {
			return "", fmt.Errorf("shutdown options SAVE and NOSAVE can't be used simultaneously")
		}
	}
	return strings.Join(words, " "), nil
}

// savePoint asks for a snapshot after some time with at least so many changes.
type savePoint struct {
	after   time.Duration
	changes uint64
}

func parseSavePoints(words []string) ([]savePoint, error) {
	errInvalid := fmt.Errorf("Invalid save parameters") //nolint:staticcheck // Valkey's text
	if len(words) == 1 && words[0] == `""` {
		return nil, nil
	}
	if len(words)%2 != 0 {
		return nil, errInvalid
	}
	var points []savePoint
	for pair := range slices.Chunk(words, 2) {
		seconds, err1 := strconv.ParseInt(pair[0], 10, 32)
		changes, err2 := strconv.ParseInt(pair[1], 10, 32)
		if err1 != nil || err2 != nil || seconds < 1 || changes < 0 {
			return nil, errInvalid
		}
		points = append(points, savePoint{time.Duration(seconds) * time.Second, uint64(changes)})
	}
	return points, nil
}

func applySave(s *Server, value string) {
	points, _ := parseSavePoints(strings.Fields(value)) // normalize has let it pass
	s.Config.savePoints.Store(&points)
}

func applySlow(s *Server, _ string) {
	c := s.Config
	at := c.Int("slowlog-log-slower-than")
	if at > 0 {
		at = min(at, math.MaxInt64/1000) * 1000
	}
	latency := min(c.Int("latency-monitor-threshold"), math.MaxInt64/1_000_000) * 1_000_000
	slowest := int64(math.MaxInt64)
	if at >= 0 {
		slowest = at
	}
	if latency > 0 {
		slowest = min(slowest, latency)
	}
	length := c.Int("slowlog-max-len")
	c.slowlogAt.Store(at)
	c.slowlogLen.Store(length)
	c.latencyAt.Store(latency)
	c.slowest.Store(slowest)
	s.slowlog.trim(int(min(length, math.MaxInt32)))
}

func applyRequestLimits(s *Server, _ string) {
	s.Config.queryLimit.Store(s.Config.Int("client-query-buffer-limit"))
	s.Config.maxBulk.Store(min(s.Config.Int("proto-max-bulk-len"), maxString))
}

func applyGoodReplicas(s *Server, _ string) {
	need := s.Config.Int("min-replicas-to-write")
	if s.Config.Int("min-replicas-max-lag") == 0 {
		need = 0 // as in Valkey, either one switches it off
	}
	s.Config.goodReplicas.Store(need)
}

func applyLFU(s *Server, _ string) {
	s.Space.SetLFU(int(s.Config.Int("lfu-log-factor")), int(s.Config.Int("lfu-decay-time")))
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
		return nil, fmt.Errorf("Wrong number of arguments in buffer limit configuration.") //nolint:staticcheck // Valkey's text
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
			return nil, fmt.Errorf("Invalid client class specified in buffer limit configuration.") //nolint:staticcheck // Valkey's text
		}
		if err1 != nil || err2 != nil || err3 != nil || seconds < 0 {
			return nil, fmt.Errorf("Error in hard, soft or soft_seconds setting in buffer limit configuration.") //nolint:staticcheck // Valkey's text
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
