package parameters

// Unsent are the directives of Valkey's that parameter groups have values for and that are not sent to
// nodes, each with the reason. A test holds the table against the engine in both directions: what is
// sent it must know, and what stands here it must not, but for those that the node's spec carries.
var Unsent = map[string]string{
	"cluster-enabled": "the replication group's cluster mode decides, and the node's slot map carries it",

	"cluster-databases":                "cluster mode has database 0 only",
	"cluster-preferred-endpoint-type":  "the node's spec carries the address that it announces",
	"commandlog-large-reply-max-len":   noCommandLog,
	"commandlog-large-request-max-len": noCommandLog,
	"commandlog-reply-larger-than":     noCommandLog,
	"commandlog-request-larger-than":   noCommandLog,
	"lua-replicate-commands":           notYet,
	"rename-command":                   notYet,
	"search.default-timeout-ms":        noSearch,
	"search.enable-partial-results":    noSearch,
}

const (
	noCommandLog = "the engine logs slow commands only"
	noSearch     = "the engine has no search module"
	notYet       = "the engine has no such directive yet"
)
