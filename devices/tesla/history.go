package tesla

import (
	"context"
	"net/url"
	"slices"
	"time"

	"powermgr/devices"
)

// History reads what flowed on the local day of day, in day's location, as far as Tesla
// knows by now: it may fill gaps and correct sums for a day or so. Entries that are
// impossible or ambiguous are left out.
func (c *Client) History(ctx context.Context, day time.Time) ([]devices.EnergyBucket, error) {
	const op = "read energy history"
	site, err := c.siteID(ctx)
	if err != nil {
		return nil, err
	}
	from, next := devices.Midnight(day, day.Location()), devices.NextMidnight(day, day.Location())
	q := url.Values{
		"kind": {"energy"}, "period": {"day"}, "time_zone": {day.Location().String()},
		"start_date": {from.Format(time.RFC3339)},
		"end_date":   {next.Add(-time.Second).Format(time.RFC3339)}, // an end at midnight answers zeros
	}
	said, err := ask(ctx, c, request{op: op, path: site + "/calendar_history?" + q.Encode()}, parse[history])
	switch {
	case err != nil:
		return nil, err
	case said == nil:
		return nil, nonsense(op, "the answer has an unexpected form")
	}
	return buckets(said.Series, from, next), nil
}

// history is the part of calendar_history that matters.
type history struct {
	Series []historyEntry `json:"time_series"`
}

// historyEntry is the entry of calendar_history for five minutes, in Wh. Not every
// client gets the totals.
type historyEntry struct {
	Timestamp string `json:"timestamp"`

	SolarOut      *float64 `json:"solar_energy_exported"`
	GridIn        *float64 `json:"grid_energy_imported"`
	SolarToGrid   *float64 `json:"grid_energy_exported_from_solar"`
	OtherToGrid   *float64 `json:"grid_energy_exported_from_generator"`
	BatteryToGrid *float64 `json:"grid_energy_exported_from_battery"`

	BatteryOut     *float64 `json:"battery_energy_exported"`
	GridToBattery  *float64 `json:"battery_energy_imported_from_grid"`
	SolarToBattery *float64 `json:"battery_energy_imported_from_solar"`
	OtherToBattery *float64 `json:"battery_energy_imported_from_generator"`

	GridToHome    *float64 `json:"consumer_energy_imported_from_grid"`
	SolarToHome   *float64 `json:"consumer_energy_imported_from_solar"`
	BatteryToHome *float64 `json:"consumer_energy_imported_from_battery"`
	OtherToHome   *float64 `json:"consumer_energy_imported_from_generator"`

	TotalHome       *float64 `json:"total_home_usage"`
	TotalCharge     *float64 `json:"total_battery_charge"`
	TotalDischarge  *float64 `json:"total_battery_discharge"`
	TotalSolar      *float64 `json:"total_solar_generation"`
	TotalGridExport *float64 `json:"total_grid_energy_exported"`
}

// buckets returns the entries of the day between two midnights, in order. A row of
// zeros does not count: a home always uses something, and days are padded with such
// rows. Entries with the same timestamp, as when an hour occurs twice and the
// timestamps do not tell the two apart, are all left out.
func buckets(series []historyEntry, from, next time.Time) []devices.EnergyBucket {
	told, seen := []devices.EnergyBucket{}, map[int64]int{}
	for _, e := range series {
		at, err := time.Parse(time.RFC3339, e.Timestamp)
		if err != nil || at.Before(from) || !at.Before(next) || at.Unix()%int64(devices.BucketLength/time.Second) != 0 {
			continue
		}
		seen[at.Unix()]++
		b := devices.EnergyBucket{
			Start:      at.In(from.Location()),
			GridImport: energy(e.GridIn, nil), Solar: energy(e.SolarOut, e.TotalSolar), BatteryOut: energy(e.BatteryOut, e.TotalDischarge),
			GridExport: energy(added(e.SolarToGrid, e.OtherToGrid, e.BatteryToGrid), e.TotalGridExport),
			BatteryIn:  energy(added(e.GridToBattery, e.SolarToBattery, e.OtherToBattery), e.TotalCharge),
			Home:       energy(added(e.GridToHome, e.SolarToHome, e.BatteryToHome, e.OtherToHome), e.TotalHome),
		}
		if flows(b.GridImport, b.GridExport, b.Solar, b.BatteryIn, b.BatteryOut, b.Home) {
			told = append(told, b)
		}
	}
	told = slices.DeleteFunc(told, func(b devices.EnergyBucket) bool { return seen[b.Start.Unix()] > 1 })
	slices.SortFunc(told, func(a, b devices.EnergyBucket) int { return a.Start.Compare(b.Start) })
	return told
}

// added returns the sum of the known parts; nil if none is known.
func added(parts ...*float64) (sum *float64) {
	for _, p := range parts {
		if p == nil {
			continue
		}
		if sum == nil {
			sum = new(float64)
		}
		*sum += *p
	}
	return sum
}

// energy returns what flowed in one bucket: wh, or total if wh is missing; nil if
// neither is possible.
func energy(wh, total *float64) *devices.WattHours {
	const maxWh = maxWatts / 12
	for _, v := range []*float64{wh, total} {
		if v != nil && devices.Finite(*v) && *v > -1 && *v <= maxWh {
			return new(devices.WattHours(max(0, *v)))
		}
	}
	return nil
}

func flows(all ...*devices.WattHours) bool {
	return slices.ContainsFunc(all, func(e *devices.WattHours) bool { return e != nil && *e > 0 })
}
