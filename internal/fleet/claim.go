package fleet

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"syscall"

	"github.com/jackc/pgx/v5"

	"github.com/elastane/elastane/internal/store"
)

// Octets of loopback nets: 127.<octet>.x.y. Lower ones are left to others, as 127.0 is used by all.
const (
	minLoopbackOctet = 16
	maxLoopbackOctet = 254
)

// claimPort, on host 127.<octet>.0.1, belongs to the instance that has the octet. 4567 is the API's
// port; the claim is told from it by its address.
const claimPort = 4566

func randomOctet() int32 {
	return minLoopbackOctet + rand.Int32N(maxLoopbackOctet-minLoopbackOctet+1)
}

// LoopbackClaim is a dev instance's exclusive hold on its loopback octet.
type LoopbackClaim struct {
	Octet int
	ln    net.Listener
}

// Close gives the octet up.
func (c *LoopbackClaim) Close() error { return c.ln.Close() }

// ClaimLoopbackOctet picks the installation's octet of 127.<octet>.x.y at its first use, and holds a
// listener on a fixed port of that octet for as long as the claim is open, so that two instances on
// one machine never hand out the same addresses. If another instance has the octet and no address
// has been given out yet, another octet is chosen; otherwise the error says what is in the way.
func ClaimLoopbackOctet(ctx context.Context, s *store.Store) (*LoopbackClaim, error) {
	return claimLoopbackOctet(ctx, s, randomOctet)
}

func claimLoopbackOctet(ctx context.Context, s *store.Store, choose func() int32) (*LoopbackClaim, error) {
	var claim *LoopbackClaim
	err := s.Tx(ctx, func(tx pgx.Tx) error {
		installation, err := store.Q.InstallationLock(ctx, tx)
		if err != nil {
			return fmt.Errorf("read the installation: %w", err)
		}
		if installation.LoopbackOctet != 0 {
			claim, err = tryClaim(ctx, installation.LoopbackOctet)
			if err == nil || !errors.Is(err, syscall.EADDRINUSE) {
				return err
			}
			used, countErr := store.Q.AddressesCount(ctx, tx)
			if countErr != nil {
				return fmt.Errorf("count addresses: %w", countErr)
			}
			if used > 0 {
				return fmt.Errorf("the nodes of this data directory live in 127.%d.0.0/16, which another running instance holds; stop that one first: %w",
					installation.LoopbackOctet, err)
			}
		}
		for range 4 * (maxLoopbackOctet - minLoopbackOctet) {
			octet := choose()
			if claim, err = tryClaim(ctx, octet); err == nil {
				return store.Q.InstallationSetLoopbackOctet(ctx, tx, octet)
			}
			if !errors.Is(err, syscall.EADDRINUSE) {
				return err
			}
		}
		return fmt.Errorf("no free loopback net among 127.%d to 127.%d: %w", minLoopbackOctet, maxLoopbackOctet, err)
	})
	if err != nil {
		if claim != nil {
			err = errors.Join(err, claim.Close())
		}
		return nil, fmt.Errorf("claim a loopback net: %w", err)
	}
	return claim, nil
}

func tryClaim(ctx context.Context, octet int32) (*LoopbackClaim, error) {
	var config net.ListenConfig
	ln, err := config.Listen(ctx, "tcp4", net.JoinHostPort(loopbackHost(octet, 0), strconv.Itoa(claimPort)))
	if err != nil {
		return nil, err
	}
	return &LoopbackClaim{Octet: int(octet), ln: ln}, nil
}
