package app

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestDataDirHasOneOwner(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	first, err := lockDataDir(dir)
	require.NoError(t, err)
	_, err = lockDataDir(dir)
	require.ErrorContains(t, err, "in use by another elastane (process")
	require.NoError(t, first.release())
	second, err := lockDataDir(dir)
	require.NoError(t, err)
	require.NoError(t, second.release())
}

func TestWriteFileReplaces(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "env")
	require.NoError(t, writeFile(file, []byte("old"), 0o600))
	require.NoError(t, writeFile(file, []byte("new"), 0o600))
	raw, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, "new", string(raw))
	info, err := os.Stat(file)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
}

func TestShellQuote(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"http://127.0.0.1:4567": "http://127.0.0.1:4567",
		"/a dir/ca.pem":         "'/a dir/ca.pem'",
		"it's":                  `'it'\''s'`,
		"$(rm)":                 "'$(rm)'",
		"":                      "''",
	} {
		require.Equal(t, want, shellQuote(text))
	}
}
