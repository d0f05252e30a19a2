package command

import (
	"errors"
	"io/fs"
)

var persistenceSpecs = []Spec{
	{
		Name: "bgrewriteaof", Group: "server", Since: "1.0.0", Arity: 1,
		Summary: "Rewrites the append-only file in the background.",
		Flags:   Admin | NoScript | NoAsyncLoading | Restricted, Categories: "admin slow dangerous",
		Handler: cmdBGREWRITEAOF,
	},
	{
		Name: "bgsave", Group: "server", Since: "1.0.0", Arity: -1,
		Summary: "Saves a snapshot in the background.",
		Flags:   Admin | NoScript | NoAsyncLoading | Restricted, Categories: "admin slow dangerous",
		Handler: cmdBGSAVE,
	},
	{
		Name: "lastsave", Group: "server", Since: "1.0.0", Arity: 1,
		Summary: "Returns the time of the last snapshot.",
		Flags:   Loading | Stale | Fast, Categories: "admin fast dangerous",
		Handler: cmdLASTSAVE,
	},
	{
		Name: "save", Group: "server", Since: "1.0.0", Arity: 1,
		Summary: "Saves a snapshot before it answers.",
		Flags:   Admin | NoScript | NoMulti | NoAsyncLoading | Restricted, Categories: "admin slow dangerous",
		Handler: cmdSAVE,
	},
}

// BGREWRITEAOF
func cmdBGREWRITEAOF(c *Ctx) {
	c.Reply.Error("ERR This node keeps no append-only file")
}

// BGSAVE [SCHEDULE]
func cmdBGSAVE(c *Ctx) {
	c.Args.Word("SCHEDULE")
	c.Args.End()
	if c.Failed() {
		return
	}
	if err := c.Server.Persistence.SaveInBackground(); err != nil {
		c.Reply.Error("ERR " + reason(err))
		return
	}
	c.Reply.Simple("Background saving started")
}

// LASTSAVE
func cmdLASTSAVE(c *Ctx) { c.Reply.Int(c.Server.Persistence.LastSave().Unix()) }

// SAVE
func cmdSAVE(c *Ctx) {
	// The walk takes the stripes by turns, so that only this client, and the loop it is on, waits.
	if err := c.Server.Persistence.Save(); err != nil {
		c.Server.Logger.Error("SAVE failed", "error", err)
		c.Reply.Error("ERR " + reason(err))
		return
	}
	c.Reply.OK()
}

// reason is what of an error a client is told: not the names of files.
func reason(err error) string {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err.Error()
	}
	return err.Error()
}
