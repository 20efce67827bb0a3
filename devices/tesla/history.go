package tesla

import (
	"context"
	"net/url"
	"slices"
	"time"

	"powermgr/devices"
)

// History reads what flowed on the local day of day, in day's location, as far
// as Tesla knows by now: it may fill gaps and revise sums for a day or so. What
// cannot be true, or cannot be told apart, is left out.
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

// history is what of calendar_history matters.
type history struct {
	Series []historyEntry `json:"time_series"`
}

// historyEntry is what calendar_history tells of five minutes, in Wh. The
// totals are not told to every client.
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

// buckets are the entries of the day between two midnights, in order. A row of
// zeros is none: a home uses something always, and days are padded with such
// rows. Of entries with one and the same stamp, as when an hour is there twice
// and the stamps do not tell which one is meant, none can be used.
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

// added is the sum of what is there; nil if nothing is.
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

// energy is what flowed in one bucket: wh, or the total where that is not told;
// nil if neither can be true.
func energy(wh, total *float64) *devices.WattHours {
	const most = maxWatts / 12
	for _, v := range []*float64{wh, total} {
		if v != nil && devices.Finite(*v) && *v > -1 && *v <= most {
			return new(devices.WattHours(max(0, *v)))
		}
	}
	return nil
}

func flows(all ...*devices.WattHours) bool {
	return slices.ContainsFunc(all, func(e *devices.WattHours) bool { return e != nil && *e > 0 })
}
