package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"github.com/elastane/elastane/internal/clock"
)

const (
	defaultWorkers    = 8
	defaultSweepEvery = 3 * time.Second
	// retryAfter is how long an owner whose reconciler failed waits. Longer than a blip, shorter than
	// anyone's patience; the work is small, so it does not back off further.
	retryAfter = time.Second
	// fetchPoll finds jobs whose notification was lost.
	fetchPoll = 250 * time.Millisecond
	// jobRetention keeps the queue's table small: nobody reads finished jobs.
	jobRetention = 10 * time.Minute
	// eventRetention is how long ElastiCache keeps events.
	eventRetention = 14 * 24 * time.Hour
)

// ReconcileFunc brings one owner a step nearer to its desired state. again > 0 asks for another run
// after that time; a run is also made at each change that is observed or asked for. An error is
// logged, and the owner has another run soon.
type ReconcileFunc func(ctx context.Context, ownerKind string, ownerUID uuid.UUID) (again time.Duration, err error)

// WorkerOptions configure a Worker. Reconcile is needed; every other zero value has a default.
type WorkerOptions struct {
	Reconcile  ReconcileFunc
	Clock      clock.Clock
	Logger     *slog.Logger
	Workers    int           // jobs at once; default 8
	SweepEvery time.Duration // default 3 s
}

// Worker takes reconcile jobs from the queue. Several may run against one database.
//
// Nothing waits for River's rescuer, retries or elected leader: at the start and every few seconds a
// sweep enqueues each owner whose state is not steady, so that what a killed process left half-way is
// picked up at once by whoever is alive.
type Worker struct {
	store   *Store
	options WorkerOptions
	client  *river.Client[pgx.Tx]

	cancel context.CancelFunc
	tasks  sync.WaitGroup

	mu    sync.Mutex
	wakes map[ReconcileArgs]*wake
}

// wake is the one timer of an owner that asked for another run.
type wake struct {
	at     time.Time
	cancel context.CancelFunc
}

// NewWorker prepares a worker; nothing runs before Start.
func NewWorker(s *Store, options WorkerOptions) (*Worker, error) {
	if options.Clock == nil {
		options.Clock = clock.Real
	}
	if options.Logger == nil {
		options.Logger = slog.New(slog.DiscardHandler)
	}
	if options.Workers == 0 {
		options.Workers = defaultWorkers
	}
	if options.SweepEvery == 0 {
		options.SweepEvery = defaultSweepEvery
	}
	w := &Worker{store: s, options: options, wakes: map[ReconcileArgs]*wake{}}
	workers := river.NewWorkers()
	if err := river.AddWorkerSafely(workers, river.WorkFunc(w.work)); err != nil {
		return nil, fmt.Errorf("register reconcile worker: %w", err)
	}
	client, err := river.NewClient(riverpgxv5.New(s.pool), &river.Config{
		CompletedJobRetentionPeriod: jobRetention,
		DiscardedJobRetentionPeriod: jobRetention,
		FetchCooldown:               fetchCooldown,
		FetchPollInterval:           fetchPoll,
		Logger:                      options.Logger,
		Queues:                      map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: options.Workers}},
		Workers:                     workers,
	})
	if err != nil {
		return nil, fmt.Errorf("configure the job queue: %w", err)
	}
	w.client = client
	return w, nil
}

// Start begins to take jobs and to sweep. ctx bounds the start only; Stop ends what runs.
func (w *Worker) Start(ctx context.Context) error {
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	if err := w.client.Start(running); err != nil {
		cancel()
		return fmt.Errorf("start the job queue: %w", wrap(err))
	}
	w.cancel = cancel
	w.tasks.Go(func() { w.sweepLoop(running) })
	return nil
}

// Stop waits for the jobs that run, or until ctx ends; then it cancels them and waits again.
func (w *Worker) Stop(ctx context.Context) error {
	if w.cancel == nil {
		return nil
	}
	err := w.client.Stop(ctx)
	w.cancel()
	<-w.client.Stopped()
	w.tasks.Wait()
	return err
}

func (w *Worker) work(ctx context.Context, job *river.Job[ReconcileArgs]) error {
	again, err := w.options.Reconcile(ctx, job.Args.OwnerKind, job.Args.OwnerUID)
	if err != nil {
		if ctx.Err() == nil {
			w.options.Logger.Error("reconcile failed", "owner_kind", job.Args.OwnerKind, "owner_uid", job.Args.OwnerUID, "error", err)
		}
		again = retryAfter
	}
	if again > 0 {
		w.wakeAfter(ctx, job.Args, again)
	}
	return nil
}

// wakeAfter enqueues the owner once d has passed. An owner has one such timer, the earliest asked
// for: a run that comes in between asks anew, and timers must not multiply.
func (w *Worker) wakeAfter(ctx context.Context, owner ReconcileArgs, d time.Duration) {
	at := w.options.Clock.Now().Add(d)
	w.mu.Lock()
	defer w.mu.Unlock()
	if old, ok := w.wakes[owner]; ok {
		if !at.Before(old.at) {
			return
		}
		old.cancel()
	}
	// The job's own context ends with the job. The timer ends with the worker, which cancels all.
	waiting, cancel := context.WithCancel(context.WithoutCancel(ctx))
	mine := &wake{at: at, cancel: cancel}
	w.wakes[owner] = mine
	fires, stop := w.options.Clock.After(d)
	w.tasks.Go(func() {
		defer stop()
		defer cancel()
		select {
		case <-fires:
		case <-waiting.Done():
			return
		case <-w.client.Stopped():
			return
		}
		w.mu.Lock()
		if w.wakes[owner] == mine {
			delete(w.wakes, owner)
		}
		w.mu.Unlock()
		err := w.store.Tx(waiting, func(tx pgx.Tx) error {
			return EnqueueReconcile(waiting, tx, owner.OwnerKind, owner.OwnerUID)
		})
		if err != nil { // the sweep will find the owner
			w.options.Logger.Warn("enqueue reconcile", "owner_uid", owner.OwnerUID, "error", err)
		}
	})
}

func (w *Worker) sweepLoop(ctx context.Context) {
	for {
		if err := w.store.Sweep(ctx, w.options.Clock.Now()); err != nil && !errors.Is(err, context.Canceled) {
			w.options.Logger.Warn("sweep", "error", err)
		}
		fires, stop := w.options.Clock.After(w.options.SweepEvery)
		select {
		case <-fires:
		case <-ctx.Done():
			stop()
			return
		}
	}
}

// Sweep enqueues every owner whose state is not steady, and drops events past their retention.
func (s *Store) Sweep(ctx context.Context, now time.Time) error {
	return s.Tx(ctx, func(tx pgx.Tx) error {
		owners, err := Q.ReplicationGroupListUnsteady(ctx, tx)
		if err != nil {
			return fmt.Errorf("list unsteady replication groups: %w", err)
		}
		if len(owners) > 0 {
			jobs := make([]river.InsertManyParams, len(owners))
			for i, uid := range owners {
				jobs[i] = river.InsertManyParams{
					Args:       ReconcileArgs{OwnerKind: OwnerReplicationGroup, OwnerUID: uid},
					InsertOpts: jobOptions(),
				}
			}
			if _, err := inserter.InsertManyFastTx(ctx, tx, jobs); err != nil {
				return fmt.Errorf("enqueue unsteady owners: %w", err)
			}
		}
		if err := Q.EventDeleteBefore(ctx, tx, now.Add(-eventRetention)); err != nil {
			return fmt.Errorf("drop old events: %w", err)
		}
		return nil
	})
}
