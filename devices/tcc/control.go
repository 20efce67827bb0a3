package tcc

import (
	"cmp"
	"errors"
	"slices"
	"time"

	"powermgr/devices"
)

// controlScreen is the body of SubmitControlScreenChanges: always all of these nine
// fields and no others, with null for what stays as it is.
type controlScreen struct {
	DeviceID       int64
	SystemSwitch   *int     // 1 heat, 2 off, 3 cool, 4 automatic
	HeatSetpoint   *float64 // both set points and both statuses, or none of them
	CoolSetpoint   *float64
	HeatNextPeriod *int // when a hold of status 1 ends, in quarter hours since midnight
	CoolNextPeriod *int
	StatusHeat     *int // 0 schedule, 1 temporary, 2 permanent
	StatusCool     *int
	FanMode        *int // as in fans
}

// change converts cmd to the portal's terms and completes it from the screen. The error
// says why that is not possible.
func (s screen) change(cmd devices.ThermostatCommand, now time.Time, home *time.Location) (controlScreen, error) {
	whole, err := s.reading.Merge(cmd, now)
	if err != nil {
		return controlScreen{}, err
	}
	if !s.takesTouches && cmd.Mode == nil && (cmd.CoolSetpoint != nil || cmd.HeatSetpoint != nil) {
		return controlScreen{}, errors.New("the thermostat takes no set points in its present mode: send a mode first")
	}
	out := controlScreen{DeviceID: s.id}
	if whole.Mode != nil && (!s.reading.EmergencyHeat || *whole.Mode != devices.Heat) { // it shows heat already; whoever set emergency heat ends it
		out.SystemSwitch = new(s.switchTo(*whole.Mode))
	}
	if whole.Fan != nil {
		out.FanMode = new(slices.Index(fans[:], *whole.Fan))
	}
	if whole.Hold == nil && whole.CoolSetpoint == nil && whole.HeatSetpoint == nil {
		return out, nil
	}
	status := 2 // a thermostat without holds keeps what it is set to
	if whole.Hold != nil {
		switch *whole.Hold {
		case devices.HoldSchedule:
			status = 0
		case devices.HoldTemporary:
			// The end is the start of the next period as the portal shows it.
			status, out.HeatNextPeriod, out.CoolNextPeriod = 1, still(s.heatEnd, now, home), still(s.coolEnd, now, home)
		case devices.HoldUntil:
			end := quarterAt(*whole.HoldUntil, home)
			status, out.HeatNextPeriod, out.CoolNextPeriod = 1, &end, &end
		}
	}
	out.StatusHeat, out.StatusCool = &status, &status
	if status == 0 {
		return out, nil
	}
	out.HeatSetpoint, out.CoolSetpoint = whole.HeatSetpoint, whole.CoolSetpoint
	if out.HeatSetpoint == nil {
		out.HeatSetpoint = s.heat // of a device that does not heat, as shown
	}
	if out.CoolSetpoint == nil {
		out.CoolSetpoint = s.cool
	}
	return out, nil
}

// still returns the end of a temporary hold, in quarter hours since midnight: the one
// that is shown, or the first after it that is not over when the write lands. Nil: the
// portal shows none.
func still(end *int, now time.Time, home *time.Location) *int {
	if end == nil || devices.NextClock(time.Duration(*end)*quarterHour, now, home).Sub(now) >= devices.Landing {
		return end
	}
	return new(quarterAt(now.Add(devices.Landing+quarterHour), home))
}

const quarterHour = 15 * time.Minute

// quarterAt returns the quarter hour that at is in, counted from midnight.
func quarterAt(at time.Time, home *time.Location) int {
	at = at.In(home)
	return at.Hour()*4 + at.Minute()/15
}

// switchTo returns the position of the system switch for a mode. A thermostat that is
// already automatic stays in the same one of the two automatic positions.
func (s screen) switchTo(mode devices.HVACMode) int {
	switch mode {
	case devices.Heat:
		return 1
	case devices.Off:
		return 2
	case devices.Cool:
		return 3
	}
	if s.position != nil && *s.position == 5 {
		return 5
	}
	return 4
}

