package app

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseCredentials(t *testing.T) {
	t.Parallel()
	got, err := parseCredentials(strings.NewReader(`
# for the platform team
[default]
aws_access_key_id = AKIAONE
aws_secret_access_key = first/secret=
region = eu-west-1

[ci]
aws_access_key_id=AKIATWO
aws_secret_access_key=second
aws_account_id = 123456789012
`))
	require.NoError(t, err)
	require.Equal(t, []Credential{
		{AccessKeyID: "AKIAONE", SecretAccessKey: "first/secret=", AccountID: DefaultAccountID},
		{AccessKeyID: "AKIATWO", SecretAccessKey: "second", AccountID: "123456789012"},
	}, got)
}

func TestParseCredentialsErrors(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"empty":             "",
		"no section":        "aws_access_key_id = A",
		"no secret":         "[a]\naws_access_key_id = A\n",
		"no key":            "[a]\naws_secret_access_key = hidden\n[b]\n",
		"not an assignment": "[a]\nhidden\n",
		"account":           "[a]\naws_account_id = hidden\n",
		"twice":             "[a]\naws_access_key_id=A\naws_secret_access_key=hidden\n[b]\naws_access_key_id=A\naws_secret_access_key=hidden\n",
	} {
		_, err := parseCredentials(strings.NewReader(text))
		require.Error(t, err, name)
		require.NotContains(t, err.Error(), "hidden", name)
	}
}

func FuzzParseCredentials(f *testing.F) {
	f.Add("[a]\naws_access_key_id=A\naws_secret_access_key=b\n")
	f.Add("[")
	f.Add("=\n[]\n=")
	f.Fuzz(func(t *testing.T, text string) {
		all, err := parseCredentials(strings.NewReader(text))
		if err != nil {
			return
		}
		for _, c := range all {
			if c.AccessKeyID == "" || c.SecretAccessKey == "" || !accountPattern.MatchString(c.AccountID) {
				t.Fatalf("accepted an incomplete key pair of section %+v", c.AccountID)
			}
		}
	})
}
