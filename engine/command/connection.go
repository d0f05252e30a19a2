package command

var connectionSpecs = []Spec{
	{
		Name: "echo", Group: "connection", Since: "1.0.0", Arity: 2,
		Summary: "Returns the given string.",
		Flags:   Fast | Loading | Stale, Categories: "fast connection",
		Handler: cmdECHO,
	},
	{
		Name: "ping", Group: "connection", Since: "1.0.0", Arity: -1,
		Summary: "Tells that the server is alive.",
		Flags:   Fast | Loading | Stale | InSubscribe, Categories: "fast connection",
		Handler: cmdPING,
	},
}

// ECHO message
func cmdECHO(c *Ctx) {
	message := c.Args.Bytes()
	if c.Failed() {
		return
	}
	c.Reply.Bulk(message)
}

// PING [message]
func cmdPING(c *Ctx) {
	if c.Args.Len() == 0 {
		c.Reply.Simple("PONG")
		return
	}
	c.Reply.Bulk(c.Args.Bytes())
}
