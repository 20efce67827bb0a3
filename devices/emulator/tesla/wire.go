package tesla

// The JSON in which Tesla's API describes a site.

import (
	"encoding/json"
	"math"
	"time"

	"powermgr/devices"
	"powermgr/devices/emulator"
)

// wireLive is the response of live_status.
type wireLive struct {
	Solar          float64 `json:"solar_power"`
	EnergyLeft     float64 `json:"energy_left"`
	TotalPack      float64 `json:"total_pack_energy"`
	Charge         float64 `json:"percentage_charged"`
	BackupCapable  bool    `json:"backup_capable"`
	Battery        float64 `json:"battery_power"`
	Load           float64 `json:"load_power"`
	GridStatus     string  `json:"grid_status"`
	GridServices   bool    `json:"grid_services_active"`
	Grid           float64 `json:"grid_power"`
	ServicesPower  float64 `json:"grid_services_power"`
	Generator      float64 `json:"generator_power"`
	Island         string  `json:"island_status"`
	Storm          bool    `json:"storm_mode_active"`
	Timestamp      string  `json:"timestamp"`
	WallConnectors [0]int  `json:"wall_connectors"`
}

func liveOf(h *emulator.House) *wireLive {
	truth := h.Truth()
	l := &wireLive{
		Solar: math.Round(truth.SolarW), EnergyLeft: h.Stored, TotalPack: h.Options().CapacityWh, Charge: truth.ChargePercent, BackupCapable: true,
		Battery: math.Round(truth.BatteryW), Load: math.Round(truth.HomeW), GridStatus: "Active", GridServices: h.GridServices,
		Grid: math.Round(truth.GridW), Island: "on_grid", Storm: h.StormActive, Timestamp: h.Now().In(h.Location()).Format(time.RFC3339),
	}
	if h.OffGrid {
		l.GridStatus, l.Island = "Inactive", "off_grid"
	}
	return l
}

// wireInfo is the response of site_info.
type wireInfo struct {
	ID           string       `json:"id"`
	Name         string       `json:"site_name"`
	Reserve      int          `json:"backup_reserve_percent"`
	Mode         devices.Mode `json:"default_real_mode"`
	Installed    string       `json:"installation_date"`
	UserSettings struct {
		StormMode     bool `json:"storm_mode_enabled"`
		SyncGridAlert bool `json:"sync_grid_alert_enabled"`
	} `json:"user_settings"`
	Components  wireComponents `json:"components"`
	Version     string         `json:"version"`
	Batteries   int            `json:"battery_count"`
	NameplateW  float64        `json:"nameplate_power"`
	NameplateWh float64        `json:"nameplate_energy"`
	Zone        string         `json:"installation_time_zone"`
	MostSiteW   int            `json:"max_site_meter_power_ac"`

	Tariff json.RawMessage `json:"tariff_content_v2,omitempty"`
}

// wireUnit is one box: a gateway or a battery.
type wireUnit struct {
	DIN      string `json:"din"`
	Serial   string `json:"serial_number"`
	Part     string `json:"part_name"`
	Active   *bool  `json:"is_active,omitempty"`
	Firmware string `json:"firmware_version,omitempty"`
}

type wireComponents struct {
	Gateways         []wireUnit         `json:"gateways"`
	Batteries        []wireUnit         `json:"batteries"`
	Solar            bool               `json:"solar"`
	SolarType        string             `json:"solar_type"`
	Battery          bool               `json:"battery"`
	Grid             bool               `json:"grid"`
	Backup           bool               `json:"backup"`
	Gateway          string             `json:"gateway"`
	LoadMeter        bool               `json:"load_meter"`
	TOUCapable       bool               `json:"tou_capable"`
	StormCapable     bool               `json:"storm_mode_capable"`
	BatteryType      string             `json:"battery_type"`
	Configurable     bool               `json:"configurable"`
	EditGridCharging bool               `json:"edit_setting_grid_charging"`
	ExportRule       devices.ExportRule `json:"customer_preferred_export_rule"`
	NetMeterMode     string             `json:"net_meter_mode"`
	NoGridCharging   bool               `json:"disallow_charge_from_grid_with_solar_installed,omitempty"` // absent means allowed
	NonExport        bool               `json:"non_export_configured,omitempty"`
}

func infoOf(h *emulator.House) wireInfo {
	i := wireInfo{
		ID: "1232100-00-E--TG123456789012", Name: "Emulated home", Reserve: h.Reserve, Mode: h.Mode, Installed: "2022-01-01T00:00:00+00:00",
		Version: "26.10.3 0fe780c9", Batteries: 1, NameplateW: h.Options().PowerW, NameplateWh: h.Options().CapacityWh, Zone: h.Location().String(), MostSiteW: 1000000000,
		Components: wireComponents{
			Gateways: []wireUnit{{
				DIN: "1232100-00-E--TG123456789012", Serial: "TG123456789012", Part: "Tesla Backup Gateway 2", Active: new(true), Firmware: "26.10.3 0fe780c9",
			}},
			Batteries: []wireUnit{{DIN: "2012170-25-E--TG987654321098", Serial: "TG987654321098", Part: "Powerwall 2"}},
			Solar:     true, SolarType: "pv_panel", Battery: true, Grid: true, Backup: true, Gateway: "teg", LoadMeter: true, TOUCapable: true, StormCapable: true,
			BatteryType: "ac_powerwall", Configurable: true, EditGridCharging: true, ExportRule: h.ExportRule, NetMeterMode: "battery_ok",
			NoGridCharging: !h.GridCharging, NonExport: h.ExportRule == devices.ExportNone,
		},
	}
	i.UserSettings.StormMode, i.UserSettings.SyncGridAlert = h.StormWatch, true
	return i
}
