package rules

import (
	"strings"
	"testing"
	"time"

	"powermgr/devices"
)

// shows returns a thermostat that shows a setting, so long after the last write.
func shows(s devices.Setting, after time.Duration) Thermostat {
	return Thermostat{Name: "Upstairs", Mode: devices.Cool, Setting: s, Alive: true, Period: "1", Polled: written.Add(after)}
}

// TestWhatACauseChangesOnTheRecordOfAThermostat has a row for each effect: the record
// before, what is shown, and the record after.
func TestWhatACauseChangesOnTheRecordOfAThermostat(t *testing.T) {
	all := settings()
	schedule, permanent, setBack, untilThen, choice, plain, plainBack := all[0], all[1], all[2], all[3], all[5], all[6], all[7]
	claim := func(base, wanted devices.Setting, change func(*Claim)) ThermostatRecord {
		claim := Claim{Baseline: Baseline{base, devices.Cool}, Writes: Writes{Before: base, Wanted: wanted, WrittenAt: written}, Kind: Setback, Period: "1"}
		claim.Flights = []Flight{{Setting: wanted, At: written}}
		if change != nil {
			change(&claim)
		}
		return ThermostatRecord{Claim: &claim, Window: written}
	}
	confirmed := func(claim *Claim) { claim.Confirmed, claim.Flights = true, nil }
	contested := func(h ThermostatRecord) ThermostatRecord {
		h.Claim.Contested, h.Choice = true, &Choice{At: written}
		return h
	}
	command := func(h ThermostatRecord) ThermostatRecord {
		h.Claim.Flights, h.Choice = append(h.Claim.Flights, Flight{Sender: SentByPerson, At: written}), &Choice{At: written}
		return h
	}
	otherPeriod := func(read Thermostat) Thermostat { read.Period = "2"; return read }
	utility := func(read Thermostat) Thermostat { read.UtilityEvent = true; return read }
	in := func(mode devices.HVACMode, read Thermostat) Thermostat { read.Mode = mode; return read }
	both := func(h ThermostatRecord) ThermostatRecord { h.Claim.Baseline.Mode = devices.HeatCool; return h }
	heatLowered := all[4]
	met := map[Effect]bool{NoEffect: true}
	for _, c := range []struct {
		effect Effect
		cause  Cause
		h      ThermostatRecord
		read   Thermostat
		twice  bool // one odd reading decides nothing
		want   func(ThermostatRecord) bool
	}{
		{Confirm, Landed, claim(schedule, setBack, nil), shows(setBack, time.Minute), false,
			func(h ThermostatRecord) bool { return h.Claim.Confirmed && h.Choice == nil }},
		{Forget, GivenBack, claim(permanent, permanent, func(claim *Claim) { claim.Kind = Restore }), shows(permanent, time.Minute), false,
			func(h ThermostatRecord) bool { return h.Claim == nil && h.Baseline != nil && *h.Baseline.Cool == 76 }},
		{FollowPeriod, PeriodMoved, claim(plain, plainBack, nil), otherPeriod(shows(plain, time.Minute)), false,
			func(h ThermostatRecord) bool { return h.Claim.Period == "2" && !h.Claim.Confirmed }},
		{Adopt, ScheduleMoved, claim(plain, plainBack, confirmed), otherPeriod(shows(plain, time.Hour)), false,
			func(h ThermostatRecord) bool {
				return h.Claim.Period == "2" && *h.Claim.Wanted.Cool == 76 && *h.Claim.Baseline.Cool == 76
			}},
		{ForgetBaseline, ScheduleMoved, ThermostatRecord{Baseline: &Baseline{permanent, devices.Cool}}, shows(schedule, time.Hour), false,
			func(h ThermostatRecord) bool { return h.Baseline == nil && h.Choice == nil }},
		{EndHold, Lapsed, claim(schedule, untilThen, confirmed), shows(schedule, time.Hour), false,
			func(h ThermostatRecord) bool { return h.Claim.Wanted.Hold == devices.HoldSchedule && h.Claim.Confirmed }},
		{Reclaim, HoldLost, claim(permanent, setBack, confirmed), shows(schedule, time.Hour), false,
			func(h ThermostatRecord) bool { return !h.Claim.Confirmed && h.Choice == nil }},
		{YieldMode, ModeMoved, claim(schedule, setBack, confirmed), in(devices.Heat, shows(setBack, time.Hour)), true,
			func(h ThermostatRecord) bool {
				return h.Choice != nil && h.Claim.Mode == devices.Heat && *h.Claim.Baseline.Cool == 76
			}},
		{YieldMode, ModeUndone, claim(schedule, setBack, nil), shows(setBack, time.Minute), false,
			func(h ThermostatRecord) bool {
				return h.Choice != nil && strings.Contains(h.Choice.What, "off") && h.Claim.Mode == devices.Cool && *h.Claim.Baseline.Cool == 76
			}},
		{Yield, Foreign, claim(schedule, setBack, confirmed), shows(choice, time.Hour), true,
			func(h ThermostatRecord) bool { return h.Choice != nil && h.Claim == nil }},
		{YieldOver, Crossing, claim(schedule, setBack, nil), shows(choice, time.Minute), true,
			func(h ThermostatRecord) bool {
				return h.Choice != nil && h.Claim.Contested && *h.Claim.Baseline.Cool == 73
			}},
		{YieldPart, PartForeign, both(claim(permanent, setBack, confirmed)), in(devices.HeatCool, shows(heatLowered, time.Hour)), true,
			func(h ThermostatRecord) bool {
				return h.Choice != nil && *h.Claim.Baseline.Cool == 76 && *h.Claim.Baseline.Heat == 66
			}},
		{KeepPart, PartStands, command(both(claim(permanent, setBack, confirmed))), in(devices.HeatCool, shows(heatLowered, time.Minute)), false,
			func(h ThermostatRecord) bool {
				return !h.Claim.commanded() && *h.Claim.Baseline.Cool == 76 && *h.Claim.Baseline.Heat == 66
			}},
		{YieldHidden, ChoiceHidden, claim(schedule, setBack, nil), shows(setBack, time.Minute), false,
			func(h ThermostatRecord) bool {
				return h.Choice != nil && !h.Claim.Contested && h.Claim.Confirmed && *h.Claim.Baseline.Cool == 73
			}},
		{Choose, Crossing, contested(claim(permanent, setBack, nil)), shows(choice, time.Minute), false,
			func(h ThermostatRecord) bool { return h.Claim.Contested && *h.Claim.Baseline.Cool == 73 }},
		{PutBack, LandedOver, contested(claim(choice, setBack, nil)), shows(setBack, time.Minute), false,
			func(h ThermostatRecord) bool {
				return !h.Claim.Contested && h.Claim.Confirmed && *h.Claim.Baseline.Cool == 73
			}},
		{KeepChoice, ChoiceStands, contested(claim(choice, setBack, nil)), shows(choice, time.Hour), false,
			func(h ThermostatRecord) bool { return h.Claim == nil && h.Choice != nil }},
		{FollowMode, CommandLanding, command(claim(schedule, setBack, confirmed)), in(devices.Off, shows(setBack, time.Minute)), false,
			func(h ThermostatRecord) bool { return h.Claim.Mode == devices.Off && h.Claim.commanded() }},
		{SetAside, OwnerMoved, claim(schedule, setBack, confirmed), utility(shows(choice, time.Hour)), false,
			func(h ThermostatRecord) bool { return h.Claim.Confirmed && h.Choice == nil }},
	} {
		t.Run(string(c.effect), func(t *testing.T) {
			met[c.effect] = true
			st := step{State: State{Settings: Settings{Thermostats: []string{"up"}}, Persisted: Persisted{Thermostats: map[string]ThermostatRecord{"up": c.h}}}, now: c.read.Polled}
			st.Settings.Calendar.Location = time.UTC
			st.plan.Phase, st.Persisted.Window, st.ReadSinceStart = InPeak, &Stretch{Start: written, End: written.Add(3 * time.Hour)}, map[string]time.Time{"up": written}
			l := ThermostatLedger{Record: c.h, Before: shows(schedule, 0), First: c.read, Window: true}
			if c.cause != HoldLost {
				l.ReadSinceStart = written
			}
			switch c.cause {
			case ChoiceHidden:
				l.Doubted = shows(choice, time.Second)
			case ModeUndone:
				l.Doubted = in(devices.Off, shows(schedule, time.Second))
			}
			if got := st.transitionThermostat("up", c.read, l); got != c.cause {
				t.Fatalf("%s, want %s", got, c.cause)
			}
			if st.doubted("up") != c.twice {
				t.Fatalf("in doubt: %v", !c.twice)
			}
			if c.twice {
				st.recall("up")
				c.read.Polled = c.read.Polled.Add(time.Second)
				st.transitionThermostat("up", c.read, l)
			}
			if after := st.Persisted.Thermostats["up"]; !c.want(after) {
				t.Errorf("%+v, %+v", after, after.Claim)
			}
		})
	}
	for _, rows := range thermostatTable {
		for _, row := range rows {
			if !met[row.Effect] {
				t.Errorf("there is no row for %q", row.Effect)
			}
		}
	}
}

