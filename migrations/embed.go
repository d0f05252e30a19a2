// Package migrations holds the schema as numbered SQL files, embedded into the binary. They are run
// by golang-migrate (see package store); each goes up, down and up again in a test.
package migrations

import "embed"

// FS holds the .sql files of this folder.
//
//go:embed *.sql
var FS embed.FS
