package api

import (
	"fmt"
	"io"
	"log/slog"
)

const redacted = "REDACTED"

// Secret is a password or token. However it is printed, logged or marshalled, by itself or inside
// another value, it shows as REDACTED; only Reveal gives the text.
type Secret string

// Reveal returns the secret's text. What it returns must not reach a log, an event or an answer.
func (s Secret) Reveal() string { return string(s) }

func (Secret) String() string { return redacted }

// Format covers every verb of fmt, also those that do not fit a string.
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue keeps the secret out of structured logs.
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText keeps the secret out of JSON.
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// UnmarshalText takes the secret as it is sent.
func (s *Secret) UnmarshalText(text []byte) error {
	*s = Secret(text)
	return nil
}
