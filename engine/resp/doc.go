// Package resp is the wire protocol of Redis and Valkey: a parser for requests (RESP arrays and inline
// commands) that aliases its input, a writer for replies in RESP2 and RESP3, and a parser for replies,
// which replication links and tests use. It knows no command, no connection and no clock.
package resp
