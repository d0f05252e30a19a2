// Package store holds all SQL of the control plane: queries/*.sql, one file per table family, the
// code that sqlc makes of them (package db), the transaction helper, and the River job client.
package store
