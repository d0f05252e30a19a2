package command

import (
	"slices"
	"strings"

	"github.com/elastane/elastane/engine/glob"
)

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

// CONFIG RESETSTAT
func cmdCONFIGRESETSTAT(c *Ctx) {
	c.Server.Stats.reset()
	c.Server.Space.ResetStats()
	c.Reply.OK()
}

// CONFIG REWRITE: a node is configured by its options; there is no file that could be rewritten.
func cmdCONFIGREWRITE(c *Ctx) { c.Reply.Error("ERR The server is running without a config file") }

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
		if d.protected {
			refuse(name, "can't set protected config")
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
