package sigv4

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

const unsignedPayload = "UNSIGNED-PAYLOAD"

// Verify computes the signature of the request anew with the signer's secret and compares. body is the whole body
// that was received. A body whose hash is not the one that was signed is refused; a signer may leave the
// body out by declaring UNSIGNED-PAYLOAD.
func (s *Signature) Verify(r *http.Request, body []byte, secret string) error {
	canonical := s.canonicalRequest(r, payloadHash(r, body))
	toSign := s.stringToSign(canonical)
	want := hex.EncodeToString(hmacSHA256(s.signingKey(secret), toSign))
	if subtle.ConstantTimeCompare([]byte(want), []byte(s.signature)) == 1 {
		return nil
	}
	return refuse(Mismatch, "The request signature we calculated does not match the signature you provided. "+
		"Check your AWS Secret Access Key and signing method. Consult the service documentation for details.\n\n"+
		"The Canonical String for this request should have been\n'%s'\n\nThe String-to-Sign should have been\n'%s'\n", canonical, toSign)
}

// payloadHash is the last line of the canonical request. It is the hash of what was received, whatever the
// client declares, so that a body that was changed on the way cannot match.
func payloadHash(r *http.Request, body []byte) string {
	declared := r.Header.Get("X-Amz-Content-Sha256")
	if declared == "" {
		declared = r.URL.Query().Get("X-Amz-Content-Sha256")
	}
	if declared == unsignedPayload {
		return unsignedPayload
	}
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

func (s *Signature) canonicalRequest(r *http.Request, payloadHash string) string {
	var b strings.Builder
	b.WriteString(r.Method + "\n")
	b.WriteString(canonicalPath(r.URL) + "\n")
	b.WriteString(s.canonicalQuery(r.URL.RawQuery) + "\n")
	for _, name := range s.signedHeaders {
		b.WriteString(name + ":" + canonicalHeader(r, name) + "\n")
	}
	b.WriteString("\n" + strings.Join(s.signedHeaders, ";") + "\n" + payloadHash)
	return b.String()
}

// canonicalPath escapes the path as it was sent once more, which every service but S3 asks for.
func canonicalPath(u *url.URL) string {
	path := u.EscapedPath()
	if path == "" {
		return "/"
	}
	var b strings.Builder
	for _, c := range []byte(path) {
		if c == '/' || unreserved(c) {
			b.WriteByte(c)
		} else {
			b.WriteString(percent(c))
		}
	}
	return b.String()
}

// canonicalQuery escapes and sorts the query string; a presigned URL's signature is not part of it.
func (s *Signature) canonicalQuery(raw string) string {
	var pairs []string
	for pair := range strings.SplitSeq(raw, "&") {
		if pair == "" {
			continue
		}
		key, value, _ := strings.Cut(pair, "=")
		if s.presigned && key == "X-Amz-Signature" {
			continue
		}
		pairs = append(pairs, recode(key)+"="+recode(value))
	}
	slices.SortFunc(pairs, func(a, b string) int {
		ka, va, _ := strings.Cut(a, "=")
		kb, vb, _ := strings.Cut(b, "=")
		if c := strings.Compare(ka, kb); c != 0 {
			return c
		}
		return strings.Compare(va, vb)
	})
	return strings.Join(pairs, "&")
}

// recode brings a query component, however the client escaped it, into the one form that is signed. What
// is not decodable stays as it is.
func recode(component string) string {
	text, err := url.QueryUnescape(component)
	if err != nil {
		text = component
	}
	var b strings.Builder
	for _, c := range []byte(text) {
		if unreserved(c) {
			b.WriteByte(c)
		} else {
			b.WriteString(percent(c))
		}
	}
	return b.String()
}

func unreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_' || c == '.' || c == '~'
}

func percent(c byte) string {
	const digits = "0123456789ABCDEF"
	return "%" + string(digits[c>>4]) + string(digits[c&15])
}

// canonicalHeader joins a header's values with commas, each trimmed and with runs of spaces made one.
func canonicalHeader(r *http.Request, name string) string {
	switch name {
	case "host":
		return r.Host
	case "content-length":
		// net/http may keep it in the field alone.
		if r.Header.Get(name) == "" && r.ContentLength >= 0 {
			return strconv.FormatInt(r.ContentLength, 10)
		}
	}
	values := r.Header.Values(name)
	trimmed := make([]string, len(values))
	for i, v := range values {
		trimmed[i] = strings.Join(strings.FieldsFunc(v, func(c rune) bool { return c == ' ' }), " ")
	}
	return strings.Join(trimmed, ",")
}

func (s *Signature) scope() string {
	return strings.Join([]string{s.date, s.Region, s.service, terminator}, "/")
}

func (s *Signature) stringToSign(canonical string) string {
	sum := sha256.Sum256([]byte(canonical))
	return strings.Join([]string{algorithm, s.Time.Format(timeFormat), s.scope(), hex.EncodeToString(sum[:])}, "\n")
}

func (s *Signature) signingKey(secret string) []byte {
	key := []byte("AWS4" + secret)
	for _, part := range []string{s.date, s.Region, s.service, terminator} {
		key = hmacSHA256(key, part)
	}
	return key
}

func hmacSHA256(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}
