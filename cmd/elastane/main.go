// Command elastane is the one binary: the control plane, the node agent and the cache engine.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/elastane/elastane/internal/app"
)

// Exit codes; scripts rely on them.
const (
	exitStopped = 0 // did what was asked, or stopped because it was asked to
	exitFailed  = 1
	exitUsage   = 2
)

func main() {
	// A second signal is not caught: it ends the program at once.
	ctx, release := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, release)
	m := Main{Args: os.Args[1:], Stdout: os.Stdout, Stderr: os.Stderr}
	os.Exit(m.Run(ctx))
}

// Main is one run of the program. Tests run it in process with their own arguments and writers.
type Main struct {
	Args           []string
	Stdout, Stderr io.Writer
}

// commands is the command line. Each flag can also be set as an ELASTANE_… environment variable.
type commands struct {
	Dev     devCommand     `cmd:"" help:"Run everything on this machine: Postgres, the control plane and three agents."`
	Serve   serveCommand   `cmd:"" help:"Run a control plane on a Postgres of yours."`
	Agent   agentCommand   `cmd:"" help:"Run a node agent that joins a control plane."`
	Migrate migrateCommand `cmd:"" help:"Change the schema of the control plane's database."`
	Engine  engineCommand  `cmd:"" passthrough:"" help:"Run one cache engine alone; options are --directive value, as in redis.conf."`
	Fleet   fleetCommand   `cmd:"" help:"Look after the agents of a control plane."`
	Version versionCommand `cmd:"" help:"Print the version."`
}

// Run parses the arguments, runs the command until it ends or ctx does, and returns the exit code.
func (m *Main) Run(ctx context.Context) (code int) {
	var cli commands
	parser, err := kong.New(&cli,
		kong.Name("elastane"),
		kong.Description("An open ElastiCache: the same API, real cache nodes behind it, on your own machines."),
		kong.DefaultEnvars("ELASTANE"),
		kong.Writers(m.Stdout, m.Stderr),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.Exit(func(code int) { panic(helpShown(code)) }),
		kong.Vars{"address_help": "loopback: an own 127.x.y.z for each node and endpoint; ports: one host and a port each."},
	)
	if err != nil {
		fmt.Fprintln(m.Stderr, "elastane:", err) // the struct tags above are wrong
		return exitFailed
	}
	defer func() {
		// kong ends the program after it has printed a help text; here that is the end of Run.
		if shown, ok := recover().(helpShown); ok {
			code = int(shown)
		}
	}()
	if len(m.Args) == 0 {
		m.Args = []string{"--help"}
		m.Run(ctx)
		return exitUsage
	}
	if m.Args[0] == "engine" {
		// Its flags are the engine's directives, which kong does not know.
		return runEngine(ctx, m.Args[1:], m.Stdout, m.Stderr)
	}
	parsed, err := parser.Parse(m.Args)
	if err != nil {
		fmt.Fprintf(m.Stderr, "elastane: %v\nTry: elastane --help\n", err)
		return exitUsage
	}
	err = parsed.Run(&environment{ctx: ctx, stdout: m.Stdout, stderr: m.Stderr})
	switch {
	case err == nil:
		return exitStopped
	case errors.Is(err, app.ErrUsage):
		fmt.Fprintln(m.Stderr, "elastane:", err)
		return exitUsage
	default:
		fmt.Fprintln(m.Stderr, "elastane:", oneLine(err))
		return exitFailed
	}
}

// oneLine keeps an error on one line: some libraries list each address that they tried on its own.
func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }

// helpShown carries kong's exit code out of the parser.
type helpShown int

// environment is what a command gets from Main.
type environment struct {
	ctx            context.Context
	stdout, stderr io.Writer
}

// overdue ends the program when its stop takes too long, and shows what it waits for.
func (e *environment) overdue() {
	app.DumpStacks(e.stderr)
	os.Exit(exitFailed)
}
