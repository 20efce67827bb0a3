package resideo

import (
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"powermgr/devices"
	"powermgr/devices/emulator"
)

// What the emulated Honeywell Home API shows.

type thermostatAnswerer func(w http.ResponseWriter, r *http.Request, h *emulator.House, t *emulator.Thermostat)

// thermostat finds the thermostat that a request is about.
func (a *API) thermostat(f thermostatAnswerer) emulator.Answerer {
	return func(w http.ResponseWriter, r *http.Request, h *emulator.House) {
		i := slices.IndexFunc(h.Thermostats, func(t *emulator.Thermostat) bool { return t.LCCID == r.PathValue("id") })
		if i < 0 || !a.here(r) {
			refuse(w, http.StatusBadRequest, 400, "Device Not Found")
			return
		}
		f(w, r, h, h.Thermostats[i])
	}
}

// here reports whether a request names the home's location.
func (a *API) here(r *http.Request) bool {
	return r.URL.Query().Get("locationId") == strconv.FormatInt(a.options.LocationID, 10)
}

func (a *API) locations(w http.ResponseWriter, _ *http.Request, h *emulator.House) {
	emulator.Reply(w, http.StatusOK, []wireLocation{{
		ID: a.options.LocationID, Name: "Home", Country: "US", ZIP: "94110", Zone: "Pacific", IANAZone: h.Location().String(), DaylightSaving: true,
		Users: []wireUser{{ID: 123456, Name: "owner@example.com", OptOut: "False", Current: true, Deleted: -62135596800}}, Devices: a.all(h),
	}})
}

func (a *API) devices(w http.ResponseWriter, r *http.Request, h *emulator.House) {
	if !a.here(r) {
		refuse(w, http.StatusBadRequest, 400, "Location Not Found")
		return
	}
	emulator.Reply(w, http.StatusOK, a.all(h))
}

func (a *API) thermostats(w http.ResponseWriter, r *http.Request, h *emulator.House) {
	if !a.here(r) {
		refuse(w, http.StatusBadRequest, 400, "Location Not Found")
		return
	}
	emulator.Reply(w, http.StatusOK, a.all(h)[1:])
}

// all returns devices[], which begins with a device that is not a thermostat: it
// checks in once a day.
func (a *API) all(h *emulator.House) []any {
	all := []any{wireLeakDetector{
		Readings: wireReadings{Time: h.Now().UTC().Truncate(24 * time.Hour).Format("2006-01-02T15:04:05"), Temperature: 19.4, Humidity: 48}, Battery: 87,
		Registered: true, CheckedIn: true, DeviceClass: "LeakDetector", DeviceType: "WaterLeakDetector", DeviceID: "5ab0c7e4-0000-0000-0000-000000000001",
		UserDefinedName: "Boiler room", Alive: true,
	}}
	for _, t := range h.Thermostats {
		all = append(all, a.view(h, t))
	}
	return all
}

func (a *API) show(w http.ResponseWriter, _ *http.Request, h *emulator.House, t *emulator.Thermostat) {
	emulator.Reply(w, http.StatusOK, a.view(h, t))
}

func (a *API) record(t *emulator.Thermostat) *record {
	s := a.records[t.LCCID]
	if s == nil {
		s = &record{priority: priority{Type: "PickARoom", Rooms: []int{0}}}
		a.records[t.LCCID] = s
	}
	return s
}

// legacy reports whether a thermostat belongs to the older platform: no holds, and
// automatic changeover by a flag.
func legacy(t *emulator.Thermostat) bool {
	return strings.HasPrefix(t.LCCID, "TCC-") || t.Model == "Round"
}

// flagged reports whether automatic changeover is a flag instead of a mode.
func flagged(t *emulator.Thermostat) bool {
	return t.Has(devices.HeatCool) && (legacy(t) || t.Model == "D6")
}

var modes = map[devices.HVACMode]string{devices.Off: "Off", devices.Heat: "Heat", devices.Cool: "Cool", devices.HeatCool: "Auto"}

var holds = map[devices.Hold]string{
	devices.HoldSchedule: "NoHold", devices.HoldTemporary: "TemporaryHold", devices.HoldUntil: "HoldUntil",
	devices.HoldPermanent: "PermanentHold", devices.HoldVacation: "VacationHold",
}

var fans = map[devices.Fan]string{devices.FanAuto: "Auto", devices.FanOn: "On", devices.FanCirculate: "Circulate"}

// allowedModes returns the modes that can be written, by the API's names.
func allowedModes(t *emulator.Thermostat) []string {
	var all []string
	if t.EmergencyHeat {
		all = append(all, "EmergencyHeat")
	}
	for _, m := range t.Modes {
		if m != devices.HeatCool || !flagged(t) {
			all = append(all, modes[m])
		}
	}
	return all
}

// heatCoolMode returns the mode by which the thermostat heats or cools.
func heatCoolMode(t *emulator.Thermostat) string {
	if t.Mode == devices.Cool || t.Mode == devices.HeatCool && t.Action == devices.ActionCooling || !t.Has(devices.Heat) {
		return "Cool"
	}
	return "Heat"
}

