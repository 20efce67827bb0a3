package bridge

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"powermgr/devices"
)

// What people and the controller send to a thermostat, and what a reading says
// of it. All of it is pure.

// parsing is what a command to a thermostat is parsed with.
type parsing struct {
	setting string // the level of the topic before /set
	req     devices.Request
	r       devices.ThermostatReading // as it will be when all that is under way has landed
	now     time.Time
	home    *time.Location
}

// parseThermostat reads a command. The accepted forms:
//
//	mode/set                                   a mode of the device
//	fan/set                                    a fan mode of the device
//	cool_setpoint/set, heat_setpoint/set       a temperature in the device's unit, or with its own: 23 C
//	setpoint/set                               the same, for the present mode
//	hold/set                                   schedule (or none), temporary, permanent, until 19:00
//
// A hold may come with set points, and its end as a time of day at home or
// as an instant: {"value": "until", "until": "2026-07-15T19:00:00-07:00",
// "cool_setpoint": 78, "heat_setpoint": 68}. A device that knows no holds takes
// the set points of such a command, and keeps them.
func parseThermostat(p parsing) (cmd devices.ThermostatCommand, err error) {
	value := strings.TrimSpace(p.req.Value)
	if err := p.req.Only(p.fields()...); err != nil {
		return cmd, err
	}
	switch p.setting {
	case "mode":
		cmd.Mode = new(devices.HVACMode(strings.ToLower(value)))
	case "fan":
		cmd.Fan = new(devices.Fan(strings.ToLower(value)))
	case "cool_setpoint":
		cmd.CoolSetpoint, err = p.degrees(value)
	case "heat_setpoint":
		cmd.HeatSetpoint, err = p.degrees(value)
	case "setpoint":
		switch {
		case p.r.Mode != nil && *p.r.Mode == devices.Cool:
			cmd.CoolSetpoint, err = p.degrees(value)
		case p.r.Mode != nil && *p.r.Mode == devices.Heat:
			cmd.HeatSetpoint, err = p.degrees(value)
		default:
			err = fmt.Errorf("in its present mode the thermostat has no single set point: send to cool_setpoint or heat_setpoint")
		}
	case "hold":
		return p.hold(value)
	default:
		err = fmt.Errorf("a thermostat has no %.40q to set: send to mode, cool_setpoint, heat_setpoint, setpoint, fan or hold", p.setting)
	}
	return cmd, err
}

// restoresField marks a command of the controller that restores something.
const restoresField = "restores"

// fields returns the fields that a command may have beside its value.
func (p parsing) fields() []string {
	switch p.setting {
	case "hold":
		return []string{"until", "cool_setpoint", "heat_setpoint", "unit", restoresField}
	case "cool_setpoint", "heat_setpoint", "setpoint":
		return []string{"unit", restoresField}
	}
	return []string{restoresField}
}

func (p parsing) hold(value string) (cmd devices.ThermostatCommand, err error) {
	word, end, _ := strings.Cut(strings.ToLower(value), " ")
	if word == "none" { // Home Assistant's word for no preset
		word = string(devices.HoldSchedule)
	}
	hold := devices.Hold(word)
	if !slices.Contains([]devices.Hold{devices.HoldSchedule, devices.HoldTemporary, devices.HoldUntil, devices.HoldPermanent}, hold) {
		return cmd, fmt.Errorf("%.40q is not a hold: send schedule, temporary, permanent or until with a time", value)
	}
	cmd.Hold = &hold
	if raw, ok := p.req.Fields["until"]; ok {
		if err := json.Unmarshal(raw, &end); err != nil {
			return cmd, fmt.Errorf("\"until\" is %.40s, not a time such as \"19:00\"", raw)
		}
	}
	if end = strings.TrimSpace(end); end != "" {
		at, err := p.time(strings.ToUpper(end))
		if err != nil {
			return cmd, err
		}
		cmd.HoldUntil = &at
	}
	if cmd.HoldUntil != nil && hold != devices.HoldUntil {
		return cmd, fmt.Errorf("a %s hold has no time: send until %s", hold, end)
	}
	for _, f := range []struct {
		name string
		to   **float64
	}{{"cool_setpoint", &cmd.CoolSetpoint}, {"heat_setpoint", &cmd.HeatSetpoint}} {
		if raw, ok := p.req.Fields[f.name]; ok {
			if *f.to, err = p.degrees(strings.Trim(string(raw), `"`)); err != nil {
				return cmd, err
			}
		}
	}
	if len(p.r.Holds) == 0 && (cmd.CoolSetpoint != nil || cmd.HeatSetpoint != nil) && hold != devices.HoldSchedule {
		cmd.Hold, cmd.HoldUntil = nil, nil // it keeps what it is told until it is told something else
	}
	return cmd, nil
}

