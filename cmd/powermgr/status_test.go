package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"powermgr/cmd/local"
)

func TestWhatIsPlannedOfPrecooling(t *testing.T) {
	home := time.FixedZone("home", -7*3600)
	at := func(hour int) time.Time { return time.Date(2026, 7, 15, hour, 0, 0, 0, home) }
	from, hot, mild := 95.0, 103.4, 88.0
	for _, c := range []struct {
		name     string
		lead     time.Time
		from     *float64
		forecast *float64
		want     string
	}{
		{"never in this season", at(15), nil, &hot, ""},
		{"today, hot", at(15), &from, &hot, "; precools from 15:00, because the forecast is 103 °F"},
		{"today, mild", at(15), &from, &mild, "; no precooling, because the forecast is only 88 °F, not 95 °F"},
		{"today, without a forecast", at(15), &from, nil, "; precools from 15:00 if the forecast is at least 95 °F"},
		{"tomorrow, which today's forecast does not cover", at(24 + 15), &from, &hot, "; precools from Thu 15:00 if the forecast is at least 95 °F"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := page{Status: local.Status{Now: at(9)}}
			if got := p.precooling(local.Window{Lead: c.lead, Start: c.lead.Add(time.Hour), PrecoolF: c.from}, c.forecast); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

// A hold until a time read "hold until until 17:30".
func TestAHoldUntilATimeIsSaidOnce(t *testing.T) {
	var out strings.Builder
	p := page{local.Status{Now: time.Date(2026, 7, 15, 12, 0, 0, 0, time.UTC), Topics: map[string]json.RawMessage{
		"thermostat/1/state": json.RawMessage(`{"name": "Hall", "mode": "cool", "hold": "until", "hold_until": "2026-07-15T17:30:00Z", "polled_at": "2026-07-15T12:00:00Z"}`),
	}}, &out}
	if err := p.print(); err != nil || !strings.Contains(out.String(), "hold until 17:30") || strings.Contains(out.String(), "until until") {
		t.Errorf("%v: %s", err, out.String())
	}
}

func TestWhatTheDayHasComeToIsSaid(t *testing.T) {
	for _, row := range []struct{ name, today, want string }{
		{"with prices", `{"peak_import_kwh": 1.2, "peak_import_without_kwh": 6.5, "saved": 2.14, "currency": "$", "month": {"saved": -1.5}}`,
			"Today       1.2 kWh from the grid in peaks instead of 6.5; $2.14 saved; $1.50 more paid this month\n"},
		{"before the peak", `{"peak_import_kwh": 0, "currency": "EUR", "month": {}}`, "Today       0.0 kWh from the grid in peaks\n"},
		{"with forecasts of yesterday", `{"peak_import_kwh": 0, "month": {}, "forecast": {"date": "2026-07-14", "load_off_percent": 21.5, "sun_off_percent": null, "load_kwh": 24, "load_forecast_kwh": 21.3}}`,
			"Today       0.0 kWh from the grid in peaks\nForecasts   for 2026-07-14, average error of a half hour: home 22 % (21.3 kWh forecast, 24.0 used)\n"},
		{"nothing is known", `{"peak_import_kwh": null}`, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			var out strings.Builder
			page{local.Status{Topics: map[string]json.RawMessage{"control/today": json.RawMessage(row.today)}}, &out}.today()
			if out.String() != row.want {
				t.Errorf("%q, want %q", out.String(), row.want)
			}
		})
	}
}
