package app

import (
	"context"
	"log/slog"

	"github.com/elastane/elastane/internal/agent/driver"
	"github.com/elastane/elastane/internal/agent/driver/embedded"
)

// engineRuntime is the cache engine that all agents of this process share: one set of event loops.
type engineRuntime struct {
	drivers []driver.Driver // set when the unit has started
}

func (e *engineRuntime) unit(logger *slog.Logger) Unit {
	var d *embedded.Driver
	return Unit{
		Name: "engine",
		Start: func(context.Context) (err error) {
			d, err = embedded.New(logger)
			if err == nil {
				e.drivers = []driver.Driver{d}
			}
			return err
		},
		Stop: func(ctx context.Context) error { return d.Close(ctx) },
	}
}