// time parses an instant, or a time of day at home, which means the next one.
func (p parsing) time(text string) (time.Time, error) {
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at, nil
	}
	clock, err := time.Parse("15:04", text)
	if err != nil {
		return time.Time{}, fmt.Errorf("%.40q is not a time: send 19:00, or 2026-07-15T19:00:00-07:00", text)
	}
	sinceMidnight := time.Duration(clock.Hour())*time.Hour + time.Duration(clock.Minute())*time.Minute
	return devices.NextClock(sinceMidnight, p.now, p.home), nil
}

// degrees parses a temperature into the device's unit.
func (p parsing) degrees(text string) (*float64, error) {
	t, err := p.req.Temperature(text)
	if err != nil {
		return nil, err
	}
	v := math.Round(t.In(p.r.Unit, p.r.Unit)*100) / 100
	return &v, nil
}

// asked returns the value of a command as it appears in its results.
func asked(setting string, cmd devices.ThermostatCommand) any {
	switch {
	case setting == "hold":
		return describeThermostat(cmd)
	case cmd.Mode != nil:
		return string(*cmd.Mode)
	case cmd.Fan != nil:
		return string(*cmd.Fan)
	case cmd.CoolSetpoint != nil:
		return *cmd.CoolSetpoint
	case cmd.HeatSetpoint != nil:
		return *cmd.HeatSetpoint
	}
	return nil
}

// shows returns what a reading shows of a setting, in the form of asked; nil if that is
// unknown.
func shows(setting string, r devices.ThermostatReading) any {
	var cmd devices.ThermostatCommand
	switch setting {
	case "mode":
		cmd.Mode = r.Mode
	case "fan":
		cmd.Fan = r.Fan
	case "cool_setpoint":
		cmd.CoolSetpoint = r.CoolSetpoint
	case "heat_setpoint":
		cmd.HeatSetpoint = r.HeatSetpoint
	case "setpoint":
		if cmd.CoolSetpoint = r.CoolSetpoint; r.Mode != nil && *r.Mode == devices.Heat {
			cmd.CoolSetpoint, cmd.HeatSetpoint = nil, r.HeatSetpoint
		}
	case "hold":
		if r.Hold == nil {
			return nil
		}
		cmd = devices.ThermostatCommand{CoolSetpoint: r.CoolSetpoint, HeatSetpoint: r.HeatSetpoint, Hold: r.Hold, HoldUntil: r.HoldUntil}
	}
	return asked(setting, cmd)
}

// describeThermostat describes a command in words: "cool 78 heat 68 until 19:00".
func describeThermostat(c devices.ThermostatCommand) string {
	var words []string
	if c.Mode != nil {
		words = append(words, string(*c.Mode))
	}
	if c.CoolSetpoint != nil {
		words = append(words, fmt.Sprintf("cool %g", *c.CoolSetpoint))
	}
	if c.HeatSetpoint != nil {
		words = append(words, fmt.Sprintf("heat %g", *c.HeatSetpoint))
	}
	if c.Fan != nil {
		words = append(words, "fan "+string(*c.Fan))
	}
	if c.Hold != nil {
		words = append(words, string(*c.Hold))
		if *c.Hold == devices.HoldUntil && c.HoldUntil != nil {
			words = append(words, c.HoldUntil.Format("15:04"))
		}
	}
	return strings.Join(words, " ")
}

// pendingSettings returns the settings that people have asked for.
func pendingSettings(requests []request) (all []string) {
	for _, w := range requests {
		if w.automatic {
			continue
		}
		for _, f := range []struct {
			name  string
			asked bool
		}{
			{"mode", w.cmd.Mode != nil}, {"fan", w.cmd.Fan != nil}, {"hold", w.cmd.Hold != nil},
			{"cool_setpoint", w.cmd.CoolSetpoint != nil || resumes(w.cmd)}, {"heat_setpoint", w.cmd.HeatSetpoint != nil || resumes(w.cmd)},
		} {
			if f.asked {
				all = append(all, f.name)
			}
		}
	}
	return all
}

// resumes reports whether a command returns to the schedule, which has set points of
// its own.
func resumes(c devices.ThermostatCommand) bool {
	return c.Hold != nil && *c.Hold == devices.HoldSchedule
}

