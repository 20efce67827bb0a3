package tesla_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"powermgr/devices"
	"powermgr/devices/devicetest"
	"powermgr/devices/emulator/vendors"
	"powermgr/devices/tesla"
)

// TestContract checks that the adapter does what every adapter promises.
func TestContract(t *testing.T) {
	devicetest.Powerwall(t, vendor(), open)
}

// FuzzAnswers lets the vendor answer anything.
func FuzzAnswers(f *testing.F) { devicetest.FuzzPowerwall(f, vendor(), open) }

func vendor() devicetest.Vendor {
	return devicetest.Vendor{
		Name: "tesla",
		Endpoints: []devicetest.Endpoint{
			{Name: "tesla.token", Vital: "access_token", Cold: true},
			{Name: "tesla.products", Vital: "response", Cold: true},
			{Name: "tesla.live_status", Vital: "response"},
			{Name: "tesla.site_info", Vital: "response"},
			{Name: "tesla.backup", Vital: "response", Command: "reserve", Writes: true},
			{Name: "tesla.operation", Vital: "response", Command: "mode", Writes: true},
			{Name: "tesla.storm_mode", Vital: "response", Command: "storm watch", Writes: true},
			{Name: "tesla.grid_import_export", Vital: "response", Command: "grid charging", Writes: true},
			{Name: "tesla.grid_import_export", Vital: "response", Command: "export rule", Writes: true},
		},
		Differs: []devicetest.Difference{
			{Endpoint: "tesla.token", Fault: "40[0134]*", Kind: devices.Unreachable}, // an outage before it becomes a refusal
			{Endpoint: "tesla.*", Fault: "403", Kind: devices.Unreachable},           // it says nothing of scopes or clients
		},
		Unknown: map[string]string{
			"percentage_charged": "ChargePercent", "energy_left": "StoredEnergy", "battery_power": "BatteryPower", "solar_power": "SolarPower",
			"grid_power": "GridPower", "load_power": "HomePower", "backup_reserve_percent": "ReservePercent", "default_real_mode": "Mode",
			"storm_mode_enabled": "StormWatch", "storm_mode_active": "StormActive", "grid_services_active": "GridServicesActive", "timestamp": "MeasuredAt",
		},
		Settle: 4 * time.Second,
		SignIn: "tesla.token", Kill: func(c *vendors.Cloud) { c.Tesla.KillTokens() }, Revoke: func(c *vendors.Cloud) { c.Tesla.Revoke() },
		Secrets: []string{"emulator-refresh", "emulator-tesla-access", "app-secret"},
	}
}

func open(t *testing.T, h devicetest.House) devicetest.PowerwallDevice {
	file := filepath.Join(h.Dir, "tesla.json")
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		if err := os.WriteFile(file, []byte(`{"refresh_token": "emulator-refresh"}`), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c, err := tesla.New(tesla.Options{
		BaseURL: h.URL, TokenURL: h.URL + "/oauth2/v3/token", ClientID: "emulator", ClientSecret: "app-secret", TokenFile: file,
		HTTP: h.HTTP, Now: h.Now, Log: h.Log,
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}
