package store

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/elastane/elastane/api"
	"github.com/elastane/elastane/internal/store/db"
)

// ErrUnavailable says that Postgres cannot be reached or is going down: the caller's request was not
// at fault, and the same request may succeed later. The API answers ServiceUnavailable.
var ErrUnavailable = api.ErrUnavailable

// ErrNotFound is what a query for one row returns when there is none.
var ErrNotFound = pgx.ErrNoRows

// Q holds the generated queries. It has no state: each takes the transaction (or pool) to run on.
var Q = db.New()

// maxAttempts bounds how often a transaction is tried when it loses to a concurrent one.
const maxAttempts = 5

// Store is the control plane's door to Postgres.
type Store struct {
	pool *pgxpool.Pool
}

// Open connects to the database at url. It does not migrate; see Migrate.
func Open(ctx context.Context, url string) (*Store, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, errors.New("parse database URL: not a valid PostgreSQL URL") // the parser's text may hold the password
	}
	config.MaxConns = max(config.MaxConns, 16)
	config.ConnConfig.ConnectTimeout = 5 * time.Second
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	if err := pool.Ping(ctx); err != nil {
		pool.Close()
		return nil, fmt.Errorf("open database: %w", wrap(err))
	}
	return &Store{pool: pool}, nil
}

// Close waits for the connections in use to come back and closes all.
func (s *Store) Close() { s.pool.Close() }

// Pool is for reads outside a transaction, and for LISTEN.
func (s *Store) Pool() *pgxpool.Pool { return s.pool }

// Ping tells whether the database answers.
func (s *Store) Ping(ctx context.Context) error { return wrap(s.pool.Ping(ctx)) }

// Tx runs fn in one transaction: committed if fn returns nil, else rolled back. Isolation is read
// committed; whoever changes an owner's rows locks the owner's row first. fn runs again, on a new
// transaction, when Postgres ended it for the sake of a concurrent one, so it must have no effects
// outside tx. A lost connection is reported as ErrUnavailable.
func (s *Store) Tx(ctx context.Context, fn func(tx pgx.Tx) error) error {
	var err error
	for range maxAttempts {
		err = pgx.BeginTxFunc(ctx, (*beginner)(s), pgx.TxOptions{}, fn)
		if !isSerialization(err) {
			break
		}
	}
	return wrap(err)
}

// View runs fn in a read-only transaction that sees one state of the database.
func (s *Store) View(ctx context.Context, fn func(tx pgx.Tx) error) error {
	options := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	return wrap(pgx.BeginTxFunc(ctx, (*beginner)(s), options, fn))
}

// beginner begins transactions on connections that are alive: after a restart of Postgres each
// pooled connection is dead, and the first that shows it takes the others with it.
type beginner Store

// BeginTx implements pgx's interface of that name.
func (b *beginner) BeginTx(ctx context.Context, options pgx.TxOptions) (pgx.Tx, error) {
	tx, err := b.pool.BeginTx(ctx, options)
	if err != nil && isUnavailable(err) {
		b.pool.Reset()
		tx, err = b.pool.BeginTx(ctx, options)
	}
	return tx, err
}

// isSerialization recognises serialization_failure and deadlock_detected.
func isSerialization(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (pg.Code == "40001" || pg.Code == "40P01")
}

// IsDuplicate tells whether err is a violation of a unique constraint.
func IsDuplicate(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == "23505"
}

// IsReferenced tells whether err is a violation of a foreign key.
func IsReferenced(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == "23503"
}

// wrap marks errors that mean a lost or refused connection with ErrUnavailable.
func wrap(err error) error {
	if err == nil || errors.Is(err, ErrUnavailable) {
		return err
	}
	if isUnavailable(err) {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return err
}

func isUnavailable(err error) bool {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		// connection_exception, operator_intervention (shutdown, starting up), too_many_connections
		return strings.HasPrefix(pg.Code, "08") || strings.HasPrefix(pg.Code, "57P") || pg.Code == "53300"
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return false
	}
	var connect *pgconn.ConnectError
	var network net.Error
	var operation *net.OpError
	return errors.As(err, &connect) || errors.As(err, &operation) || errors.As(err, &network) ||
		pgconn.SafeToRetry(err) || strings.Contains(err.Error(), "unexpected EOF") || strings.Contains(err.Error(), "conn closed")
}
