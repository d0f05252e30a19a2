package app

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestListenSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	taken, err := listen(t.Context(), "--listen", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()

	_, err = listen(t.Context(), "--listen", taken.Addr().String())
	require.EqualError(t, err, "--listen "+taken.Addr().String()+" is in use by another program: stop it, or choose another address with --listen")
	require.NotErrorIs(t, err, ErrUsage)

	_, err = listen(t.Context(), "--listen", "127.0.0.1")
	require.ErrorIs(t, err, ErrUsage)
}

func TestIsLoopback(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]bool{"127.0.0.1:0": true, "0.0.0.0:0": false} {
		l, err := listen(t.Context(), "--listen", address)
		require.NoError(t, err)
		require.Equal(t, want, isLoopback(l), address)
		require.NoError(t, l.Close())
	}
}

func TestPortRange(t *testing.T) {
	t.Parallel()
	r, err := ParsePortRange("6400-6999")
	require.NoError(t, err)
	parts, err := r.split(3)
	require.NoError(t, err)
	require.Equal(t, []PortRange{{6400, 6599}, {6600, 6799}, {6800, 6999}}, parts)

	one, err := ParsePortRange("7000-7000")
	require.NoError(t, err)
	_, err = one.split(2)
	require.ErrorIs(t, err, ErrUsage)

	for _, bad := range []string{"", "6400", "6999-6400", "0-10", "1-65536", "-1-5", "a-b"} {
		_, err := ParsePortRange(bad)
		require.ErrorIs(t, err, ErrUsage, bad)
	}
}
