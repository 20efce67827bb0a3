package rules_test

import (
	"strings"
	"testing"
	"time"

	. "powermgr/control/rules"
	"powermgr/devices"
)

// plans returns a world whose battery follows a plan.
func plans(t *testing.T, when string) *world {
	w := newWorld(t, when)
	w.s.Settings.Strategy, w.s.Settings.PlanMinReserve = StrategyPlan, 10
	return w
}

// plan sets what the plan wants now.
func (w *world) plan(reserve int) {
	w.t.Helper()
	w.step(Planned{Reserve: &reserve, Made: w.now, Why: "hold for the evening"})
}

// forth lets time pass.
func (w *world) forth(d time.Duration) {
	w.t.Helper()
	w.untilTime(w.now.Add(d))
}

// battery returns a reading of the battery.
func (w *world) battery() Battery {
	return Battery{Charge: &w.charge, Reserve: new(int(w.reserve)), Mode: w.mode, AsOf: w.now, Polled: w.now}
}

func TestTheGuardsOfAPlan(t *testing.T) {
	const noon, peak = "2026-07-15 12:00", "2026-07-15 17:00"
	for _, tt := range []struct {
		name string
		when string
		with func(*world)
		want int
		why  string // in the reason of the decision
	}{
		{"a plan decides", noon, func(w *world) { w.plan(45) }, 45, "by plan: hold for the evening"},
		{"the rule rules, and the plan is only shown", noon, func(w *world) { w.s.Settings.Strategy = StrategyRule; w.plan(45) }, 100, ""},
		{"a person chooses the plan", noon, func(w *world) {
			w.s.Settings.Strategy = StrategyRule
			w.plan(45)
			w.step(StrategyAsked{StrategyPlan})
		}, 45, "by plan"},
		{"a person chooses the rule", noon, func(w *world) { w.plan(45); w.step(StrategyAsked{StrategyRule}) }, 100, ""},
		{"never below the least reserve", noon, func(w *world) { w.plan(3) }, 10, "by plan"},
		{"never what a Powerwall does not keep", noon, func(w *world) { w.plan(92) }, 80, "by plan"},
		{"never more than the owner's reserve outside peaks", noon, func(w *world) { w.s.Settings.OffPeakReserve = 70; w.plan(100) }, 70, "by plan"},
		{"never more than the device keeps", noon, func(w *world) { w.s.Persisted.Battery.Limit = 80; w.plan(100) }, 80, "by plan"},
		{"never holds in a peak what the rule would use", peak, func(w *world) { w.plan(60) }, 10, "by plan: the battery is never held back in a peak"},
		{"a peak without a plan is the rule's", peak, func(*world) {}, 0, "there is no plan yet"},
		{"a missing plan", noon, func(w *world) { w.step(Tick{}); w.forth(5 * time.Minute) }, 100, "the rule is in charge: there is no plan yet"},
		{"a plan that says why there is none", noon, func(w *world) {
			w.step(Planned{Made: w.now, Why: "3 days of history are known, and it takes 7"})
		}, 100, "the rule is in charge: 3 days of history are known, and it takes 7"},
		{"an old plan", noon, func(w *world) {
			w.step(Planned{Reserve: new(45), Made: w.now.Add(-devices.PlanIsOld), Why: "hold"})
		}, 100, "the plan was made at 10:00"},
		{"a plan that is asked no more", noon, func(w *world) {
			w.plan(45)
			w.forth(devices.PlanIsOld + devices.PlanGone)
		}, 100, "the plan was made at 12:00"},
		{"old figures", noon, func(w *world) {
			w.plan(45)
			b := w.battery()
			b.Age = devices.TooOld
			w.step(BatteryRead{b})
			w.mute[Powerwall] = true // which would show younger ones
			w.forth(devices.PlanGone)
		}, 100, "the readings from Tesla are old"},
		{"a journal that cannot be written", noon, func(w *world) { w.s.Unwritable = true; w.plan(45) }, 100, "the journal cannot be written"},
		{"an override", noon, func(w *world) {
			w.plan(45)
			w.step(OverrideAsked{OverrideRequest{Kind: OverrideOffPeak, For: time.Hour}})
		}, 100, "by override"},
		{"switched off", noon, func(w *world) { w.plan(45); w.step(EnabledAsked{false}) }, 100, "switched off"},
		{"everything is to be given back", noon, func(w *world) { w.plan(45); w.step(RestoreAsked{}) }, 100, "paused"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := plans(t, tt.when).start()
			tt.with(w)
			w.forth(3 * time.Minute)
			if int(w.reserve) != tt.want {
				t.Errorf("the reserve is %.0f %%, want %d; %s", w.reserve, tt.want, w.d.Why)
			}
			if !strings.Contains(w.d.Why, tt.why) {
				t.Errorf("the reason is %q, want %q in it", w.d.Why, tt.why)
			}
		})
	}
}

