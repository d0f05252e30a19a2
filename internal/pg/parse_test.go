package pg

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseMajor(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{
		"postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)": 15,
		"postgres (PostgreSQL) 17beta1":                        17,
		"18":                                                   18,
		"9.6":                                                  9,
		"":                                                     0,
		"postgres":                                             0,
	} {
		require.Equal(t, want, parseMajor(text), text)
	}
}

func FuzzParsePIDFile(f *testing.F) {
	f.Add("4711\n/data\n1700000000\n5432\n/run\n127.0.0.1\n  1 2\nready   \n")
	f.Add("4711\n")
	f.Add("-4711\n")
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		file, err := parsePIDFile(text)
		if err == nil && file.pid <= 1 {
			t.Fatalf("accepted process id %d: signalling it would reach a group, or init", file.pid)
		}
	})
}

func TestParsePIDFile(t *testing.T) {
	t.Parallel()
	file, err := parsePIDFile("4711\n/data\n1700000000\n5432\n/run\n127.0.0.1\n  1 2\nready   \n")
	require.NoError(t, err)
	require.Equal(t, pidFile{pid: 4711, status: "ready"}, file)
}
