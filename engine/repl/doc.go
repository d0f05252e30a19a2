// Package repl is asynchronous replication in Redis' and Valkey's protocol (PSYNC2): a primary that
// feeds attached replicas from one ordered stream, and a replica's link to its primary.
//
// How it hangs together:
//
//   - The stream (stream.go) is the one copy of the recent replication bytes: the backlog for partial
//     resynchronisation and the output buffer of every replica at once. Offsets count its bytes.
//   - A primary feeds it under the locks of the keys that a command changes, so the stream has the order in which the
//     writes took effect. A snapshot's cut is made under all locks and reads the offset there: what the snapshot holds
//     and what the stream brings from that offset on are exactly the data set.
//   - A replica appends the bytes of its primary's stream, unchanged, after it has applied them, both under the apply
//     lock: so it can be promoted, serve replicas of its own, and save snapshots that belong to an offset.
//   - A history has an id of 40 hex digits. Promotion starts a new id and keeps the old one up to the offset of
//     the promotion (PSYNC2), so siblings and the old primary go on without a full synchronisation.
//
// The package knows no keys and no commands: the data set is behind Host.
package repl
