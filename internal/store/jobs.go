package store

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
)

// Kinds of owners, as in nodes.owner_kind: what a reconcile job is about.
const (
	OwnerReplicationGroup = "replication-group"
	OwnerCacheCluster     = "cache-cluster"
)

// fetchCooldown is the least time between two looks at the queue, and the time within which River
// sends only one notification for several inserts. It is the floor of our reaction time.
const fetchCooldown = time.Millisecond

// ReconcileArgs says whose turn it is. It names an owner, never what to do: the reconciler reads that.
type ReconcileArgs struct {
	OwnerKind string    `json:"owner_kind"`
	OwnerUID  uuid.UUID `json:"owner_uid"`
}

// Kind implements river.JobArgs. It is stored in the database and must not change.
func (ReconcileArgs) Kind() string { return "reconcile" }

// inserter only inserts, on the transaction that it is given; it has no pool and no goroutines.
var inserter = func() *river.Client[pgx.Tx] {
	client, err := river.NewClient(riverpgxv5.New(nil), &river.Config{FetchCooldown: fetchCooldown})
	if err != nil {
		panic(fmt.Sprintf("store: river's insert-only client refuses a constant configuration: %v", err))
	}
	return client
}()

// EnqueueReconcile asks for one run of the owner's reconciler after tx commits. Each call makes a job:
// one that is already running may have read the state before this change, so it cannot stand for it.
func EnqueueReconcile(ctx context.Context, tx pgx.Tx, ownerKind string, ownerUID uuid.UUID) error {
	_, err := inserter.InsertTx(ctx, tx, ReconcileArgs{OwnerKind: ownerKind, OwnerUID: ownerUID}, jobOptions())
	if err == nil {
		err = Q.JobNotify(ctx, tx)
	}
	if err != nil {
		return fmt.Errorf("enqueue reconcile of %s %s: %w", ownerKind, ownerUID, err)
	}
	return nil
}

// jobOptions: one attempt, because the sweep and the reconciler's own timers do the repeating and
// River's retries would wait for its elected leader.
func jobOptions() *river.InsertOpts { return &river.InsertOpts{MaxAttempts: 1} }
