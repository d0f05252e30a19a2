package ops

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/elastane/elastane/api"
	"github.com/elastane/elastane/internal/store"
	"github.com/elastane/elastane/internal/store/db"
)

// Limits of tags (AWS: Tagging your ElastiCache resources).
const (
	maxTags     = 50
	maxTagKey   = 128
	maxTagValue = 256
)

// Operations.

// AddTagsToResource gives a resource tags; those of a replication group go to its members too.
func (o *operations) AddTagsToResource(ctx context.Context, in *api.AddTagsToResourceInput) (*api.AddTagsToResourceOutput, error) {
	if err := checkTags(in.Tags); err != nil {
		return nil, err
	}
	tags, err := o.changeTags(ctx, in.ResourceName, func(tx pgx.Tx, resources []uuid.UUID) error {
		return putTags(ctx, tx, resources, in.Tags)
	})
	if err != nil {
		return nil, err
	}
	return &api.AddTagsToResourceOutput{TagList: tags}, nil
}

// ListTagsForResource lists the tags of a resource.
func (o *operations) ListTagsForResource(ctx context.Context, in *api.ListTagsForResourceInput) (*api.ListTagsForResourceOutput, error) {
	tags, err := o.changeTags(ctx, in.ResourceName, func(pgx.Tx, []uuid.UUID) error { return nil })
	if err != nil {
		return nil, err
	}
	return &api.ListTagsForResourceOutput{TagList: tags}, nil
}

// RemoveTagsFromResource takes tags off a resource, and off the members of a replication group.
func (o *operations) RemoveTagsFromResource(ctx context.Context, in *api.RemoveTagsFromResourceInput) (*api.RemoveTagsFromResourceOutput, error) {
	if len(in.TagKeys) == 0 {
		return nil, api.InvalidParameterValue("The parameter TagKeys must be provided.")
	}
	tags, err := o.changeTags(ctx, in.ResourceName, func(tx pgx.Tx, resources []uuid.UUID) error {
		present, err := store.Q.TagList(ctx, tx, resources[0])
		if err != nil {
			return fmt.Errorf("read tags: %w", err)
		}
		for _, key := range in.TagKeys {
			if !slices.ContainsFunc(present, func(t db.Tag) bool { return t.Key == key }) {
				return api.TagNotFound("Tag %s is not present on the resource.", key)
			}
		}
		return store.Q.TagDeleteKeys(ctx, tx, db.TagDeleteKeysParams{ResourceUids: resources, Keys: in.TagKeys})
	})
	if err != nil {
		return nil, err
	}
	return &api.RemoveTagsFromResourceOutput{TagList: tags}, nil
}

// changeTags finds the resource of an ARN, lets change act on it (its own uid comes first, those that
// follow it afterwards), and returns the tags it then has.
func (o *operations) changeTags(ctx context.Context, arn *string, change func(pgx.Tx, []uuid.UUID) error) ([]api.Tag, error) {
	kind, id, err := parseARN(api.CallerFrom(ctx), api.Value(arn))
	if err != nil {
		return nil, err
	}
	var tags []api.Tag
	err = o.Store.Tx(ctx, func(tx pgx.Tx) error {
		tags = []api.Tag{} // a transaction may run more than once
		resources, err := o.findTaggable(ctx, tx, kind, id)
		if err != nil {
			return err
		}
		if err := change(tx, resources); err != nil {
			return err
		}
		rows, err := store.Q.TagList(ctx, tx, resources[0])
		if err != nil {
			return fmt.Errorf("read tags: %w", err)
		}
		for _, t := range rows {
			tags = append(tags, api.Tag{Key: &t.Key, Value: &t.Value})
		}
		return nil
	})
	return tags, err
}

// Validation.

func checkTags(tags []api.Tag) error {
	keys := map[string]bool{}
	for _, t := range tags {
		key, value := api.Value(t.Key), api.Value(t.Value)
		switch {
		case key == "" || utf8.RuneCountInString(key) > maxTagKey:
			return api.InvalidParameterValue("Tag keys must have 1 to %d characters.", maxTagKey)
		case utf8.RuneCountInString(value) > maxTagValue:
			return api.InvalidParameterValue("Tag values must have at most %d characters.", maxTagValue)
		case strings.HasPrefix(strings.ToLower(key), "aws:"):
			return api.InvalidParameterValue("Tag keys that begin with aws: are reserved.")
		case keys[key]:
			return api.InvalidParameterValue("The tag key %s is given twice.", key)
		}
		keys[key] = true
	}
	if len(keys) > maxTags {
		return tagQuota()
	}
	return nil
}

