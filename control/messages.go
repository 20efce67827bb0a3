package control

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"powermgr/bridge/bus"
	"powermgr/control/rules"
	"powermgr/devices"
)

// State is the payload of control/state. Nil is unknown or does not apply.
type State struct {
	Phase       rules.Phase     `json:"phase"`
	Reason      string          `json:"reason"` // one sentence
	Cause       rules.Reason    `json:"cause"`  // the same as one word
	Season      string          `json:"season"`
	PeakStart   *time.Time      `json:"peak_start"` // of the current peak, or the next
	PeakEnd     *time.Time      `json:"peak_end"`
	MinutesLeft *int            `json:"minutes_left"` // of the peak, rounded up; null outside
	Reserve     *int            `json:"reserve_wanted_percent"`
	OffsetF     float64         `json:"offset_f"`
	Latched     []Latched       `json:"thresholds_latched"`
	ForecastF   *float64        `json:"forecast_high_f"`
	Override    string          `json:"override"` // auto when there is none
	Until       *time.Time      `json:"override_until"`
	Enabled     bool            `json:"enabled"`
	DryRun      bool            `json:"dry_run"`
	Owned       []rules.Owned   `json:"owned"`
	Yielded     []rules.Owned   `json:"yielded"`
	Problem     bool            `json:"problem"`
	Problems    []rules.Problem `json:"problems"`
}

// Contested is the problem that another daemon commands the same devices, which
// no rule can know.
const Contested rules.ProblemKind = "contested"

// Latched is a threshold in force.
type Latched struct {
	MinutesLeft  int     `json:"minutes_left"`
	LevelPercent float64 `json:"level_percent"`
}

// Event is the payload of control/event.
type Event struct {
	Type   rules.NoteType `json:"event_type"`
	Target string         `json:"target"`
	Reason string         `json:"reason"`
	At     time.Time      `json:"at"`
}

func present(s rules.State, d rules.Decision, now time.Time) *State {
	local := func(t time.Time) *time.Time {
		if t.IsZero() {
			return nil
		}
		t = t.In(s.Settings.Calendar.Location).Round(0)
		return &t
	}
	p := d.Plan
	out := &State{
		Phase: p.Phase, Reason: d.Why, Cause: d.Reason, Season: p.Peak.Season,
		PeakStart: local(p.Peak.Start), PeakEnd: local(p.Peak.End),
		Reserve: d.Reserve, OffsetF: d.OffsetF, Latched: []Latched{},
		Override: overrideText(s.Kept.Override), Until: local(s.Kept.Override.Until),
		Enabled: !s.Kept.Disabled, DryRun: s.Settings.DryRun,
		Owned: here(d.Owned, local), Yielded: here(d.Taken, local),
		Problem: len(d.Problems) > 0, Problems: append([]rules.Problem{}, d.Problems...),
	}
	if d.Left != nil {
		out.MinutesLeft = devices.Pointer(int(math.Ceil(d.Left.Minutes())))
	}
	for _, t := range d.Latched {
		out.Latched = append(out.Latched, Latched{int(t.Left.Minutes()), t.Level})
	}
	if s.ForecastDay == now.In(s.Settings.Calendar.Location).Format(time.DateOnly) {
		out.ForecastF = s.ForecastF
	}
	return out
}

func here(owned []rules.Owned, local func(time.Time) *time.Time) []rules.Owned {
	out := make([]rules.Owned, 0, len(owned))
	for _, o := range owned {
		if t := local(o.Until); t != nil {
			o.Until = *t
		}
		out = append(out, o)
	}
	return out
}

func overrideText(o rules.Override) string {
	if o.Kind == "" {
		return string(rules.Auto)
	}
	return string(o.Kind)
}

// event reads a message of the bridge. It is nil for one that says nothing to
// the controller.
func event(levels []string, m bus.Message) (rules.Event, error) {
	if len(m.Payload) == 0 {
		return nil, nil
	}
	switch {
	case len(levels) == 2 && levels[0] == "powerwall" && levels[1] == devices.StateLeaf:
		r, err := bus.Decode[devices.PowerwallReading](m)
		if err != nil {
			return nil, err
		}
		return rules.BatteryRead{Battery: battery(r)}, nil
	case len(levels) == 2 && levels[0] == "weather":
		f, err := bus.Decode[devices.Forecast](m)
		if err != nil {
			return nil, err
		}
		return rules.Forecast{HighF: f.HighF, Day: f.Day, Service: f.Source != "mqtt"}, nil
	case len(levels) == 3 && levels[0] == "thermostat" && levels[2] == devices.StateLeaf:
		r, err := bus.Decode[devices.ThermostatReading](m)
		if err != nil {
			return nil, err
		}
		return rules.ThermostatRead{ID: levels[1], Thermostat: thermostat(r)}, nil
	case len(levels) == 3 && levels[0] == "powerwall":
		return answer(rules.Powerwall, levels[1], m)
	case len(levels) == 4 && levels[0] == "thermostat":
		return answer(levels[1], levels[2], m)
	}
	return nil, fmt.Errorf("no such topic")
}

func answer(target, setting string, m bus.Message) (rules.Event, error) {
	r, err := bus.Decode[devices.Result](m)
	if err != nil {
		return nil, err
	}
	return rules.Answer{
		Target: target, Setting: setting, ID: r.ID, Accepted: r.Accepted,
		Final: r.Final, Applied: r.Accepted && r.Final && r.Reason == "", Reason: r.Reason, Unknown: r.Unknown, GaveWay: r.GaveWay,
	}, nil
}