func TestStormAndPeopleAreAboveThePlan(t *testing.T) {
	t.Run("Storm Watch", func(t *testing.T) {
		w := plans(t, "2026-07-15 12:00").start()
		b := w.battery()
		b.StormActive = true
		w.step(BatteryRead{b})
		w.take()
		w.plan(45)
		if len(w.sent) != 0 {
			t.Errorf("it writes %+v", w.sent)
		}
	})
	t.Run("a person", func(t *testing.T) {
		w := plans(t, "2026-07-15 12:00").start()
		w.plan(45)
		w.forth(10 * time.Minute)
		w.reserve = 70
		w.forth(10 * time.Minute)
		w.plan(30)
		w.forth(10 * time.Minute)
		if w.reserve != 70 || w.d.Reason != ByPerson {
			t.Errorf("the reserve is %.0f %%, %s, want the person's 70", w.reserve, w.d.Reason)
		}
	})
	t.Run("who sets what the rule would", func(t *testing.T) {
		w := plans(t, "2026-07-15 12:00").start()
		w.plan(45)
		w.forth(10 * time.Minute)
		w.reserve = 100
		w.forth(10 * time.Minute)
		w.plan(45)
		w.forth(10 * time.Minute)
		if w.reserve != 100 {
			t.Errorf("the reserve is %.0f %%, want the person's 100", w.reserve)
		}
	})
}

// A plan that changes every minute uses up its changes, but leaves the calendar the ones
// that it needs.
func TestAtMostTwelveChangesADay(t *testing.T) {
	for name, day := range map[string]string{"one peak": "2026-07-15", "two peaks": "2026-12-15", "none": "2026-07-18"} {
		t.Run(name, func(t *testing.T) {
			w := plans(t, day+" 00:10")
			w.s.Settings.MaxSteps = 1
			w.start()
			midnight, last, changes, gaveWay := at(day+" 23:59"), w.reserve, 0, false
			for n := 0; w.now.Before(midnight); n++ {
				w.plan(20 + n%2*30)
				w.forth(time.Minute)
				if w.reserve != last {
					changes, last = changes+1, w.reserve
				}
				gaveWay = gaveWay || strings.Contains(w.d.Why, "the reserve has been changed")
			}
			if changes > MaxChanges || changes < 8 || !gaveWay {
				t.Errorf("%d changes in a day, gave way: %v", changes, gaveWay)
			}
			if int(w.reserve) != 100 {
				t.Errorf("in the end the reserve is %.0f %%, want the rule's", w.reserve)
			}
			w.plan(33) // the next day it may again
			w.forth(10 * time.Minute)
			w.plan(33)
			w.forth(10 * time.Minute)
			if int(w.reserve) != 33 {
				t.Errorf("the next day the reserve is %.0f %%: %s", w.reserve, w.d.Why)
			}
		})
	}
}

// What a plan has set is restored like anything else, even after a crash.
func TestAPlannedReserveIsGivenBack(t *testing.T) {
	w := plans(t, "2026-07-15 12:00").start()
	w.plan(45)
	w.forth(10 * time.Minute)
	if int(w.reserve) != 45 || !w.s.Persisted.Battery.AtPeak {
		t.Fatalf("the reserve is %.0f %%, on record: %+v", w.reserve, w.s.Persisted.Battery)
	}
	kept := w.s.Persisted
	w.s = State{Settings: settings()} // the strategy is rule by now
	w.step(Recovered{Persisted: kept})
	w.forth(10 * time.Minute)
	if w.reserve != 100 || w.s.Persisted.Battery.AtPeak {
		t.Errorf("the reserve is %.0f %%, on record: %+v", w.reserve, w.s.Persisted.Battery)
	}
}

