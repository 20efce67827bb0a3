package control

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"powermgr/bridge/bus"
	"powermgr/control/rules"
	"powermgr/devices"
)

// State is the payload of control/state. A nil field is unknown or does not apply.
type State struct {
	Phase       rules.Phase    `json:"phase"`
	Reason      string         `json:"reason"` // one sentence
	Cause       rules.Reason   `json:"cause"`  // the same as one word
	Season      string         `json:"season"`
	PeakStart   *time.Time     `json:"peak_start"` // of the current peak, or the next
	PeakEnd     *time.Time     `json:"peak_end"`
	NextStart   *time.Time     `json:"next_peak_start"` // always to come
	MinutesLeft *int           `json:"minutes_left"`    // of the peak, rounded up; null outside
	Reserve     *int           `json:"reserve_wanted_percent"`
	OffsetF     float64        `json:"offset_f"`
	Latched     []Latched      `json:"thresholds_latched"`
	ForecastF   *float64       `json:"forecast_high_f"`
	Override    string         `json:"override"` // auto when there is none
	Until       *time.Time     `json:"override_until"`
	Enabled     bool           `json:"enabled"`
	DryRun      bool           `json:"dry_run"`
	Strategy    rules.Strategy `json:"strategy"`
	// PeakReserve, OffPeakReserve and PrecoolF are in force: configured, or changed by hand.
	PeakReserve    int              `json:"peak_reserve_percent"`
	OffPeakReserve int              `json:"off_peak_reserve_percent"`
	PrecoolF       float64          `json:"precool_depth_f"`
	ByHand         []rules.Adjusted `json:"changed_by_hand"`
	PlanIdle       string           `json:"plan_gives_way"`        // why the rule acts instead of the plan; empty: it does not
	Comfort        string           `json:"thermostats_plan"`      // what is planned for the thermostats around the next peak, and why; empty: nothing
	ComfortIdle    string           `json:"thermostats_gives_way"` // why the fixed rule decides about the thermostats; empty: it does not
	Owned          []rules.Owned    `json:"owned"`
	Yielded        []rules.Owned    `json:"yielded"`
	Problem        bool             `json:"problem"`
	Problems       []rules.Problem  `json:"problems"`
}

// same reports whether s is o, and is quick about it. One that is not may still say what
// the other does, of the same time zone in two places.
func (s *State) same(o State) bool {
	return s.Phase == o.Phase && s.Reason == o.Reason && s.Cause == o.Cause && s.Season == o.Season && equal(s.PeakStart, o.PeakStart) && equal(s.PeakEnd, o.PeakEnd) &&
		equal(s.NextStart, o.NextStart) && equal(s.MinutesLeft, o.MinutesLeft) && equal(s.Reserve, o.Reserve) && s.OffsetF == o.OffsetF &&
		slices.Equal(s.Latched, o.Latched) && equal(s.ForecastF, o.ForecastF) && s.Override == o.Override && equal(s.Until, o.Until) &&
		s.Enabled == o.Enabled && s.DryRun == o.DryRun && s.Strategy == o.Strategy && s.PeakReserve == o.PeakReserve && s.OffPeakReserve == o.OffPeakReserve &&
		s.PrecoolF == o.PrecoolF && slices.Equal(s.ByHand, o.ByHand) && s.PlanIdle == o.PlanIdle && s.Comfort == o.Comfort && s.ComfortIdle == o.ComfortIdle &&
		slices.Equal(s.Owned, o.Owned) && slices.Equal(s.Yielded, o.Yielded) && s.Problem == o.Problem && slices.Equal(s.Problems, o.Problems)
}

// equal reports whether two figures that may be unknown are the same.
func equal[T comparable](a, b *T) bool { return a == b || a != nil && b != nil && *a == *b }

// InForce returns the configured settings with the changes made by hand.
func (s State) InForce(configured rules.Settings) rules.Settings {
	hand := map[rules.Adjustable]float64{}
	for _, a := range s.ByHand {
		hand[a.Setting] = a.Value
	}
	return rules.State{Settings: configured, Persisted: rules.Persisted{HomeRecord: rules.HomeRecord{ByHand: hand}}}.InForce()
}

// Contested is the problem that another daemon commands the same devices. The rules
// cannot know about it.
const Contested rules.ProblemKind = "contested"

