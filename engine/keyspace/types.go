package keyspace

import (
	"github.com/elastane/elastane/engine/arena"
	"github.com/elastane/elastane/engine/ds"
)

// Type is the type of a key's value. The numbers are the engine's own and stay in memory only.
type Type uint8

// The types of Valkey. TypeNone is the type of a missing key.
const (
	TypeNone Type = iota
	TypeString
	TypeHash
	TypeList
	TypeSet
	TypeZSet
	TypeStream
)

// String returns the name that TYPE answers.
func (t Type) String() string {
	switch t {
	case TypeString:
		return "string"
	case TypeHash:
		return "hash"
	case TypeList:
		return "list"
	case TypeSet:
		return "set"
	case TypeZSet:
		return "zset"
	case TypeStream:
		return "stream"
	}
	return "none"
}

// IsTypeName says whether TYPE may answer name for a key that exists.
func IsTypeName(name string) bool {
	for t := TypeString; t <= TypeStream; t++ {
		if t.String() == name {
			return true
		}
	}
	return false
}

// Encoding says how a collection is laid out. Strings have EncodingRaw, for which OBJECT ENCODING works out int, embstr
// or raw from the bytes, or EncodingChanged.
type Encoding uint8

// The encodings, by the names that OBJECT ENCODING answers.
const (
	EncodingRaw Encoding = iota
	EncodingListpack
	EncodingHashtable
	EncodingQuicklist
	EncodingIntset
	EncodingSkiplist
	EncodingStream
	EncodingChanged // a string whose bytes were changed in place, which Valkey keeps raw whatever they are
)

var encodingsOf = [...]Encoding{
	ds.Listpack:  EncodingListpack,
	ds.Hashtable: EncodingHashtable,
	ds.Quicklist: EncodingQuicklist,
	ds.Skiplist:  EncodingSkiplist,
	ds.Intset:    EncodingIntset,
	ds.Listpacks: EncodingStream,
}

// EncodingOf returns the Encoding to be kept with a key for a collection that is laid out as enc says.
func EncodingOf(enc ds.Encoding) Encoding { return encodingsOf[enc] }

// String returns the name that OBJECT ENCODING answers.
func (e Encoding) String() string {
	switch e {
	case EncodingListpack:
		return "listpack"
	case EncodingHashtable:
		return "hashtable"
	case EncodingQuicklist:
		return "quicklist"
	case EncodingIntset:
		return "intset"
	case EncodingSkiplist:
		return "skiplist"
	case EncodingStream:
		return "stream"
	}
	return "raw"
}

// Event is what happened to a key, in Valkey's keyspace notification terms. Class is the letter of
// notify-keyspace-events that selects it: 'g' generic, '$' string, 'l' list, 's' set, 'h' hash, 'z' sorted
// set, 't' stream, 'x' expired, 'e' evicted. The zero Event changes a key without a notification, and
// reaches the hook all the same.
type Event struct {
	Name  string
	Class byte
}

// The events that the keyspace itself raises. EventExpired and EventEvicted are deletions that no
// command asked for: the hook has to propagate them as DEL.
var (
	EventExpired = Event{"expired", 'x'}
	EventEvicted = Event{"evicted", 'e'}
	// EventNew and EventMiss come only if SetNotices asked for them: a key is about to be created, and one
	// that a command wanted to read is not there. They are no changes.
	EventNew  = Event{"new", 'n'}
	EventMiss = Event{"keymiss", 'm'}
)

// FreeFunc frees the blocks that a collection's root names; the root itself is the keyspace's.
type FreeFunc func(h *arena.Heap, enc Encoding, root []byte)

var freeFuncs [16]FreeFunc

// RegisterFree tells the keyspace how values of type t give their memory back, for delete, overwrite,
// expiry, eviction and flush. Call it from an init function; a second registration of a type panics.
func RegisterFree(t Type, free FreeFunc) {
	if freeFuncs[t] != nil {
		panic("keyspace: a second free function for type " + t.String())
	}
	freeFuncs[t] = free
}
