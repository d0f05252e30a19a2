package ops

import (
	"regexp"
	"slices"
	"strings"

	"github.com/elastane/elastane/api"
)

const (
	maxDescription   = 255
	maxGroupName     = 255 // of subnet groups and parameter groups
	maxReplicationID = 40
)

var identifier = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9]*(-[a-zA-Z0-9]+)*$`)

// checkIdentifier applies ElastiCache's rule for identifiers.
func checkIdentifier(parameter, value string) error {
	if strings.TrimSpace(value) == "" {
		return blank(parameter)
	}
	if !identifier.MatchString(value) {
		return api.InvalidParameterValue("The parameter %s is not a valid identifier. Identifiers must begin with a letter; "+
			"must contain only ASCII letters, digits, and hyphens; and must not end with a hyphen or contain two consecutive hyphens.", parameter)
	}
	return nil
}

func checkDescription(parameter, value string) error {
	if strings.TrimSpace(value) == "" {
		return blank(parameter)
	}
	if len([]rune(value)) > maxDescription {
		return api.InvalidParameterValue("The parameter %s cannot be longer than %d characters.", parameter, maxDescription)
	}
	return nil
}

func blank(parameter string) error {
	return api.InvalidParameterValue("The parameter %s must be provided and must not be blank.", parameter)
}

// Resource types of ARNs.
const (
	arnReplicationGroup = "replicationgroup"
	arnCluster          = "cluster"
	arnSubnetGroup      = "subnetgroup"
	arnParameterGroup   = "parametergroup"
)

// parseARN reads an ARN of the caller's account and region, and returns the type and the id in lower case.
func parseARN(caller api.Caller, text string) (kind, id string, err error) {
	parts := strings.Split(text, ":")
	switch {
	case len(parts) != 7 || parts[0] != "arn":
		return "", "", api.InvalidARN("Input ARN string does not have 7 components.")
	case parts[1] != caller.Partition:
		return "", "", api.InvalidARN("partition field is wrong. Expected value is %s", caller.Partition)
	case parts[2] != "elasticache":
		return "", "", api.InvalidARN("service field is wrong. Expected value is elasticache")
	case parts[3] != caller.Region:
		return "", "", api.InvalidParameterValue("Unauthorized call. Please check the region or customer id")
	case parts[4] != caller.Account:
		return "", "", api.InvalidParameterValue("The resource ARN does not belong to the caller's account.")
	case slices.Contains(parts[5:], ""):
		return "", "", api.InvalidARN("The resource of the ARN is missing.")
	}
	return parts[5], strings.ToLower(parts[6]), nil
}
