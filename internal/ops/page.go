package ops

import (
	"encoding/base64"
	"strings"

	"github.com/elastane/elastane/api"
)

// Limits of MaxRecords on Describe operations (AWS: API reference).
const (
	minRecords = 20
	maxRecords = 100
)

// markerPrefix tells our markers from other text that happens to be base64.
const markerPrefix = "1:"

// readPage reads one page of a list. fetch returns up to size rows that come after the row with the
// given key, all from the start for an empty key; key names a row. The marker is opaque to clients.
func readPage[T any](limit *int32, marker *string, key func(T) string, fetch func(after string, size int32) ([]T, error)) (rows []T, next *string, err error) {
	size := int32(maxRecords)
	if limit != nil {
		size = *limit
	}
	if size < minRecords || size > maxRecords {
		return nil, nil, api.InvalidParameterValue("Invalid value %d for MaxRecords. Must be between %d and %d.", size, minRecords, maxRecords)
	}
	after := ""
	if api.Value(marker) != "" {
		text, err := base64.RawURLEncoding.DecodeString(*marker)
		var ok bool
		if after, ok = strings.CutPrefix(string(text), markerPrefix); err != nil || !ok {
			return nil, nil, api.InvalidParameterValue("The marker is not valid.")
		}
	}
	rows, err = fetch(after, size+1)
	if err != nil {
		return nil, nil, err
	}
	if len(rows) > int(size) {
		rows = rows[:size]
		next = new(base64.RawURLEncoding.EncodeToString([]byte(markerPrefix + key(rows[size-1]))))
	}
	return rows, next, nil
}
