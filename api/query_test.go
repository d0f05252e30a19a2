package api

import (
	"encoding/json"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func decode(t *testing.T, operation, query string) (Input, error) {
	t.Helper()
	values, err := url.ParseQuery(query)
	if err != nil {
		t.Fatal(err)
	}
	return OperationByName(operation).DecodeQuery(values)
}

// TestDecodeLists checks both forms of a list, the order of its elements and the difference between empty and absent.
func TestDecodeLists(t *testing.T) {
	text := func(s string) *string { return &s }
	for query, want := range map[string][]Tag{
		"":      nil,
		"Tags=": {},
		"Tags.Tag.1.Key=a&Tags.Tag.1.Value=b&Tags.Tag.2.Key=c": {{Key: text("a"), Value: text("b")}, {Key: text("c")}},
		"Tags.member.1.Key=a&Tags.member.2.Key=b":              {{Key: text("a")}, {Key: text("b")}},
		"Tags.Tag.10.Key=c&Tags.Tag.9.Key=b&Tags.Tag.1.Key=a":  {{Key: text("a")}, {Key: text("b")}, {Key: text("c")}},
		"Tags.Tag.3.Key=a":                  {{Key: text("a")}},
		"Tags.Tag.1.Key=":                   {{Key: text("")}},
		"Tags.Tag.1.Nothing=x":              {{}},
		"Tags.Other.1.Key=a":                nil,
		"tags.Tag.1.Key=a":                  nil,
		"Tags.Tag.1.Key=a&Tags.Tag.1.Key=b": {{Key: text("a")}},
	} {
		in, err := decode(t, "AddTagsToResource", query)
		if err != nil {
			t.Errorf("%s: %v", query, err)
			continue
		}
		if got := in.(*AddTagsToResourceInput).Tags; !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %v, want %v", query, got, want)
		}
	}
}

// TestDecodeDeep reads the deepest member of the contract, which bounds maxQueryDepth.
func TestDecodeDeep(t *testing.T) {
	const name = "RegionalConfigurations.RegionalConfiguration.1.ReshardingConfiguration.ReshardingConfiguration.2." +
		"PreferredAvailabilityZones.AvailabilityZone.1"
	in, err := decode(t, "IncreaseNodeGroupsInGlobalReplicationGroup", name+"=us-east-1a")
	if err != nil {
		t.Fatal(err)
	}
	zones := in.(*IncreaseNodeGroupsInGlobalReplicationGroupInput).RegionalConfigurations[0].ReshardingConfiguration[0].PreferredAvailabilityZones
	if !slices.Equal(zones, []string{"us-east-1a"}) {
		t.Errorf("got %v", zones)
	}
	if depth := strings.Count(name, ".") + 1; depth > maxQueryDepth {
		t.Errorf("a name has %d parts, maxQueryDepth is %d", depth, maxQueryDepth)
	}
}

// TestDecodeScalars checks what is accepted for each type, and the error for what is not.
func TestDecodeScalars(t *testing.T) {
	midnight := time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)
	for value, want := range map[string]time.Time{
		"2026-01-02":                  midnight,
		"2026-01-02T00:00:00":         midnight,
		"2026-01-02T00:00Z":           midnight,
		"2026-01-02T00:00:00Z":        midnight,
		"2026-01-02T01:00:00+01:00":   midnight,
		"2026-01-02T00:00:00.123Z":    midnight.Add(123 * time.Millisecond),
		"2026-01-02T00:00:00.123456Z": midnight.Add(123456 * time.Microsecond),
	} {
		in, err := decode(t, "DescribeEvents", "StartTime="+url.QueryEscape(value))
		if err != nil {
			t.Errorf("%s: %v", value, err)
		} else if got := in.(*DescribeEventsInput).StartTime; !got.Equal(want) || got.Location() != time.UTC {
			t.Errorf("%s: got %v", value, got)
		}
	}
	for value, want := range map[string]bool{"true": true, "True": true, "false": false, "FALSE": false} {
		in, err := decode(t, "DeleteReplicationGroup", "RetainPrimaryCluster="+value)
		if err != nil || *in.(*DeleteReplicationGroupInput).RetainPrimaryCluster != want {
			t.Errorf("%s: %v", value, err)
		}
	}
	for value, want := range map[string]int32{"0": 0, "-7": -7, "2147483647": 1<<31 - 1, "-2147483648": -1 << 31} {
		in, err := decode(t, "CreateReplicationGroup", "Port="+value)
		if err != nil || *in.(*CreateReplicationGroupInput).Port != want {
			t.Errorf("%s: %v", value, err)
		}
	}
	for query, want := range map[string]string{
		"Port=":                           `The value "" of the parameter Port can not be converted to an Integer.`,
		"Port=1.5":                        `The value "1.5" of the parameter Port can not be converted to an Integer.`,
		"Port=2147483648":                 `The value "2147483648" of the parameter Port can not be converted to an Integer.`,
		"Port=-2147483649":                `The value "-2147483649" of the parameter Port can not be converted to an Integer.`,
		"Port=" + strings.Repeat("9", 99): `The value "` + strings.Repeat("9", 64) + `…" of the parameter Port can not be converted to an Integer.`,
		"MultiAZEnabled=yes":              `The value "yes" of the parameter MultiAZEnabled can not be converted to a Boolean.`,
		"MultiAZEnabled=%00%0a":           `The value "\x00\n" of the parameter MultiAZEnabled can not be converted to a Boolean.`,
		"NodeGroupConfiguration.NodeGroupConfiguration.2.ReplicaCount=x": `The value "x" of the parameter NodeGroupConfiguration.NodeGroupConfiguration.2.ReplicaCount can not be converted to an Integer.`,
		"Tags.Tag.0.Key=a":               `"0" is not a valid index of the list Tags.`,
		"Tags.Tag.x.Key=a":               `"x" is not a valid index of the list Tags.`,
		"Tags.Tag.-1.Key=a":              `"-1" is not a valid index of the list Tags.`,
		"Tags.Tag.2147483648.Key=a":      `"2147483648" is not a valid index of the list Tags.`,
		"SnapshotArns.SnapshotArn.1.X=a": `The parameter SnapshotArns.SnapshotArn.1 must be a value, not a structure.`,
	} {
		_, err := decode(t, "CreateReplicationGroup", query)
		if !HasCode(err, CodeMalformedInput) || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%s: %v", query, err)
		}
	}
}

