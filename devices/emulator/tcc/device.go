package tcc

import (
	"bytes"
	"encoding/json"
	"io"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"powermgr/devices"
	"powermgr/devices/emulator"
)

// The portal's pages about thermostats, with the portal's own names.

const location = 123456

// The fan modes in the portal's order.
var fans = []devices.Fan{devices.FanAuto, devices.FanOn, devices.FanCirculate, devices.FanSchedule}

// page returns the thermostats on the page that r asks for.
func (p *Portal) page(r *http.Request, h *emulator.House) []*emulator.Thermostat {
	page, err := strconv.Atoi(r.URL.Query().Get("page"))
	all, per := h.Thermostats, p.options.PerPage
	if err != nil || page < 1 || page > 1000 {
		page = 1
	}
	return all[min((page-1)*per, len(all)):min(page*per, len(all))]
}

func (p *Portal) locations(w http.ResponseWriter, r *http.Request, h *emulator.House) {
	shown := []map[string]any{}
	for _, t := range p.page(r, h) {
		shown = append(shown, map[string]any{
			"DeviceID": t.TCCID, "MacID": t.MAC, "Name": strings.ToUpper(t.Name), "DeviceType": 24, "LocationID": location, "IsAlive": t.Alive,
		})
	}
	locations := []map[string]any{}
	if len(shown) > 0 {
		locations = append(locations, map[string]any{"LocationID": location, "Name": "Home", "Country": "US", "Devices": shown})
	}
	emulator.Reply(w, http.StatusOK, locations)
}

func (p *Portal) zones(w http.ResponseWriter, r *http.Request, h *emulator.House) {
	zones := []map[string]any{}
	for _, t := range p.page(r, h) {
		events := []any{}
		if t.UtilityEvent {
			events = append(events, map[string]any{"Phase": eventPhase})
		}
		zones = append(zones, map[string]any{
			"DeviceID": t.TCCID, "IsLost": !t.Alive, "GatewayIsLost": false, "DispTempAvailable": t.Alive, "DispUnits": t.Unit,
			"DispTemp": decimal(t.Displayed(t.Temperature)), "IndoorHumi": decimal(math.Round(t.Humidity)), "Alerts": []any{}, "DemandResponseDatas": events,
			"EquipmentOutputStatus": p.equipment(t), "IsFanRunning": fanRuns(t),
		})
	}
	emulator.Reply(w, http.StatusOK, zones)
}

func fanRuns(t *emulator.Thermostat) bool {
	return t.Fan == devices.FanOn || t.Action == devices.ActionCooling || t.Action == devices.ActionHeating
}

func (p *Portal) equipment(t *emulator.Thermostat) *int {
	if p.options.NoEquipmentStatus {
		return nil
	}
	switch t.Action {
	case devices.ActionHeating:
		return new(1)
	case devices.ActionCooling:
		return new(2)
	}
	return new(0)
}

func find(h *emulator.House, id string) *emulator.Thermostat {
	for _, t := range h.Thermostats {
		if strconv.Itoa(t.TCCID) == id {
			return t
		}
	}
	return nil
}

// eventPhase is drData.Phase during a utility's event. The possible numbers are
// unknown, except that −1 is not one of them.
const eventPhase = 2

// check answers with the control screen of one thermostat.
func (p *Portal) check(w http.ResponseWriter, r *http.Request, h *emulator.House) {
	t := find(h, r.PathValue("id"))
	if t == nil {
		emulator.Reply(w, http.StatusOK, map[string]any{"success": false})
		return
	}
	event := wireEvent{Phase: -1}
	if t.UtilityEvent {
		event = wireEvent{Phase: eventPhase, OptOutable: true, DeltaCoolSP: new(decimal(3)), DeltaHeatSP: new(decimal(-3))}
	}
	emulator.Reply(w, http.StatusOK, wireAnswer{
		Success: true, DeviceLive: t.Alive, CommunicationLost: !t.Alive, Alerts: "\r\n\r\n",
		Latest: wireLatest{
			UI: p.screen(t, h.Now()), HasFan: true, DR: event,
			Fan: wireFan{Mode: slices.Index(fans, t.Fan), AutoAllowed: true, OnAllowed: true, CirculateAllowed: true, Running: fanRuns(t)},
		},
	})
}

