package command

import "fmt"

// The texts of the data types' commands, in the wording of Valkey.
const (
	ErrDecrOverflow    = "ERR decrement would overflow"
	ErrPositive        = "ERR value is out of range, must be positive"
	ErrValueRange      = "ERR value is out of range"
	ErrCursor          = "ERR invalid cursor"
	ErrExpireNX        = "ERR NX and XX, GT or LT options at the same time are not compatible"
	ErrExpireGT        = "ERR GT and LT options at the same time are not compatible"
	ErrHashNotInteger  = "ERR hash value is not an integer"
	ErrHashNotFloat    = "ERR hash value is not a float"
	ErrNaNOrInfValue   = "ERR value is NaN or Infinity"
	ErrLposRank        = "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use negative to start from the end of the list"
	ErrLposCount       = "ERR COUNT can't be negative"
	ErrLposMaxLen      = "ERR MAXLEN can't be negative"
	ErrTimeout         = "ERR timeout is not a float or out of range"
	ErrTimeoutRange    = "ERR timeout is out of range"
	ErrTimeoutNegative = "ERR timeout is negative"
	ErrZaddNX          = "ERR XX and NX options at the same time are not compatible"
	ErrZaddGT          = "ERR GT, LT, and/or NX options at the same time are not compatible"
	ErrZaddIncr        = "ERR INCR option supports a single increment-element pair"
	ErrScoreNaN        = "ERR resulting score is not a number (NaN)"
	ErrRangeLimit      = "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX"
	ErrRangeLexScores  = "ERR syntax error, WITHSCORES not supported in combination with BYLEX"
	ErrWeight          = "ERR weight value is not a float"
	ErrCount           = "ERR count should be greater than 0"
	ErrNumKeys         = "ERR numkeys should be greater than 0"
	ErrLimitNegative   = "ERR LIMIT can't be negative"
	ErrManyKeys        = "ERR Number of keys can't be greater than number of args"
	ErrLFU             = "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust."
	ErrNoLFU           = "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust."
	ErrBitOffset       = "ERR bit offset is not an integer or out of range"
	ErrBit             = "ERR bit is not an integer or out of range"
	ErrBitArgument     = "ERR The bit argument must be 1 or 0."
	ErrBitopNot        = "ERR BITOP NOT must be called with a single source key."
	ErrBitfieldType    = "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is."
	ErrOverflowType    = "ERR Invalid OVERFLOW type specified"
	ErrBitfieldRO      = "ERR BITFIELD_RO only supports the GET subcommand"
	ErrNotHLL          = "WRONGTYPE Key is not a valid HyperLogLog string value."
	ErrCorruptHLL      = "INVALIDOBJ Corrupted HLL object detected"
	ErrNoHLL           = "ERR The specified key does not exist"
	ErrDenseHLL        = "ERR HLL encoding is not sparse"
	ErrGeoUnit         = "ERR unsupported unit provided. please use M, KM, FT, MI"
	ErrGeoRadius       = "ERR need numeric radius"
	ErrGeoRadiusSign   = "ERR radius cannot be negative"
	ErrGeoWidth        = "ERR need numeric width"
	ErrGeoHeight       = "ERR need numeric height"
	ErrGeoBoxSign      = "ERR height or width cannot be negative"
	ErrGeoMember       = "ERR could not decode requested zset member"
	ErrGeoCount        = "ERR COUNT must be > 0"
	ErrGeoAny          = "ERR the ANY argument requires COUNT argument"
	ErrSortByCluster   = "ERR BY option of SORT denied in Cluster mode when keys formed by the pattern may be in different slots."
	ErrSortGetCluster  = "ERR GET option of SORT denied in Cluster mode when keys formed by the pattern may be in different slots."
	ErrSortScores      = "ERR One or more scores can't be converted into double"
	ErrLCSStrings      = "ERR The specified keys must contain string values"
	ErrLCSLenIdx       = "ERR If you want both the length and indexes, please just use IDX."
	ErrLCSMemory       = "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len"
	ErrSameObject      = "ERR source and destination objects are the same"
)

func errArity(name string) string { return "ERR wrong number of arguments for '" + name + "' command" }

func errExpireTime(name string) string { return "ERR invalid expire time in '" + name + "' command" }

func errUnsupportedOption(option []byte) string { return "ERR Unsupported option " + string(option) }

func errGeoPair(longitude, latitude float64) string {
	return fmt.Sprintf("ERR invalid longitude,latitude pair %f,%f", longitude, latitude)
}

func errGeoStore(what string) string {
	return "ERR " + what + " is not compatible with WITHDIST, WITHHASH and WITHCOORD options"
}

func errGeoOneOf(what, command string) string {
	return "ERR exactly one of " + what + " can be specified for " + command
}

func errNoInputKeys(name string) string {
	return "ERR at least 1 input key is needed for '" + name + "' command"
}
