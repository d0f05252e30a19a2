package main

import (
	"fmt"
	"runtime"

	"github.com/elastane/elastane/internal/app"
)

type versionCommand struct{}

// Run prints one line: program, version, Go version, platform.
func (versionCommand) Run(e *environment) error {
	_, err := fmt.Fprintf(e.stdout, "elastane %s %s %s/%s\n", app.Version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}