// A sending is what was last sent to a thermostat. Until the portal shows it, the next
// command must not build on what the portal shows: the second of two set points sent
// together would undo the first one. The flights of the rules cannot replace it: the
// portal accepts only complete changes, so a command for one set point is completed
// here, a person's even before the rules hear of it, and the rules never see what the
// portal's other fields were.
type sending struct {
	at     time.Time
	before []setting     // earlier settings that the portal may still show
	after  controlScreen // all changes sent since, combined
}

// setting holds the fields that a change can set, as the portal shows them; −1 is null.
type setting [8]float64

func (d *latest) setting() setting {
	var s setting
	fields := []*float64{d.UI.SystemSwitchPosition, d.UI.HeatSetpoint, d.UI.CoolSetpoint, d.UI.StatusHeat, d.UI.StatusCool, d.UI.HeatNextPeriod, d.UI.CoolNextPeriod, nil}
	if d.Fan != nil {
		fields[7] = d.Fan.FanMode
	}
	for i, f := range fields {
		s[i] = -1
		if f != nil {
			s[i] = *f
		}
	}
	return s
}

// pending reports whether s may still land on a thermostat that shows v.
func (s sending) pending(v setting, now time.Time) bool {
	return now.Sub(s.at) < devices.ShownWithin && slices.Contains(s.before, v)
}

// next returns s followed by another change. The change was sent at now, while the
// portal showed shown, and was built on built: the same as shown, or what s leads to.
func (s sending) next(shown, built setting, change controlScreen, now time.Time) sending {
	if !s.pending(shown, now) {
		return sending{at: now, before: []setting{built}, after: change}
	}
	before := append(slices.Clone(s.before), built)
	return sending{at: now, before: before[max(0, len(before)-8):], after: s.after.and(change)}
}

// and returns the combined effect of a, followed by b.
func (a controlScreen) and(b controlScreen) controlScreen {
	a.SystemSwitch = cmp.Or(b.SystemSwitch, a.SystemSwitch)
	a.FanMode = cmp.Or(b.FanMode, a.FanMode)
	if b.StatusHeat != nil {
		b.SystemSwitch, b.FanMode = a.SystemSwitch, a.FanMode
		return b
	}
	return a
}

// over returns what the portal will show once a, which was sent, has landed on what d
// shows. d is not changed: it may be the next answer as well.
func (a controlScreen) over(d latest) *latest {
	ui := *d.UI
	d.UI = &ui
	put := func(to **float64, v *int) {
		if v != nil {
			*to = new(float64(*v))
		}
	}
	put(&ui.SystemSwitchPosition, a.SystemSwitch)
	put(&ui.StatusHeat, a.StatusHeat)
	put(&ui.StatusCool, a.StatusCool)
	put(&ui.HeatNextPeriod, a.HeatNextPeriod)
	put(&ui.CoolNextPeriod, a.CoolNextPeriod)
	ui.HeatSetpoint = cmp.Or(a.HeatSetpoint, ui.HeatSetpoint)
	ui.CoolSetpoint = cmp.Or(a.CoolSetpoint, ui.CoolSetpoint)
	if a.StatusHeat != nil && *a.StatusHeat == 0 {
		ui.HeatSetpoint = cmp.Or(ui.ScheduleHeatSp, ui.HeatSetpoint)
		ui.CoolSetpoint = cmp.Or(ui.ScheduleCoolSp, ui.CoolSetpoint)
	}
	if a.SystemSwitch != nil {
		ui.SetpointChangeAllowed = new(truth(*a.SystemSwitch != 2))
	}
	if d.Fan != nil {
		fan := *d.Fan
		d.Fan = &fan
		put(&fan.FanMode, a.FanMode)
	}
	return &d
}
