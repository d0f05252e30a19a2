package api

import (
	"cmp"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	// maxQueryDepth bounds the parts of a parameter name. The deepest member of the contract has
	// nine; a longer name cannot be a known one.
	maxQueryDepth = 10

	// MaxQueryParameters bounds the parameters of a request. The largest sensible one, CreateReplicationGroup with
	// 500 shards spelled out, has about half as many.
	MaxQueryParameters = 10_000
)

// DecodeQuery makes the operation's input from the parameters of a Query request. As with AWS, parameters
// that the operation does not have are ignored, and of a repeated parameter the first counts. A value that
// is not of its type fails with the code MalformedInput.
func (o *Operation) DecodeQuery(values url.Values) (Input, error) {
	if len(values) > MaxQueryParameters {
		return nil, malformedInput("The request has more than %d parameters.", MaxQueryParameters)
	}
	doc := &queryDocument{}
	root := &queryNode{doc: doc}
	for key, v := range values {
		if len(v) > 0 {
			root.insert(key, v[0])
		}
	}
	in := o.newInput()
	in.decodeQuery(root)
	if doc.err != nil {
		return nil, doc.err
	}
	return in, nil
}

// queryDocument collects the first error of a decoding.
type queryDocument struct{ err *Error }

// queryNode is one point in the tree that dotted parameter names make: Tags.Tag.1.Key=a is a leaf four levels down.
type queryNode struct {
	doc      *queryDocument
	path     string // full parameter name, for messages
	value    string
	given    bool // a parameter has this very name
	children map[string]*queryNode
}

func (q *queryNode) insert(key, value string) {
	if strings.Count(key, ".") >= maxQueryDepth {
		return
	}
	node := q
	for part := range strings.SplitSeq(key, ".") {
		child := node.children[part]
		if child == nil {
			path := part
			if node.path != "" {
				path = node.path + "." + part
			}
			child = &queryNode{doc: q.doc, path: path}
			if node.children == nil {
				node.children = map[string]*queryNode{}
			}
			node.children[part] = child
		}
		node = child
	}
	node.value, node.given = value, true
}

func (q *queryNode) failf(format string, args ...any) {
	if q.doc.err == nil {
		q.doc.err = malformedInput(format, args...)
	}
}

// leaf returns the node of a scalar member, or nil if it was not given.
func (q *queryNode) leaf(name string) *queryNode {
	if n := q.children[name]; n != nil && n.given {
		return n
	}
	return nil
}

func (q *queryNode) string(name string) *string {
	n := q.leaf(name)
	if n == nil {
		return nil
	}
	return &n.value
}

func (q *queryNode) secret(name string) *Secret {
	text := q.string(name)
	if text == nil {
		return nil
	}
	return &Secret{text}
}

func (q *queryNode) integer(name string) *int32 {
	n := q.leaf(name)
	if n == nil {
		return nil
	}
	i, err := strconv.ParseInt(n.value, 10, 32)
	if err != nil {
		n.failf("The value %s of the parameter %s can not be converted to an Integer.", quote(n.value), n.path)
		return nil
	}
	v := int32(i)
	return &v
}

func (q *queryNode) boolean(name string) *bool {
	n := q.leaf(name)
	if n == nil {
		return nil
	}
	var v bool
	switch strings.ToLower(n.value) {
	case "true":
		v = true
	case "false":
	default:
		n.failf("The value %s of the parameter %s can not be converted to a Boolean.", quote(n.value), n.path)
		return nil
	}
	return &v
}

func (q *queryNode) timestamp(name string) *time.Time {
	n := q.leaf(name)
	if n == nil {
		return nil
	}
	// A time without a zone is in UTC.
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04Z07:00", time.DateOnly} {
		if t, err := time.Parse(layout, n.value); err == nil {
			t = t.UTC()
			return &t
		}
	}
	n.failf("The value %s of the parameter %s can not be converted to a Timestamp (ISO 8601).", quote(n.value), n.path)
	return nil
}

// elements returns the nodes of a list's elements in the order of their numbers. The elements stand
// under the list's own word (Tags.Tag.1) or under member (Tags.member.1). It returns nil if the list
// was not given, and an empty slice for an empty list, which clients send as the bare name (Tags=).
func (q *queryNode) elements(name, word string) []*queryNode {
	list := q.children[name]
	if list == nil {
		return nil
	}
	elements := list.children[word]
	if elements == nil {
		elements = list.children["member"]
	}
	if elements == nil {
		if list.given {
			return []*queryNode{}
		}
		return nil
	}
	type numbered struct {
		number uint64
		node   *queryNode
	}
	ordered := make([]numbered, 0, len(elements.children))
	for key, node := range elements.children {
		number, err := strconv.ParseUint(key, 10, 31)
		if err != nil || number == 0 {
			node.failf("%s is not a valid index of the list %s.", quote(key), list.path)
			return nil
		}
		ordered = append(ordered, numbered{number, node})
	}
	slices.SortFunc(ordered, func(a, b numbered) int {
		return cmp.Or(cmp.Compare(a.number, b.number), cmp.Compare(a.node.path, b.node.path))
	})
	nodes := make([]*queryNode, len(ordered))
	for i, e := range ordered {
		nodes[i] = e.node
	}
	return nodes
}

// strings decodes a list of strings.
func (q *queryNode) strings(name, word string) []string {
	nodes := q.elements(name, word)
	if nodes == nil {
		return nil
	}
	list := make([]string, len(nodes))
	for i, n := range nodes {
		if !n.given {
			n.failf("The parameter %s must be a value, not a structure.", n.path)
			return nil
		}
		list[i] = n.value
	}
	return list
}

// secrets decodes a list of secrets.
func (q *queryNode) secrets(name, word string) []Secret {
	texts := q.strings(name, word)
	if texts == nil {
		return nil
	}
	list := make([]Secret, len(texts))
	for i, text := range texts {
		list[i] = NewSecret(text)
	}
	return list
}

// decodable is the pointer to a structure that appears in inputs.
type decodable[T any] interface {
	*T
	decodeQuery(*queryNode)
}

// decodeStructures decodes a list of structures.
func decodeStructures[T any, P decodable[T]](q *queryNode, name, word string) []T {
	nodes := q.elements(name, word)
	if nodes == nil {
		return nil
	}
	list := make([]T, len(nodes))
	for i, n := range nodes {
		P(&list[i]).decodeQuery(n)
	}
	return list
}

// decodeStructure decodes a structure; it is nil if none of its members was given.
func decodeStructure[T any, P decodable[T]](q *queryNode, name string) *T {
	n := q.children[name]
	if n == nil {
		return nil
	}
	v := new(T)
	P(v).decodeQuery(n)
	return v
}

// quote prepares text of the client for a message: quoted, without control characters, and not too long.
func quote(s string) string {
	const most = 64
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return strconv.Quote(s)
}
