package tesla

import (
	"encoding/json"
	"math"
	"slices"
	"strings"
	"time"

	"powermgr/devices"
)

// liveStatus is what live_status says. Nothing in it is sure to be there, and
// wall_connectors has been a list, null and a string: it is not read.
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

// mostWatts is more than any home with Powerwalls has to do with.
const mostWatts = 1_000_000

// decodeLive reads the response of live_status into r.
func decodeLive(body json.RawMessage, r *devices.PowerwallReading) error {
	const op = "read live status"
	if !object(body) {
		return nonsense(op, "the response is empty: the gateway has not reported")
	}
	var s liveStatus
	if err := json.Unmarshal(body, &s); err != nil {
		return nonsense(op, "a field has an unexpected form")
	}
	for _, w := range []*float64{s.Solar, s.Battery, s.Grid, s.Load} {
		if w != nil && (!devices.Finite(*w) || math.Abs(*w) > mostWatts) {
			return nonsense(op, "a power of %g W", *w)
		}
	}
	if s.Charge != nil && (!devices.Finite(*s.Charge) || *s.Charge < -0.5 || *s.Charge > 100.5) {
		return nonsense(op, "a charge of %g %%", *s.Charge)
	}
	if lost := s.Battery == nil || s.TotalPack != nil && *s.TotalPack <= 1; lost && s.Charge != nil && *s.Charge == 0 {
		s.Charge = nil // 0 % without the battery's power, or of no battery at all, is a gateway that lost its battery
	}
	if s.Charge == nil && s.Battery == nil && s.Load == nil {
		return nonsense(op, "neither a charge nor a power in it: the gateway has not reported")
	}
	if s.Charge != nil {
		r.ChargePercent = devices.Pointer(devices.Percent(min(max(*s.Charge, 0), 100)))
	}
	// energy_left is on the app's scale: some 5 % more than can be used.
	if s.EnergyLeft != nil && s.TotalPack != nil && devices.Finite(*s.EnergyLeft) && *s.EnergyLeft >= 0 && *s.TotalPack > 1 && *s.EnergyLeft <= *s.TotalPack*1.05 {
		r.StoredEnergy = devices.Pointer(devices.WattHours(*s.EnergyLeft))
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
	return devices.Pointer(devices.Watts(*v))
}

// connected reads the two fields that tell of the grid; nil if neither does.
func connected(s liveStatus) *bool {
	if s.Island != nil {
		switch {
		case *s.Island == "on_grid":
			return devices.Pointer(true)
		case strings.HasPrefix(*s.Island, "off_grid"):
			return devices.Pointer(false)
		}
	}
	if s.GridStatus != nil {
		switch *s.GridStatus {
		case "Active":
			return devices.Pointer(true)
		case "Inactive":
			return devices.Pointer(false)
		}
	}
	return nil
}

// siteInfo is what of site_info matters.
type siteInfo struct {
	Reserve  *float64 `json:"backup_reserve_percent"`
	Mode     *string  `json:"default_real_mode"`
	Settings struct {
		Storm *bool `json:"storm_mode_enabled"`
	} `json:"user_settings"`
	Components *struct {
		NoGridCharging *bool   `json:"disallow_charge_from_grid_with_solar_installed"`
		Export         *string `json:"customer_preferred_export_rule"`
		NonExport      *bool   `json:"non_export_configured"`
	} `json:"components"`
}

// decodeInfo reads the response of site_info into r.
func decodeInfo(body json.RawMessage, r *devices.PowerwallReading) error {
	const op = "read site info"
	if !object(body) {
		return nonsense(op, "the response is empty: the gateway has not reported")
	}
	var s siteInfo
	if err := json.Unmarshal(body, &s); err != nil {
		return nonsense(op, "a field has an unexpected form")
	}
	if s.Reserve != nil {
		if !devices.Finite(*s.Reserve) || *s.Reserve < 0 || *s.Reserve > 100 {
			return nonsense(op, "a reserve of %g %%", *s.Reserve)
		}
		r.ReservePercent = devices.Pointer(int(math.Round(*s.Reserve)))
	}
	if s.Mode != nil && slices.Contains(devices.Modes(), devices.Mode(*s.Mode)) {
		r.Mode = devices.Pointer(devices.Mode(*s.Mode))
	}
	r.StormWatch = s.Settings.Storm
	if s.Components != nil {
		// Absent means allowed, and absent means that all may be exported.
		r.GridCharging = devices.Pointer(s.Components.NoGridCharging == nil || !*s.Components.NoGridCharging)
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

func object(body json.RawMessage) bool { return len(body) > 0 && body[0] == '{' }
