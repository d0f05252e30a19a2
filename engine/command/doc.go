// Package command is the engine's command framework and its commands: one record (Spec) per command, the
// table that finds it, the reader for its arguments, the gate that every call passes, and one file per
// family of commands.
//
// # How to add a command
//
// Find the family's file (strings.go, keys.go, hashes.go, lists.go, sets.go, sortedsets.go, connection.go, …) and add a
// record to its list, next to the others in alphabetical order, and the handler below it:
//
//	var stringSpecs = []Spec{
//		{
//			Name: "getdel", Group: "string", Since: "6.2.0", Arity: 2,
//			Summary: "Returns the string value of a key after deleting the key.",
//			Flags: Write | Fast, Keys: OneKey.Uses("RW access delete"), Categories: "write string fast",
//			Handler: cmdGETDEL,
//		},
//		…
//	}
//
//	// GETDEL key
//	func cmdGETDEL(c *Ctx) {
//		key := c.Args.Bytes()                  // arguments: a latching reader, …
//		if c.Failed() {                        // … checked once; it has written the error
//			return
//		}
//		…                                      // operation, on c.View, under the locks of the record's Keys
//		c.Reply.Bulk(value)                    // reply: exactly one
//	}
//
// A new family is a file with its list and one line in families.go. Families of other packages
// (replication, cluster) export their list, and the engine adds it when it builds the Table.
//
// # Rules
//
//   - The stripes of the keys that the record names are locked around the handler; a handler never locks,
//     and touches no other key. A command over the whole keyspace sets Lock: LockAll, or LockNone and walks
//     with the keyspace's cursor, which locks for itself.
//   - Arguments alias the connection's read buffer. Copy what outlives the call.
//   - A handler writes exactly one reply (SUBSCRIBE and its kind: one per channel), and writes nothing
//     when c.Failed() returned true or c.Block returned true.
//   - What a change means is propagated, not the words: if the View has counted a change, the command goes to
//     the replicas as it was given, unless the handler called c.Propagate with the effect (relative times absolute,
//     SPOP → SREM, random results fixed), or c.PropagateNothing.
//   - Client-visible texts are in errors.go and errors_types.go, and nowhere else.
//   - GET, SET, INCR, HGET and their kind allocate nothing; alloc_test.go holds them to it.
package command
