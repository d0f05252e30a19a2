package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const (
	contractFile = "../../openapi.yaml"
	apiFolder    = "../../api"
)

// TestGeneratedFilesAreCurrent fails when openapi.yaml or the generator was changed and go generate ./... was not run.
func TestGeneratedFilesAreCurrent(t *testing.T) {
	source := readFile(t, contractFile)
	files, err := generate(source)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range files {
		if got := readFile(t, filepath.Join(apiFolder, name)); !bytes.Equal(got, want) {
			t.Errorf("api/%s is not what the generator writes now; run go generate ./api", name)
		}
	}
	found, err := filepath.Glob(filepath.Join(apiFolder, "*_gen.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range found {
		if _, ok := files[filepath.Base(path)]; !ok {
			t.Errorf("%s is no longer generated; remove it", path)
		}
	}
}

// TestContractNumbers holds the size of API version 2015-02-02 as AWS's service model has it.
func TestContractNumbers(t *testing.T) {
	c, err := load(readFile(t, contractFile))
	if err != nil {
		t.Fatal(err)
	}
	var paginated, withoutOutput int
	for _, op := range c.operations {
		if op.raw.Paginator != nil {
			paginated++
		}
		if op.resultWrapper == "" {
			withoutOutput++
		}
		if op.summary == "" {
			t.Errorf("%s has no summary", op.name)
		}
	}
	for what, n := range map[string][2]int{
		"operations":                {len(c.operations), 75},
		"errors":                    {len(c.errors), 76},
		"paginated operations":      {paginated, 19},
		"operations without output": {withoutOutput, 3},
	} {
		if n[0] != n[1] {
			t.Errorf("%d %s, want %d", n[0], what, n[1])
		}
	}
}

// TestLoadRefuses checks that a contract which the emitters would misread is refused with a reason.
func TestLoadRefuses(t *testing.T) {
	source := string(readFile(t, contractFile))
	for name, c := range map[string]struct{ old, new, want string }{
		"unknown reference":        {"$ref: '#/components/schemas/Tag'", "$ref: '#/components/schemas/Label'", "unknown reference"},
		"unknown error":            {"ReplicationGroupNotFoundFault, Inv", "NoSuchFault, Inv", "unknown error NoSuchFault"},
		"unsupported type":         {"NumNodeGroups: {description: 'Number of shards.', type: integer, format: int32}", "NumNodeGroups: {type: integer, format: int64}", "integer/int64 is not supported"},
		"list without words":       {"items: {type: string, xml: {name: AvailabilityZone}}", "items: {type: string}", "xml.name"},
		"half a range":             {"minimum: 20, maximum: 100", "minimum: 20", "both ends"},
		"constraints without name": {"ReplicationGroupDescription: {type: string}", "ReplicationGroupDescription: {type: string, maxLength: 9}", "needs a schema with a name"},
		"required but absent":      {"required: [ReplicationGroupId, ReplicationGroupDescription]", "required: [ReplicationGroupId, Nothing]", "required member Nothing"},
		"two routes":               {"      x-item-of: ReplicationGroups\n", "", "has two routes"},
		"operation id twice":       {"operationId: GetUser\n", "operationId: DescribeUsers\n", "operationId \"DescribeUsers\" is not unique"},
		"no summary":               {"summary: Show one user.", "summary: ''", "no summary"},
		"undeclared parameter":     {"'/v1/users/{UserId}'", "'/v1/users/{UserId}/{Part}'", "the path and its parameters differ"},
		"no description":           {"description: A key with a value, attached to a resource.", "description: ''", "schema Tag: no description"},
		"not YAML":                 {"paths:\n", "paths: [\n", "parse"},
	} {
		t.Run(name, func(t *testing.T) {
			broken := strings.Replace(source, c.old, c.new, 1)
			if broken == source {
				t.Fatalf("the contract has no %q", c.old)
			}
			if _, err := load([]byte(broken)); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("load: %v; want an error with %q", err, c.want)
			}
		})
	}
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}
