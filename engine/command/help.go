package command

import "strings"

// Help is the handler of HELP for containers of other packages.
func Help(c *Ctx) { cmdHELP(c) }

// cmdHELP answers CONTAINER HELP with the container's records: one line for the subcommand, one for what it does.
func cmdHELP(c *Ctx) {
	var usages []string
	for _, sub := range c.Spec.container.sub.specs {
		usage := strings.ToUpper(sub.Name)
		if sub.Arity < 0 || sub.Arity > 2 {
			usage += " ..."
		}
		usages = append(usages, usage, sub.Summary)
	}
	c.listUsages(usages)
}

func (c *Ctx) listUsages(usages []string) {
	c.Reply.Array(len(usages) + 1)
	c.Reply.Simple(strings.ToUpper(c.Spec.container.Name) + " <subcommand> [<arg> [value] [opt] ...]. Subcommands are:")
	for i := 0; i < len(usages); i += 2 {
		c.Reply.Simple(usages[i])
		c.Reply.Simple("    " + usages[i+1])
	}
}