func (p *Portal) screen(t *emulator.Thermostat, now time.Time) wireScreen {
	vacation := t.Vacation || t.Hold == devices.HoldVacation
	period := t.Period(now)
	s := wireScreen{
		DeviceID: t.TCCID, DispTemperature: decimal(t.Displayed(t.Temperature)), DispTemperatureAvailable: true, DisplayUnits: t.Unit,
		HeatSetpoint: t.Heat, CoolSetpoint: t.Cool, HoldUntilCapable: true, ScheduleCapable: true, IsInVacationHoldMode: vacation,
		HeatLowerSetptLimit: decimal(t.HeatMin), HeatUpperSetptLimit: decimal(t.HeatMax), CoolLowerSetptLimit: decimal(t.CoolMin), CoolUpperSetptLimit: decimal(t.CoolMax),
		ScheduleHeatSp: decimal(period.Heat), ScheduleCoolSp: decimal(period.Cool), Deadband: decimal(t.Deadband),
		SwitchAutoAllowed: t.Has(devices.HeatCool), SwitchCoolAllowed: t.Has(devices.Cool), SwitchOffAllowed: t.Has(devices.Off), SwitchHeatAllowed: t.Has(devices.Heat),
		SystemSwitchPosition: position(t), SetpointChangeAllowed: t.Mode != devices.Off,
		IndoorHumidity: decimal(math.Round(t.Humidity)), IndoorHumiditySensorAvailable: true, IndoorHumiditySensorNotFault: true,
		OutdoorTemperature: decimal(128), OutdoorTemperatureAvailable: p.options.OutdoorSensor, EquipmentOutputStatus: p.equipment(t),
	}
	ends, _ := t.NextPeriod(now)
	switch t.Hold {
	case devices.HoldTemporary, devices.HoldUntil:
		s.StatusHeat, ends = 1, t.HoldUntil
		s.TemporaryHoldUntilTime = quarterOf(ends, t) * 15
	case devices.HoldPermanent:
		s.StatusHeat = 2
	}
	s.StatusCool, s.CurrentSetpointStatus = s.StatusHeat, s.StatusHeat
	s.HeatNextPeriod, s.CoolNextPeriod = quarterOf(ends, t), quarterOf(ends, t)
	if p.options.OutdoorSensor {
		s.OutdoorTemperature = decimal(math.Round(t.Outdoor))
	}
	if vacation {
		s.VacationHold = 1
	}
	return s
}

// quarterOf returns the time of day of at, in quarter hours since midnight.
func quarterOf(at time.Time, t *emulator.Thermostat) int {
	local := at.In(t.Location)
	return local.Hour()*4 + local.Minute()/15
}

func position(t *emulator.Thermostat) int {
	switch {
	case t.EmergencyHeat:
		return 0
	case t.Mode == devices.Heat:
		return 1
	case t.Mode == devices.Off:
		return 2
	case t.Mode == devices.Cool:
		return 3
	case t.Action == devices.ActionCooling:
		return 5
	}
	return 4
}

// submission is the body of SubmitControlScreenChanges; null leaves a field as it is.
type submission struct {
	DeviceID                       *int
	SystemSwitch                   *int
	HeatSetpoint, CoolSetpoint     *float64
	HeatNextPeriod, CoolNextPeriod *int
	StatusHeat, StatusCool         *int
	FanMode                        *int
}

// submit queues a change. A refusal gives no reason.
func (p *Portal) submit(w http.ResponseWriter, r *http.Request, h *emulator.House) {
	var s submission
	body, err := io.ReadAll(r.Body)
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err != nil || !strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") || d.Decode(&s) != nil || s.DeviceID == nil {
		emulator.Reply(w, http.StatusOK, map[string]any{"success": 0})
		return
	}
	t := find(h, strconv.Itoa(*s.DeviceID))
	if t == nil {
		emulator.Reply(w, http.StatusOK, map[string]any{"success": 0})
		return
	}
	change, values, ok := understand(t, s, h.Now())
	if !ok {
		emulator.Reply(w, http.StatusOK, map[string]any{"success": 0})
		return
	}
	p.writes++
	delay := time.Duration(float64(p.options.Delay) * (0.5 + h.Noise(1<<32+p.writes)))
	h.CommandThermostat(t, values, change, delay)
	emulator.Reply(w, http.StatusOK, map[string]any{"success": 1})
}

