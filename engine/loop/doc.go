// Package loop runs network connections on event loops: one epoll instance per loop, each on an operating
// system thread of its own. A loop reads what has come, lets the connection's Handler work on everything that
// is there, and writes once. There is no goroutine per connection, and an idle connection holds no buffer.
// TLS connections live on the loops as well, after a handshake on a goroutine of its own (tls.go).
//
// The package knows no protocol. Linux only so far: elsewhere New returns ErrUnsupported.
package loop
