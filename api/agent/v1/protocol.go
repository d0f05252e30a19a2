package agentv1

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strings"
)

// ProtocolVersion is the version of the protocol that this program speaks.
const ProtocolVersion = 1

// ServerName is the name in the certificate of every control plane. Agents expect this name whatever
// address they dial, so neither new addresses nor load balancers need a new certificate.
const ServerName = "control-plane.elastane.internal"

// A join token reads "elj1.<fingerprint>.<secret>": the SHA-256 of the authority's certificate, by
// which a new agent knows the control plane, and random bytes, both in unpadded URL-safe base64.
const joinTokenVersion = "elj1"

// errJoinToken never quotes the token: it is a credential.
var errJoinToken = errors.New("malformed join token")

// NewJoinToken writes a join token for the authority with the given certificate (DER).
func NewJoinToken(authority, secret []byte) string {
	fingerprint := sha256.Sum256(authority)
	return strings.Join([]string{
		joinTokenVersion,
		base64.RawURLEncoding.EncodeToString(fingerprint[:]),
		base64.RawURLEncoding.EncodeToString(secret),
	}, ".")
}

// JoinTokenFingerprint reads the SHA-256 of the authority's certificate from a join token.
func JoinTokenFingerprint(token string) ([sha256.Size]byte, error) {
	var fingerprint [sha256.Size]byte
	parts := strings.Split(token, ".")
	if len(parts) != 3 || parts[0] != joinTokenVersion || parts[2] == "" {
		return fingerprint, errJoinToken
	}
	decoded, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil || len(decoded) != len(fingerprint) {
		return fingerprint, errJoinToken
	}
	copy(fingerprint[:], decoded)
	return fingerprint, nil
}
