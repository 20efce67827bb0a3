package tesla

import (
	"cmp"
	"encoding/json"
	"math"
	"slices"
	"strings"
	"time"

	"powermgr/devices"
)

// Names of the operations, for errors.
const (
	opLive = "read live status"
	opInfo = "read site info"
)

// liveStatus is the response of live_status. Any field may be missing; wall_connectors
// has been a list, null and a string, and is not read.
type liveStatus struct {
	Solar        *float64 `json:"solar_power"`
	Battery      *float64 `json:"battery_power"`
	Grid         *float64 `json:"grid_power"`
	Load         *float64 `json:"load_power"`
	Charge       *float64 `json:"percentage_charged"`
	EnergyLeft   *float64 `json:"energy_left"`
	TotalPack    *float64 `json:"total_pack_energy"`
	GridStatus   *string  `json:"grid_status"`
	Island       *string  `json:"island_status"`
	Storm        *bool    `json:"storm_mode_active"`
	GridServices *bool    `json:"grid_services_active"`
	Timestamp    *string  `json:"timestamp"`
}

// maxWatts is more than the power of any home with Powerwalls.
const maxWatts = 1_000_000

// into checks the values and puts them into r.
func (said *liveStatus) into(r *devices.PowerwallReading) error {
	const op = opLive
	s := *said
	for _, w := range []*float64{s.Solar, s.Battery, s.Grid, s.Load} {
		if w != nil && (!devices.Finite(*w) || math.Abs(*w) > maxWatts) {
			return nonsense(op, "a power of %g W", *w)
		}
	}
	if s.Charge != nil && (!devices.Finite(*s.Charge) || *s.Charge < -0.5 || *s.Charge > 100.5) {
		return nonsense(op, "a charge of %g %%", *s.Charge)
	}
	if lost := s.Battery == nil || s.TotalPack != nil && *s.TotalPack <= 1; lost && s.Charge != nil && *s.Charge == 0 {
		s.Charge = nil // 0 % without the battery's power, or without any capacity, means that the gateway has lost its battery
	}
	if s.Charge == nil && s.Battery == nil && s.Load == nil {
		return nonsense(op, "neither a charge nor a power in it: the gateway has not reported")
	}
	if s.Charge != nil {
		r.ChargePercent = new(devices.Percent(min(max(*s.Charge, 0), 100)))
	}
	// energy_left is on the app's scale: some 5 % more than is usable.
	if s.EnergyLeft != nil && s.TotalPack != nil && devices.Finite(*s.EnergyLeft) && *s.EnergyLeft >= 0 && *s.TotalPack > 1 && *s.EnergyLeft <= *s.TotalPack*1.05 {
		r.StoredEnergy = new(devices.WattHours(*s.EnergyLeft))
	}
	r.BatteryPower, r.SolarPower, r.GridPower, r.HomePower = watts(s.Battery), watts(s.Solar), watts(s.Grid), watts(s.Load)
	r.StormActive, r.GridServicesActive = s.Storm, s.GridServices
	r.GridConnected = connected(s)
	if s.Timestamp != nil {
		at, err := time.Parse(time.RFC3339, *s.Timestamp)
		if err != nil {
			return nonsense(op, "the time stamp is none")
		}
		r.MeasuredAt = &at
	}
	return nil
}

func watts(v *float64) *devices.Watts {
	if v == nil {
		return nil
	}
	return new(devices.Watts(*v))
}

// connected returns whether the grid is connected, from the two fields about it; nil if
// neither says.
func connected(s liveStatus) *bool {
	if s.Island != nil {
		switch {
		case *s.Island == "on_grid":
			return new(true)
		case strings.HasPrefix(*s.Island, "off_grid"):
			return new(false)
		}
	}
	if s.GridStatus != nil {
		switch *s.GridStatus {
		case "Active":
			return new(true)
		case "Inactive":
			return new(false)
		}
	}
	return nil
}

// siteInfo is the part of site_info that matters.
type siteInfo struct {
	Reserve  *float64 `json:"backup_reserve_percent"`
	Mode     *string  `json:"default_real_mode"`
	Settings struct {
		Storm *bool `json:"storm_mode_enabled"`
	} `json:"user_settings"`
	Tariff     json.RawMessage `json:"tariff_content_v2"`
	OldTariff  json.RawMessage `json:"tariff_content"`
	Version    string          `json:"version"`
	Components *struct {
		Gateways  []unit `json:"gateways"`
		Batteries []unit `json:"batteries"`

		NoGridCharging *bool   `json:"disallow_charge_from_grid_with_solar_installed"`
		Export         *string `json:"customer_preferred_export_rule"`
		NonExport      *bool   `json:"non_export_configured"`
	} `json:"components"`
}

// maxTariff is the longest tariff that is accepted, in bytes; a real one has a few
// thousand.
const maxTariff = 64 << 10

// A unit is one box of a site.
type unit struct {
	Part     string `json:"part_name"` // "Powerwall 2", "Tesla Backup Gateway 2"
	Serial   string `json:"serial_number"`
	Firmware string `json:"firmware_version"`
	Active   *bool  `json:"is_active"`
}

// nameplate returns the models of a site's batteries, and the details of the gateway
// that speaks for them. A gateway that was replaced stays listed.
func (s siteInfo) nameplate() devices.Nameplate {
	n := devices.Nameplate{Firmware: devices.Label(s.Version)}
	if s.Components == nil {
		return n
	}
	var models []string
	for _, b := range s.Components.Batteries {
		if m := devices.Label(b.Part); m != "" && !slices.Contains(models, m) {
			models = append(models, m)
		}
	}
	n.Model = devices.Label(strings.Join(models, ", "))
	for _, g := range s.Components.Gateways {
		if g.Active == nil || *g.Active {
			n.Serial = devices.Label(g.Serial)
			n.Firmware = cmp.Or(n.Firmware, devices.Label(g.Firmware))
			break
		}
	}
	return n
}

// into checks the values and puts them into r.
func (s *siteInfo) into(r *devices.PowerwallReading) error {
	const op = opInfo
	if s.Reserve != nil {
		if !devices.Finite(*s.Reserve) || *s.Reserve < 0 || *s.Reserve > 100 {
			return nonsense(op, "a reserve of %g %%", *s.Reserve)
		}
		r.ReservePercent = new(int(math.Round(*s.Reserve)))
	}
	if s.Mode != nil && slices.Contains(devices.Modes(), devices.Mode(*s.Mode)) {
		r.Mode = new(devices.Mode(*s.Mode))
	}
	r.StormWatch, r.Nameplate = s.Settings.Storm, s.nameplate()
	for _, tariff := range []json.RawMessage{s.OldTariff, s.Tariff} { // the newer one counts
		if len(tariff) > len("{}") && tariff[0] == '{' && len(tariff) <= maxTariff {
			r.Tariff = tariff
		}
	}
	if s.Components != nil {
		// Absent means allowed, and absent means that all may be exported.
		r.GridCharging = new(s.Components.NoGridCharging == nil || !*s.Components.NoGridCharging)
		rule := devices.ExportAll
		if e := s.Components.Export; e != nil && slices.Contains(devices.ExportRules(), devices.ExportRule(*e)) {
			rule = devices.ExportRule(*e)
		}
		if n := s.Components.NonExport; n != nil && *n {
			rule = devices.ExportNone
		}
		r.ExportRule = &rule
	}
	return nil
}