// TestDecodeLimits tests both sides of the bound on parameters.
func TestDecodeLimits(t *testing.T) {
	values := url.Values{}
	for i := range MaxQueryParameters {
		values.Set("P"+strconv.Itoa(i), "")
	}
	o := OperationByName("DescribeEvents")
	if _, err := o.DecodeQuery(values); err != nil {
		t.Error(err)
	}
	values.Set("Q", "")
	if _, err := o.DecodeQuery(values); !HasCode(err, CodeMalformedInput) {
		t.Errorf("got %v", err)
	}
}

// FuzzDecodeQuery gives any parameters to every operation: nothing panics, errors are the client's, and
// what was decoded can be validated.
func FuzzDecodeQuery(f *testing.F) {
	f.Add("Tags.Tag.1.Key=a&Tags.member.2.Value=b&Tags=&MaxRecords=x")
	f.Add("AuthenticationMode.Passwords.member.1=p&AuthenticationMode=&AuthenticationMode.Type=iam")
	f.Add("NodeGroupConfiguration.NodeGroupConfiguration.1.ReplicaAvailabilityZones.AvailabilityZone.99999999999=z&.=&..=&a.=&.a=")
	f.Add("StartTime=2026-01-02T03:04:05Z&Duration=-1&ServiceUpdateTimeRange.StartTime=0&Filters.member.1.Values.member.1=%00")
	f.Fuzz(func(t *testing.T, query string) {
		values, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		for _, o := range Operations {
			in, err := o.DecodeQuery(values)
			if err != nil {
				if !HasCode(err, CodeMalformedInput) {
					t.Errorf("%s: %v", o.Name, err)
				}
				continue
			}
			if err := in.Validate(); err != nil && !HasCode(err, CodeInvalidParameterValue) {
				t.Errorf("%s: %v", o.Name, err)
			}
		}
	})
}

// FuzzDecodeREST gives any body and query string to every route.
func FuzzDecodeREST(f *testing.F) {
	f.Add("a/b", "MaxRecords=1&Filters=[{}]&region=x", `{"Tags":[{"Key":"a"}],"NumCacheClusters":3}`)
	f.Add("", "StartTime=x&TagKeys=a&TagKeys=b", `{"AuthenticationMode":{"Passwords":["p"]},"Tags":null}`)
	f.Add("x", "ServiceUpdateTimeRange={\"StartTime\":1}", `[[[[`)
	f.Fuzz(func(t *testing.T, path, query, body string) {
		values, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		for _, r := range Routes {
			in, err := r.DecodeREST(func(string) string { return path }, values, []byte(body))
			if err != nil {
				if !HasCode(err, CodeMalformedInput) {
					t.Errorf("%s %s: %v", r.Method, r.Path, err)
				}
				continue
			}
			if err := in.Validate(); err != nil && !HasCode(err, CodeInvalidParameterValue) {
				t.Errorf("%s %s: %v", r.Method, r.Path, err)
			}
			if _, err := json.Marshal(in); err != nil {
				t.Error(err)
			}
		}
	})
}

// TestDecodeAnything is the property behind FuzzDecodeQuery on names that come close to real ones, in every test run.
func TestDecodeAnything(t *testing.T) {
	parts := []string{"", "member", "0", "1", "2", "-1", "99999999999999999999", "x"}
	for _, o := range Operations {
		in := reflect.TypeOf(o.newInput()).Elem()
		for i := range in.NumField() {
			parts = append(parts, in.Field(i).Name)
		}
	}
	parts = append(parts, "Tag", "Key", "NodeGroupConfiguration", "ConfigureShard", "Filters", "Values", "AvailabilityZone", "DestinationDetails")
	name := rapid.Custom(func(t *rapid.T) string {
		return strings.Join(rapid.SliceOfN(rapid.SampledFrom(parts), 1, maxQueryDepth+2).Draw(t, "parts"), ".")
	})
	rapid.Check(t, func(t *rapid.T) {
		values := url.Values{}
		for key, value := range rapid.MapOf(name, rapid.String()).Draw(t, "parameters") {
			values.Set(key, value)
		}
		o := rapid.SampledFrom(Operations).Draw(t, "operation")
		in, err := o.DecodeQuery(values)
		if err != nil {
			if !HasCode(err, CodeMalformedInput) {
				t.Fatal(err)
			}
			return
		}
		if err := in.Validate(); err != nil && !HasCode(err, CodeInvalidParameterValue) {
			t.Fatal(err)
		}
	})
}
