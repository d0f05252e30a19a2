// Package slots reads and makes the hash slot ranges of shards, in the form that the API writes:
// 0-5461 or 0-10,20,30-40.
package slots

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Count is the number of hash slots of a cluster.
const Count = 16384

// Range is a run of slots, both ends included.
type Range struct{ Start, End int }

// Parse reads ranges start-end and single slots, separated by commas. Ranges must rise and not overlap.
func Parse(text string) ([]Range, error) {
	var ranges []Range
	next := 0
	for part := range strings.SplitSeq(text, ",") {
		first, last, isRange := strings.Cut(part, "-")
		if !isRange {
			last = first
		}
		start, startOK := parse(first)
		end, endOK := parse(last)
		if !startOK || !endOK || start < next || end < start {
			return nil, fmt.Errorf("invalid slots %q", text)
		}
		ranges = append(ranges, Range{start, end})
		next = end + 1
	}
	return ranges, nil
}

// parse reads one slot: digits only, at most Count-1.
func parse(text string) (int, bool) {
	slot, err := strconv.ParseUint(text, 10, 16)
	return int(slot), err == nil && slot < Count //nolint:gosec // 16 bits
}

// Format writes ranges in the API's form.
func Format(ranges []Range) string {
	parts := make([]string, len(ranges))
	for i, r := range ranges {
		parts[i] = strconv.Itoa(r.Start) + "-" + strconv.Itoa(r.End)
		if r.Start == r.End {
			parts[i] = strconv.Itoa(r.Start)
		}
	}
	return strings.Join(parts, ",")
}

// Even divides all slots over n shards as ElastiCache does: neighbouring ranges, the first shards one
// slot larger where n does not divide evenly. n is from 1 to Count.
func Even(n int) []string {
	shares := make([]string, n)
	start := 0
	for i := range shares {
		size := Count / n
		if i < Count%n {
			size++
		}
		shares[i] = Format([]Range{{start, start + size - 1}})
		start += size
	}
	return shares
}

// Cover checks that the shards' ranges hold every slot exactly once.
func Cover(shards [][]Range) error {
	all := slices.Concat(shards...)
	slices.SortFunc(all, func(a, b Range) int { return a.Start - b.Start })
	next := 0
	for _, r := range all {
		switch {
		case r.Start < next:
			return fmt.Errorf("slot %d is in two shards", r.Start)
		case r.Start > next:
			return fmt.Errorf("slot %d is in no shard", next)
		}
		next = r.End + 1
	}
	if next != Count {
		return fmt.Errorf("slot %d is in no shard", next)
	}
	return nil
}
