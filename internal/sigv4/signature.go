// Package sigv4 reads and verifies AWS Signature Version 4 on the server's side, in headers and in
// presigned URLs (AWS: Signature Version 4 for API requests).
package sigv4

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	algorithm  = "AWS4-HMAC-SHA256"
	terminator = "aws4_request"
	timeFormat = "20060102T150405Z"
	dateFormat = "20060102"

	// MaxSkew is how far a request's time may be from ours.
	MaxSkew = 15 * time.Minute
	// MaxExpires is the longest life of a presigned URL.
	MaxExpires = 7 * 24 * time.Hour
)

// Kind tells why a signature is refused.
type Kind int

const (
	// Missing: the request carries no signature at all.
	Missing Kind = iota
	// Incomplete: there is one, but it cannot be understood.
	Incomplete
	// Mismatch: it is understood and wrong, or its time is.
	Mismatch
)

// Error is a refusal. Its message is for the client, in AWS's wording; it tells nothing the client did not send.
type Error struct {
	Kind    Kind
	Message string
}

func (e *Error) Error() string { return e.Message }

func refuse(kind Kind, format string, args ...any) *Error {
	return &Error{Kind: kind, Message: fmt.Sprintf(format, args...)}
}

// Signature is what a request says about its signer. Nothing of it is to be trusted before Verify.
type Signature struct {
	AccessKeyID  string
	Region       string
	SessionToken string    // empty for long-term keys
	Time         time.Time // when the request was signed

	date          string // day of the credential scope
	service       string
	signedHeaders []string // lower case, in the order given
	signature     string   // hex
	presigned     bool
	expires       time.Duration // presigned only
}