// Absent is the problem that a thermostat which is to be controlled is not on the
// account.
const Absent rules.ProblemKind = "absent"

// Latched is a battery threshold that has been reached in this peak.
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

func present(s rules.State, d rules.Decision, after *following, now time.Time) *State {
	local := func(t time.Time) *time.Time {
		if t.IsZero() {
			return nil
		}
		t = devices.WholeSecond(t.In(s.Settings.Calendar.Location))
		return &t
	}
	p, force := d.Plan, s.InForce()
	out := &State{
		Phase: p.Phase, Reason: d.Why, Cause: d.Reason, Season: p.Peak.Season,
		PeakStart: local(p.Peak.Start), PeakEnd: local(p.Peak.End), NextStart: local(after.start(s.Settings.Calendar, p, now)),
		Reserve: d.Reserve, OffsetF: d.OffsetF, Latched: []Latched{},
		Override: overrideText(s.Persisted.Override), Until: local(s.Persisted.Override.Until),
		Enabled: !s.Persisted.Disabled, DryRun: s.Settings.DryRun, Strategy: s.Strategy(), PlanIdle: d.PlanIdle,
		PeakReserve: force.PeakReserve, OffPeakReserve: force.OffPeakReserve, PrecoolF: force.PrecoolAdjustF, ByHand: s.ByHand(),
		Comfort: d.Comfort, ComfortIdle: d.ComfortIdle,
		Owned: here(d.Owned, local), Yielded: here(d.Yielded, local),
		Problem: len(d.Problems) > 0, Problems: append([]rules.Problem{}, d.Problems...),
	}
	if d.Left != nil {
		out.MinutesLeft = new(int(math.Ceil(d.Left.Minutes())))
	}
	for _, t := range d.Latched {
		out.Latched = append(out.Latched, Latched{int(t.Left.Minutes()), t.Level})
	}
	if s.ForecastDay == now.In(s.Settings.Calendar.Location).Format(time.DateOnly) {
		out.ForecastF = s.ForecastF
	}
	return out
}

// following is when the peak begins that follows one that runs. It stays the same while
// that one runs, so the calendar of the controller is asked once.
type following struct {
	end  time.Time // of the one that runs; zero: none was asked for
	next time.Time // zero: there is none
}

// start returns when the next peak that has not begun yet begins; zero: there is none.
func (f *following) start(c rules.Calendar, p rules.Plan, now time.Time) time.Time {
	if p.Peak.Start.After(now) || p.Peak.Start.IsZero() {
		return p.Peak.Start
	}
	if !f.end.Equal(p.Peak.End) {
		*f = following{p.Peak.End, nextStart(c, p)}
	}
	return f.next
}

func nextStart(c rules.Calendar, p rules.Plan) time.Time {
	for peak := range c.From(p.Peak.End) {
		if !peak.Start.Before(p.Peak.End) {
			return peak.Start
		}
	}
	return time.Time{}
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

// event turns a message of the bridge into an event for the rules; nil if it is of no
// interest to them.
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
	var reserve *int
	if v, ok := r.Requested.(float64); ok && target == rules.Powerwall && setting == "reserve" {
		reserve = new(int(v))
	}
	return rules.Answer{
		Target: target, Reserve: reserve, Setting: setting, ID: r.ID, Accepted: r.Accepted,
		Final: r.Final, Applied: r.Accepted && r.Final && r.Reason == "", Reason: r.Reason, Unknown: r.Unknown, GaveWay: r.GaveWay,
	}, nil
}

func battery(r devices.PowerwallReading) rules.Battery {
	b := rules.Battery{
		Reserve: r.ReservePercent, GridConnected: r.GridConnected,
		StormActive: r.StormActive != nil && *r.StormActive, GridServices: r.GridServicesActive != nil && *r.GridServicesActive,
		AsOf: r.AsOf(), Polled: r.SettingsAsOf(), Age: r.Age(),
	}
	if r.ChargePercent != nil {
		b.Charge = new(float64(*r.ChargePercent))
	}
	if r.GridPower != nil {
		b.GridW = new(float64(*r.GridPower))
	}
	if r.BatteryPower != nil {
		b.PowerW = new(float64(*r.BatteryPower))
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
		Holds: r.Holds, ScheduleCool: r.ScheduleCool, ScheduleHeat: r.ScheduleHeat, Period: r.SchedulePeriod,
		Setting: devices.Setting{Cool: r.CoolSetpoint, Heat: r.HeatSetpoint},
		AsOf:    r.AsOf(), Polled: r.PolledAt, Age: r.Age(),
	}
	if r.Mode != nil {
		t.Mode = *r.Mode
	}
	if r.Hold != nil {
		t.Hold = *r.Hold
	}
	if r.HoldUntil != nil {
		t.Until = *r.HoldUntil
	}
	return t
}

