package command

import "strings"

// cmdHELP answers a container's HELP with its records.
func cmdHELP(c *Ctx) {
	var usages []string
	for _, sub := range c.Spec.container.sub.specs {
		if sub.Name == "help" {
			continue
		}
		usage := strings.ToUpper(sub.Name)
		if sub.Arity < 0 || sub.Arity > 2 {
			usage += " ..."
		}
		usages = append(usages, usage, sub.Summary)
	}
	c.help(usages...)
}

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