// Parse reads the signature of a request to the given service (such as elasticache) from the Authorization
// header or, if there is none, from the query string. It checks form and scope, neither time nor signature.
func Parse(r *http.Request, service string) (*Signature, error) {
	s := &Signature{service: service}
	var err error
	if header := r.Header.Get("Authorization"); header != "" {
		err = s.parseHeader(r, header)
	} else if query := r.URL.Query(); query.Has("X-Amz-Algorithm") || query.Has("X-Amz-Signature") {
		err = s.parseQuery(query)
	} else {
		err = refuse(Missing, "Request is missing Authentication Token")
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

func (s *Signature) parseHeader(r *http.Request, header string) error {
	scheme, rest, _ := strings.Cut(strings.TrimSpace(header), " ")
	if scheme != algorithm {
		return refuse(Incomplete, "Unsupported AWS 'algorithm': %s.", strconv.Quote(cut(scheme)))
	}
	fields := map[string]string{}
	for field := range strings.SplitSeq(rest, ",") {
		key, value, ok := strings.Cut(strings.TrimSpace(field), "=")
		if !ok || key == "" {
			return refuse(Incomplete, "%s not a valid key=value pair (missing equal-sign) in Authorization header.", strconv.Quote(cut(field)))
		}
		fields[key] = value
	}
	timestamp := r.Header.Get("X-Amz-Date")
	if timestamp == "" {
		// RFC 9110 dates are allowed too; AWS turns them into its own form.
		if t, err := http.ParseTime(r.Header.Get("Date")); err == nil {
			timestamp = t.UTC().Format(timeFormat)
		}
	}
	var missing []string
	for _, key := range []string{"Credential", "Signature", "SignedHeaders"} {
		if fields[key] == "" {
			missing = append(missing, "Authorization header requires '"+key+"' parameter.")
		}
	}
	if timestamp == "" {
		missing = append(missing, "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.")
	}
	if len(missing) > 0 {
		return refuse(Incomplete, "%s", strings.Join(missing, " "))
	}
	s.SessionToken = r.Header.Get("X-Amz-Security-Token")
	return s.fill(fields["Credential"], timestamp, fields["SignedHeaders"], fields["Signature"])
}

func (s *Signature) parseQuery(query map[string][]string) error {
	get := func(key string) string {
		if v := query[key]; len(v) > 0 {
			return v[0]
		}
		return ""
	}
	if a := get("X-Amz-Algorithm"); a != algorithm {
		return refuse(Incomplete, "Unsupported AWS 'algorithm': %s.", strconv.Quote(cut(a)))
	}
	var missing []string
	for _, key := range []string{"X-Amz-Credential", "X-Amz-Signature", "X-Amz-SignedHeaders", "X-Amz-Date"} {
		if get(key) == "" {
			missing = append(missing, "AWS query-string parameters must include '"+key+"'.")
		}
	}
	if len(missing) > 0 {
		return refuse(Incomplete, "%s Re-examine the query-string parameters.", strings.Join(missing, " "))
	}
	s.presigned = true
	s.expires = MaxSkew // the AWS CLI and old signers leave it out for Query APIs
	if text := get("X-Amz-Expires"); text != "" {
		seconds, err := strconv.ParseUint(text, 10, 31)
		s.expires = time.Duration(seconds) * time.Second
		if err != nil || s.expires <= 0 || s.expires > MaxExpires {
			return refuse(Incomplete, "X-Amz-Expires must be a number of seconds between 1 and %d.", int(MaxExpires.Seconds()))
		}
	}
	s.SessionToken = get("X-Amz-Security-Token")
	return s.fill(get("X-Amz-Credential"), get("X-Amz-Date"), get("X-Amz-SignedHeaders"), get("X-Amz-Signature"))
}

// fill takes over the four parts that both forms of a signature have.
func (s *Signature) fill(credential, timestamp, signedHeaders, signature string) error {
	// The key id may hold slashes; the scope's four parts may not.
	parts := strings.Split(credential, "/")
	n := len(parts)
	if n < 5 || parts[0] == "" {
		return refuse(Incomplete, "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got %s",
			strconv.Quote(cut(credential)))
	}
	s.AccessKeyID = strings.Join(parts[:n-4], "/")
	s.date, s.Region = parts[n-4], parts[n-3]

	t, err := time.Parse(timeFormat, timestamp)
	if err != nil {
		return refuse(Incomplete, "Date must be in ISO-8601 'basic format'. Got %s. See http://en.wikipedia.org/wiki/ISO_8601",
			strconv.Quote(cut(timestamp)))
	}
	s.Time = t
	s.signature = signature
	s.signedHeaders = strings.Split(strings.ToLower(signedHeaders), ";")

	switch {
	case parts[n-1] != terminator:
		return refuse(Mismatch, "Credential should be scoped with a valid terminator: '%s', not %s.", terminator, strconv.Quote(cut(parts[n-1])))
	case parts[n-2] != s.service:
		return refuse(Mismatch, "Credential should be scoped to correct service: '%s'. ", s.service)
	case !ValidRegion(s.Region):
		return refuse(Mismatch, "Credential should be scoped to a valid region. ")
	case s.date != t.Format(dateFormat):
		return refuse(Mismatch, "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: %s != '%s', from '%s'.",
			strconv.Quote(cut(s.date)), t.Format(dateFormat), timestamp)
	}
	for _, h := range s.signedHeaders {
		if h == "host" {
			return nil
		}
	}
	return refuse(Mismatch, "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.")
}

// ValidRegion reports whether region may be one. It keeps regions to the characters of AWS's own, since they become part of ARNs and host names.
func ValidRegion(region string) bool {
	if region == "" || len(region) > 32 {
		return false
	}
	for _, c := range []byte(region) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}

// CheckTime refuses a signature that is more than MaxSkew away from now, or a presigned URL past its life.
func (s *Signature) CheckTime(now time.Time) error {
	now = now.UTC().Truncate(time.Second)
	life := MaxSkew
	if s.presigned {
		life = s.expires
	}
	if limit := now.Add(-life); s.Time.Before(limit) {
		return refuse(Mismatch, "Signature expired: %s is now earlier than %s (%s - %s)",
			s.Time.Format(timeFormat), limit.Format(timeFormat), now.Format(timeFormat), span(life))
	}
	if limit := now.Add(MaxSkew); s.Time.After(limit) {
		return refuse(Mismatch, "Signature not yet current: %s is still later than %s (%s + %s)",
			s.Time.Format(timeFormat), limit.Format(timeFormat), now.Format(timeFormat), span(MaxSkew))
	}
	return nil
}

func span(d time.Duration) string {
	if d%time.Minute == 0 {
		return strconv.Itoa(int(d/time.Minute)) + " min."
	}
	return strconv.Itoa(int(d/time.Second)) + " sec."
}

// cut keeps what a client sent from making messages long.
func cut(s string) string {
	const most = 100
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}
