package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestSecretIsNeverShown prints a secret in every way that an ordinary value would be seen.
func TestSecretIsNeverShown(t *testing.T) {
	const token = "correct-horse"
	secret := NewSecret(token)
	in := &ModifyUserInput{Passwords: []Secret{secret}, AuthenticationMode: &AuthenticationMode{Passwords: []Secret{secret}}}
	group := CreateReplicationGroupInput{AuthToken: &secret}
	var shown bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%t"} {
		for _, v := range []any{secret, &secret, []Secret{secret}, in, *in, group, &group} {
			fmt.Fprintf(&shown, verb, v)
		}
	}
	for _, handler := range []slog.Handler{slog.NewTextHandler(&shown, nil), slog.NewJSONHandler(&shown, nil)} {
		slog.New(handler).Info("x", "secret", secret, "pointer", &secret, "in", in, "group", group)
	}
	for _, v := range []any{secret, in, group} {
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		shown.Write(text)
	}
	hex := fmt.Sprintf("%x", token)
	for _, form := range []string{token, hex, strings.ToUpper(hex)} {
		if i := strings.Index(shown.String(), form); i >= 0 {
			t.Errorf("a secret is shown: …%s", shown.String()[max(0, i-60):])
		}
	}
	if secret.Reveal() != token {
		t.Error("Reveal does not give the secret")
	}
	var back CreateReplicationGroupInput
	if err := json.Unmarshal([]byte(`{"AuthToken":"`+token+`"}`), &back); err != nil || back.AuthToken.Reveal() != token {
		t.Errorf("a secret cannot be read: %v", err)
	}
}

// TestEncodeXML holds an answer as AWS writes it, byte by byte.
func TestEncodeXML(t *testing.T) {
	n, yes, price := int32(3), true, 0.1
	id, odd := "a<b", "x\x00\x01\ty"
	at := time.Date(2026, 1, 2, 3, 4, 5, 678_900_000, time.FixedZone("CET", 3600))
	for name, c := range map[string]struct {
		operation string
		out       Output
		want      string
	}{
		"members": {
			"DescribeCacheClusters",
			&DescribeCacheClustersOutput{CacheClusters: []CacheCluster{{
				CacheClusterId: &id, NumCacheNodes: &n, AutoMinorVersionUpgrade: &yes, CacheClusterCreateTime: &at,
				PendingModifiedValues: &PendingModifiedValues{}, CacheSecurityGroups: []CacheSecurityGroupMembership{},
				CacheNodes: []CacheNode{{CacheNodeId: &odd}},
			}}},
			`<DescribeCacheClustersResponse xmlns="http://elasticache.amazonaws.com/doc/2015-02-02/"><DescribeCacheClustersResult>` +
				`<CacheClusters><CacheCluster><CacheClusterId>a&lt;b</CacheClusterId><NumCacheNodes>3</NumCacheNodes>` +
				`<CacheClusterCreateTime>2026-01-02T02:04:05.678Z</CacheClusterCreateTime><PendingModifiedValues></PendingModifiedValues>` +
				`<CacheSecurityGroups></CacheSecurityGroups><CacheNodes><CacheNode><CacheNodeId>x` + "\uFFFD\uFFFD" + `&#x9;y</CacheNodeId></CacheNode></CacheNodes>` +
				`<AutoMinorVersionUpgrade>true</AutoMinorVersionUpgrade></CacheCluster></CacheClusters></DescribeCacheClustersResult>` +
				`<ResponseMetadata><RequestId>id</RequestId></ResponseMetadata></DescribeCacheClustersResponse>`,
		},
		"double": {
			"DescribeReservedCacheNodes",
			&DescribeReservedCacheNodesOutput{ReservedCacheNodes: []ReservedCacheNode{{FixedPrice: &price}}},
			`<DescribeReservedCacheNodesResponse xmlns="http://elasticache.amazonaws.com/doc/2015-02-02/"><DescribeReservedCacheNodesResult>` +
				`<ReservedCacheNodes><ReservedCacheNode><FixedPrice>0.1</FixedPrice></ReservedCacheNode></ReservedCacheNodes>` +
				`</DescribeReservedCacheNodesResult><ResponseMetadata><RequestId>id</RequestId></ResponseMetadata></DescribeReservedCacheNodesResponse>`,
		},
		"no output": {
			"DeleteCacheSubnetGroup",
			&DeleteCacheSubnetGroupOutput{},
			`<DeleteCacheSubnetGroupResponse xmlns="http://elasticache.amazonaws.com/doc/2015-02-02/">` +
				`<ResponseMetadata><RequestId>id</RequestId></ResponseMetadata></DeleteCacheSubnetGroupResponse>`,
		},
	} {
		if got := string(OperationByName(c.operation).EncodeXML(c.out, "id")); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", name, got, c.want)
		}
	}
	got := string(CacheClusterNotFound("CacheCluster not found: %s", "a&b").EncodeXML("id"))
	want := `<ErrorResponse xmlns="http://elasticache.amazonaws.com/doc/2015-02-02/"><Error><Type>Sender</Type><Code>CacheClusterNotFound</Code>` +
		`<Message>CacheCluster not found: a&amp;b</Message></Error><RequestId>id</RequestId></ErrorResponse>`
	if got != want {
		t.Errorf("error:\n got %s\nwant %s", got, want)
	}
}