// A start does not charge the battery while the first plan is awaited.
func TestAStartWaitsForTheFirstPlan(t *testing.T) {
	w := plans(t, "2026-07-15 12:00").start()
	w.plan(45)
	w.forth(10 * time.Minute)
	kept := w.s.Persisted
	w.s = State{Settings: w.s.Settings}
	w.step(Recovered{Persisted: kept})
	w.take()
	w.read()
	w.forth(time.Minute)
	w.plan(45)
	w.forth(10 * time.Minute)
	for _, x := range w.sent {
		if x.Reserve != nil {
			t.Errorf("it writes %d %%: %s", *x.Reserve, x.Why)
		}
	}
}

// reserves are the reserves that were written since the last take.
func (w *world) reserves() (all []int) {
	for _, x := range w.sent {
		if x.Reserve != nil {
			all = append(all, *x.Reserve)
		}
	}
	return all
}

// A planner that has read nothing yet says that there is no plan, and a moment later
// there is one: the battery is not charged in between.
func TestAPlannerThatHasReadNothingIsWaitedFor(t *testing.T) {
	unread := Planned{Why: "the Powerwall has not been read yet"}
	for _, tt := range []struct {
		name  string
		again func(*world) // what begins once more
	}{
		{"after a start", func(w *world) {
			kept := w.s.Persisted
			w.s = State{Settings: w.s.Settings}
			w.step(Recovered{Persisted: kept})
		}},
		{"after a reload", func(w *world) {
			kept := w.s.Persisted
			w.s = w.s.Resumed(w.s.Settings)
			w.step(Recovered{Persisted: kept})
		}},
		{"by a node that is the active one again", func(w *world) {
			w.step(Role{Active: false})
			w.now = w.now.Add(3 * time.Hour) // by then its own plan is old
			w.step(Role{Active: true})
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := plans(t, "2026-07-15 11:00").start()
			w.plan(45)
			w.forth(10 * time.Minute)
			w.take()
			tt.again(w)
			unread.Made = w.now
			w.step(unread)
			w.read()
			w.forth(time.Minute)
			w.plan(45)
			w.forth(10 * time.Minute)
			if all := w.reserves(); len(all) > 0 {
				t.Errorf("it writes %v", all)
			}
		})
	}
}

// One reading has shown a reserve that a person may have chosen. Until the next one
// decides, a plan that is asked again neither adopts it nor overwrites it.
func TestAPlanMadeBetweenAPersonsChoiceAndTheReadingThatConfirmsIt(t *testing.T) {
	for name, wants := range map[string]int{"wants the same": 35, "wants something else": 60} {
		t.Run(name, func(t *testing.T) {
			w := plans(t, "2026-07-15 11:00").start()
			w.plan(45)
			w.forth(10 * time.Minute)
			w.take()
			w.reserve = 35
			w.now = w.now.Add(time.Minute)
			w.read()
			w.plan(wants)
			w.now = w.now.Add(time.Minute)
			w.read()
			w.plan(70)
			w.forth(10 * time.Minute)
			if all := w.reserves(); len(all) > 0 || len(w.d.Yielded) != 1 {
				t.Errorf("it writes %v, taken %v", all, w.d.Yielded)
			}
		})
	}
}

// If the plan is missing for a moment because a reading is late or odd, the battery is
// not charged; if it stays missing, the rule takes over.
func TestAPlanThatIsGoneForAMomentIsWaitedFor(t *testing.T) {
	old := func(w *world) {
		b := w.battery()
		b.Age = devices.TooOld
		w.step(BatteryRead{b})
	}
	for _, tt := range []struct {
		name string
		lost func(*world)
	}{
		{"the figures of one reading are old", old},
		{"the planner has no fresh figures", func(w *world) { w.step(Planned{Made: w.now, Why: "the last figures are of 9:04"}) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := plans(t, "2026-07-15 11:00").start()
			w.plan(45)
			w.forth(10 * time.Minute)
			w.take()
			w.mute[Powerwall] = true
			tt.lost(w)
			w.forth(devices.PlanGone - time.Minute)
			if all := w.reserves(); len(all) > 0 || !strings.Contains(w.d.Why, "stays as it is") {
				t.Errorf("it writes %v: %s", all, w.d.Why)
			}
			w.forth(2 * time.Minute)
			if all := w.reserves(); len(all) != 1 || all[0] != 100 {
				t.Errorf("it writes %v, want the rule's 100", all)
			}
		})
	}
	t.Run("but not in a peak", func(t *testing.T) {
		w := plans(t, "2026-07-15 15:40").start()
		w.plan(45)
		w.until("15:58")
		w.take()
		w.mute[Powerwall] = true
		old(w)
		w.until("16:01")
		if all := w.reserves(); len(all) != 1 || all[0] != 0 {
			t.Errorf("it writes %v, want the peak's 0", all)
		}
	})
}