func tagQuota() error {
	return api.TagQuotaPerResourceExceeded("A resource can have at most %d tags.", maxTags)
}

// Rows.

// findTaggable returns the uid of a resource, followed by those that share its tags. The resource is
// locked, and must be in a state that allows tag operations.
func (o *operations) findTaggable(ctx context.Context, tx pgx.Tx, kind, id string) ([]uuid.UUID, error) {
	caller := api.CallerFrom(ctx)
	switch kind {
	case arnReplicationGroup:
		group, err := lockGroup(ctx, tx, caller, id)
		if err != nil {
			return nil, err
		}
		if group.Status != statusAvailable {
			return nil, api.InvalidReplicationGroupState("Cluster not in available state to perform tagging operations.")
		}
		members, err := store.Q.CacheClusterListByGroups(ctx, tx, []uuid.UUID{group.Uid})
		if err != nil {
			return nil, fmt.Errorf("read cache clusters: %w", err)
		}
		resources := []uuid.UUID{group.Uid}
		for _, m := range members {
			resources = append(resources, m.Uid)
		}
		return resources, nil
	case arnCluster:
		cluster, err := store.Q.CacheClusterGet(ctx, tx, db.CacheClusterGetParams{AccountID: caller.Account, Region: caller.Region, CacheClusterID: id})
		if errors.Is(err, store.ErrNotFound) || err == nil && cluster.Status != statusAvailable {
			return nil, api.CacheClusterNotFound("%s is either not present or not available.", id)
		}
		return []uuid.UUID{cluster.Uid}, err
	case arnSubnetGroup:
		group, err := store.Q.CacheSubnetGroupGetForUpdate(ctx, tx, db.CacheSubnetGroupGetForUpdateParams{
			AccountID: caller.Account, Region: caller.Region, Name: id,
		})
		if errors.Is(err, store.ErrNotFound) {
			return nil, api.CacheSubnetGroupNotFoundFault("Cache subnet group %s not found.", id)
		}
		if err == nil && group.Name == defaultSubnetGroup {
			return nil, api.InvalidParameterValue("The cache subnet group default cannot be tagged.")
		}
		return []uuid.UUID{group.Uid}, err
	case arnParameterGroup:
		group, err := readParameterGroup(ctx, tx, caller, id, lockForUpdate)
		if errors.Is(err, store.ErrNotFound) {
			return nil, api.CacheParameterGroupNotFound("%s is not present", id)
		}
		if err == nil && group.isDefault() {
			return nil, api.InvalidParameterValue("The parameter group %s is a default group and cannot be tagged.", id)
		}
		return []uuid.UUID{group.uid}, err
	}
	// Kinds of resources that exist in the API and cannot be created here yet: there is none of them.
	switch kind {
	case "securitygroup":
		return nil, api.CacheSecurityGroupNotFound("%s is not present", id)
	case "snapshot":
		return nil, api.SnapshotNotFoundFault("Snapshot %s not found.", id)
	case "user":
		return nil, api.UserNotFound("User %s not found.", id)
	case "usergroup":
		return nil, api.UserGroupNotFound("User group %s not found.", id)
	case "reserved-instance":
		return nil, api.ReservedCacheNodeNotFound("Reserved cache node %s not found.", id)
	case "serverlesscache":
		return nil, api.ServerlessCacheNotFoundFault("Serverless cache %s not found.", id)
	case "serverlesscachesnapshot":
		return nil, api.ServerlessCacheSnapshotNotFoundFault("Serverless cache snapshot %s not found.", id)
	}
	return nil, api.InvalidARN("The resource type %s of the ARN is not known.", kind)
}

// putTags gives every resource every tag, within the quota of each.
func putTags(ctx context.Context, tx pgx.Tx, resources []uuid.UUID, tags []api.Tag) error {
	if len(tags) == 0 {
		return nil
	}
	p := db.TagPutManyParams{ResourceUids: resources}
	for _, t := range tags {
		p.Keys, p.TagValues = append(p.Keys, api.Value(t.Key)), append(p.TagValues, api.Value(t.Value))
	}
	if err := store.Q.TagPutMany(ctx, tx, p); err != nil {
		return fmt.Errorf("put tags: %w", err)
	}
	for _, resource := range resources {
		present, err := store.Q.TagList(ctx, tx, resource)
		if err != nil {
			return fmt.Errorf("read tags: %w", err)
		}
		if len(present) > maxTags {
			return tagQuota()
		}
	}
	return nil
}
