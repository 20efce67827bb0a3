package bridge

import (
	"strings"
	"testing"
	"time"

	"powermgr/devices"
)

// A schedule can move on between the last poll and a person's command, which the
// adapter then completes from a newer reading than the bridge has.
func TestWhatACommandLeavesOpenIsNotJudged(t *testing.T) {
	for _, c := range []struct {
		name             string
		setting, payload string
		before, after    float64 // the cool set point that the device has moved to before the command, and after it
		reason           string  // how that of the result begins
	}{
		{"the other set point has moved with the schedule", "heat_setpoint", "67", 77, 77, ""},
		{"a hold keeps the set points of the new period", "hold", "permanent", 77, 77, ""},
		{"the device moves the other set point", "heat_setpoint", "67", 76, 79, ""},
		{"the device moves the one that was asked for", "cool_setpoint", "70", 76, 73, "the device shows something else"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newThermostats()
			bubble(t, thermostats(f), func(r *rig) {
				cool := func(v float64) {
					f.mu.Lock()
					defer f.mu.Unlock()
					f.r.CoolSetpoint = new(v)
				}
				r.sleep(time.Minute)
				cool(c.before)
				f.delay = time.Second
				r.send("powermgr/thermostat/up/"+c.setting+"/set", c.payload)
				r.sleep(2 * time.Second)
				cool(c.after)
				r.sleep(5 * time.Minute)
				res := r.results("powermgr/thermostat/up/" + c.setting + "/result")
				if last := res[len(res)-1]; !last.Final || !last.Accepted || !strings.HasPrefix(last.Reason, c.reason) || c.reason == "" && last.Reason != "" {
					t.Errorf("%+v", last)
				}
				if got := f.commands(); len(got) != 1 {
					t.Errorf("the device was told %q", got)
				}
			})
		})
	}
}

// Somebody asks for a hold moments before the end that they name. Nobody else has decided
// when it is read back.
func TestAHoldThatEndsBeforeItIsReadBackWasCarriedOut(t *testing.T) {
	for _, c := range []struct{ command, reason string }{
		{"until 00:15", ""},
		{"until 00:30", "the device shows something else"},
	} {
		f := newThermostats()
		f.r.Hold, f.delay = new(devices.HoldPermanent), time.Hour // the vendor does not show it in time
		bubble(t, thermostats(f), func(r *rig) {
			r.sleep(15*time.Minute - 2*time.Second)
			r.send("powermgr/thermostat/up/hold/set", c.command)
			r.sleep(2 * time.Second)
			f.mu.Lock()
			f.r.Hold, f.r.HoldUntil, f.r.CoolSetpoint = new(devices.HoldSchedule), nil, new(79.0)
			f.mu.Unlock()
			r.sleep(5 * time.Minute)
			res := r.results("powermgr/thermostat/up/hold/result")
			if last := res[len(res)-1]; !last.Final || !last.Accepted || !strings.HasPrefix(last.Reason, c.reason) || c.reason == "" && last.Reason != "" {
				t.Errorf("%s: %+v", c.command, last)
			}
		})
	}
}

// A portal that is two minutes late shows the start of the schedule's next period after
// the command, and the command only later. Nobody else has decided.
func TestAPeriodThatShowsAfterTheCommandIsNoAnswer(t *testing.T) {
	f := newThermostats()
	f.delay = 2 * time.Minute
	bubble(t, thermostats(f), func(r *rig) {
		r.sleep(time.Minute)
		r.send("powermgr/thermostat/up/cool_setpoint/set", "73")
		r.sleep(2 * time.Second)
		f.mu.Lock()
		f.r.CoolSetpoint = new(78.0)
		f.mu.Unlock()
		r.sleep(5 * time.Minute)
		res := r.results("powermgr/thermostat/up/cool_setpoint/result")
		if last := res[len(res)-1]; !last.Final || !last.Accepted || last.Reason != "" || last.Applied != 73.0 {
			t.Errorf("%+v", last)
		}
	})
}

