package command

import "strings"

// help answers a container's HELP: usages is a usage and what it does, in turn.
func (c *Ctx) help(usages ...string) {
	lines := []string{strings.ToUpper(c.Spec.container.Name) + " <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"}
	usages = append(usages, "HELP", "Print this help.")
	for i := 0; i < len(usages); i += 2 {
		lines = append(lines, usages[i], "    "+usages[i+1])
	}
	c.Reply.Array(len(lines))
	for _, line := range lines {
		c.Reply.Simple(line)
	}
}