// TestValidateMessages holds the messages for what the contract refuses.
func TestValidateMessages(t *testing.T) {
	for query, want := range map[string]string{
		"Action=DeleteCacheSubnetGroup":                                                                                                  "The parameter CacheSubnetGroupName must be provided and must not be blank.",
		"Action=DeleteCacheSubnetGroup&CacheSubnetGroupName=%20":                                                                         "The parameter CacheSubnetGroupName must be provided and must not be blank.",
		"Action=CreateCacheSubnetGroup&CacheSubnetGroupName=a&CacheSubnetGroupDescription=b":                                             "The parameter SubnetIds must be provided.",
		"Action=CreateCacheSubnetGroup&CacheSubnetGroupName=a&CacheSubnetGroupDescription=b&SubnetIds=":                                  "The parameter SubnetIds must be provided.",
		"Action=DecreaseReplicaCount&ReplicationGroupId=a":                                                                               "The parameter ApplyImmediately must be provided and must not be null.",
		"Action=DecreaseReplicaCount&ReplicationGroupId=a&ApplyImmediately=true&ReplicaConfiguration.ConfigureShard.1.NewReplicaCount=1": "The parameter ReplicaConfiguration.1.member.NodeGroupId must be provided and must not be blank.",
		"Action=TestFailover&ReplicationGroupId=a&NodeGroupId=00001":                                                                     "1 validation error detected: Value '00001' at 'nodeGroupId' failed to satisfy constraint: Member must have length less than or equal to 4",
		"Action=TestFailover&ReplicationGroupId=a&NodeGroupId=one":                                                                       `1 validation error detected: Value 'one' at 'nodeGroupId' failed to satisfy constraint: Member must satisfy regular expression pattern: ^\d+$`,
		"Action=CreateReplicationGroup&ReplicationGroupId=a&ReplicationGroupDescription=b&ClusterMode=on&NetworkType=ipv5": "2 validation errors detected: Value 'ipv5' at 'networkType' failed to satisfy constraint: Member must satisfy enum value set: [ipv4, ipv6, dual_stack]; " +
			"Value 'on' at 'clusterMode' failed to satisfy constraint: Member must satisfy enum value set: [enabled, disabled, compatible]",
		"Action=CreateReplicationGroup&ReplicationGroupId=a&ReplicationGroupDescription=b&UserGroupIds.member.1=ok&UserGroupIds.member.2=9": `1 validation error detected: Value '9' at 'userGroupIds.2.member' failed to satisfy constraint: Member must satisfy regular expression pattern: ^[a-zA-Z][a-zA-Z0-9-]*$`,
		"Action=CreateReplicationGroup&ReplicationGroupId=a&ReplicationGroupDescription=b&UserGroupIds=":                                    "1 validation error detected: Value at 'userGroupIds' failed to satisfy constraint: Member must have length greater than or equal to 1",
		"Action=TestFailover&ReplicationGroupId=a&NodeGroupId=0001":                                                                         "",
		"Action=TestFailover&ReplicationGroupId=a&NodeGroupId=1":                                                                            "",
		"Action=BatchApplyUpdateAction&ServiceUpdateName=a" + repeat("&ReplicationGroupIds.member.%d=x", 20):                                "",
		"Action=BatchApplyUpdateAction&ServiceUpdateName=a" + repeat("&ReplicationGroupIds.member.%d=x", 21):                                "1 validation error detected: Value at 'replicationGroupIds' failed to satisfy constraint: Member must have length less than or equal to 20",
	} {
		action, _, _ := strings.Cut(strings.TrimPrefix(query, "Action="), "&")
		in, err := decode(t, action, query)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if err := in.Validate(); err != nil {
			if !HasCode(err, CodeInvalidParameterValue) {
				t.Errorf("%s: %v", query, err)
			}
			got = strings.TrimPrefix(err.Error(), "InvalidParameterValue: ")
		}
		if got != want {
			t.Errorf("%s:\n got %s\nwant %s", query, got, want)
		}
	}
}

