package tcc_test

import (
	"path/filepath"
	"testing"
	"time"

	"powermgr/devices"
	"powermgr/devices/devicetest"
	"powermgr/devices/emulator/vendors"
	"powermgr/devices/tcc"
)

// TestContract checks that the adapter does what every adapter promises.
func TestContract(t *testing.T) {
	devicetest.Thermostats(t, vendor(), open)
}

// FuzzAnswers lets the vendor answer anything.
func FuzzAnswers(f *testing.F) { devicetest.FuzzThermostats(f, vendor(), open) }

func vendor() devicetest.Vendor {
	return devicetest.Vendor{
		Name: "tcc",
		Endpoints: []devicetest.Endpoint{
			{Name: "tcc.login", Cold: true},
			{Name: "tcc.home", Cold: true},
			{Name: "tcc.locations", Vital: "DeviceID", Cold: true},
			{Name: "tcc.check", Vital: "DisplayUnits"},
			{Name: "tcc.check", Vital: "DisplayUnits", Command: "cool"},
			{Name: "tcc.submit", Vital: "success", Command: "cool", Writes: true},
			{Name: "tcc.submit", Vital: "success", Command: "cool and fan", Writes: true},
		},
		Differs: []devicetest.Difference{
			{Endpoint: "tcc.login", Fault: "429*", Kind: devices.LockedOut},
			{Endpoint: "tcc.home", Fault: "429*", Kind: devices.LockedOut},
			{Endpoint: "tcc.login", Fault: "garbage", Kind: devicetest.Good}, // only the cookie counts
			{Endpoint: "tcc.home", Fault: "garbage", Kind: devicetest.Good},
			{Endpoint: "tcc.home", Fault: "web page", Kind: devicetest.Good},
			{Endpoint: "tcc.home", Fault: "n*", Kind: devicetest.Good},
			{Endpoint: "tcc.login", Fault: "[4wn]*", Kind: devices.Unreachable}, // it says nothing of the credentials
			{Endpoint: "tcc.home", Fault: "4*", Kind: devices.Unreachable},
			{Endpoint: "tcc.*", Fault: "40[13]", Kind: devices.Unreachable}, // the session is over
			{Endpoint: "tcc.*", Fault: "web page", Kind: devices.Unreachable},
			{Endpoint: "tcc.*", Fault: "null", Kind: devices.Unreachable},
		},
		Unknown: map[string]string{
			"DispTemperature": "Temperature", "IndoorHumidity": "Humidity", "CoolSetpoint": "CoolSetpoint", "HeatSetpoint": "HeatSetpoint",
			"SystemSwitchPosition": "Mode", "EquipmentOutputStatus": "Action", "fanMode": "Fan", "ScheduleCoolSp": "ScheduleCool", "ScheduleHeatSp": "ScheduleHeat",
		},
		Numbers: true,
		Settle:  time.Minute,
		Rest:    10 * time.Minute,
		SignIn:  "tcc.login", Kill: func(c *vendors.Cloud) { c.TCC.EndSessions() },
		Secrets: []string{"emulator-password"},
	}
}

func open(t *testing.T, h devicetest.House) devicetest.ThermostatDevice {
	c, err := tcc.New(tcc.Options{
		BaseURL: h.URL, Username: "owner@example.com", Password: "emulator-password", SessionFile: filepath.Join(h.Dir, "session.json"), Location: h.Location,
		HTTP: h.HTTP, Now: h.Now, Log: h.Log,
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}