// setsTemperature reports whether a command is about the temperature: set points and
// their hold.
func setsTemperature(c devices.ThermostatCommand) bool {
	return c.CoolSetpoint != nil || c.HeatSetpoint != nil || c.Hold != nil
}

func fanOnly(c devices.ThermostatCommand) bool { return c.Mode == nil && !setsTemperature(c) }

// touches reports whether two commands concern the same thing, so that one write has to
// carry out both.
func touches(a, b devices.ThermostatCommand) bool {
	return a.Mode != nil && b.Mode != nil || a.Fan != nil && b.Fan != nil || setsTemperature(a) && setsTemperature(b)
}

// contradicts reports whether a later command makes an earlier one void.
func contradicts(earlier, later devices.ThermostatCommand) bool {
	return earlier.Mode != nil && later.Mode != nil || earlier.Fan != nil && later.Fan != nil ||
		earlier.CoolSetpoint != nil && later.CoolSetpoint != nil || earlier.HeatSetpoint != nil && later.HeatSetpoint != nil ||
		earlier.Hold != nil && later.Hold != nil ||
		setsTemperature(earlier) && resumes(later) || resumes(earlier) && setsTemperature(later)
}

// combined merges several commands into one; later ones win.
func combined(requests []request) (all devices.ThermostatCommand) {
	for _, w := range requests {
		all = laid(all, w.cmd)
	}
	return all
}

// laid merges a later command over an earlier one.
func laid(earlier, later devices.ThermostatCommand) devices.ThermostatCommand {
	if setsTemperature(later) {
		earlier.Restores = later.Restores
	}
	setUnlessNil(&earlier.Mode, later.Mode)
	setUnlessNil(&earlier.Fan, later.Fan)
	setUnlessNil(&earlier.CoolSetpoint, later.CoolSetpoint)
	setUnlessNil(&earlier.HeatSetpoint, later.HeatSetpoint)
	if later.Hold != nil {
		earlier.Hold, earlier.HoldUntil = later.Hold, later.HoldUntil
	}
	return earlier
}

// overlay returns r as it will be once want, which Merge has completed, has landed. The
// set points of a schedule are known if the device reports them.
func overlay(r devices.ThermostatReading, want devices.ThermostatCommand) devices.ThermostatReading {
	if want.Hold != nil && *want.Hold == devices.HoldSchedule {
		setUnlessNil(&r.CoolSetpoint, r.ScheduleCool)
		setUnlessNil(&r.HeatSetpoint, r.ScheduleHeat)
	}
	setUnlessNil(&r.Mode, want.Mode)
	setUnlessNil(&r.Fan, want.Fan)
	setUnlessNil(&r.CoolSetpoint, want.CoolSetpoint)
	setUnlessNil(&r.HeatSetpoint, want.HeatSetpoint)
	if want.Hold != nil {
		r.Hold, r.HoldUntil = want.Hold, want.HoldUntil
	}
	return r
}

// setUnlessNil sets to to from, unless that is nil.
func setUnlessNil[T any](to **T, from *T) {
	if from != nil {
		*to = from
	}
}

