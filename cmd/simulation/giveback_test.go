package simulation

import (
	"strings"
	"testing"

	"powermgr/devices/emulator"
)

// TestWhatAPeakChangedIsGivenBackInTime simulates the end of a peak with a vendor that is
// down, gives incomplete answers, or is briefly unusable.
func TestWhatAPeakChangedIsGivenBackInTime(t *testing.T) {
	status := func(endpoint string, status, retryAfter, count int) emulator.Fault {
		return emulator.Fault{Endpoint: endpoint, Class: emulator.Status, Status: status, RetryAfter: retryAfter, Count: count}
	}
	for _, c := range []struct {
		name, backend string
		begins, ends  string // of the faults; no end: they last, or are over when they have been met
		faults        []emulator.Fault
		device        string
		from, by      string // when it has to be written
	}{
		{"one 401 of a read", "tcc", "18:58:30", "", []emulator.Fault{status("tesla.live_status", 401, 0, 2)}, "powerwall", "19:00", "19:00:30"},
		{"two bare 403 of the command", "tcc", "18:58:30", "", []emulator.Fault{status("tesla.backup", 403, 0, 2)}, "powerwall", "19:00", "19:02"},
		{"401 for ten minutes", "tcc", "18:55", "19:05", []emulator.Fault{status("tesla.*", 401, 0, -1)}, "powerwall", "19:05", "19:08"},
		{"a limit of reads for hours", "tcc", "18:55", "", []emulator.Fault{status("tesla.live_status", 429, 48000, 1)}, "powerwall", "19:00", "19:00:30"},
		{"a limit of reads, and a command that fails", "tcc", "18:55", "", []emulator.Fault{status("tesla.live_status", 429, 48000, 1), status("tesla.backup", 400, 0, 3)}, "powerwall", "19:05", "19:25"},
		{"an outage of minutes", "tcc", "18:55", "19:10", []emulator.Fault{status("tesla.*", 503, 0, -1)}, "powerwall", "19:10", "19:12:30"},
		{"an outage of an hour", "tcc", "18:55", "19:55", []emulator.Fault{status("tesla.*", 503, 0, -1)}, "powerwall", "19:55", "19:57:30"},
		{"an outage without an answer", "tcc", "18:55", "19:10", []emulator.Fault{{Endpoint: "tesla.*", Class: emulator.Hang, Count: -1}}, "powerwall", "19:10", "19:12:30"},
		{"a limit of reads for hours, resideo", "resideo", "18:50", "", []emulator.Fault{status("resideo.locations", 429, 48000, 1)}, upstairs, "19:00", "19:00:30"},
		{"an outage, resideo", "resideo", "18:55", "19:10", []emulator.Fault{status("resideo.*", 503, 0, -1)}, upstairs, "19:10", "19:12:30"},
		{"one 401, resideo", "resideo", "18:52", "", []emulator.Fault{status("resideo.locations", 401, 0, 2)}, upstairs, "19:00", "19:01"},
		{"an outage, tcc", "tcc", "18:55", "19:10", []emulator.Fault{status("tcc.*", 503, 0, -1)}, upstairs, "19:10", "19:12:30"},
		{"401 for ten minutes, tcc", "tcc", "18:55", "19:05", []emulator.Fault{status("tcc.check", 401, 0, -1), status("tcc.submit", 401, 0, -1)}, upstairs, "19:05", "19:07:30"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := lives(t, hot(1, c.backend), func(d *day) {
				for _, f := range c.faults {
					d.on(c.begins, func() { d.fault(f) })
				}
				if c.ends != "" {
					d.on(c.ends, func() { d.cloud.ClearFaults() })
				}
			})
			if n := len(d.wrote(c.device, c.from, c.by)); n == 0 {
				t.Errorf("it was not given back between %s and %s", c.from, c.by)
			}
			for _, part := range []string{"powerwall", "thermostats"} {
				if strings.Contains(strings.Join(d.said(part+"/api", "18:00", "20:30"), ""), `"reauthorise":true`) {
					t.Errorf("somebody is asked to authorize again: %s", part)
				}
			}
		})
	}
}
