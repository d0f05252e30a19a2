// Package acl holds access control lists as Valkey 8 has them: users, what they may run, and which keys and channels they may touch.
// It reads and writes the rules' text form, decides about one call, and keeps the log of refusals. It knows
// no client and no connection; the commands come as a Catalog.
//
// A User is immutable. What a connection holds is an Account, whose User is replaced as a whole when an operator
// changes it, so that a decision takes one atomic load, and a user without restrictions costs nothing more.
package acl