// A thermostat that is switched from off to automatic shows heating for a moment: that
// passed for somebody's decision, and the command for one that was not carried out.
func TestAThermostatChangesToAutomaticByWayOfHeating(t *testing.T) {
	shows := func(m devices.HVACMode) devices.ThermostatReading { return devices.ThermostatReading{Mode: &m} }
	for _, c := range []struct {
		name             string
		was, asked, seen devices.HVACMode
		want             verdict
	}{
		{"from off, on the way", devices.Off, devices.HeatCool, devices.Heat, asBefore},
		{"from off, done", devices.Off, devices.HeatCool, devices.HeatCool, shown},
		{"from off, somebody cools", devices.Off, devices.HeatCool, devices.Cool, shownOther},
		{"from cooling, somebody heats", devices.Cool, devices.HeatCool, devices.Heat, shownOther},
		{"from off to cooling, somebody heats", devices.Off, devices.Cool, devices.Heat, shownOther},
	} {
		t.Run(c.name, func(t *testing.T) {
			cmd := devices.ThermostatCommand{Mode: &c.asked}
			if got := compare(cmd, cmd, []devices.ThermostatReading{shows(c.was)}, shows(c.seen), time.Now()); got != c.want {
				t.Errorf("verdict %d, want %d", got, c.want)
			}
		})
	}
}

// Precooling ends by itself as the setback begins, and a vendor that is half a minute late
// shows the schedule before it shows the setback. That passed for somebody's decision.
func TestAHoldThatEndsAsTheNextOneIsAskedForIsFromThePast(t *testing.T) {
	now := time.Date(2026, 7, 15, 16, 0, 30, 0, time.UTC)
	until := func(clock int, cool float64) devices.ThermostatReading {
		return devices.ThermostatReading{Hold: new(devices.HoldUntil), HoldUntil: new(now.Truncate(time.Hour).Add(time.Duration(clock-16) * time.Hour)), CoolSetpoint: &cool, ScheduleCool: new(76.0)}
	}
	asked, temporary := until(19, 78), until(16, 74)
	temporary.Hold = new(devices.HoldTemporary)
	cmd := devices.ThermostatCommand{Hold: asked.Hold, HoldUntil: asked.HoldUntil, CoolSetpoint: asked.CoolSetpoint}
	for _, c := range []struct {
		name string
		was  devices.ThermostatReading
		seen float64
		want verdict
	}{
		{"it has ended", until(16, 74), 76, asBefore},
		{"the schedule is in its next period", until(16, 74), 75, asBefore},
		{"it would last longer", until(17, 74), 76, shownOther},
		{"a temporary hold has ended", temporary, 76, asBefore},
	} {
		t.Run(c.name, func(t *testing.T) {
			seen := devices.ThermostatReading{Hold: new(devices.HoldSchedule), CoolSetpoint: &c.seen}
			if got := compare(cmd, cmd, []devices.ThermostatReading{c.was}, seen, now); got != c.want {
				t.Errorf("verdict %d, want %d", got, c.want)
			}
		})
	}
}

// An answer of the vendor left out the hold for a while. A hold that was asked for then
// passed for one that the thermostat does not know: the set points were sent alone, and
// whatever hold it had kept them.
func TestAHoldIsAskedForWhileAnAnswerLeavesItOut(t *testing.T) {
	f := newThermostats()
	bubble(t, thermostats(f), func(r *rig) {
		r.sleep(time.Minute)
		f.mu.Lock()
		f.r.Hold, f.r.Holds = nil, nil
		f.mu.Unlock()
		r.sleep(5 * time.Minute)
		r.send("powermgr/thermostat/up/hold/set", `{"value": "permanent", "cool_setpoint": 79, "heat_setpoint": 68}`)
		r.sleep(time.Second)
		res := r.results("powermgr/thermostat/up/hold/result")
		if got, last := f.commands(), res[len(res)-1]; len(got) > 0 || last.Accepted || !strings.Contains(last.Reason, "hold") {
			t.Errorf("the device was told %q: %+v", got, last) // a vendor that leaves it out takes none
		}
	})
}