// TestWhatACauseChangesOnTheRecordOfTheBattery has a row for each effect.
func TestWhatACauseChangesOnTheRecordOfTheBattery(t *testing.T) {
	held := BatteryRecord{Writes: Writes{Wanted: devices.Setting{Reserve: new(0)}, Before: devices.Setting{Reserve: new(100)}, WrittenAt: written}, AtPeak: true}
	confirmed := held
	confirmed.Confirmed = true
	chosen := held
	chosen.Choice = &Choice{At: written, Reserve: new(50)}
	for _, c := range []struct {
		effect    Effect
		cause     Cause
		k         BatteryRecord
		shown     int
		discharge bool
		want      func(BatteryRecord) bool
	}{
		{Confirm, Landed, held, 0, true, func(k BatteryRecord) bool { return k.Confirmed && k.AtPeak }},
		{Confirm, GivenBack, BatteryRecord{Writes: Writes{Wanted: devices.Setting{Reserve: new(100)}}, AtPeak: true}, 100, false, func(k BatteryRecord) bool { return k.Confirmed && !k.AtPeak }},
		{Adopt, AsWanted, confirmed, 100, false, func(k BatteryRecord) bool { return *k.Wanted.Reserve == 100 && k.Confirmed && !k.AtPeak }},
		{Reclaim, LandedLate, confirmed, 40, true, func(k BatteryRecord) bool { return !k.Confirmed && *k.Before.Reserve == 40 && k.AtPeak }},
		{LearnLimit, DeviceLimit, BatteryRecord{Writes: Writes{Wanted: devices.Setting{Reserve: new(100)}}, AtPeak: true}, 80, false, func(k BatteryRecord) bool { return k.Limit == 80 && *k.Wanted.Reserve == 80 && !k.AtPeak }},
		{LearnFloor, DeviceFloor, held, 20, true, func(k BatteryRecord) bool { return k.Floor == 20 && *k.Wanted.Reserve == 20 && k.Confirmed }},
		{Forget, OwnerMoved, confirmed, 100, true, func(k BatteryRecord) bool { return k.Wanted.Reserve == nil && k.AtPeak }},
		{Forget, Foreign, chosen, 30, true, func(k BatteryRecord) bool {
			return k.Wanted.Reserve == nil && !k.AtPeak && k.Choice != nil && k.Choice.Reserve == nil
		}},
		{Choose, Crossing, chosen, 30, true, func(k BatteryRecord) bool { return *k.Choice.Reserve == 30 && k.Wanted.Reserve != nil }},
		{Choose, Rechosen, BatteryRecord{Choice: &Choice{At: written, Reserve: new(50)}}, 30, true, func(k BatteryRecord) bool { return *k.Choice.Reserve == 30 && k.Wanted.Reserve == nil }},
		{KeepChoice, ChoiceStands, chosen, 50, true, func(k BatteryRecord) bool { return *k.Choice.Reserve == 50 && k.Wanted.Reserve == nil }},
	} {
		t.Run(string(c.cause), func(t *testing.T) {
			st := step{State: State{Settings: Settings{OffPeakReserve: 100}, Persisted: Persisted{Battery: c.k}}, now: written.Add(time.Hour)}
			st.Settings.Calendar.Location = time.UTC
			st.plan.Discharge = c.discharge
			st.transitionBattery(Battery{Reserve: &c.shown, Polled: written.Add(time.Hour)}, c.cause)
			if k := st.Persisted.Battery; !c.want(k) {
				t.Errorf("%+v", k)
			}
		})
	}
}
