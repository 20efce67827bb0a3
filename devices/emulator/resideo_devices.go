package emulator

import (
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"powermgr/devices"
)

// What the emulated Honeywell Home API shows.

type thermostatAnswerer func(w http.ResponseWriter, r *http.Request, h *House, t *Thermostat)

// restThermostat finds the thermostat that a request is about.
func (c *Cloud) restThermostat(f thermostatAnswerer) answerer {
	return func(w http.ResponseWriter, r *http.Request, h *House) {
		i := slices.IndexFunc(h.Thermostats, func(t *Thermostat) bool { return t.LCCID == r.PathValue("id") })
		if i < 0 || !c.restHere(r) {
			refuse(w, http.StatusBadRequest, 400, "Device Not Found")
			return
		}
		f(w, r, h, h.Thermostats[i])
	}
}

// restHere reports whether a request names the home's location.
func (c *Cloud) restHere(r *http.Request) bool {
	return r.URL.Query().Get("locationId") == strconv.FormatInt(c.options.Resideo.LocationID, 10)
}

func (c *Cloud) restLocations(w http.ResponseWriter, _ *http.Request, h *House) {
	reply(w, http.StatusOK, []wireLocation{{
		ID: c.options.Resideo.LocationID, Name: "Home", Country: "US", ZIP: "94110", Zone: "Pacific", IANAZone: h.local.String(), DaylightSaving: true,
		Users: []wireUser{{ID: 123456, Name: "owner@example.com", OptOut: "False", Current: true, Deleted: -62135596800}}, Devices: c.restAll(h),
	}})
}

func (c *Cloud) restDevices(w http.ResponseWriter, r *http.Request, h *House) {
	if !c.restHere(r) {
		refuse(w, http.StatusBadRequest, 400, "Location Not Found")
		return
	}
	reply(w, http.StatusOK, c.restAll(h))
}

func (c *Cloud) restThermostats(w http.ResponseWriter, r *http.Request, h *House) {
	if !c.restHere(r) {
		refuse(w, http.StatusBadRequest, 400, "Location Not Found")
		return
	}
	reply(w, http.StatusOK, c.restAll(h)[1:])
}

// restAll returns devices[], which begins with a device that is not a thermostat: it
// checks in once a day.
func (c *Cloud) restAll(h *House) []any {
	all := []any{wireLeakDetector{
		Readings: wireReadings{Time: h.at.UTC().Truncate(24 * time.Hour).Format("2006-01-02T15:04:05"), Temperature: 19.4, Humidity: 48}, Battery: 87,
		Registered: true, CheckedIn: true, DeviceClass: "LeakDetector", DeviceType: "WaterLeakDetector", DeviceID: "5ab0c7e4-0000-0000-0000-000000000001",
		UserDefinedName: "Boiler room", Alive: true,
	}}
	for _, t := range h.Thermostats {
		all = append(all, c.restView(h, t))
	}
	return all
}

func (c *Cloud) restShow(w http.ResponseWriter, _ *http.Request, h *House, t *Thermostat) {
	reply(w, http.StatusOK, c.restView(h, t))
}

func (c *Cloud) restStats(t *Thermostat) *restStats {
	s := c.rest.stats[t.LCCID]
	if s == nil {
		s = &restStats{priority: priority{Type: "PickARoom", Rooms: []int{0}}}
		c.rest.stats[t.LCCID] = s
	}
	return s
}

// legacy reports whether a thermostat belongs to the older platform: no holds, and
// automatic changeover by a flag.
func (t *Thermostat) legacy() bool { return strings.HasPrefix(t.LCCID, "TCC-") || t.Model == "Round" }

// flagged reports whether automatic changeover is a flag instead of a mode.
func (t *Thermostat) flagged() bool {
	return t.has(devices.HeatCool) && (t.legacy() || t.Model == "D6")
}

func (t *Thermostat) has(m devices.HVACMode) bool { return slices.Contains(t.Modes, m) }

var restModes = map[devices.HVACMode]string{devices.Off: "Off", devices.Heat: "Heat", devices.Cool: "Cool", devices.HeatCool: "Auto"}

var restHolds = map[devices.Hold]string{
	devices.HoldSchedule: "NoHold", devices.HoldTemporary: "TemporaryHold", devices.HoldUntil: "HoldUntil",
	devices.HoldPermanent: "PermanentHold", devices.HoldVacation: "VacationHold",
}

var restFans = map[devices.Fan]string{devices.FanAuto: "Auto", devices.FanOn: "On", devices.FanCirculate: "Circulate"}

// restAllowed returns the modes that can be written, by the API's names.
func (t *Thermostat) restAllowed() []string {
	var all []string
	if t.EmergencyHeat {
		all = append(all, "EmergencyHeat")
	}
	for _, m := range t.Modes {
		if m != devices.HeatCool || !t.flagged() {
			all = append(all, restModes[m])
		}
	}
	return all
}

// heatCoolMode returns the mode by which the thermostat heats or cools.
func (t *Thermostat) heatCoolMode() string {
	if t.Mode == devices.Cool || t.Mode == devices.HeatCool && t.Action == devices.ActionCooling || !t.has(devices.Heat) {
		return "Cool"
	}
	return "Heat"
}

