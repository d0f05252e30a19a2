// Package lua is a Lua 5.1 virtual machine made for scripting a cache: strings are bytes, numbers take no
// allocation, scripts have an instruction hook (time limits, SCRIPT KILL) and bounded depth, and numbers and errors
// read as those of the C implementation.
//
// Compile makes a Proto of a source text; it is immutable, and may be used by many States at a time. A State is an
// interpreter: one goroutine at a time. Host functions are Go functions of type GoFunc.
//
// Source → tokens (lex.go) → tree (parse.go) → register code (compile.go) → vm.go. The libraries are in lib_*.go.
package lua
