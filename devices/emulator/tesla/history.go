package tesla

import (
	"hash/fnv"
	"math"
	"net/http"
	"strconv"
	"time"

	"powermgr/devices/emulator"
)

// How calendar_history shows the history of the house.

// HistoryQuirks say how calendar_history differs from the house's real history. Its JSON
// is the body of POST /emulator/history. With the zero value it does not differ, except
// that an end at midnight answers zeros, as Tesla's does.
type HistoryQuirks struct {
	// LagSeconds is how long an entry takes to appear after its end.
	LagSeconds float64 `json:"lag_seconds"`
	// RevisedSeconds is how long an entry shows only three quarters of its final value.
	RevisedSeconds float64 `json:"revised_seconds"`
	// Missing is the share of entries that are left out. They are always the same ones.
	Missing float64 `json:"missing"`
	// OneOffset gives all entries of a day the UTC offset of its midnight, even after
	// the clock has changed.
	OneOffset bool `json:"one_offset"`
	// Padded fills the day up to its end with entries of zeros.
	Padded bool `json:"padded"`
	// NoTotals leaves out the totals, which not every client gets.
	NoTotals bool `json:"no_totals"`
}

// SetHistory changes how calendar_history behaves from now on.
func (a *API) SetHistory(q HistoryQuirks) {
	a.cloud.Locked(func() { a.options.History = q })
}

func (a *API) history(w http.ResponseWriter, r *http.Request, h *emulator.House) {
	q := r.URL.Query()
	zone, err := time.LoadLocation(q.Get("time_zone"))
	from, err1 := time.Parse(time.RFC3339, q.Get("start_date"))
	until, err2 := time.Parse(time.RFC3339, q.Get("end_date"))
	if err != nil || err1 != nil || err2 != nil || q.Get("kind") != "energy" || q.Get("period") != "day" {
		envelope(w, http.StatusBadRequest, nil, "invalid_request")
		return
	}
	t := telling{HistoryQuirks: a.options.History, seed: a.cloud.Seed(), now: a.cloud.Now(), zone: zone}
	end := until.In(zone)
	t.zeros = end.Hour() == 0 && end.Minute() == 0 && end.Second() == 0
	series := []entry{}
	for _, s := range h.History() {
		if at := time.Unix(s.Start, 0); !at.Before(from) && !at.After(until) && t.tells(at) {
			series = append(series, t.entry(s))
		}
	}
	if next := t.now.Truncate(emulator.StretchLength).Add(emulator.StretchLength); t.Padded {
		for ; !next.After(until); next = next.Add(emulator.StretchLength) {
			series = append(series, t.entry(emulator.Stretch{Start: next.Unix()}))
		}
	}
	envelope(w, http.StatusOK, map[string]any{
		"serial_number": "1232100-00-E--TG123456789012", "period": "day", "installation_time_zone": h.Location().String(), "time_series": series,
	}, "")
}

// telling holds what one answer of calendar_history depends on.
type telling struct {
	HistoryQuirks
	seed  uint64
	now   time.Time
	zone  *time.Location
	zeros bool
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// tells reports whether the answer includes the entry that begins at at.
func (t telling) tells(at time.Time) bool {
	if t.LagSeconds > 0 && t.now.Before(at.Add(emulator.StretchLength+seconds(t.LagSeconds))) {
		return false
	}
	if t.Missing == 0 {
		return true
	}
	f := fnv.New64a()
	_, _ = f.Write([]byte(strconv.FormatInt(at.Unix(), 10) + " " + strconv.FormatUint(t.seed, 10)))
	return float64(f.Sum64()%1000) >= t.Missing*1000
}

func (t telling) entry(s emulator.Stretch) entry {
	at := time.Unix(s.Start, 0).In(t.zone)
	share := 1.0
	switch {
	case t.zeros:
		share = 0
	case t.RevisedSeconds > 0 && t.now.Before(at.Add(emulator.StretchLength+seconds(t.RevisedSeconds))):
		share = 0.75
	}
	if t.OneOffset {
		midnight := time.Date(at.Year(), at.Month(), at.Day(), 0, 0, 0, 0, t.zone)
		_, offset := midnight.Zone()
		at = at.In(time.FixedZone("", offset))
	}
	wh := func(v float64) float64 { return math.Round(v*share*1000) / 1000 }
	e := entry{
		Timestamp: at.Format(time.RFC3339), Solar: wh(s.SolarToHome + s.SolarToBattery + s.SolarToGrid),
		Import: wh(s.GridToHome + s.GridToBattery), SolarToGrid: wh(s.SolarToGrid), BatteryToGrid: wh(s.BatteryToGrid),
		Battery: wh(s.BatteryToHome + s.BatteryToGrid), GridToBattery: wh(s.GridToBattery), SolarToBattery: wh(s.SolarToBattery),
		GridToHome: wh(s.GridToHome), SolarToHome: wh(s.SolarToHome), BatteryToHome: wh(s.BatteryToHome),
	}
	if !t.NoTotals {
		e.totals = &totals{
			Charge: wh(s.GridToBattery + s.SolarToBattery), Discharge: e.Battery, Export: wh(s.SolarToGrid + s.BatteryToGrid),
			Home: wh(s.GridToHome + s.SolarToHome + s.BatteryToHome), Solar: e.Solar,
		}
	}
	return e
}

// entry is the history's entry for five minutes, in Wh. There is no generator, and the
// utility takes nothing.
type entry struct {
	Battery            float64 `json:"battery_energy_exported"`
	GeneratorToBattery float64 `json:"battery_energy_imported_from_generator"`
	GridToBattery      float64 `json:"battery_energy_imported_from_grid"`
	SolarToBattery     float64 `json:"battery_energy_imported_from_solar"`
	BatteryToHome      float64 `json:"consumer_energy_imported_from_battery"`
	GeneratorToHome    float64 `json:"consumer_energy_imported_from_generator"`
	GridToHome         float64 `json:"consumer_energy_imported_from_grid"`
	SolarToHome        float64 `json:"consumer_energy_imported_from_solar"`
	Generator          float64 `json:"generator_energy_exported"`
	BatteryToGrid      float64 `json:"grid_energy_exported_from_battery"`
	GeneratorToGrid    float64 `json:"grid_energy_exported_from_generator"`
	SolarToGrid        float64 `json:"grid_energy_exported_from_solar"`
	Import             float64 `json:"grid_energy_imported"`
	ServicesExport     float64 `json:"grid_services_energy_exported"`
	ServicesImport     float64 `json:"grid_services_energy_imported"`
	Solar              float64 `json:"solar_energy_exported"`
	Timestamp          string  `json:"timestamp"`
	*totals                    // nil: left out
}

type totals struct {
	Charge    float64 `json:"total_battery_charge"`
	Discharge float64 `json:"total_battery_discharge"`
	Export    float64 `json:"total_grid_energy_exported"`
	Home      float64 `json:"total_home_usage"`
	Solar     float64 `json:"total_solar_generation"`
}