// command returns the topic and the payload of a write.
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
	if s.Hold == devices.HoldUntil {
		body["until"] = devices.WholeSecond(s.Until)
	}
	if s.Hold != devices.HoldSchedule {
		if s.Cool != nil {
			body["cool_setpoint"] = *s.Cool
		}
		if s.Heat != nil {
			body["heat_setpoint"] = *s.Heat
		}
	}
	return topics.Thermostat(w.Target, "hold"+devices.Set), body
}

// settingChange reads a person's command to the controller. The accepted forms, each as
// text or as the value of an object:
//
//	override/set   peak, off_peak, precool or pause, with or without "90m" or
//	               "until 2026-12-01 08:00", or the fields "for", "minutes", "until"
//	               skip, auto, resume
//	enabled/set    ON, OFF
//	restore/set    PRESS
//	strategy/set   rule, plan
//	peak_reserve/set, off_peak_reserve/set
//	               a number, or "configured" for that of the configuration
//	precool_depth/set
//	               the same, in the owner's unit or with one: "1.5 C"
//	configured/set PRESS, for all three
func settingChange(name string, r devices.Request, owner devices.Unit) (rules.Event, error) {
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
	case "strategy":
		if err := r.Only(); err != nil {
			return nil, err
		}
		s := rules.Strategy(strings.ToLower(r.Value))
		if !slices.Contains(rules.Strategies(), s) {
			return nil, fmt.Errorf("%.40q is not a strategy: send rule or plan", r.Value)
		}
		return rules.StrategyAsked{Strategy: s}, nil
	case "restore":
		if err := r.Only(); err != nil {
			return nil, err
		}
		if r.Value != "PRESS" {
			return nil, fmt.Errorf("%.40q is not PRESS, which restores everything now", r.Value)
		}
		return rules.RestoreAsked{}, nil
	}
	return byHand(name, r, owner)
}

// byHand reads a command that changes a setting by hand.
func byHand(name string, r devices.Request, owner devices.Unit) (rules.Event, error) {
	a := rules.Adjustable(name)
	var fields []string
	if a == rules.AdjustPrecool {
		fields = []string{"unit"}
	}
	switch {
	case name != "configured" && !slices.Contains(rules.Adjustables(), a):
		return nil, fmt.Errorf("there is no such command: send to override, enabled, strategy, restore, peak_reserve, off_peak_reserve, precool_depth or configured")
	case r.Only(fields...) != nil:
		return nil, r.Only(fields...)
	case name == "configured" && r.Value != "PRESS":
		return nil, fmt.Errorf("%.40q is not PRESS, which takes back what was changed by hand", r.Value)
	case name == "configured":
		return rules.ByHandAsked{}, nil
	case strings.EqualFold(r.Value, "configured"):
		return rules.ByHandAsked{Setting: a}, nil
	case a == rules.AdjustPrecool:
		t, err := r.Temperature(r.Value)
		if err != nil {
			return nil, fmt.Errorf("%.40q is not a number of degrees: send one such as 2 or 1.5 C, or configured for that of the configuration", r.Value)
		}
		// To a tenth, so that 2.8 °C, which is how people see the deepest, is it.
		v := math.Round(t.DifferenceIn(devices.Fahrenheit, owner)*10) / 10
		return rules.ByHandAsked{Setting: a, Value: &v}, nil
	}
	v, err := strconv.ParseFloat(strings.TrimSpace(r.Value), 64)
	if err != nil || !devices.Finite(v) {
		return nil, fmt.Errorf("%.40q is not a number: send one, or configured for that of the configuration", r.Value)
	}
	return rules.ByHandAsked{Setting: a, Value: &v}, nil
}

// overrideLength returns the length of an override that is sent in a field of its own;
// empty if there is none.
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
