package app

import (
	"context"
	"errors"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"
)

// record makes a unit that writes down its life.
func record(log *[]string, name string, startErr error) Unit {
	return Unit{
		Name: name,
		Start: func(context.Context) error {
			*log = append(*log, "start "+name)
			return startErr
		},
		Stop: func(context.Context) error {
			*log = append(*log, "stop "+name)
			return nil
		},
	}
}

func TestStackStopsInTheOppositeOrder(t *testing.T) {
	t.Parallel()
	var log []string
	ctx, cancel := context.WithCancel(t.Context())
	s := Stack{
		Logger: slog.New(slog.DiscardHandler),
		Units:  []Unit{record(&log, "a", nil), record(&log, "b", nil)},
		Ready:  func(context.Context) error { cancel(); return nil },
	}
	require.NoError(t, s.Run(ctx))
	require.Equal(t, []string{"start a", "start b", "stop b", "stop a"}, log)
}

func TestStackStopsWhatHadStarted(t *testing.T) {
	t.Parallel()
	var log []string
	broken := errors.New("broken")
	s := Stack{
		Logger: slog.New(slog.DiscardHandler),
		Units:  []Unit{record(&log, "a", nil), record(&log, "b", broken), record(&log, "c", nil)},
	}
	err := s.Run(t.Context())
	require.ErrorIs(t, err, broken)
	require.ErrorContains(t, err, "b: ")
	require.Equal(t, []string{"start a", "start b", "stop a"}, log)
}

func TestStackReportsAFailureWhileRunning(t *testing.T) {
	t.Parallel()
	var log []string
	broken := errors.New("broken")
	failed := make(chan error, 1)
	failed <- broken
	s := Stack{Logger: slog.New(slog.DiscardHandler), Units: []Unit{record(&log, "a", nil)}, Failed: failed}
	require.ErrorIs(t, s.Run(t.Context()), broken)
	require.Equal(t, []string{"start a", "stop a"}, log)
}

func TestStackAskedToStopWhileStartingIsNoError(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	s := Stack{
		Logger: slog.New(slog.DiscardHandler),
		Units: []Unit{{Name: "slow", Start: func(ctx context.Context) error {
			cancel()
			<-ctx.Done()
			return ctx.Err()
		}}},
	}
	require.NoError(t, s.Run(ctx))
}
