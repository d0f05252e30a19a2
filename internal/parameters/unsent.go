package parameters

// Unsent are the directives of Valkey's that parameter groups have values for and that are not sent to
// nodes, each with the reason. A test holds the table against the engine in both directions: what is
// sent it must know, and what stands here it must not, but for those that the node's spec carries.
var Unsent = map[string]string{
	"cluster-enabled": "the replication group's cluster mode decides, and the node's slot map carries it",

	"active-defrag-cycle-max":             noFragments,
	"active-defrag-cycle-min":             noFragments,
	"active-defrag-ignore-bytes":          noFragments,
	"active-defrag-max-scan-fields":       noFragments,
	"active-defrag-threshold-lower":       noFragments,
	"active-defrag-threshold-upper":       noFragments,
	"active-expire-effort":                notYet,
	"cluster-allow-pubsubshard-when-down": notYet,
	"cluster-databases":                   "cluster mode has database 0 only",
	"cluster-preferred-endpoint-type":     "nodes announce the address that the control plane gave them",
	"commandlog-large-reply-max-len":      noCommandLog,
	"commandlog-large-request-max-len":    noCommandLog,
	"commandlog-reply-larger-than":        noCommandLog,
	"commandlog-request-larger-than":      noCommandLog,
	"extended-redis-compatibility":        notYet,
	"latency-tracking":                    notYet,
	"lua-replicate-commands":              notYet,
	"lua-time-limit":                      notYet,
	"rename-command":                      notYet,
	"replica-ignore-maxmemory":            notYet,
	"search.default-timeout-ms":           noSearch,
	"search.enable-partial-results":       noSearch,
}

const (
	noFragments  = "the engine's memory is in size classes of its own; there is no defragmenter to steer"
	noCommandLog = "the engine logs slow commands only"
	noSearch     = "the engine has no search module"
	notYet       = "the engine has no such directive yet"
)
