package engine

import (
	"context"
	"time"

	"github.com/elastane/elastane/engine/command"
)

// durability is what makes a node's data outlive the node.
type durability struct{ server *command.Server }

type noReplication struct{}

func (noReplication) Feed(int, [][]byte)                             {}
func (noReplication) FeedTransaction(int, func(int) (int, [][]byte)) {}
func (noReplication) SetPaused(bool)                                 {}
func (noReplication) AppendInfo(dst []byte) []byte                   { return append(dst, "role:master\r\n"...) }
func (noReplication) Save() error                                    { return nil }
func (noReplication) SaveInBackground() error                        { return nil }
func (noReplication) LastSave() time.Time                            { return time.Time{} }

func newDurability(_ context.Context, server *command.Server, _ Options) (*durability, error) {
	server.Replication, server.Persistence = noReplication{}, noReplication{}
	return &durability{server}, nil
}

func (d *durability) close(context.Context) error { return nil }

func (d *durability) fill(s *Status) {
	s.Role = "primary"
	s.WritesPaused = d.server.Has(command.StatePausedWrites | command.StatePausedAll)
}
