package main

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

// do runs the program in process.
func do(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errors bytes.Buffer
	m := Main{Args: args, Stdout: &out, Stderr: &errors}
	return m.Run(t.Context()), out.String(), errors.String()
}

func TestHelp(t *testing.T) {
	code, stdout, stderr := do(t, "--help")
	require.Equal(t, exitStopped, code)
	require.Empty(t, stderr)
	for _, command := range []string{"dev", "serve", "agent", "engine", "migrate up", "fleet token", "version"} {
		require.Contains(t, stdout, "\n  "+command+" ")
	}
	code, stdout, _ = do(t, "dev", "--help")
	require.Equal(t, exitStopped, code)
	for _, flag := range []string{
		"--listen=", "--data=", "--database-url=", "--agents=", "--addresses=", "--port-range=", "--aws-timing=",
		"--quiet", "ELASTANE_LISTEN", "ELASTANE_DATABASE_URL",
	} {
		require.Contains(t, stdout, flag)
	}
}

func TestVersion(t *testing.T) {
	code, stdout, _ := do(t, "version")
	require.Equal(t, exitStopped, code)
	require.Regexp(t, `^elastane \S+ go1\S+ \w+/\w+\n$`, stdout)
}

func TestBadUsage(t *testing.T) {
	for name, args := range map[string][]string{
		"none":                {},
		"unknown command":     {"fly"},
		"unknown flag":        {"dev", "--colour", "blue"},
		"bad number":          {"dev", "--agents", "three"},
		"bad choice":          {"dev", "--addresses", "moon"},
		"too many agents":     {"dev", "--agents", "27"},
		"bad timing":          {"dev", "--aws-timing", "1"},
		"missing flag":        {"serve"},
		"down without --yes":  {"migrate", "down", "--database-url", "postgres://127.0.0.1:1/none"},
		"bad agent's server":  {"agent", "--server", "nowhere", "--zone", "us-east-1a", "--data", t.TempDir()},
		"unexpected argument": {"version", "please"},
	} {
		t.Run(name, func(t *testing.T) {
			code, _, stderr := do(t, args...)
			require.Equal(t, exitUsage, code, stderr)
		})
	}
}

// A flag can come from the environment; the command line wins.
func TestFlagsFromTheEnvironment(t *testing.T) {
	t.Setenv("ELASTANE_PORT_RANGE", "9-1")
	code, _, stderr := do(t, "dev", "--data", t.TempDir())
	require.Equal(t, exitUsage, code)
	require.Contains(t, stderr, "9-1")
	code, _, stderr = do(t, "dev", "--data", t.TempDir(), "--port-range", "8-2")
	require.Equal(t, exitUsage, code)
	require.Contains(t, stderr, "8-2")
}

// The password of a database never shows.
func TestErrorsHoldNoPassword(t *testing.T) {
	code, _, stderr := do(t, "migrate", "version", "--database-url", "postgres://someone:hidden-password@127.0.0.1:1/none?connect_timeout=2")
	require.Equal(t, exitFailed, code)
	require.NotContains(t, stderr, "hidden-password")
	code, _, stderr = do(t, "migrate", "version", "--database-url", "postgres://someone:hidden-password@:bad:port")
	require.Equal(t, exitFailed, code)
	require.NotContains(t, stderr, "hidden-password")
}
