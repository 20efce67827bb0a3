package history

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// zones returns the names of all zones that the system knows, or a few if it has no list.
func zones(t *testing.T) []string {
	t.Helper()
	for _, path := range []string{"/usr/share/zoneinfo/tzdata.zi", "/usr/share/zoneinfo/zone1970.tab"} {
		f, err := os.Open(path)
		if err != nil {
			continue
		}
		defer f.Close()
		var names []string
		for lines := bufio.NewScanner(f); lines.Scan(); {
			words := strings.Fields(lines.Text())
			switch {
			case strings.HasSuffix(path, ".zi") && len(words) > 1 && words[0] == "Z":
				names = append(names, words[1])
			case strings.HasSuffix(path, ".tab") && len(words) > 2 && words[0][0] != '#':
				names = append(names, words[2])
			}
		}
		return names
	}
	return []string{"Europe/Berlin", "Europe/London", "Europe/Helsinki", "Australia/Sydney", "Australia/Lord_Howe", "America/Los_Angeles", "America/St_Johns"}
}

// wallFile returns a file of the days around an instant as a clock of that zone shows
// them, with the number of each slot as its energy, and the number of slots.
func wallFile(around time.Time, zone *time.Location, length time.Duration) (file string, slots int) {
	var b strings.Builder
	b.WriteString("start,load_wh\n")
	at := around.Add(-12 * time.Hour).Truncate(length)
	for ; at.Before(around.Add(12 * time.Hour)); at = at.Add(length) {
		slots++
		fmt.Fprintf(&b, "%s,%d\n", at.In(zone).Format("2006-01-02T15:04"), slots)
	}
	return b.String(), slots
}

// Go picks the first of the two hours in America and the second elsewhere, so files from
// Berlin and Sydney were refused. Lord Howe changes by half an hour, Troll by two.
func TestEveryZoneIsReadWhenSummerTimeBeginsAndEnds(t *testing.T) {
	names := append(zones(t), "Australia/Lord_Howe", "Antarctica/Troll")
	changes := 0
	for _, name := range names {
		z := zone(t, name)
		at := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC).In(z)
		for {
			_, next := at.ZoneBounds()
			if next.IsZero() || next.Year() > 2025 {
				break
			}
			at = next
			_, before := at.Add(-1).Zone()
			_, after := at.Zone()
			for _, length := range []time.Duration{time.Hour, 30 * time.Minute, 15 * time.Minute} {
				if before == after {
					continue // only a name changes
				}
				changes++
				file, slots := wallFile(at, z, length)
				s, err := ReadCSV(strings.NewReader(file), z)
				if err != nil {
					t.Errorf("%s, %v, lines %v apart: %v", name, at, length, err)
					continue
				}
				if len(s.Slots) != slots || s.Known() != slots || len(s.Notices) > 0 || !s.Slots[0].Start.Equal(at.Add(-12*time.Hour).Truncate(length)) {
					t.Errorf("%s, %v, lines %v apart: %d slots, %d of them known, from %v, %q; want %d", name, at, length, len(s.Slots), s.Known(), s.Slots[0].Start, s.Notices, slots)
				}
			}
		}
	}
	if changes < 8 {
		t.Errorf("only %d times a clock was set", changes)
	}
}

// The second of the two hours replaced the first.
func TestStatisticsOnAWallClockWhenSummerTimeEnds(t *testing.T) {
	for _, length := range []time.Duration{time.Hour, 5 * time.Minute} {
		z := zone(t, "Europe/Berlin")
		var b strings.Builder
		b.WriteString("statistic_id,start,sum\n")
		first, slots := time.Date(2025, 10, 25, 20, 0, 0, 0, time.UTC), 0
		for _, id := range []string{"sensor.home_energy", "sensor.solar_energy"} {
			slots = 0
			for at := first; at.Before(first.Add(8 * time.Hour)); at = at.Add(length) {
				slots++
				fmt.Fprintf(&b, "%s,%s,%.2f\n", id, at.In(z).Format("2006-01-02 15:04"), float64(slots*slots)/1000)
			}
		}
		s, err := ReadCSV(strings.NewReader(b.String()), z)
		if err != nil {
			t.Fatal(err)
		}
		if len(s.Slots) != slots || s.Known() != slots-1 || !s.Slots[0].Start.Equal(first) {
			t.Errorf("%v: %d slots, %d of them known, from %v; want %d", length, len(s.Slots), s.Known(), s.Slots[0].Start, slots)
		}
	}
}

func TestSecondsWithAFraction(t *testing.T) {
	s, err := ReadCSV(strings.NewReader("statistic_id,start_ts,sum\nsensor.home_energy,1784156400.0,1\nsensor.home_energy,1784160000.0,2\n"), time.UTC)
	if err != nil || len(s.Slots) != 2 || s.Slots[0].Start.Unix() != 1784156400 {
		t.Errorf("%v, %v", s.Slots, err)
	}
}
