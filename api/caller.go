package api

import (
	"context"
	"strings"
)

// Caller says on whose behalf an operation runs. Every row is scoped by Account and Region.
type Caller struct {
	Account     string // twelve digits, from the access key
	Region      string // from the credential scope, such as us-east-1
	Partition   string // first part of ARNs: aws, aws-cn, aws-us-gov, …
	AccessKeyID string // empty for an unsigned request on loopback
	RequestID   string // UUID; the same as x-amzn-RequestId of the answer
}

// ARN returns the Amazon resource name of a resource of the caller's account and region, such as
// arn:aws:elasticache:us-east-1:000000000000:replicationgroup:my-redis.
func (c Caller) ARN(kind, id string) string {
	return strings.Join([]string{"arn", c.Partition, "elasticache", c.Region, c.Account, kind, id}, ":")
}

type callerKey struct{}

// WithCaller returns a context that carries the caller.
func WithCaller(ctx context.Context, c Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

// CallerFrom returns the caller of a context, and the zero Caller where there is none.
func CallerFrom(ctx context.Context) Caller {
	c, _ := ctx.Value(callerKey{}).(Caller)
	return c
}

// PartitionOf returns the partition that a region belongs to, by AWS's naming of regions.
func PartitionOf(region string) string {
	for _, p := range []struct{ prefix, partition string }{
		{"cn-", "aws-cn"},
		{"us-gov-", "aws-us-gov"},
		{"us-isob-", "aws-iso-b"},
		{"us-isof-", "aws-iso-f"},
		{"us-iso-", "aws-iso"},
		{"eu-isoe-", "aws-iso-e"},
		{"eusc-", "aws-eusc"},
	} {
		if strings.HasPrefix(region, p.prefix) {
			return p.partition
		}
	}
	return "aws"
}
