package emulator

import (
	"hash/fnv"
	"math"
	"net/http"
	"strconv"
	"time"
)

// The history of the house, in stretches of five minutes, and how Tesla's
// calendar_history shows it.

// Stretch is how long one entry of the history is.
const Stretch = 5 * time.Minute

// maxStretches is how far back the history goes: 400 days.
const maxStretches = 400 * 288

// A stretch holds the energies of five minutes, in Wh, by source and destination.
type stretch struct {
	start                                    int64 // Unix seconds
	solarToHome, solarToBattery, solarToGrid float64
	batteryToHome, batteryToGrid             float64
	gridToHome, gridToBattery                float64
}

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
func (c *Cloud) SetHistory(q HistoryQuirks) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.options.Tesla.History = q
}

// enter adds what flows for hours from h.at on to the history.
func (h *House) enter(f flows, hours float64) {
	start := h.at.Unix() - mod(h.at.Unix(), int64(Stretch/time.Second))
	if n := len(h.lived); n == 0 || h.lived[n-1].start != start {
		if n >= maxStretches {
			h.lived = append(h.lived[:0], h.lived[n-maxStretches+1:]...)
		}
		h.lived = append(h.lived, stretch{start: start})
	}
	s := &h.lived[len(h.lived)-1]
	solar, out, in := f.solar*hours, max(0, f.battery)*hours, max(0, -f.battery)*hours
	home, imported := f.home*hours, max(0, f.grid)*hours
	toHome := min(solar, home)
	toBattery := min(solar-toHome, in)
	s.solarToHome += toHome
	s.solarToBattery += toBattery
	s.solarToGrid += solar - toHome - toBattery
	fromBattery := min(out, home-toHome)
	s.batteryToHome += fromBattery
	s.batteryToGrid += out - fromBattery
	fromGrid := min(imported, in-toBattery)
	s.gridToBattery += fromGrid
	s.gridToHome += imported - fromGrid
}

func mod(a, b int64) int64 { return (a%b + b) % b }

func (c *Cloud) teslaHistory(w http.ResponseWriter, r *http.Request, h *House) {
	q := r.URL.Query()
	zone, err := time.LoadLocation(q.Get("time_zone"))
	from, err1 := time.Parse(time.RFC3339, q.Get("start_date"))
	until, err2 := time.Parse(time.RFC3339, q.Get("end_date"))
	if err != nil || err1 != nil || err2 != nil || q.Get("kind") != "energy" || q.Get("period") != "day" {
		envelope(w, http.StatusBadRequest, nil, "invalid_request")
		return
	}
	t := telling{HistoryQuirks: c.options.Tesla.History, seed: c.options.Seed, now: c.options.Now(), zone: zone}
	end := until.In(zone)
	t.zeros = end.Hour() == 0 && end.Minute() == 0 && end.Second() == 0
	series := []entry{}
	for _, s := range h.lived {
		if at := time.Unix(s.start, 0); !at.Before(from) && !at.After(until) && t.tells(at) {
			series = append(series, t.entry(s))
		}
	}
	if next := t.now.Truncate(Stretch).Add(Stretch); t.Padded {
		for ; !next.After(until); next = next.Add(Stretch) {
			series = append(series, t.entry(stretch{start: next.Unix()}))
		}
	}
	envelope(w, http.StatusOK, map[string]any{
		"serial_number": "1232100-00-E--TG123456789012", "period": "day", "installation_time_zone": h.local.String(), "time_series": series,
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
	if t.LagSeconds > 0 && t.now.Before(at.Add(Stretch+seconds(t.LagSeconds))) {
		return false
	}
	if t.Missing == 0 {
		return true
	}
	f := fnv.New64a()
	_, _ = f.Write([]byte(strconv.FormatInt(at.Unix(), 10) + " " + strconv.FormatUint(t.seed, 10)))
	return float64(f.Sum64()%1000) >= t.Missing*1000
}

func (t telling) entry(s stretch) entry {
	at := time.Unix(s.start, 0).In(t.zone)
	share := 1.0
	switch {
	case t.zeros:
		share = 0
	case t.RevisedSeconds > 0 && t.now.Before(at.Add(Stretch+seconds(t.RevisedSeconds))):
		share = 0.75
	}
	if t.OneOffset {
		midnight := time.Date(at.Year(), at.Month(), at.Day(), 0, 0, 0, 0, t.zone)
		_, offset := midnight.Zone()
		at = at.In(time.FixedZone("", offset))
	}
	wh := func(v float64) float64 { return math.Round(v*share*1000) / 1000 }
	e := entry{
		Timestamp: at.Format(time.RFC3339), Solar: wh(s.solarToHome + s.solarToBattery + s.solarToGrid),
		Import: wh(s.gridToHome + s.gridToBattery), SolarToGrid: wh(s.solarToGrid), BatteryToGrid: wh(s.batteryToGrid),
		Battery: wh(s.batteryToHome + s.batteryToGrid), GridToBattery: wh(s.gridToBattery), SolarToBattery: wh(s.solarToBattery),
		GridToHome: wh(s.gridToHome), SolarToHome: wh(s.solarToHome), BatteryToHome: wh(s.batteryToHome),
	}
	if !t.NoTotals {
		e.totals = &totals{
			Charge: wh(s.gridToBattery + s.solarToBattery), Discharge: e.Battery, Export: wh(s.solarToGrid + s.batteryToGrid),
			Home: wh(s.gridToHome + s.solarToHome + s.batteryToHome), Solar: e.Solar,
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
