package ops

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/elastane/elastane/api"
)

func TestChosenWindowsNeverOverlap(t *testing.T) {
	regions := []string{"us-east-1", "us-west-2", "eu-west-1", "eu-central-1", "ap-south-1", "mars-north-1"}
	rapid.Check(t, func(t *rapid.T) {
		region := rapid.SampledFrom(regions).Draw(t, "region")
		maintenance, snapshot, err := chooseWindows(region, "", "", rapid.Uint32().Draw(t, "seed"))
		if err != nil {
			t.Fatal(err)
		}
		m, maintenanceErr := parseMaintenanceWindow(maintenance)
		s, snapshotErr := parseSnapshotWindow(snapshot)
		if maintenanceErr != nil || snapshotErr != nil || m.overlaps(s) || m.length != 60 || s.length != 60 {
			t.Fatalf("%s, %s: %v, %v", maintenance, snapshot, maintenanceErr, snapshotErr)
		}
	})
}

func TestWindowLimits(t *testing.T) {
	for text, ok := range map[string]bool{
		"sun:23:30-mon:00:30": true, "sat:23:00-sun:23:00": true, "mon:00:00-mon:01:00": true,
		"mon:00:00-mon:00:59": false, "sat:23:00-sun:23:01": false, "mon:24:00-tue:01:00": false, "mon:00:00-mon:00:00": false,
	} {
		if _, err := parseMaintenanceWindow(text); (err == nil) != ok {
			t.Errorf("%s: %v", text, err)
		}
	}
	for text, ok := range map[string]bool{"23:30-00:30": true, "00:00-01:00": true, "00:00-00:59": false, "00:00-00:00": false, "0:00-1:00": false} {
		if _, err := parseSnapshotWindow(text); (err == nil) != ok {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func FuzzWindows(f *testing.F) {
	f.Add("sun:05:00-sun:06:00", "07:00-08:00")
	f.Fuzz(func(t *testing.T, maintenance, snapshot string) {
		gotMaintenance, gotSnapshot, err := chooseWindows("us-east-1", maintenance, snapshot, 0)
		if err != nil {
			return
		}
		if _, err := parseMaintenanceWindow(gotMaintenance); err != nil {
			t.Fatalf("%q gives %q: %v", maintenance, gotMaintenance, err)
		}
		if _, err := parseSnapshotWindow(gotSnapshot); err != nil {
			t.Fatalf("%q gives %q: %v", snapshot, gotSnapshot, err)
		}
	})
}

func FuzzParseARN(f *testing.F) {
	f.Add("arn:aws:elasticache:us-east-1:000000000000:cluster:My-redis")
	caller := api.Caller{Account: "000000000000", Region: "us-east-1", Partition: "aws"}
	f.Fuzz(func(t *testing.T, text string) {
		kind, id, err := parseARN(caller, text)
		if err == nil && !strings.EqualFold(caller.ARN(kind, id), text) && strings.ToLower(text) == text {
			t.Fatalf("%q is %q %q", text, kind, id)
		}
	})
}