func battery(r devices.PowerwallReading) rules.Battery {
	b := rules.Battery{
		Reserve: r.ReservePercent, GridConnected: r.GridConnected,
		StormActive: r.StormActive != nil && *r.StormActive, GridServices: r.GridServicesActive != nil && *r.GridServicesActive,
		AsOf: r.AsOf(), Polled: r.PolledAt, Age: r.Age(),
	}
	if r.ChargePercent != nil {
		b.Charge = devices.Pointer(float64(*r.ChargePercent))
	}
	if r.Mode != nil {
		b.Mode = string(*r.Mode)
	}
	return b
}

func thermostat(r devices.ThermostatReading) rules.Thermostat {
	gap, keeps := r.Gap()
	t := rules.Thermostat{
		Name: r.Name, Temperature: r.Temperature, Celsius: r.Unit == devices.Celsius, Step: r.Step, Deadband: gap, Crossing: !keeps,
		CoolMin: r.CoolMin, CoolMax: r.CoolMax, HeatMin: r.HeatMin, HeatMax: r.HeatMax,
		Alive: r.Alive, EmergencyHeat: r.EmergencyHeat, UtilityEvent: r.UtilityEvent,
		ScheduleCool: r.ScheduleCool, ScheduleHeat: r.ScheduleHeat, Period: r.SchedulePeriod,
		Setting: rules.Setting{Cool: r.CoolSetpoint, Heat: r.HeatSetpoint},
		AsOf:    r.AsOf(), Polled: r.PolledAt, Age: r.Age(),
	}
	if r.Mode != nil {
		t.Mode = string(*r.Mode)
	}
	if r.Hold != nil {
		t.Hold = string(*r.Hold)
	}
	if r.HoldUntil != nil {
		t.Until = *r.HoldUntil
	}
	for _, h := range r.Holds {
		t.Holds = append(t.Holds, string(h))
	}
	return t
}

// command is the topic and the payload of a write.
func command(topics devices.Topics, w rules.Write) (topic string, body map[string]any) {
	body = map[string]any{"id": w.ID, "reason": w.Why}
	if w.Goal == rules.Restore {
		body["restores"] = true
	}
	if w.Reserve != nil {
		body["value"] = *w.Reserve
		return topics.Powerwall("reserve" + devices.Set), body
	}
	s := w.Setting
	body["value"] = s.Hold
	if s.Hold == "" {
		body["value"] = string(devices.HoldTemporary) // a device without holds takes the set points alone
	}
	if s.Hold == rules.HoldUntil {
		body["until"] = s.Until.Round(0)
	}
	if s.Hold != rules.HoldSchedule {
		if s.Cool != nil {
			body["cool_setpoint"] = *s.Cool
		}
		if s.Heat != nil {
			body["heat_setpoint"] = *s.Heat
		}
	}
	return topics.Thermostat(w.Target, "hold"+devices.Set), body
}

// wish reads a person's command to the controller. The accepted forms, each as
// text or as the value of an object:
//
//	override/set   peak, off_peak, precool or pause, with or without "90m" or
//	               "until 2026-12-01 08:00", or the fields "for", "minutes", "until"
//	               skip, auto, resume
//	enabled/set    ON, OFF
//	restore/set    PRESS
func wish(name string, r devices.Request) (rules.Event, error) {
	switch name {
	case "override":
		length, err := overrideLength(r)
		if err != nil {
			return nil, err
		}
		req, err := rules.ParseOverride(r.Value, length)
		return rules.OverrideAsked{OverrideRequest: req}, err
	case "enabled":
		if err := r.Only(); err != nil {
			return nil, err
		}
		on, err := devices.ParseSwitch(r.Value)
		return rules.EnabledAsked{Enabled: on}, err
	case "restore":
		if err := r.Only(); err != nil {
			return nil, err
		}
		if r.Value != "PRESS" {
			return nil, fmt.Errorf("%.40q is not PRESS, which gives everything back now", r.Value)
		}
		return rules.RestoreAsked{}, nil
	}
	return nil, fmt.Errorf("there is no such command: send to override, enabled or restore")
}

// overrideLength is the time of an override that has a field of its own; empty
// if it has none.
func overrideLength(r devices.Request) (length string, err error) {
	if err := r.Only("for", "minutes", "until"); err != nil {
		return "", err
	}
	if len(r.Fields) > 1 {
		return "", fmt.Errorf("there are several times: send one of for, minutes and until")
	}
	for name, raw := range r.Fields {
		if string(raw) == "null" {
			continue // none was chosen
		}
		var text string
		if err := json.Unmarshal(raw, &text); err != nil {
			text = string(raw)
		}
		switch n, number := strconv.ParseFloat(text, 64); {
		case name == "minutes" && number != nil || name != "minutes" && raw[0] != '"':
			return "", fmt.Errorf("%q is %.40s: send \"minutes\": 90, \"for\": \"2h\" or \"until\": \"2026-12-01 08:00\"", name, raw)
		case name == "minutes":
			length = strconv.FormatFloat(n, 'f', -1, 64) + "m"
		case name == "until":
			length = "until " + text
		default:
			length = text
		}
		if strings.TrimSpace(text) == "" {
			return "", fmt.Errorf("%q is empty", name)
		}
	}
	return length, nil
}
