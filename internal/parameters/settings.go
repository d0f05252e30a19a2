package parameters

import (
	"maps"
	"regexp"
	"strconv"
	"strings"

	"github.com/elastane/elastane/internal/catalog"
)

// Settings are what the nodes of a group are told.
type Settings struct {
	MaxMemoryBytes int64 // what is left of the node type's memory for data; at least 1
	// Directives are the engine's directives and their values.
	Directives map[string]string
	// AtStart are the directives that a node takes in only when it starts.
	AtStart map[string]bool
}

// maxSamples is the most that maxmemory-samples can be in Valkey 8 and later.
const maxSamples = 64

// For works out the settings of nodes of a type from the defaults of a family and the values that a
// parameter group sets. Only directives that our engine knows come out; see Unsent for the others.
func For(family string, nodeType catalog.NodeType, set map[string]string) Settings {
	engine := catalog.EngineOf(family)
	s := Settings{
		MaxMemoryBytes: nodeType.MaxMemory(engine),
		Directives:     map[string]string{},
		AtStart:        map[string]bool{},
	}
	limits := outputLimits{}
	for _, p := range catalog.Parameters(family) {
		value := Value(p, nodeType, engine, set)
		switch {
		case p.Directive == "maxmemory":
			// Below, from several parameters.
		case p.Directive == "maxclients":
			s.Directives[p.Directive] = strconv.Itoa(nodeType.MaxClients)
		case p.Directive == "maxmemory-samples":
			// Families before Valkey 8 allow any number; the engine looks at so many and no more.
			s.Directives[p.Directive] = strconv.FormatInt(min(whole(value), maxSamples), 10)
		case limits.take(p.Name, value):
		case p.Directive != "" && Unsent[p.Directive] == "":
			s.Directives[p.Directive] = value
			if p.ChangeType == catalog.ChangeRequiresReboot && p.Modifiable != catalog.ModifiableNever {
				s.AtStart[p.Directive] = true
			}
		}
	}
	if line := limits.line(); line != "" {
		s.Directives["client-output-buffer-limit"] = line
	}
	s.MaxMemoryBytes = max(s.MaxMemoryBytes-reserved(family, s.MaxMemoryBytes, set), 1) // 0 would be no limit
	return s
}

// Running are the directives of a node whose spec has now the directives here: those that are taken in
// at a start only stay as they are until then. A node without any has not been started.
func (s Settings) Running(here map[string]string) map[string]string {
	if len(here) == 0 {
		return s.Directives
	}
	running := maps.Clone(s.Directives)
	for name := range s.AtStart {
		if value, ok := here[name]; ok {
			running[name] = value
		} else {
			delete(running, name)
		}
	}
	return running
}

// NeedsReboot tells whether a node with these directives has to be restarted to have its parameters.
func (s Settings) NeedsReboot(here map[string]string) bool {
	for name := range s.AtStart {
		if value, ok := here[name]; ok && value != s.Directives[name] {
			return true
		}
	}
	return false
}

// Value is a parameter's value: the one that is set, else the default, else that of the node type.
func Value(p catalog.Parameter, nodeType catalog.NodeType, engine string, set map[string]string) string {
	if value, ok := set[p.Name]; ok {
		return value
	}
	if value, ok := p.NodeType.Of(nodeType, engine); ok {
		return value
	}
	return p.Default
}

// reserved is how many bytes of memory are kept from data: so many, if the group says so, else the
// percentage, where the family has one. (AWS: Managing reserved memory.)
func reserved(family string, memory int64, set map[string]string) int64 {
	if _, ok := set[reservedMemory]; ok {
		return whole(set[reservedMemory])
	}
	p, ok := catalog.FindParameter(family, reservedMemoryPercent)
	if !ok {
		return 0
	}
	percent := whole(Value(p, catalog.NodeType{}, "", set))
	return memory - memory*(100-percent)/100
}

// whole reads a number that Check has let through, or that is the catalog's.
func whole(text string) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		panic("parameters: no number: " + text)
	}
	return n
}

// outputLimits gathers the nine parameters that make one client-output-buffer-limit: of each class of
// clients the hard limit, the soft limit, and the seconds that the soft one may be exceeded.
type outputLimits map[string]*[3]string

var outputLimit = regexp.MustCompile(`^client-output-buffer-limit-(normal|slave|replica|pubsub)-(hard-limit|soft-limit|soft-seconds)$`)

func (l outputLimits) take(name, value string) bool {
	parts := outputLimit.FindStringSubmatch(name)
	if parts == nil {
		return false
	}
	class := strings.Replace(parts[1], "slave", "replica", 1)
	if l[class] == nil {
		l[class] = &[3]string{}
	}
	place := map[string]int{"hard-limit": 0, "soft-limit": 1, "soft-seconds": 2}
	l[class][place[parts[2]]] = value
	return true
}

func (l outputLimits) line() string {
	var words []string
	for _, class := range []string{"normal", "replica", "pubsub"} {
		if limits := l[class]; limits != nil {
			words = append(words, class, limits[0], limits[1], limits[2])
		}
	}
	return strings.Join(words, " ")
}