// understand converts a submission to a setting, or refuses it.
func understand(t *emulator.Thermostat, s submission, now time.Time) (emulator.Setting, map[string]any, bool) {
	var out emulator.Setting
	values := map[string]any{}
	if !t.Alive || t.Vacation || t.Hold == devices.HoldVacation || (s.HeatSetpoint == nil) != (s.CoolSetpoint == nil) || !same(s.StatusHeat, s.StatusCool) || !same(s.HeatNextPeriod, s.CoolNextPeriod) {
		return out, nil, false
	}
	if s.SystemSwitch != nil {
		modes := map[int]devices.HVACMode{1: devices.Heat, 2: devices.Off, 3: devices.Cool, 4: devices.HeatCool, 5: devices.HeatCool}
		m, ok := modes[*s.SystemSwitch]
		if !ok || !slices.Contains(t.Modes, m) {
			return out, nil, false
		}
		out.Mode, values["mode"] = &m, string(m)
	}
	if s.FanMode != nil {
		if *s.FanMode < 0 || *s.FanMode > 2 {
			return out, nil, false
		}
		out.Fan, values["fan"] = &fans[*s.FanMode], string(fans[*s.FanMode])
	}
	if s.HeatSetpoint != nil {
		if !accepts(t, *s.HeatSetpoint, *s.CoolSetpoint) || t.Mode == devices.Off && s.SystemSwitch == nil && !t.Pending() {
			return out, nil, false
		}
		out.Heat, out.Cool = s.HeatSetpoint, s.CoolSetpoint
		values["heat_setpoint"], values["cool_setpoint"] = *s.HeatSetpoint, *s.CoolSetpoint
	}
	if s.StatusHeat == nil {
		return out, values, true
	}
	hold, until, ok := understandHold(t, *s.StatusHeat, s.HeatNextPeriod, now)
	if !ok {
		return out, nil, false
	}
	if hold == devices.HoldSchedule {
		out.Heat, out.Cool = nil, nil
	}
	if until != nil {
		out.HoldUntil, values["hold_until"] = until, *until
	}
	out.Hold, values["hold"] = &hold, string(hold)
	return out, values, true
}

// understandHold converts the portal's status, and the quarter hour of the day at which
// a hold ends, to a hold; until is nil if there is no end.
func understandHold(t *emulator.Thermostat, status int, quarter *int, now time.Time) (hold devices.Hold, until *time.Time, ok bool) {
	switch status {
	case 0:
		return devices.HoldSchedule, nil, true
	case 2:
		return devices.HoldPermanent, nil, true
	case 1:
		if quarter == nil {
			return devices.HoldTemporary, nil, true
		}
		at := devices.NextClock(time.Duration(*quarter)*15*time.Minute, now, t.Location)
		if next, _ := t.NextPeriod(now); at.Equal(next) {
			return devices.HoldTemporary, &at, *quarter >= 0 && *quarter <= 95
		}
		return devices.HoldUntil, &at, *quarter >= 0 && *quarter <= 95
	}
	return "", nil, false
}

// accepts reports whether the device can have these set points.
func accepts(t *emulator.Thermostat, heat, cool float64) bool {
	step := t.Step
	if step == 0 {
		step = 1
	}
	whole := func(v float64) bool { return math.Mod(v, step) == 0 }
	return whole(heat) && whole(cool) && heat >= t.HeatMin && heat <= t.HeatMax && cool >= t.CoolMin && cool <= t.CoolMax &&
		(t.Deadband == 0 || cool-heat >= t.Deadband)
}

func same(a, b *int) bool { return a == nil && b == nil || a != nil && b != nil && *a == *b }
