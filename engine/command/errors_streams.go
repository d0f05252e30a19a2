package command

// The texts of the stream commands, in the wording of Valkey.
const (
	ErrStreamID       = "ERR Invalid stream ID specified as stream command argument"
	ErrStreamIDZero   = "ERR The ID specified in XADD must be greater than 0-0"
	ErrStreamIDSmall  = "ERR The ID specified in XADD is equal or smaller than the target stream top item"
	ErrStreamFull     = "ERR The stream has exhausted the last possible ID, unable to add more items"
	ErrStreamTooLarge = "ERR Elements are too large to be stored"
	ErrStreamStart    = "ERR invalid start ID for the interval"
	ErrStreamEnd      = "ERR invalid end ID for the interval"
	ErrMaxLen         = "ERR The MAXLEN argument must be >= 0."
	ErrTrimLimit      = "ERR The LIMIT argument must be >= 0."
	ErrTrimBoth       = "ERR syntax error, MAXLEN and MINID options at the same time are not compatible"
	ErrTrimLimitAlone = "ERR syntax error, LIMIT cannot be used without specifying a trimming strategy"
	ErrTrimMissing    = "ERR syntax error, XTRIM must be called with a trimming strategy"
	ErrTrimLimitExact = "ERR syntax error, LIMIT cannot be used without the special ~ option"
	ErrEntriesAdded   = "ERR entries_added must be positive"
	ErrSetIDGiven     = "ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id"
	ErrSetIDDeleted   = "ERR The ID specified in XSETID is smaller than current max_deleted_entry_id"
	ErrSetIDTop       = "ERR The ID specified in XSETID is smaller than the target stream top item"
	ErrSetIDAdded     = "ERR The entries_added specified in XSETID is smaller than the target stream length"

	ErrReadTimeout      = "ERR timeout is not an integer or out of range"
	ErrReadGroupOption  = "ERR The GROUP option is only supported by XREADGROUP. You called XREAD instead."
	ErrReadNoAck        = "ERR The NOACK option is only supported by XREADGROUP. You called XREAD instead."
	ErrReadGroupMissing = "ERR Missing GROUP option for XREADGROUP"
	ErrReadGroupLast    = "ERR The $ ID is meaningless in the context of XREADGROUP: you want to read the history of this consumer by specifying a proper ID, or use the > ID to get new messages. The $ ID would just return an empty result set."
	ErrReadGroupPlus    = "ERR The + ID is meaningless in the context of XREADGROUP: you want to read the history of this consumer by specifying a proper ID, or use the > ID to get new messages. The + ID would just return an empty result set."
	ErrReadNew          = "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option."
	ErrReadZero         = "ERR the stream last element ID is 0-0"

	ErrEntriesRead     = "ERR value for ENTRIESREAD must be positive or -1"
	ErrGroupNoKey      = "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM option to create an empty stream automatically."
	ErrBusyGroup       = "BUSYGROUP Consumer Group name already exists"
	ErrClaimIdle       = "ERR Invalid min-idle-time argument for XCLAIM"
	ErrAutoClaimIdle   = "ERR Invalid min-idle-time argument for XAUTOCLAIM"
	ErrClaimIdleOption = "ERR Invalid IDLE option argument for XCLAIM"
	ErrClaimTime       = "ERR Invalid TIME option argument for XCLAIM"
	ErrClaimRetry      = "ERR Invalid RETRYCOUNT option argument for XCLAIM"
	ErrClaimCount      = "ERR COUNT must be > 0"
)

func errUnbalanced(command string, symbol byte) string {
	return "ERR Unbalanced '" + command + "' list of streams: for each stream key an ID or '" + string(rune(symbol)) + "' must be specified."
}

func errNoGroup(key, group []byte) string {
	return "NOGROUP No such key '" + string(key) + "' or consumer group '" + string(group) + "'"
}

func errNoGroupToRead(key, group []byte) string {
	return errNoGroup(key, group) + " in XREADGROUP with GROUP option"
}

func errNoSuchGroup(key, group []byte) string {
	return "NOGROUP No such consumer group '" + string(group) + "' for key name '" + string(key) + "'"
}

func errClaimOption(option []byte) string {
	return "ERR Unrecognized XCLAIM option '" + string(option) + "'"
}

func errSubcommandSyntax(container string, sub []byte) string {
	return "ERR unknown subcommand or wrong number of arguments for '" + cut(sub, 128) + "'. Try " + container + " HELP."
}