// view returns the full JSON of a thermostat.
func (a *API) view(h *emulator.House, t *emulator.Thermostat) wireThermostat {
	now, s := h.Now(), a.record(t)
	v := wireThermostat{
		DeviceClass: "Thermostat", DeviceType: "Thermostat", DeviceID: t.LCCID, MAC: t.MAC, Model: t.Model,
		OSVersion: "RCHT8610WF2006", UserDefinedName: t.Name, Name: t.Name,
		Alive: t.Alive, Provisioned: true, Sync: "Completed", Service: wireMode{"Up"},
		Units: "Fahrenheit", Indoor: t.Displayed(t.Temperature), Humidity: math.Round(t.Humidity), Outdoor: t.Displayed(t.Outdoor), OutdoorHumidity: 51,
		AllowedModes: allowedModes(t), Deadband: t.Deadband,
		HeatMin: t.HeatMin, HeatMax: t.HeatMax, CoolMin: t.CoolMin, CoolMax: t.CoolMax, Values: valuesOf(t, now),
		Operation: wireOperation{Mode: "EquipmentOff", Fan: t.Fan == devices.FanOn, Circulates: t.Fan == devices.FanCirculate && t.Action == devices.ActionFan},
		Settings:  wireSettings{Hardware: wireHardware{5, 5}, Fan: fanView(t), TemperatureMode: wireTemperatureMode{true}, Pairing: true},
		Vacation:  wireEnabled{t.Vacation}, Period: wirePeriod{now.In(t.Location).Weekday().String(), t.Period(now).Name},
		Capabilities: wireCapabilities{Types: []string{"None", "Geofenced", "TimedNorthAmerica"}},
		Schedule:     wireSchedule{"Timed", "NA"}, ScheduleStatus: "Resume", HoldStep: t.HoldStep,
	}
	if t.Unit == devices.Celsius {
		v.Units = "Celsius"
	}
	if !t.Has(devices.Cool) { // like real heat-only units
		v.CoolMin = math.Round(devices.Fahrenheit.To(t.Unit, 0))
		v.CoolMax = v.CoolMin
	}
	switch t.Action {
	case devices.ActionHeating:
		v.Operation.Mode = "Heat"
	case devices.ActionCooling:
		v.Operation.Mode = "Cool"
	}
	if t.Pending() {
		v.Sync = "Initiated"
	}
	if s.paused {
		v.ScheduleStatus = "Pause"
	}
	if s.partner {
		v.ChangeSource = &wireSource{"partner", "powermgr"}
	}
	if rooms(t) {
		v.Groups, v.InBuiltSensor = []wireGroup{{0, "default", []int{0, 1}}}, &wireRoom{0, t.Name}
	}
	return v
}

// valuesOf returns the fields that can be written. A thermostat omits those that it
// does not have.
func valuesOf(t *emulator.Thermostat, now time.Time) wireValues {
	next, coming := t.NextPeriod(now)
	v := wireValues{
		Mode: modes[t.Mode], EmergencyHeat: t.EmergencyHeat, Heat: t.Heat, Cool: t.Cool, EndHeat: coming.Heat, EndCool: coming.Cool, HeatCoolMode: heatCoolMode(t),
	}
	switch {
	case t.EmergencyHeat && !legacy(t):
		v.Mode = "EmergencyHeat"
	case t.Mode == devices.HeatCool && flagged(t):
		v.Mode = heatCoolMode(t)
	}
	if t.Has(devices.HeatCool) || !legacy(t) && t.Model != "D6" {
		v.AutoChangeover = new(t.Mode == devices.HeatCool)
	}
	if !legacy(t) {
		if t.Hold == devices.HoldTemporary || t.Hold == devices.HoldUntil {
			next = t.HoldUntil
		}
		v.Status, v.NextPeriod = new(holds[t.Hold]), new(next.In(t.Location).Format(time.TimeOnly))
	}
	return v
}

func rooms(t *emulator.Thermostat) bool { return t.Model == "T9-T10" }

func fanView(t *emulator.Thermostat) wireFan {
	return wireFan{AllowedModes: []string{"On", "Auto", "Circulate"}, Values: wireMode{fans[t.Fan]}}
}

func (a *API) fan(w http.ResponseWriter, _ *http.Request, _ *emulator.House, t *emulator.Thermostat) {
	emulator.Reply(w, http.StatusOK, fanView(t))
}

// priority answers about the rooms of a T9; their temperatures are always in °F, and
// deviceId is the MAC.
func (a *API) priority(w http.ResponseWriter, _ *http.Request, _ *emulator.House, t *emulator.Thermostat) {
	if !rooms(t) {
		emulator.Reply(w, http.StatusBadRequest, map[string]string{"code": "GetPriorityFailed"})
		return
	}
	p, f := a.record(t).priority, t.Unit.To(devices.Fahrenheit, t.Temperature)
	room := func(id int, name string) map[string]any {
		return map[string]any{
			"id": id, "name": name, "avgTemperature": math.Round(f), "avgHumidity": math.Round(t.Humidity), "overallMotion": false,
			"accessories": []any{map[string]any{
				"id": id, "sensorType": "Thermostat", "excludeTemperature": false, "excludeMotion": false, "temperature": f, "status": "Ok", "detectMotion": false,
			}},
		}
	}
	emulator.Reply(w, http.StatusOK, map[string]any{
		"deviceId": t.MAC, "priorityStatus": "NoHold",
		"priority": map[string]any{"priorityType": p.Type, "selectedRooms": p.Rooms, "rooms": []any{room(0, t.Name), room(1, "Bedroom")}},
	})
}

func (a *API) configuration(w http.ResponseWriter, _ *http.Request, _ *emulator.House, _ *emulator.Thermostat) {
	emulator.Reply(w, http.StatusOK, map[string]any{
		"systemConfiguration": map[string]any{"coolingStages": 1, "coolingSystem": "CompressorCool", "heatingStages": 1, "heatingSystem": "HeatPump"},
		"thermostatVersion":   "03.10.18.08",
	})
}

func (a *API) schedule(w http.ResponseWriter, _ *http.Request, _ *emulator.House, t *emulator.Thermostat) {
	status := "Resume"
	if a.record(t).paused {
		status = "Pause"
	}
	emulator.Reply(w, http.StatusOK, map[string]string{"scheduleStatus": status})
}
