package ops

import (
	"context"
	"errors"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/elastane/elastane/api"
	"github.com/elastane/elastane/internal/catalog"
	"github.com/elastane/elastane/internal/store"
	"github.com/elastane/elastane/internal/store/db"
)

// Sources of parameter values, as DescribeCacheParameters names and filters them.
const (
	sourceUser          = "user"
	sourceSystem        = "system"
	sourceEngineDefault = "engine-default" // no parameter of ElastiCache's has it
)

// Operations.

// DescribeCacheParameters lists the parameters of a group with their values.
func (o *operations) DescribeCacheParameters(ctx context.Context, in *api.DescribeCacheParametersInput) (*api.DescribeCacheParametersOutput, error) {
	caller := api.CallerFrom(ctx)
	name := strings.ToLower(api.Value(in.CacheParameterGroupName))
	if name == "" {
		return nil, blank("CacheParameterGroupName")
	}
	source := api.Value(in.Source)
	switch source {
	case "", sourceUser, sourceSystem, sourceEngineDefault:
	default:
		return nil, api.InvalidParameterValue("Invalid value %s for Source. Must be one of %s, %s, %s.", source, sourceUser, sourceSystem, sourceEngineDefault)
	}
	out := &api.DescribeCacheParametersOutput{}
	err := o.Store.View(ctx, func(tx pgx.Tx) error {
		group, err := readParameterGroup(ctx, tx, caller, name, lockNone)
		if errors.Is(err, store.ErrNotFound) {
			return api.CacheParameterGroupNotFound("CacheParameterGroup %s not found.", name)
		}
		if err != nil {
			return err
		}
		attached := true // default groups are as those in use: nothing conditional can be modified
		if !group.isDefault() {
			users, err := store.Q.CacheParameterGroupListUsers(ctx, tx, db.CacheParameterGroupListUsersParams{
				AccountID: caller.Account, Region: caller.Region, ParameterGroupName: name,
			})
			if err != nil {
				return err
			}
			attached = len(users) > 0
		}
		page, next, err := pageParameters(in.MaxRecords, in.Marker, group, source)
		if err != nil {
			return err
		}
		out.Marker = next
		out.Parameters, out.CacheNodeTypeSpecificParameters = viewParameters(group, page, attached)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// DescribeEngineDefaultParameters lists the parameters of a family with their defaults.
func (o *operations) DescribeEngineDefaultParameters(_ context.Context, in *api.DescribeEngineDefaultParametersInput) (*api.DescribeEngineDefaultParametersOutput, error) {
	family := strings.ToLower(api.Value(in.CacheParameterGroupFamily))
	if err := checkFamily(family); err != nil {
		return nil, err
	}
	group := defaultParameterGroup(family, false)
	page, next, err := pageParameters(in.MaxRecords, in.Marker, group, "")
	if err != nil {
		return nil, err
	}
	defaults := &api.EngineDefaults{CacheParameterGroupFamily: &family, Marker: next}
	defaults.Parameters, defaults.CacheNodeTypeSpecificParameters = viewParameters(group, page, true)
	return &api.DescribeEngineDefaultParametersOutput{EngineDefaults: defaults}, nil
}

// Rows.

// sourceOf tells who gave a parameter its value.
func (g parameterGroup) sourceOf(name string) string {
	if _, set := g.set[name]; set && !g.isDefault() {
		return sourceUser
	}
	return sourceSystem
}

// pageParameters reads a page of a group's parameters: the ordinary ones by name, then those with a
// value for each node type.
func pageParameters(limit *int32, marker *string, g parameterGroup, source string) ([]catalog.Parameter, *string, error) {
	key := func(p catalog.Parameter) string {
		if p.NodeType != catalog.NoNodeTypeValue {
			return "2 " + p.Name
		}
		return "1 " + p.Name
	}
	return readPage(limit, marker, key, func(after string, size int32) ([]catalog.Parameter, error) {
		var page []catalog.Parameter
		for _, nodeTypeSpecific := range []bool{false, true} {
			for _, p := range catalog.Parameters(g.family) {
				if (p.NodeType != catalog.NoNodeTypeValue) == nodeTypeSpecific && !p.Hidden && key(p) > after &&
					(source == "" || source == g.sourceOf(p.Name)) && len(page) < int(size) {
					page = append(page, p)
				}
			}
		}
		return page, nil
	})
}

// View.

func viewParameters(g parameterGroup, page []catalog.Parameter, attached bool) ([]api.Parameter, []api.CacheNodeTypeSpecificParameter) {
	ordinary, specific := []api.Parameter{}, []api.CacheNodeTypeSpecificParameter{}
	for _, p := range page {
		modifiable := p.Modifiable == catalog.ModifiableAlways || p.Modifiable == catalog.ModifiableUnattached && !attached
		if p.NodeType != catalog.NoNodeTypeValue {
			specific = append(specific, api.CacheNodeTypeSpecificParameter{
				ParameterName: &p.Name, Description: &p.Description, Source: new(sourceSystem), DataType: &p.DataType,
				AllowedValues: unlessEmpty(p.AllowedValues), IsModifiable: &modifiable,
				MinimumEngineVersion: &p.MinimumVersion, ChangeType: &p.ChangeType,
				CacheNodeTypeSpecificValues: nodeTypeValues(p, catalog.EngineOf(g.family)),
			})
			continue
		}
		ordinary = append(ordinary, api.Parameter{
			ParameterName: &p.Name, ParameterValue: unlessEmpty(g.value(p.Name)), Description: &p.Description,
			Source: new(g.sourceOf(p.Name)), DataType: &p.DataType, AllowedValues: unlessEmpty(p.AllowedValues),
			IsModifiable: &modifiable, MinimumEngineVersion: &p.MinimumVersion, ChangeType: &p.ChangeType,
		})
	}
	return ordinary, specific
}

func nodeTypeValues(p catalog.Parameter, engine string) []api.CacheNodeTypeSpecificValue {
	var values []api.CacheNodeTypeSpecificValue
	for _, t := range catalog.NodeTypes() {
		if value, ok := p.NodeType.Of(t, engine); ok {
			values = append(values, api.CacheNodeTypeSpecificValue{CacheNodeType: &t.Name, Value: &value})
		}
	}
	return values
}
