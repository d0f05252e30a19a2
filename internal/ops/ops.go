// Package ops holds the operations of the API. An operation normalises and validates its input, loads
// and locks the rows it needs, checks their state, and writes desired state, event and reconcile job
// in one transaction; then it returns the view of the row. It knows no HTTP and talks to no agent.
//
// One resource is one family of files with the same four parts in the same order: operations,
// validation, rows (rows.go of a family: what is written and read), view (row → API shape).
package ops

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/elastane/elastane/api"
	"github.com/elastane/elastane/internal/clock"
	"github.com/elastane/elastane/internal/store"
	"github.com/elastane/elastane/internal/store/db"
)

// Deps are what the operations need. Store is required.
type Deps struct {
	Store *store.Store
	Clock clock.Clock // default: the machine's
	// OpenNetwork lets a request name a security group that the network inventory does not know:
	// it is added to the default VPC. For development, where no inventory is kept.
	OpenNetwork bool
	// FailoversPerDay is how many node groups of an account may be tested with TestFailover within 24
	// hours; AWS allows 15. 0: any number.
	FailoversPerDay int
}

// operations carries the dependencies; its methods are the operations.
type operations struct{ Deps }

// New returns the handlers that are built; the others stay nil, which the API answers with 501.
func New(deps Deps) *api.Handlers {
	if deps.Clock == nil {
		deps.Clock = clock.Real
	}
	o := &operations{deps}
	return &api.Handlers{
		AddTagsToResource:                o.AddTagsToResource,
		CreateCacheParameterGroup:        o.CreateCacheParameterGroup,
		CreateCacheSubnetGroup:           o.CreateCacheSubnetGroup,
		CreateReplicationGroup:           o.CreateReplicationGroup,
		DeleteCacheParameterGroup:        o.DeleteCacheParameterGroup,
		DeleteCacheSubnetGroup:           o.DeleteCacheSubnetGroup,
		DeleteReplicationGroup:           o.DeleteReplicationGroup,
		DescribeCacheClusters:            o.DescribeCacheClusters,
		DescribeCacheEngineVersions:      o.DescribeCacheEngineVersions,
		DescribeCacheParameterGroups:     o.DescribeCacheParameterGroups,
		DescribeCacheParameters:          o.DescribeCacheParameters,
		DescribeCacheSubnetGroups:        o.DescribeCacheSubnetGroups,
		DescribeEngineDefaultParameters:  o.DescribeEngineDefaultParameters,
		DescribeEvents:                   o.DescribeEvents,
		DescribeReplicationGroups:        o.DescribeReplicationGroups,
		ListAllowedNodeTypeModifications: o.ListAllowedNodeTypeModifications,
		ListTagsForResource:              o.ListTagsForResource,
		ModifyCacheParameterGroup:        o.ModifyCacheParameterGroup,
		ModifyCacheSubnetGroup:           o.ModifyCacheSubnetGroup,
		RemoveTagsFromResource:           o.RemoveTagsFromResource,
		ResetCacheParameterGroup:         o.ResetCacheParameterGroup,
		TestFailover:                     o.TestFailover,
	}
}

// now is the present in the precision that Postgres keeps, so that a view is the same before and after.
func (o *operations) now() time.Time { return o.Clock.Now().UTC().Truncate(time.Microsecond) }

// event appends one event of the caller's account and region.
func (o *operations) event(ctx context.Context, tx pgx.Tx, sourceType, source, message string) error {
	caller := api.CallerFrom(ctx)
	return store.Q.EventInsertMany(ctx, tx, db.EventInsertManyParams{
		AccountID: caller.Account, Region: caller.Region, OccurredAt: o.now(),
		SourceTypes: []string{sourceType}, SourceIdentifiers: []string{source}, Messages: []string{message},
	})
}
