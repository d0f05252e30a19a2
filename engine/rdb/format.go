// Package rdb writes and reads the snapshot format of Redis and Valkey ("RDB"): the files a node
// keeps on disk and the first part of a full resynchronisation.
//
// Both directions stream. The writer takes one element at a time and the reader hands out one
// element at a time, so that a snapshot never needs a second copy of the data in memory.
package rdb

import "hash/crc64"

// Version is what the writer puts into the header. Redis 7.0 reads up to 10; nothing but streams, as the writer
// emits it, needs a newer one, so everything from Redis 7.0 and Valkey 7.2 on can read our snapshots, and
// Redis from 7.2 on if there are streams.
const Version = 10

// maxReadVersion is the newest header the reader takes: 12 is Redis 7.4's. Types it does not know
// are refused by themselves, with the name of the key.
const maxReadVersion = 12

// Type is the kind of a value, independent of how a file encodes it.
type Type uint8

// The kinds of values that this package can carry.
const (
	String Type = iota + 1
	List
	Set
	Hash
	SortedSet
	Stream
)

func (t Type) String() string {
	switch t {
	case String:
		return "string"
	case List:
		return "list"
	case Set:
		return "set"
	case Hash:
		return "hash"
	case SortedSet:
		return "zset"
	case Stream:
		return "stream"
	default:
		return "unknown"
	}
}

// Key heads a value.
type Key struct {
	DB       int
	Name     []byte
	Type     Type
	ExpireAt int64 // Unix time in milliseconds; 0: never
	// Len is the number of elements, fields or members that follow. When reading it is a hint of
	// the file's: it may be 0 for an encoding that does not say, and it is never to be allocated for blindly.
	Len int
}

// Opcodes and value types as they stand in files. They are the format's, and never change.
const (
	opSlotInfo     = 244
	opFunction2    = 245
	opFunctionOld  = 246
	opModuleAux    = 247
	opIdle         = 248
	opFreq         = 249
	opAux          = 250
	opResizeDB     = 251
	opExpireTimeMS = 252
	opExpireTime   = 253
	opSelectDB     = 254
	opEOF          = 255

	typeString         = 0
	typeList           = 1
	typeSet            = 2
	typeZset           = 3
	typeHash           = 4
	typeZset2          = 5
	typeStream1        = 15
	typeStream2        = 19
	typeStream3        = 21
	typeListZiplist    = 10
	typeSetIntset      = 11
	typeZsetZiplist    = 12
	typeHashZiplist    = 13
	typeListQuicklist  = 14
	typeHashListpack   = 16
	typeZsetListpack   = 17
	typeListQuicklist2 = 18
	typeSetListpack    = 20
	typeLast           = 27 // the highest that any Redis or Valkey has given out

	encInt8  = 0
	encInt16 = 1
	encInt32 = 2
	encLZF   = 3

	quicklistPlain  = 1
	quicklistPacked = 2
)

// jones is the CRC-64 polynomial of the format, in the reflected form that hash/crc64 wants.
var jones = crc64.MakeTable(0x95ac9329ac4bc9b5)

// crcUpdate continues the format's checksum, which starts at 0 and is not inverted; hash/crc64
// inverts before and after.
func crcUpdate(crc uint64, p []byte) uint64 {
	return ^crc64.Update(^crc, jones, p)
}