// Plan and figures do not arrive together: what the first of them says may be reversed by
// the next.
func TestAPlanLeavesAReserveAloneThatHasJustBeenChanged(t *testing.T) {
	w := plans(t, "2026-07-15 12:00").start()
	w.plan(45)
	w.forth(time.Minute)
	w.plan(80)
	if w.reserve != 45 || !strings.Contains(w.d.Why, "it has just been changed") {
		t.Errorf("after a minute: %.0f %%, %s", w.reserve, w.d.Why)
	}
	w.forth(devices.PlanSettles)
	if w.reserve != 80 {
		t.Errorf("later: %.0f %%, %s", w.reserve, w.d.Why)
	}
}

// The last change that a plan may make in a day is not reversed at once either.
func TestTheLastChangeOfADayStaysForAMoment(t *testing.T) {
	w := plans(t, "2026-07-15 12:00").start()
	w.s.Persisted.Battery.Changes = Changes{Day: "2026-07-15", Count: MaxChanges - 4} // the day's peak and the calendar need three
	w.plan(45)
	w.forth(time.Minute)
	w.plan(80)
	if w.reserve != 45 {
		t.Errorf("after a minute: %.0f %%, %s", w.reserve, w.d.Why)
	}
	w.forth(2 * devices.PlanSettles)
	if w.reserve != 100 || !strings.Contains(w.d.Why, "times today") {
		t.Errorf("later: %.0f %%, %s", w.reserve, w.d.Why)
	}
}

// A plan is made from what is shown, and so wants what a person has just chosen. Until a
// second reading confirms the choice, it is not adopted as the plan's reserve.
func TestAPlanAdoptsNoChoiceThatIsInDoubt(t *testing.T) {
	w := plans(t, "2026-07-15 11:00")
	w.start()
	w.plan(45)
	w.until("11:30").want("powerwall 45")
	w.until("12:10")
	w.reserve = 30
	w.step(BatteryRead{w.battery()})
	w.plan(30)
	if k := w.s.Persisted.Battery; *k.Wanted.Reserve != 45 {
		t.Fatalf("the plan has adopted %d %%", *k.Wanted.Reserve)
	}
	w.until("12:30").want()
	if w.noted(NoteYielded) != 1 || w.reserve != 30 {
		t.Errorf("the choice of 30 %% is not the person's: %+v", w.s.Persisted.Battery)
	}
}

// A vendor that refuses commands got each new wish of the plan at once.
func TestAPlanWaitsForAVendorThatRefuses(t *testing.T) {
	w := newWorld(t, "2026-07-15 10:00")
	w.s.Settings.Strategy, w.s.Settings.PlanMinReserve = StrategyPlan, 5
	w.start().deaf[Powerwall] = true
	w.plan(40)
	wishes := map[int]bool{}
	for wish := 39; w.now.Before(at("2026-07-15 10:30")); wish-- {
		for _, s := range w.sent {
			if s.Target == Powerwall {
				wishes[*s.Reserve] = true
				w.step(Answer{Target: Powerwall, Setting: "reserve", ID: s.ID, Final: true, Reason: "HTTP 400"})
			}
		}
		w.sent = nil
		w.now = w.now.Add(time.Minute)
		w.step(Tick{})
		w.readBattery(w.now)
		w.plan(wish)
	}
	if n := len(wishes); n < 2 || n > 7 {
		t.Errorf("%d different reserves were sent in half an hour", n)
	}
}
