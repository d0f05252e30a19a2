package main

// missing are the commands of Valkey 8 that the engine does not have, with the reason.
var missing = []struct{ names, reason string }{
	{
		"asking cluster|addslots cluster|addslotsrange cluster|bumpepoch cluster|count-failure-reports cluster|delslots " +
			"cluster|delslotsrange cluster|failover cluster|flushslots cluster|forget cluster|links cluster|meet cluster|replicate " +
			"cluster|reset cluster|saveconfig cluster|set-config-epoch cluster|setslot failover migrate restore-asking",
		"Slots, nodes and roles are the control plane's: it gives every node the whole map with an epoch. There is no cluster bus, and slots are not moved key by key by clients.",
	},
	{"cluster|slot-stats", "Statistics by slot are not kept."},
	{"client|capa", "The one ability that a client can declare is to follow REDIRECT; a replica answers READONLY to all."},
	{"module module|help module|list module|load module|loadex module|unload", "There are no modules: they are C libraries."},
	{
		"fcall fcall_ro function function|delete function|dump function|flush function|help function|kill function|list " +
			"function|load function|restore function|stats script|debug",
		"Functions and the script debugger are not built yet.",
	},
}
