// Package api is the contract in Go: the types of every operation of the ElastiCache API (version
// 2015-02-02), their Query decoder, XML encoder, validation, errors, and the tables of operations
// and REST routes. All files ending in _gen.go are made from openapi.yaml; the rest is their small runtime.
//
// Optional scalars are pointers: nil means that the member was not given. A nil list was not given
// either, whereas an empty list was given without elements, and shows as an empty element in XML.
package api

//go:generate go run ../internal/apigen -contract ../openapi.yaml -out .