// compare reports whether a reading shows what was asked for, or still something from
// the past: what it showed before, or what has been asked for since (see confirm.go).
// want is cmd as Merge has completed it from an older reading. Where what Merge added
// does not show, the schedule or somebody has moved on since, which says nothing about
// cmd. A thermostat that followed its schedule and still does has not accepted cmd yet,
// even if the schedule asks for something else by now: a vendor that is minutes late
// shows the start of a period after the write. Some thermostats change from off to
// automatic by way of heating. A hold that has ended by itself at the
// time of the reading is not asked for any more, and what it has given way to is from
// the past.
func compare(cmd, want devices.ThermostatCommand, past []devices.ThermostatReading, now devices.ThermostatReading, at time.Time) verdict {
	if holdIsOver(want, now, at) {
		cmd, want = beyondHold(cmd), beyondHold(want)
	}
	past = append(past[:len(past):len(past)], ended(past, at)...)
	landed := overlay(now, want)
	var old, strange, silent, taken bool
	scheduled := func(r devices.ThermostatReading) bool { return r.Hold != nil && *r.Hold == devices.HoldSchedule }
	untaken := scheduled(now) && !scheduled(landed) && slices.ContainsFunc(past, scheduled)
	in := func(m devices.HVACMode) func(devices.ThermostatReading) bool {
		return func(r devices.ThermostatReading) bool { return r.Mode != nil && *r.Mode == m }
	}
	passing := in(devices.HeatCool)(landed) && in(devices.Heat)(now) && slices.ContainsFunc(past, in(devices.Off))
	for _, f := range []struct {
		asked, wanted, known bool
		untaken              bool // it is still the schedule's, or on the way to what was asked for
		same                 func(a, b devices.ThermostatReading) bool
	}{
		{cmd.Mode != nil, want.Mode != nil, now.Mode != nil, passing, func(a, b devices.ThermostatReading) bool { return same(a.Mode, b.Mode) }},
		{cmd.Fan != nil, want.Fan != nil, now.Fan != nil, false, func(a, b devices.ThermostatReading) bool { return same(a.Fan, b.Fan) }},
		{cmd.CoolSetpoint != nil, want.CoolSetpoint != nil, now.CoolSetpoint != nil, untaken, func(a, b devices.ThermostatReading) bool { return devices.SamePoint(a.CoolSetpoint, b.CoolSetpoint) }},
		{cmd.HeatSetpoint != nil, want.HeatSetpoint != nil, now.HeatSetpoint != nil, untaken, func(a, b devices.ThermostatReading) bool { return devices.SamePoint(a.HeatSetpoint, b.HeatSetpoint) }},
		{cmd.Hold != nil, want.Hold != nil, now.Hold != nil, false, sameHold},
	} {
		switch {
		case !f.wanted:
		case !f.known:
			silent = true
		case f.same(landed, now):
			taken = true
		case slices.ContainsFunc(past, func(p devices.ThermostatReading) bool { return f.same(p, now) }):
			old = true
		case f.asked && f.untaken:
			old = true
		case f.asked:
			strange = true
		}
	}
	switch {
	case strange:
		return shownOther
	case silent:
		return unknown
	case taken && old:
		return partlyShown
	case old:
		return asBefore
	}
	return shown
}

// ended returns what readings show once their holds have ended by themselves, as far as
// that is the case at the given time: the schedule.
func ended(past []devices.ThermostatReading, at time.Time) (all []devices.ThermostatReading) {
	for _, p := range past {
		if p.HoldUntil != nil && !at.Before(*p.HoldUntil) {
			all = append(all, overlay(p, devices.ThermostatCommand{Hold: new(devices.HoldSchedule)}))
		}
	}
	return all
}

// holdIsOver reports whether the hold that was asked for has ended by itself, before a
// reading could show it.
func holdIsOver(want devices.ThermostatCommand, r devices.ThermostatReading, now time.Time) bool {
	return same(want.Hold, new(devices.HoldUntil)) && want.HoldUntil != nil && !now.Before(*want.HoldUntil) && same(r.Hold, new(devices.HoldSchedule))
}

// beyondHold returns what a command asks for apart from the hold and its set points.
func beyondHold(c devices.ThermostatCommand) devices.ThermostatCommand {
	return devices.ThermostatCommand{Mode: c.Mode, Fan: c.Fan}
}

// sameSetting reports whether two readings show the same setting: mode, set points and
// hold. Set points that follow the schedule do not count. devices.Same would miss some
// changes: it does not compare modes, set points that the mode does not use, or a hold that
// only one of the two shows.
func sameSetting(a, b devices.ThermostatReading) bool {
	if !same(a.Mode, b.Mode) && (a.Mode != nil || b.Mode != nil) {
		return false
	}
	if a.Hold != nil && b.Hold != nil && *a.Hold == devices.HoldSchedule && *b.Hold == devices.HoldSchedule {
		return true
	}
	return devices.SamePoint(a.CoolSetpoint, b.CoolSetpoint) && devices.SamePoint(a.HeatSetpoint, b.HeatSetpoint) && (a.Hold == nil && b.Hold == nil || sameHold(a, b))
}

func same[T comparable](a, b *T) bool { return a != nil && b != nil && *a == *b }

// sameHold reports whether b shows the hold of a. A portal shows a temporary hold as
// one until the end of the period, and the end of a hold may be shown in the device's
// own steps, or not at all. devices.SameEnd also accepts an end that is 20 minutes off or
// on another day; here, the step of the device is known, and any other end is a different
// hold.
func sameHold(a, b devices.ThermostatReading) bool {
	switch {
	case a.Hold == nil || b.Hold == nil:
		return false
	case *a.Hold == devices.HoldTemporary && *b.Hold == devices.HoldUntil:
		return true
	case *a.Hold != *b.Hold:
		return false
	case *a.Hold != devices.HoldUntil || a.HoldUntil == nil || b.HoldUntil == nil:
		return true
	}
	step := max(time.Duration(b.HoldStep)*time.Minute, time.Minute)
	return a.HoldUntil.Sub(*b.HoldUntil).Abs() < step
}
