package resideo_test

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
	"powermgr/devices/resideo"
)

// TestContract checks that the adapter does what every adapter promises.
func TestContract(t *testing.T) {
	devicetest.Thermostats(t, vendor(), open)
}

// FuzzAnswers lets the vendor answer anything.
func FuzzAnswers(f *testing.F) { devicetest.FuzzThermostats(f, vendor(), open) }

func vendor() devicetest.Vendor {
	return devicetest.Vendor{
		Name: "resideo",
		Endpoints: []devicetest.Endpoint{
			{Name: "resideo.token", Vital: "access_token", Cold: true},
			{Name: "resideo.locations", Vital: "units"},
			{Name: "resideo.thermostat", Vital: "units", Command: "cool"},
			{Name: "resideo.write", Command: "cool", Writes: true},
			{Name: "resideo.fan_write", Command: "fan", Writes: true},
			{Name: "resideo.fan_write", Command: "cool and fan", Writes: true},
		},
		Differs: []devicetest.Difference{
			{Endpoint: "resideo.token", Fault: "40[0134]*", Kind: devices.Unreachable},   // an outage before it becomes a refusal
			{Endpoint: "resideo.locations", Fault: "40[04]*", Kind: devices.Unreachable}, // there is no wrong way to ask for all
			{Endpoint: "resideo.locations", Fault: "403", Kind: devices.Unreachable},
		},
		Unknown: map[string]string{
			"indoorTemperature": "Temperature", "indoorHumidity": "Humidity", "outdoorTemperature": "OutdoorTemperature",
			"coolSetpoint": "CoolSetpoint", "heatSetpoint": "HeatSetpoint", "operationStatus": "Action",
		},
		Settle: time.Minute,
		SignIn: "resideo.token", Kill: func(c *vendors.Cloud) { c.Resideo.KillTokens() }, Revoke: func(c *vendors.Cloud) { c.Resideo.Revoke() },
		Secrets: []string{"emulator-client", "emulator-resideo"},
	}
}

func open(t *testing.T, h devicetest.House) devicetest.ThermostatDevice {
	file := filepath.Join(h.Dir, "resideo.json")
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		if err := os.WriteFile(file, []byte(`{"refresh_token": "emulator-resideo-refresh"}`), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c, err := resideo.New(resideo.Options{
		BaseURL: h.URL, ClientID: "emulator-client", ClientSecret: "emulator-client-secret", TokenFile: file, Location: h.Location,
		HTTP: h.HTTP, Now: h.Now, Sleep: h.Sleep, Log: h.Log,
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}
