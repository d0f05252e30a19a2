package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"sync"
	"time"
)

// StopTimeout is how long a program may take to stop in order before it is ended the hard way.
const StopTimeout = 10 * time.Second

// ErrUsage marks errors of the command line: wrong flags, not a failed run.
var ErrUsage = errors.New("bad usage")

// Unit is a part of a program with a life of its own. Either function may be nil.
type Unit struct {
	Name string
	// Start returns once the unit works. ctx ends when the program is asked to stop during the start;
	// what Start began may not depend on ctx afterwards.
	Start func(ctx context.Context) error
	// Stop ends what Start began and waits for it, until ctx ends. It is called only after a
	// Start that returned nil.
	Stop func(ctx context.Context) error
}

// Stack runs units.
type Stack struct {
	Logger *slog.Logger
	Units  []Unit
	// Ready is called once all units are up. An error stops the program.
	Ready func(ctx context.Context) error
	// Failed, if not nil, delivers the end of something that the program cannot live without.
	Failed <-chan error
	// Overdue is called when the units have not stopped within StopTimeout. It must not return.
	Overdue func()
}

// Run starts the units, waits until ctx ends or the program fails, and stops the units in the opposite
// order. It returns nil when the program stopped because it was asked to.
func (s *Stack) Run(ctx context.Context) error {
	started := 0
	err := s.start(ctx, &started)
	if err == nil {
		select {
		case <-ctx.Done():
		case err = <-s.Failed:
		}
	}
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		err = nil // asked to stop while starting
	}
	return errors.Join(err, s.stop(context.WithoutCancel(ctx), s.Units[:started]))
}

func (s *Stack) start(ctx context.Context, started *int) error {
	for _, u := range s.Units {
		if err := ctx.Err(); err != nil {
			return err
		}
		began := time.Now()
		if u.Start != nil {
			if err := u.Start(ctx); err != nil {
				return fmt.Errorf("%s: %w", u.Name, err)
			}
		}
		*started++
		s.Logger.Debug("started", "unit", u.Name, "took", time.Since(began))
	}
	if s.Ready != nil {
		return s.Ready(ctx)
	}
	return nil
}

func (s *Stack) stop(ctx context.Context, units []Unit) error {
	if s.Overdue != nil {
		watchdog := time.AfterFunc(StopTimeout, s.Overdue)
		defer watchdog.Stop()
	}
	// The units' own deadline comes first, so that a late one can say which it is.
	ctx, cancel := context.WithTimeout(ctx, StopTimeout-2*time.Second)
	defer cancel()
	var errs []error
	for i := len(units) - 1; i >= 0; i-- {
		if units[i].Stop == nil {
			continue
		}
		began := time.Now()
		if err := units[i].Stop(ctx); err != nil {
			errs = append(errs, fmt.Errorf("stop %s: %w", units[i].Name, err))
		}
		s.Logger.Debug("stopped", "unit", units[i].Name, "took", time.Since(began))
	}
	return errors.Join(errs...)
}

// sideBySide makes one unit of several that start at the same time, and stop at the same time: each
// agent has nodes to save, and they share one deadline.
func sideBySide(name string, units []Unit) Unit {
	all := func(ctx context.Context, step func(Unit) func(context.Context) error) error {
		errs := make([]error, len(units))
		var group sync.WaitGroup
		for i, u := range units {
			group.Go(func() {
				if err := step(u)(ctx); err != nil {
					errs[i] = fmt.Errorf("%s: %w", u.Name, err)
				}
			})
		}
		group.Wait()
		return errors.Join(errs...)
	}
	stop := func(ctx context.Context) error {
		return all(ctx, func(u Unit) func(context.Context) error { return u.Stop })
	}
	return Unit{
		Name: name,
		Start: func(ctx context.Context) error {
			err := all(ctx, func(u Unit) func(context.Context) error { return u.Start })
			if err == nil {
				return nil
			}
			stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), StopTimeout)
			defer cancel()
			return errors.Join(err, stop(stopping))
		},
		Stop: stop,
	}
}

// DumpStacks writes the stacks of all goroutines, to show what a late stop waits for.
func DumpStacks(w io.Writer) {
	buf := make([]byte, 4<<20)
	buf = buf[:runtime.Stack(buf, true)]
	fmt.Fprintf(w, "elastane: not stopped within %v; all stacks:\n%s\n", StopTimeout, buf)
}