// restView returns the full JSON of a thermostat.
func (c *Cloud) restView(h *House, t *Thermostat) wireThermostat {
	now, s := h.at, c.restStats(t)
	v := wireThermostat{
		DeviceClass: "Thermostat", DeviceType: "Thermostat", DeviceID: t.LCCID, MAC: t.MAC, Model: t.Model,
		OSVersion: "RCHT8610WF2006", UserDefinedName: t.Name, Name: t.Name,
		Alive: t.Alive, Provisioned: true, Sync: "Completed", Service: wireMode{"Up"},
		Units: "Fahrenheit", Indoor: t.shown(t.Temperature), Humidity: math.Round(t.Humidity), Outdoor: t.shown(t.Outdoor), OutdoorHumidity: 51,
		AllowedModes: t.restAllowed(), Deadband: t.Deadband,
		HeatMin: t.HeatMin, HeatMax: t.HeatMax, CoolMin: t.CoolMin, CoolMax: t.CoolMax, Values: t.restValues(now),
		Operation: wireOperation{Mode: "EquipmentOff", Fan: t.Fan == devices.FanOn, Circulates: t.Fan == devices.FanCirculate && t.Action == devices.ActionFan},
		Settings:  wireSettings{Hardware: wireHardware{5, 5}, Fan: fanView(t), TemperatureMode: wireTemperatureMode{true}, Pairing: true},
		Vacation:  wireEnabled{t.Vacation}, Period: wirePeriod{now.In(t.Location).Weekday().String(), t.Period(now).Name},
		Capabilities: wireCapabilities{Types: []string{"None", "Geofenced", "TimedNorthAmerica"}},
		Schedule:     wireSchedule{"Timed", "NA"}, ScheduleStatus: "Resume", HoldStep: t.HoldStep,
	}
	if t.Unit == devices.Celsius {
		v.Units = "Celsius"
	}
	if !t.has(devices.Cool) { // like real heat-only units
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
	if t.rooms() {
		v.Groups, v.InBuiltSensor = []wireGroup{{0, "default", []int{0, 1}}}, &wireRoom{0, t.Name}
	}
	return v
}

// restValues returns the fields that can be written. A thermostat omits those that it
// does not have.
func (t *Thermostat) restValues(now time.Time) wireValues {
	next, coming := t.NextPeriod(now)
	v := wireValues{
		Mode: restModes[t.Mode], EmergencyHeat: t.EmergencyHeat, Heat: t.Heat, Cool: t.Cool, EndHeat: coming.Heat, EndCool: coming.Cool, HeatCoolMode: t.heatCoolMode(),
	}
	switch {
	case t.EmergencyHeat && !t.legacy():
		v.Mode = "EmergencyHeat"
	case t.Mode == devices.HeatCool && t.flagged():
		v.Mode = t.heatCoolMode()
	}
	if t.has(devices.HeatCool) || !t.legacy() && t.Model != "D6" {
		v.AutoChangeover = new(t.Mode == devices.HeatCool)
	}
	if !t.legacy() {
		if t.Hold == devices.HoldTemporary || t.Hold == devices.HoldUntil {
			next = t.HoldUntil
		}
		v.Status, v.NextPeriod = new(restHolds[t.Hold]), new(next.In(t.Location).Format(time.TimeOnly))
	}
	return v
}

// shown returns a temperature as the device displays it.
func (t *Thermostat) shown(degrees float64) float64 {
	if t.Unit == devices.Celsius {
		return math.Round(degrees*2) / 2
	}
	return math.Round(degrees)
}

func (t *Thermostat) rooms() bool { return t.Model == "T9-T10" }

func fanView(t *Thermostat) wireFan {
	return wireFan{AllowedModes: []string{"On", "Auto", "Circulate"}, Values: wireMode{restFans[t.Fan]}}
}

func (c *Cloud) restFan(w http.ResponseWriter, _ *http.Request, _ *House, t *Thermostat) {
	reply(w, http.StatusOK, fanView(t))
}

// restPriority answers about the rooms of a T9; their temperatures are always in °F, and
// deviceId is the MAC.
func (c *Cloud) restPriority(w http.ResponseWriter, _ *http.Request, _ *House, t *Thermostat) {
	if !t.rooms() {
		reply(w, http.StatusBadRequest, map[string]string{"code": "GetPriorityFailed"})
		return
	}
	p, f := c.restStats(t).priority, t.Unit.To(devices.Fahrenheit, t.Temperature)
	room := func(id int, name string) map[string]any {
		return map[string]any{
			"id": id, "name": name, "avgTemperature": math.Round(f), "avgHumidity": math.Round(t.Humidity), "overallMotion": false,
			"accessories": []any{map[string]any{
				"id": id, "sensorType": "Thermostat", "excludeTemperature": false, "excludeMotion": false, "temperature": f, "status": "Ok", "detectMotion": false,
			}},
		}
	}
	reply(w, http.StatusOK, map[string]any{
		"deviceId": t.MAC, "priorityStatus": "NoHold",
		"priority": map[string]any{"priorityType": p.Type, "selectedRooms": p.Rooms, "rooms": []any{room(0, t.Name), room(1, "Bedroom")}},
	})
}

func (c *Cloud) restConfiguration(w http.ResponseWriter, _ *http.Request, _ *House, _ *Thermostat) {
	reply(w, http.StatusOK, map[string]any{
		"systemConfiguration": map[string]any{"coolingStages": 1, "coolingSystem": "CompressorCool", "heatingStages": 1, "heatingSystem": "HeatPump"},
		"thermostatVersion":   "03.10.18.08",
	})
}

func (c *Cloud) restSchedule(w http.ResponseWriter, _ *http.Request, _ *House, t *Thermostat) {
	status := "Resume"
	if c.restStats(t).paused {
		status = "Pause"
	}
	reply(w, http.StatusOK, map[string]string{"scheduleStatus": status})
}
