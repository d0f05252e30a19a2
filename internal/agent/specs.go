package agent

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"

	"google.golang.org/protobuf/proto"

	agentv1 "github.com/elastane/elastane/api/agent/v1"
)

// specStore keeps the last specs on disk, a file for each thing, so that the agent can bring its
// nodes up without asking anyone. Specs hold secrets; the files are for the agent's user only.
type specStore struct {
	files files
	dir   string
	log   *slog.Logger
}

// Kinds of things, as the first part of a file's name: node-<id>.spec.
const (
	kindNode       = "node"
	kindEndpoint   = "endpoint"
	kindClusterMap = "map"
	specSuffix     = ".spec"
)

// A spec file is this line, the SHA-256 of the rest, and the spec in protobuf's wire format, whose
// field numbers are append-only.
const specHeader = "elastane-spec-1\n"

var errSpecFile = errors.New("damaged spec file")

// encodeSpec writes the content of a spec file.
func encodeSpec(m proto.Message) ([]byte, error) {
	body, err := proto.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("encode spec: %w", err)
	}
	sum := sha256.Sum256(body)
	return bytes.Join([][]byte{[]byte(specHeader), sum[:], body}, nil), nil
}

// decodeSpec reads the content of a spec file. Anything that encodeSpec did not write is refused.
func decodeSpec(data []byte, m proto.Message) error {
	rest, ok := bytes.CutPrefix(data, []byte(specHeader))
	if !ok || len(rest) < sha256.Size {
		return fmt.Errorf("%w: no header", errSpecFile)
	}
	sum, body := rest[:sha256.Size], rest[sha256.Size:]
	if actual := sha256.Sum256(body); !bytes.Equal(sum, actual[:]) {
		return fmt.Errorf("%w: wrong checksum", errSpecFile)
	}
	if err := proto.Unmarshal(body, m); err != nil {
		return fmt.Errorf("%w: %w", errSpecFile, err)
	}
	return nil
}

func (s *specStore) path(kind, id string) string {
	return filepath.Join(s.dir, kind+"-"+id+specSuffix)
}

// put stores a spec before anything is done about it: after a restart the agent must not fall back
// behind an epoch that it has acted on.
func (s *specStore) put(kind, id string, m proto.Message) error {
	data, err := encodeSpec(m)
	if err == nil {
		err = s.files.Write(s.path(kind, id), data)
	}
	if err != nil {
		return fmt.Errorf("store %s spec: %w", kind, err)
	}
	return nil
}

func (s *specStore) remove(kind, id string) error {
	if err := s.files.RemoveAll(s.path(kind, id)); err != nil {
		return fmt.Errorf("remove %s spec: %w", kind, err)
	}
	return nil
}

// load reads everything that is stored. A damaged file is put aside and logged: its thing waits for
// the control plane, which sends whole specs, and the others come up.
func (s *specStore) load() (*agentv1.Specs, error) {
	if err := s.files.MakeDir(s.dir); err != nil {
		return nil, fmt.Errorf("open the spec store: %w", err)
	}
	names, err := s.files.Names(s.dir)
	if err != nil {
		return nil, fmt.Errorf("open the spec store: %w", err)
	}
	specs := &agentv1.Specs{}
	for _, name := range names {
		path := filepath.Join(s.dir, name)
		if strings.HasPrefix(name, tempPrefix) {
			if err := s.files.RemoveAll(path); err != nil {
				return nil, fmt.Errorf("clean the spec store: %w", err)
			}
			continue
		}
		base, isSpec := strings.CutSuffix(name, specSuffix)
		if !isSpec {
			continue
		}
		data, err := s.files.Read(path)
		if err != nil {
			return nil, fmt.Errorf("read the spec store: %w", err)
		}
		kind, id, _ := strings.Cut(base, "-")
		if err := addSpec(specs, kind, id, data); err != nil {
			s.log.Error("a stored spec cannot be read; it is put aside until the control plane sends it again", "file", path, "error", err)
			if err := s.files.Rename(path, path+".damaged"); err != nil {
				return nil, fmt.Errorf("put %s aside: %w", path, err)
			}
		}
	}
	return specs, nil
}

func addSpec(specs *agentv1.Specs, kind, id string, data []byte) error {
	var err error
	switch kind {
	case kindNode:
		specs.Nodes, err = appendSpec(specs.GetNodes(), &agentv1.NodeSpec{}, (*agentv1.NodeSpec).GetNodeId, id, data)
	case kindEndpoint:
		specs.Endpoints, err = appendSpec(specs.GetEndpoints(), &agentv1.EndpointSpec{}, (*agentv1.EndpointSpec).GetEndpointId, id, data)
	case kindClusterMap:
		specs.ClusterMaps, err = appendSpec(specs.GetClusterMaps(), &agentv1.ClusterMap{}, (*agentv1.ClusterMap).GetClusterMapId, id, data)
	default:
		err = fmt.Errorf("%w: unknown kind", errSpecFile)
	}
	return err
}

// appendSpec decodes a spec into m and appends it, if it is about the thing that its file is named for.
func appendSpec[M proto.Message](list []M, m M, idOf func(M) string, id string, data []byte) ([]M, error) {
	if err := decodeSpec(data, m); err != nil {
		return list, err
	}
	if idOf(m) != id {
		return list, fmt.Errorf("%w: it is about %q", errSpecFile, idOf(m))
	}
	return append(list, m), nil
}
