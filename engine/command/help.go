package command

import "strings"

// cmdHELP answers CONTAINER HELP with the container's records: one line for the subcommand, one for what it does.
func cmdHELP(c *Ctx) {
	container := c.Spec.container
	name := strings.ToUpper(container.Name)
	lines := []string{name + " <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"}
	for _, sub := range container.sub.specs {
		usage := strings.ToUpper(sub.Name)
		if sub.Arity < 0 || sub.Arity > 2 {
			usage += " ..."
		}
		lines = append(lines, usage, "    "+sub.Summary)
	}
	c.Reply.Array(len(lines))
	for _, line := range lines {
		c.Reply.Simple(line)
	}
}
