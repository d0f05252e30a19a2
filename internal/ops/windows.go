package ops

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/elastane/elastane/api"
)

// Windows are in UTC. A maintenance window is weekly (sat:13:00-sat:14:00), a snapshot window daily
// (05:00-06:00). AWS: Managing maintenance; Scheduling automatic backups.

const (
	minutesPerDay  = 24 * 60
	minutesPerWeek = 7 * minutesPerDay
	minWindow      = 60
)

var (
	weekdays          = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}
	maintenanceWindow = regexp.MustCompile(`^(sun|mon|tue|wed|thu|fri|sat):([01]\d|2[0-3]):([0-5]\d)-(sun|mon|tue|wed|thu|fri|sat):([01]\d|2[0-3]):([0-5]\d)$`)
	snapshotWindow    = regexp.MustCompile(`^([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)$`)
)

// window is a span of a day: minutes after midnight, and how long it is.
type window struct{ start, length int }

func (w window) overlaps(other window) bool {
	ahead := func(a, b window) bool { return (b.start-a.start+minutesPerDay)%minutesPerDay < a.length }
	return ahead(w, other) || ahead(other, w)
}

func (w window) String() string {
	end := (w.start + w.length) % minutesPerDay
	return fmt.Sprintf("%02d:%02d-%02d:%02d", w.start/60, w.start%60, end/60, end%60)
}

// chooseWindows validates the windows of a request and chooses those that it leaves open. seed makes
// the choice: a day and an hour within the region's maintenance block, and a snapshot hour outside of it.
func chooseWindows(region, maintenance, snapshot string, seed uint32) (string, string, error) {
	if maintenance == "" {
		day := weekdays[seed%7]
		w := window{start: (maintenanceBlockStart(region)*60 + int(seed/7%8)*60) % minutesPerDay, length: minWindow}
		start, end, _ := strings.Cut(w.String(), "-")
		endDay := day
		if w.start+w.length >= minutesPerDay {
			endDay = weekdays[(seed+1)%7]
		}
		maintenance = day + ":" + start + "-" + endDay + ":" + end
	}
	maintenance = strings.ToLower(maintenance)
	m, err := parseMaintenanceWindow(maintenance)
	if err != nil {
		return "", "", err
	}
	if snapshot == "" {
		for hour := range 24 {
			w := window{start: (int(seed%24) + hour) % 24 * 60, length: minWindow}
			if !w.overlaps(m) {
				return maintenance, w.String(), nil
			}
		}
		return maintenance, "00:00-01:00", nil // maintenance all day long leaves no other hour
	}
	s, err := parseSnapshotWindow(snapshot)
	if err != nil {
		return "", "", err
	}
	if s.overlaps(m) {
		return "", "", api.InvalidParameterValue("The snapshot window and maintenance window must not overlap.")
	}
	return maintenance, snapshot, nil
}

func parseMaintenanceWindow(text string) (window, error) {
	parts := maintenanceWindow.FindStringSubmatch(text)
	if parts == nil {
		return window{}, api.InvalidParameterValue("Invalid maintenance window: %s. Must be of the form ddd:hh24:mi-ddd:hh24:mi.", text)
	}
	start := slices.Index(weekdays, parts[1])*minutesPerDay + minute(parts[2], parts[3])
	end := slices.Index(weekdays, parts[4])*minutesPerDay + minute(parts[5], parts[6])
	length := (end - start + minutesPerWeek) % minutesPerWeek
	if length < minWindow || length > minutesPerDay {
		return window{}, api.InvalidParameterValue("Maintenance window must be at least 60 minutes and at most 24 hours.")
	}
	return window{start: start % minutesPerDay, length: length}, nil
}

func parseSnapshotWindow(text string) (window, error) {
	parts := snapshotWindow.FindStringSubmatch(text)
	if parts == nil {
		return window{}, api.InvalidParameterValue("Invalid snapshot window: %s. Must be of the form hh24:mi-hh24:mi.", text)
	}
	start, end := minute(parts[1], parts[2]), minute(parts[3], parts[4])
	w := window{start: start, length: (end - start + minutesPerDay) % minutesPerDay}
	if w.length < minWindow {
		return window{}, api.InvalidParameterValue("Snapshot window must be at least 60 minutes.")
	}
	return w, nil
}

// minute is the minute of the day; the callers' patterns admit only digits.
func minute(hours, minutes string) int {
	h, _ := strconv.Atoi(hours)
	m, _ := strconv.Atoi(minutes)
	return h*60 + m
}

// maintenanceBlockStart is the hour, in UTC, at which a region's eight-hour block of default
// maintenance windows begins.
func maintenanceBlockStart(region string) int {
	switch region {
	case "us-east-2":
		return 4
	case "us-west-1", "us-west-2", "us-gov-west-1":
		return 6
	case "sa-east-1":
		return 1
	case "eu-west-1":
		return 22
	case "eu-west-2", "eu-west-3", "eu-central-1":
		return 23
	case "eu-south-1":
		return 21
	case "ap-northeast-1", "ap-east-1", "af-south-1", "me-south-1", "me-central-1":
		return 13
	case "ap-northeast-2", "ap-northeast-3", "ap-southeast-2":
		return 12
	case "ap-southeast-1", "ap-southeast-3", "cn-north-1", "cn-northwest-1":
		return 14
	case "ap-south-1":
		return 17
	default:
		return 3
	}
}
