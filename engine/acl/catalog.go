package acl

import "strings"

// Categories is a set of command categories.
type Categories uint32

// categoryNames are the categories by bit, in the order in which ACL CAT lists them.
var categoryNames = [...]string{
	"keyspace", "read", "write", "set", "sortedset", "list", "hash", "string", "bitmap", "hyperloglog", "geo", "stream",
	"pubsub", "admin", "fast", "slow", "blocking", "dangerous", "connection", "transaction", "scripting",
}

// CategoryNames lists the categories in the order of ACL CAT.
func CategoryNames() []string { return categoryNames[:] }

// ParseCategory finds a category by its name (without @, of any case).
func ParseCategory(name string) (Categories, bool) {
	for i, known := range categoryNames {
		if strings.EqualFold(name, known) {
			return 1 << i, true
		}
	}
	return 0, false
}

// Command is a command or subcommand that rules can name.
type Command struct {
	ID         int    // its place in bitmaps; dense
	Name       string // lower case; of a subcommand "config|get"
	Categories Categories
	// Subcommands are set for a container.
	Subcommands []*Command
	// Sub tells that this is a subcommand itself.
	Sub bool
}

// Catalog is all commands that there are.
type Catalog struct {
	list   []*Command // without subcommands
	byName map[string]*Command
	words  int // of a bitmap
}

// NewCatalog makes a catalog of commands with their subcommands.
func NewCatalog(commands []*Command) *Catalog {
	c := &Catalog{list: commands, byName: make(map[string]*Command)}
	var add func(cmd *Command)
	add = func(cmd *Command) {
		c.byName[cmd.Name] = cmd
		c.words = max(c.words, cmd.ID/64+1)
		for _, sub := range cmd.Subcommands {
			add(sub)
		}
	}
	for _, cmd := range commands {
		add(cmd)
	}
	return c
}

func (c *Catalog) find(name string) *Command { return c.byName[strings.ToLower(name)] }

// In tells whether a command is in a category.
func (c *Catalog) In(name string, category Categories) bool {
	cmd := c.find(name)
	return cmd != nil && cmd.Categories&category != 0
}
