package emulator

import (
	"math"
	"slices"
	"time"

	"powermgr/devices"
)

// Thermostat is one device as both Honeywell clouds show it: its schedule, its holds,
// the commands on their way to it, and its demand on the equipment. Temperatures are in
// Unit. The cloud's lock guards it.
type Thermostat struct {
	LCCID string // "LCC-00A01AB10001": the id at Honeywell Home
	TCCID int    // the id at Total Connect Comfort
	MAC   string
	Name  string
	Model string // "T5-T6", "Round", "D6"
	Unit  devices.Unit

	Mode          devices.HVACMode
	EmergencyHeat bool
	Cool, Heat    float64 // set points in force
	Hold          devices.Hold
	HoldUntil     time.Time // the end of HoldUntil and HoldTemporary
	Fan           devices.Fan
	Alive         bool
	Vacation      bool
	UtilityEvent  bool

	Modes            []devices.HVACMode
	CoolMin, CoolMax float64
	HeatMin, HeatMax float64
	Deadband         float64
	Step             float64
	HoldStep         int      // minutes
	Schedule         []Period // sorted by From, the same every day; never empty

	Temperature float64 // indoors; set by the house
	Humidity    float64
	Outdoor     float64
	Action      devices.Action

	Location *time.Location
	queue    []queued
	stopped  time.Time // when the compressor last stopped
}

// Period is a part of the schedule, which lasts until the next one begins.
type Period struct {
	Name       string // "P1"
	From       time.Duration
	Cool, Heat float64
}

// Setting is what a command changes; nil leaves a value as it is.
type Setting struct {
	Mode          *devices.HVACMode
	EmergencyHeat *bool
	Cool, Heat    *float64
	Hold          *devices.Hold // HoldSchedule restores the schedule's set points
	HoldUntil     *time.Time
	Fan           *devices.Fan
}

type queued struct {
	at time.Time
	Setting
}

// maxQueued limits the commands on their way; the oldest is dropped first.
const maxQueued = 64

// Submit queues a command that the device carries out delay after now. A later command
// never overtakes an earlier one.
func (t *Thermostat) Submit(now time.Time, s Setting, delay time.Duration) {
	at := now.Add(delay)
	if n := len(t.queue); n > 0 && at.Before(t.queue[n-1].at) {
		at = t.queue[n-1].at
	}
	if len(t.queue) >= maxQueued {
		t.queue = slices.Delete(t.queue, 0, 1)
	}
	t.queue = append(t.queue, queued{at, s})
	if delay <= 0 {
		t.Live(now)
	}
}

// Touch changes a setting at once, as somebody at the wall does; commands from the cloud
// that are on their way still land after it.
func (t *Thermostat) Touch(now time.Time, s Setting) {
	t.Live(now)
	t.land(now, s)
}

// Has reports whether the thermostat has a mode.
func (t *Thermostat) Has(m devices.HVACMode) bool { return slices.Contains(t.Modes, m) }

// Displayed returns a temperature as the thermostat's display rounds it.
func (t *Thermostat) Displayed(degrees float64) float64 {
	if t.Unit == devices.Celsius {
		return math.Round(degrees*2) / 2
	}
	return math.Round(degrees)
}

// Pending reports whether a command is on its way.
func (t *Thermostat) Pending() bool { return len(t.queue) > 0 }

// Live carries out everything that is due at now: commands land, holds end, the schedule
// changes the set points.
func (t *Thermostat) Live(now time.Time) {
	for len(t.queue) > 0 && !t.queue[0].at.After(now) {
		q := t.queue[0]
		t.queue = slices.Delete(t.queue, 0, 1)
		t.settle(q.at)
		t.land(q.at, q.Setting)
	}
	t.settle(now)
}

// settle ends holds and applies the schedule, as of now.
func (t *Thermostat) settle(now time.Time) {
	if (t.Hold == devices.HoldUntil || t.Hold == devices.HoldTemporary) && !now.Before(t.HoldUntil) {
		t.Hold, t.HoldUntil = devices.HoldSchedule, time.Time{}
	}
	if t.Hold == devices.HoldSchedule {
		p := t.Period(now)
		t.Cool, t.Heat = p.Cool, p.Heat
	}
}

func (t *Thermostat) land(now time.Time, s Setting) {
	if s.Mode != nil {
		t.Mode, t.EmergencyHeat = *s.Mode, false
	}
	if s.EmergencyHeat != nil {
		t.EmergencyHeat = *s.EmergencyHeat
	}
	if s.Fan != nil {
		t.Fan = *s.Fan
	}
	if s.Cool != nil {
		t.Cool = *s.Cool
	}
	if s.Heat != nil {
		t.Heat = *s.Heat
	}
	if s.Hold == nil {
		return
	}
	t.Hold, t.HoldUntil = *s.Hold, time.Time{}
	switch {
	case t.Hold == devices.HoldTemporary && s.HoldUntil == nil:
		t.HoldUntil, _ = t.NextPeriod(now)
	case s.HoldUntil != nil:
		t.HoldUntil = *s.HoldUntil
		if !t.HoldUntil.After(now) {
			t.HoldUntil = t.HoldUntil.AddDate(0, 0, 1) // the device stores only a time of day
		}
	}
	t.settle(now)
}

// Period returns the period of the schedule at now.
func (t *Thermostat) Period(now time.Time) Period {
	local := now.In(t.Location)
	since := time.Duration(local.Hour())*time.Hour + time.Duration(local.Minute())*time.Minute + time.Duration(local.Second())*time.Second
	p := t.Schedule[len(t.Schedule)-1]
	for _, next := range t.Schedule {
		if next.From > since {
			break
		}
		p = next
	}
	return p
}

// NextPeriod returns when the schedule's next period begins, and that period.
func (t *Thermostat) NextPeriod(now time.Time) (time.Time, Period) {
	y, m, d := now.In(t.Location).Date()
	for day := range 2 {
		for _, p := range t.Schedule {
			if at := time.Date(y, m, d+day, 0, int(p.From/time.Minute), 0, 0, t.Location); at.After(now) {
				return at, p
			}
		}
	}
	return time.Time{}, t.Schedule[0]
}

// resting is how long a compressor rests after it has stopped: thermostats protect it
// that way.
const resting = 5 * time.Minute

// demand returns what the equipment should do, with half a degree of hysteresis.
func (t *Thermostat) demand(now time.Time) devices.Action {
	was := t.Action
	next := devices.ActionIdle
	cool := t.Mode == devices.Cool || t.Mode == devices.HeatCool
	heat := t.Mode == devices.Heat || t.Mode == devices.HeatCool
	band := 0.5
	if t.Unit == devices.Celsius {
		band = 0.3
	}
	switch {
	case t.Mode == devices.Off:
		next = devices.ActionOff
	case cool && (t.Temperature > t.Cool+band || was == devices.ActionCooling && t.Temperature > t.Cool-band):
		next = devices.ActionCooling
	case heat && (t.Temperature < t.Heat-band || was == devices.ActionHeating && t.Temperature < t.Heat+band):
		next = devices.ActionHeating
	case t.Fan == devices.FanOn:
		next = devices.ActionFan
	}
	ran := was == devices.ActionCooling || was == devices.ActionHeating
	runs := next == devices.ActionCooling || next == devices.ActionHeating
	switch {
	case ran && !runs:
		t.stopped = now
	case !ran && runs && now.Sub(t.stopped) < resting:
		next = devices.ActionIdle
	}
	t.Action = next
	return next
}
