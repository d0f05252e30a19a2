package agentv1

import (
	"crypto/sha256"
	"testing"
)

func TestJoinTokenNamesItsAuthority(t *testing.T) {
	t.Parallel()
	authority := []byte("a certificate")
	got, err := JoinTokenFingerprint(NewJoinToken(authority, []byte("secret")))
	if err != nil || got != sha256.Sum256(authority) {
		t.Errorf("fingerprint = %x, error %v", got, err)
	}
	for _, bad := range []string{"", "elj1", "elj1.x.y", "elj2" + NewJoinToken(authority, []byte("secret"))[4:], NewJoinToken(authority, nil)} {
		if _, err := JoinTokenFingerprint(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

func FuzzJoinToken(f *testing.F) {
	f.Add(NewJoinToken([]byte("a certificate"), []byte("secret")))
	f.Add("elj1..")
	f.Fuzz(func(t *testing.T, token string) {
		fingerprint, err := JoinTokenFingerprint(token)
		if err != nil && fingerprint != [sha256.Size]byte{} {
			t.Errorf("a refused token gave %x", fingerprint)
		}
	})
}
