package config

import (
	"testing"
	"time"

	"powermgr/bridge"
	"powermgr/devices"
)

func TestWhatIsAheadOfAMonth(t *testing.T) {
	c, _, err := load(t, base)
	if err != nil {
		t.Fatal(err)
	}
	calendar := c.Calendar()
	at := func(clock string) time.Time {
		at, err := time.ParseInLocation("2006-01-02 15:04", clock, calendar.Location)
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	const hour = time.Hour
	for _, tt := range []struct {
		name, at string
		want     bridge.Ahead
	}{
		{"a summer month", "2026-07-01 00:00", bridge.Ahead{Peak: 23 * 7 * hour / 2, Other: 31*24*hour - 23*7*hour/2, Peaks: 23}},
		{"the middle of a peak", "2026-07-31 17:00", bridge.Ahead{Peak: 2 * hour, Other: 5 * hour, Peaks: 1}},
		{"the middle of a lead", "2026-07-31 15:45", bridge.Ahead{Peak: 3*hour + 15*time.Minute, Other: 5 * hour, Peaks: 1}},
		{"after the last peak", "2026-07-31 19:00", bridge.Ahead{Other: 5 * hour}},
		{"the end of the month in which daylight saving time ends", "2026-11-28 00:00", bridge.Ahead{Peak: 7 * hour, Other: 65 * hour, Peaks: 2}},
		{"the whole month in which daylight saving time ends", "2026-11-01 00:00", bridge.Ahead{Peak: 21 * 7 * hour, Other: (30*24+1)*hour - 21*7*hour, Peaks: 42}},
		{"the last moment", "2026-12-31 23:59", bridge.Ahead{Other: time.Minute}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := AheadOf(calendar, at(tt.at)); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

// Whatever the owner configures, it is noticed in time if a vendor stops answering in a
// peak.
func TestNobodyWaitsLongerThanFourMinutesInAPeak(t *testing.T) {
	for _, calls := range []string{"0", "2000", "5000"} {
		c, _, err := load(t, base+"tesla: {api_token: a, calls_per_month: "+calls+"}\npoll: {powerwall_peak_seconds: 3600, thermostat_seconds: 3600}\n")
		if err != nil {
			t.Fatal(err)
		}
		if paces, _ := c.busiestMonth(); paces.Peak != devices.PeakPoll || Seconds(c.Poll.ThermostatsInPeak()) != devices.PeakPoll {
			t.Errorf("with %s calls a month: the Powerwall every %v, thermostats every %d s", calls, paces.Peak, c.Poll.ThermostatsInPeak())
		}
	}
}

func TestWhatCallsMayCost(t *testing.T) {
	day := func(d int) time.Time { return time.Date(2026, 11, d, 0, 0, 0, 0, time.UTC) }
	limit := 5000
	for _, tt := range []struct {
		made  int
		limit *int
		now   time.Time
		want  string
	}{
		{2350, &limit, day(16), "2,350 of 5,000 calls this month: at this rate about 4,700, $0 to $9"},
		{15000, new(int), day(16), "15,000 calls this month: at this rate about 30,000, $0 to $60"},
		{90, &limit, day(1).Add(23 * time.Hour), "90 of 5,000 calls this month"},
		{0, nil, day(20), "0 calls this month"},
	} {
		if got := Calls(tt.made, tt.limit, tt.now); got != tt.want {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
}
