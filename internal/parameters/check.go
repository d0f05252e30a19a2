// Package parameters gives the values of cache parameter groups their meaning: which values are
// allowed, and what an engine is told. It is pure; the facts are the catalog's.
package parameters

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/elastane/elastane/internal/catalog"
)

// Parameters that Check and For treat by name.
const (
	notifyKeyspaceEvents  = "notify-keyspace-events"
	renameCommands        = "rename-commands"
	reservedMemory        = "reserved-memory"
	reservedMemoryPercent = "reserved-memory-percent"
)

// Check says what is wrong with a value for a parameter; nil: nothing. It goes by the parameter's type
// and allowed values, so that no engine refuses a value that it let through.
func Check(p catalog.Parameter, value string) error {
	switch p.Name {
	case notifyKeyspaceEvents:
		// Valkey: Keyspace notifications; n and m, of newer versions, are not offered by ElastiCache.
		if strings.Trim(value, "KEg$lshzxetdA") != "" {
			return fmt.Errorf("the event classes are K, E, g, $, l, s, h, z, x, e, t, d and A")
		}
		return nil
	case renameCommands:
		return checkRenames(p, value)
	}
	var ok bool
	switch p.DataType {
	case "integer":
		var n int64
		var err error
		if n, err = strconv.ParseInt(value, 10, 64); err != nil {
			return fmt.Errorf("the value must be an integer")
		}
		ok = inRanges(p, n)
	case "float":
		n, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return fmt.Errorf("the value must be a number")
		}
		low, high, _ := strings.Cut(p.AllowedValues, "-")
		ok = n >= bound(low) && n <= bound(high)
	default:
		ok = p.AllowedValues == "" || slices.Contains(strings.Split(p.AllowedValues, ","), value)
	}
	if !ok {
		return fmt.Errorf("the allowed values are %s", p.AllowedValues)
	}
	return nil
}

// bound reads an end of a range of the catalog's, which holds only numbers.
func bound(text string) float64 {
	n, err := strconv.ParseFloat(text, 64)
	if err != nil {
		panic(fmt.Sprintf("parameters: %q is no number", text))
	}
	return n
}

// allowedRange is an entry of AllowedValues: 5, -1, 0-100, 20- or - alone.
var allowedRange = regexp.MustCompile(`^(-?\d+)?(-)?(\d+)?$`)

// inRanges tells whether one of the entries of AllowedValues holds n.
func inRanges(p catalog.Parameter, n int64) bool {
	if p.AllowedValues == "" {
		return n >= 0 && n <= ceiling(p.Name)
	}
	for entry := range strings.SplitSeq(p.AllowedValues, ",") {
		parts := allowedRange.FindStringSubmatch(entry)
		if parts == nil {
			panic(fmt.Sprintf("parameters: %s: bad range %q", p.Name, entry))
		}
		low, high := int64(-1), ceiling(p.Name) // of a range without ends: -1 stands for none of something
		if parts[1] != "" {
			low = int64(bound(parts[1]))
		}
		switch {
		case parts[3] != "":
			high = int64(bound(parts[3]))
		case parts[2] == "":
			high = low
		}
		if n >= low && n <= high {
			return true
		}
	}
	return false
}

// ceiling is where an open range ends: engines keep bytes in 64 bits and other numbers in 32.
func ceiling(name string) int64 {
	for _, suffix := range []string{"-bytes", "-limit", "-size", "-memory"} {
		if strings.HasSuffix(name, suffix) {
			return math.MaxInt64
		}
	}
	return math.MaxInt32
}

var newCommandName = regexp.MustCompile(`^[a-zA-Z0-9]{1,20}$`)

// checkRenames: pairs of a command and its new name, which may be blocked.
func checkRenames(p catalog.Parameter, value string) error {
	words := strings.Fields(value)
	if len(words)%2 != 0 {
		return fmt.Errorf("the value must be pairs of a command and its new name")
	}
	commands := strings.Split(p.AllowedValues, ",")
	for pair := range slices.Chunk(words, 2) {
		if !slices.Contains(commands, strings.ToUpper(pair[0])) {
			return fmt.Errorf("the command %s cannot be renamed", pair[0])
		}
		if !newCommandName.MatchString(pair[1]) {
			return fmt.Errorf("the new name %s must be 1 to 20 letters and digits", pair[1])
		}
	}
	return nil
}