func repeat(format string, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format, i+1)
	}
	return b.String()
}

// TestOperations checks the table: names are unique and sorted, and paths are those of resources.
func TestOperations(t *testing.T) {
	if len(Operations) != 75 {
		t.Errorf("%d operations", len(Operations))
	}
	path := regexp.MustCompile(`^/v1(/[a-z]+(-[a-z]+)*|/\{[A-Z][A-Za-z]+\})+$`)
	for i, o := range Operations {
		if i > 0 && Operations[i-1].Name >= o.Name {
			t.Errorf("%s is not in order", o.Name)
		}
		if OperationByName(o.Name) != o {
			t.Errorf("%s is not found", o.Name)
		}
	}
	seen := map[string]bool{}
	for _, r := range Routes {
		if !path.MatchString(r.Path) {
			t.Errorf("path %s", r.Path)
		}
		if key := r.Method + " " + r.Path; seen[key] {
			t.Errorf("%s is there twice", key)
		} else {
			seen[key] = true
		}
		delete(seen, r.Operation.Name)
	}
	if OperationByName("Nope") != nil {
		t.Error("an operation that does not exist was found")
	}
}

// TestCall checks what a handler's answer becomes.
func TestCall(t *testing.T) {
	o := OperationByName("DeleteUser")
	h := &Handlers{}
	if _, err := o.Call(context.Background(), h, &DeleteUserInput{}); !HasCode(err, CodeNotImplemented) || o.Built(h) {
		t.Errorf("not built: %v", err)
	}
	broken := errors.New("broken")
	h.DeleteUser = func(context.Context, *DeleteUserInput) (*DeleteUserOutput, error) { return nil, broken }
	if out, err := o.Call(context.Background(), h, &DeleteUserInput{}); !errors.Is(err, broken) || out != nil || !o.Built(h) {
		t.Errorf("error: %v, %v", out, err)
	}
	h.DeleteUser = func(context.Context, *DeleteUserInput) (*DeleteUserOutput, error) { return nil, nil }
	if out, err := o.Call(context.Background(), h, &DeleteUserInput{}); err != nil || out.(*User) == nil {
		t.Errorf("nil output: %v, %v", out, err)
	}
}

// TestCaller checks ARNs and partitions.
func TestCaller(t *testing.T) {
	if c := CallerFrom(context.Background()); c != (Caller{}) {
		t.Errorf("got %+v", c)
	}
	c := Caller{Account: "123456789012", Region: "eu-west-1", Partition: PartitionOf("eu-west-1")}
	if got := CallerFrom(WithCaller(context.Background(), c)); got != c {
		t.Errorf("got %+v", got)
	}
	if got := c.ARN("cluster", "x"); got != "arn:aws:elasticache:eu-west-1:123456789012:cluster:x" {
		t.Errorf("ARN %s", got)
	}
	for region, want := range map[string]string{
		"us-east-1": "aws", "cn-north-1": "aws-cn", "us-gov-west-1": "aws-us-gov", "us-iso-east-1": "aws-iso", "us-isob-east-1": "aws-iso-b",
		"us-isof-south-1": "aws-iso-f", "eu-isoe-west-1": "aws-iso-e", "eusc-de-east-1": "aws-eusc",
	} {
		if got := PartitionOf(region); got != want {
			t.Errorf("%s is in %s, want %s", region, got, want)
		}
	}
}
