// Package engine is Elastane's cache engine: a Valkey/Redis-compatible in-memory store that runs
// any number of nodes in one process on shared event loops. It is a library that knows nothing of
// AWS, Postgres or agents.
//
// A Runtime owns the event loops. A Node is one server: a keyspace, its configuration, its
// replication state. A Listener hands accepted connections to the node that its route names.
package engine
