package ops

import (
	"github.com/elastane/elastane/api"
	"github.com/elastane/elastane/internal/catalog"
	"github.com/elastane/elastane/internal/parameters"
)

func validateCreateCacheParameterGroup(name, family string, in *api.CreateCacheParameterGroupInput) error {
	if err := checkIdentifier("CacheParameterGroupName", name); err != nil {
		return err
	}
	if len(name) > maxGroupName {
		return api.InvalidParameterValue("The parameter CacheParameterGroupName cannot be longer than %d characters.", maxGroupName)
	}
	if err := checkFamily(family); err != nil {
		return err
	}
	if err := checkDescription("Description", api.Value(in.Description)); err != nil {
		return err
	}
	return checkTags(in.Tags)
}

func checkFamily(family string) error {
	if family == "" {
		return blank("CacheParameterGroupFamily")
	}
	if catalog.Parameters(family) == nil {
		return api.InvalidParameterValue("CacheParameterGroupFamily %s is not a valid parameter group family.", family)
	}
	return nil
}

// validateParameterList checks the list of a modification or a reset as far as it goes without the group.
func validateParameterList(group string, list []api.ParameterNameValue) error {
	if group == "" {
		return blank("CacheParameterGroupName")
	}
	if len(list) == 0 {
		return api.InvalidParameterValue("The parameter ParameterNameValues must be provided.")
	}
	if len(list) > maxParametersPerChange {
		return api.InvalidParameterCombination("Cannot modify more than %d parameters in a single request", maxParametersPerChange)
	}
	seen := map[string]bool{}
	for _, p := range list {
		name := api.Value(p.ParameterName)
		if name == "" {
			return blank("ParameterName")
		}
		if seen[name] {
			return api.InvalidParameterValue("The parameter %s is given twice.", name)
		}
		seen[name] = true
	}
	return nil
}

// checkModifiable tells whether a parameter can be set, or reset; attached says whether clusters use the group.
func checkModifiable(family, name string, attached bool) error {
	p, ok := catalog.FindParameter(family, name)
	switch {
	case !ok:
		return api.InvalidParameterValue("Parameter %s doesn't exist", name)
	case p.Modifiable == catalog.ModifiableNever:
		return api.InvalidParameterValue("The parameter %s cannot be modified.", name)
	case p.Modifiable == catalog.ModifiableUnattached && attached:
		return api.InvalidParameterValue("The parameter %s cannot be modified while cache clusters use the parameter group.", name)
	}
	return nil
}

func validateParameterValues(group parameterGroup, changes map[string]string, attached bool) error {
	for name, value := range changes {
		if err := checkModifiable(group.family, name, attached); err != nil {
			return err
		}
		p, _ := catalog.FindParameter(group.family, name)
		if err := parameters.Check(p, value); err != nil {
			return api.InvalidParameterValue("Value %q for parameter %s is not valid: %s.", value, name, err.Error())
		}
	}
	return nil
}

// validateParameterSet checks values against each other.
func validateParameterSet(set map[string]string) error {
	_, bytes := set["reserved-memory"]
	_, percent := set["reserved-memory-percent"]
	if bytes && percent {
		return api.InvalidParameterCombination("The parameters reserved-memory and reserved-memory-percent cannot both be set.")
	}
	return nil
}
