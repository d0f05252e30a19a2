// Package catalog holds the facts about node types, engine versions and parameters that the API knows:
// sizes, names, families, defaults. The tables are CSV files of ours, embedded; AWS's documentation of
// supported node types, engine versions and engine-specific parameters is where the facts come from.
package catalog

import (
	"embed"
	"encoding/csv"
	"fmt"
	"strconv"
)

//go:embed node_types.csv engine_versions.csv parameters.csv parameter_descriptions.csv
var tables embed.FS

// Engine names, as the API writes them.
const (
	Redis     = "redis"
	Valkey    = "valkey"
	Memcached = "memcached"
)

// readTable parses an embedded table into rows of column name → cell. The tables are part of the
// program, so a fault in one is a fault of the program.
func readTable(name string) []map[string]string {
	file, err := tables.Open(name)
	if err != nil {
		panic(fmt.Sprintf("catalog: %v", err))
	}
	defer file.Close() //nolint:errcheck // an embedded file
	lines, err := csv.NewReader(file).ReadAll()
	if err != nil {
		panic(fmt.Sprintf("catalog: %s: %v", name, err))
	}
	rows := make([]map[string]string, 0, len(lines)-1)
	for _, line := range lines[1:] {
		row := make(map[string]string, len(line))
		for i, cell := range line {
			row[lines[0][i]] = cell
		}
		rows = append(rows, row)
	}
	return rows
}

func number(table, cell string) int64 {
	n, err := strconv.ParseInt(cell, 10, 64)
	if err != nil {
		panic(fmt.Sprintf("catalog: %s: %v", table, err))
	}
	return n
}

func boolean(table, cell string) bool {
	b, err := strconv.ParseBool(cell)
	if err != nil {
		panic(fmt.Sprintf("catalog: %s: %v", table, err))
	}
	return b
}
