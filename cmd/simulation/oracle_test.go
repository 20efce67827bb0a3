package simulation

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"powermgr/bridge/bus"
	"powermgr/control/journal"
	"powermgr/control/rules"
	"powermgr/devices"
	"powermgr/devices/emulator"
)

// record is a line of the log.
func record(text string) slog.Record { return slog.NewRecord(time.Now(), slog.LevelInfo, text, 0) }

// showTwice shows a reserve to powermgr in two readings: a single one decides nothing.
func showTwice(t *testing.T, w *oracle, reserve int) {
	t.Helper()
	for range 2 {
		w.settingsAt = time.Time{}
		b, err := json.Marshal(devices.PowerwallReading{ReservePercent: &reserve, PolledAt: time.Now()})
		if err != nil {
			t.Fatal(err)
		}
		w.batteryState(bus.Message{Topic: "powermgr/powerwall/state", Payload: b})
	}
}

// A set point that the rules have sent does not count as a person's choice, unless a
// person had chosen the same: precooling can ask for the existing set point.
func TestWhatTheRulesSetIsNobodysChoice(t *testing.T) {
	chosen := setting{Mode: devices.Heat, Cool: 69, Heat: 69, Hold: devices.HoldPermanent}
	for _, c := range []struct {
		name    string
		heat    float64
		byRules bool
	}{
		{"a setback", 65, true},
		{"precooling to what they have chosen", 69, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newOracle(&home{world: &world{}, keepalived: &keepalived{}})
			w.override = string(rules.Auto)
			d := &thermostatOracle{shown: chosen, choices: []setting{chosen}}
			payload, err := json.Marshal(map[string]any{"value": devices.HoldPermanent, "cool_setpoint": 69, "heat_setpoint": c.heat})
			if err != nil {
				t.Fatal(err)
			}
			w.holdCommand(d, payload)
			after := chosen
			after.Heat = c.heat
			if got := d.byRules(after); got != c.byRules {
				t.Errorf("the rules have set it: %v, want %v", got, c.byRules)
			}
		})
	}
}

// A thermostat has been restored, as closely as the vendor accepts, and the result equals
// the setback. Somebody who then changes its mode has chosen what it shows; during the
// setback, the set point that gave way is still to be restored.
func TestWhatIsGivenBackIsAPersonsInAnotherMode(t *testing.T) {
	own := setting{Mode: devices.Cool, Cool: 85, Heat: 84, Hold: devices.HoldPermanent}
	shown := own.apart(3)
	for _, restore := range []bool{false, true} {
		now := func() *thermostatOracle {
			return &thermostatOracle{gap: 3, choices: []setting{own}, automatics: []setting{shown}, automatic: command{setting: shown, restore: restore}}
		}
		d := now()
		w := newOracle(&home{world: &world{}, keepalived: &keepalived{}})
		w.homes = []*thermostatOracle{d}
		w.chose(0, shown, shown.in(devices.Heat), false)
		_, byCommand := now().meant("mode"+devices.ResultSuffix, shown.in(devices.Heat))
		for how, wanted := range map[string][]setting{"at the wall": d.choices, "by command": byCommand} {
			if slices.Contains(wanted, shown.in(devices.Heat)) != restore || !slices.Contains(wanted, own.in(devices.Heat)) {
				t.Errorf("given back: %v; %s they may want %v", restore, how, wanted)
			}
		}
	}
}

// People may have chosen set points that are closer together than the vendor accepts: the
// one that they do not use gives way, and may go out of bounds for that.
func TestASetPointThatGivesWayIsWithinBounds(t *testing.T) {
	d := &thermostatOracle{unit: devices.Fahrenheit, gap: 3, low: 67, high: 82, cold: 62, hot: 62}
	d.bounds(setting{Mode: devices.Cool, Cool: 85, Heat: 84})
	if d.low != 67 || d.high != 87 || d.cold != 62 || d.hot != 84 {
		t.Errorf("cool %g–%g, heat %g–%g", d.low, d.high, d.cold, d.hot)
	}
}

// A reserve that the rules have asked for by plan is not a person's choice if it lands
// late, after the next one; any other unusual value is.
func TestALateReserveOfAPlanIsNobodysChoice(t *testing.T) {
	for _, c := range []struct {
		name   string
		shown  int
		choice bool
	}{
		{"the plan's", 45, false}, {"a person's", 46, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newOracle(&home{world: &world{}, keepalived: &keepalived{}})
			for _, asked := range []string{`{"value": 45}`, `{"value": 30}`} {
				w.reserveCommand([]byte(asked))
			}
			w.hidden, w.reserve = true, 30 // a person has changed the reserve, and powermgr has not been shown that
			showTwice(t, w, c.shown)
			if got := !w.choice.IsZero(); got != c.choice {
				t.Errorf("a person's choice: %v, want %v", got, c.choice)
			}
		})
	}
}

// A person's command to the battery ends with its peak, even if no reading shows it until
// hours later. For a choice in the app, powermgr only learns the time from the reading.
func TestACommandThatIsShownAfterItsPeakIsOver(t *testing.T) {
	for _, c := range []struct {
		name   string
		choose func(w *oracle)
		choice bool
	}{
		{"by command", func(w *oracle) { w.askedBattery("5") }, false},
		{"in the app", func(w *oracle) { w.choseBattery(true) }, true},
		{"by command, then in the app", func(w *oracle) { w.askedBattery("5"); w.choseBattery(true) }, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newOracle(&home{world: &world{}, keepalived: &keepalived{}})
			w.phase = rules.InPeak
			c.choose(w)
			w.turns(rules.OffPeak)
			showTwice(t, w, 5)
			if got := !w.choice.IsZero(); got != c.choice {
				t.Errorf("a person's choice: %v, want %v", got, c.choice)
			}
		})
	}
}

// If somebody has set a reserve by hand, and a daemon has stored it but died before it
// could answer, a pause restores the battery to that reserve, and to no lower one.
func TestAReserveByHandThatWasNotAnsweredMayBeGivenBack(t *testing.T) {
	for _, c := range []struct {
		name     string
		asks     []string
		answered int // how many of them are answered, from the first on
		doubt    bool
		sent     int
		broken   bool
	}{
		{"not answered", []string{"60"}, 0, false, 60, false},
		{"in an object", []string{`{"value":60,"id":"person"}`}, 0, false, 60, false},
		{"less than that", []string{"60"}, 0, false, 59, true},
		{"answered", []string{"60"}, 1, false, 60, false},
		{"answered, and another was not", []string{"75", "60"}, 1, false, 60, false},
		{"another was answered since", []string{"60", "75"}, 2, false, 60, true},
		{"another was answered since, in whatever order", []string{"60", "75"}, 2, true, 60, false},
		{"what nobody takes", []string{"-1"}, 0, false, 60, true},
		{"given back", []string{"60", "configured"}, 2, false, 60, true},
		{"not answered, and another was refused since", []string{"60", "much"}, 0, false, 60, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newOracle(&home{world: &world{}, keepalived: &keepalived{}})
			w.paused = true
			for i, ask := range c.asks {
				w.byHand(string(rules.AdjustOffPeakReserve), ask)
				if i < c.answered {
					r, err := devices.ParseRequest([]byte(ask))
					if err != nil {
						t.Fatal(err)
					}
					b, err := json.Marshal(devices.Result{Accepted: true, Final: true, Requested: r.Value})
					if err != nil {
						t.Fatal(err)
					}
					w.answersByHand(string(rules.AdjustOffPeakReserve), bus.Message{Payload: b})
				}
			}
			w.hand.doubt = c.doubt
			w.reserveCommand(fmt.Appendf(nil, `{"value": %d}`, c.sent))
			if got := len(w.violations) > 0; got != c.broken {
				t.Errorf("a promise is broken: %v, want %v; %v", got, c.broken, w.violations)
			}
		})
	}
}

// A node that takes over may repeat what the other one has already sent the maximum
// number of times: the oracle learns of the change a moment later.
func TestANodeThatTakesOverSendsOnItsOwnAccount(t *testing.T) {
	for _, c := range []struct {
		name   string
		last   string // the node that sends it once more
		broken bool
	}{
		{"the other one", "b", false}, {"the same", "a", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newOracle(&home{world: &world{}, keepalived: &keepalived{}})
			for _, w.writer = range []string{"a", "a", "a", c.last} {
				w.judgeSending("powerwall", "0", false)
			}
			if got := len(w.violations) > 0; got != c.broken {
				t.Errorf("a promise is broken: %v, want %v; %v", got, c.broken, w.violations)
			}
		})
	}
}

// A vendor that accepts no reads for hours still accepts none after another fault.
func TestAnotherFaultDoesNotEndALimit(t *testing.T) {
	h := &home{}
	h.nodes = []*node{{}}
	w := newOracle(h)
	for _, f := range []emulator.Fault{
		{Endpoint: "tcc.*", Class: emulator.Status, Status: http.StatusTooManyRequests, RetryAfter: 40_000},
		{Endpoint: "tcc.*", Class: emulator.Status, Status: http.StatusUnauthorized},
	} {
		w.asks(emulator.Request{Vendor: "tcc", Endpoint: "tcc.check", Status: f.Status, Fault: f.Class, Injected: f})
	}
	if left := time.Until(w.owed.hindered["tcc"]); left < 10*time.Hour {
		t.Errorf("the limit ends in %v", left)
	}
}

// A reading that powermgr publishes again, as it does after a refused command, is not an
// answer of the vendor: a daemon that has lost its authorization cannot restore anything,
// however often the last reading is repeated.
func TestARepeatedReadingIsNoAnswer(t *testing.T) {
	w := newOracle(&home{world: &world{}, keepalived: &keepalived{}})
	d := &thermostatOracle{}
	says := func(polled time.Time) {
		for _, m := range []struct {
			reading any
			hear    func(bus.Message)
		}{
			{devices.PowerwallReading{PolledAt: polled}, w.batteryState},
			{devices.ThermostatReading{
				Mode: new(devices.Cool), CoolSetpoint: new(77.0), HeatSetpoint: new(62.0), Hold: new(devices.HoldPermanent), Alive: true, PolledAt: polled,
			}, func(m bus.Message) { w.thermostatSays(d, devices.StateLeaf, m) }},
		} {
			b, err := json.Marshal(m.reading)
			if err != nil {
				t.Fatal(err)
			}
			m.hear(bus.Message{Payload: b})
		}
	}
	answered := func() bool { return !w.answered.IsZero() && !w.battery.IsZero() }
	polled := time.Now()
	says(polled)
	if !answered() {
		t.Fatal("a reading is an answer")
	}
	w.answered, w.battery = time.Time{}, time.Time{}
	says(polled)
	if !w.answered.IsZero() || !w.battery.IsZero() {
		t.Errorf("a repeated reading counts as an answer: thermostats %v, battery %v", w.answered, w.battery)
	}
	says(polled.Add(time.Minute))
	if !answered() {
		t.Error("the next reading is an answer")
	}
}

// A vendor that is hours behind shows a reserve that the battery no longer has: sending
// it once more is not a write of what the battery already has.
func TestAReserveThatShowsLateMayBeSentAgain(t *testing.T) {
	for _, c := range []struct {
		name   string
		has    int
		broken bool
	}{
		{"the battery has it", 100, true}, {"the battery has the one after it", 0, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newOracle(&home{world: &world{}, keepalived: &keepalived{}})
			w.override = string(rules.Auto)
			w.reserve, w.has, w.reserveAt = 100, c.has, time.Now().Add(-time.Minute)
			w.reserveCommand([]byte(`{"value":100}`))
			if broken := len(w.violations) > 0; broken != c.broken {
				t.Errorf("it breaks a promise: %v, want %v: %v", broken, c.broken, w.violations)
			}
		})
	}
}

// A daemon that continues from a journal overtakes the writes that it lists, and cannot
// know that the last one was never sent. A daemon that does know has no reason to write
// what is already there.
func TestAWriteThatWasNeverSentMayBeOvertaken(t *testing.T) {
	for _, c := range []struct {
		name          string
		sent, refused bool
		dies          bool // its daemon, after that
		broken        bool
	}{
		{"its daemon dies", false, false, true, false},
		{"it is refused, and its daemon dies later", false, true, true, true},
		{"its daemon lives", false, false, false, true},
		{"it was sent, and its daemon dies later", true, false, true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newOracle(&home{world: &world{}, keepalived: &keepalived{}})
			anHourAgo := time.Now().Add(-time.Hour)
			w.reserve, w.has, w.reserveAt, w.reserveSent, w.booted = 60, 60, time.Now().Add(-time.Minute), anHourAgo, anHourAgo
			list := func(flights ...rules.Flight) {
				w.lists(journal.Entry{Records: journal.Records{Battery: []journal.Record[rules.BatteryRecord]{{Value: rules.BatteryRecord{Writes: rules.Writes{Flights: flights}}}}}})
			}
			list(rules.FlightOf(0, 0, time.Now()))
			switch {
			case c.refused:
				list()
			case c.sent:
				w.decided.listed = anHourAgo.Add(-time.Second)
			}
			if c.dies {
				w.orphans()
			}
			w.reserveCommand([]byte(`{"value": 60}`))
			if got := len(w.violations) > 0; got != c.broken {
				t.Errorf("%v, want one: %v", w.violations, c.broken)
			}
		})
	}
}

// A write that Tesla has accepted and that was never shown may still be carried out, so
// the one after it may ask for what is shown.
func TestAWriteThatIsNotShownMayBeOvertaken(t *testing.T) {
	for _, c := range []struct {
		name   string
		sent   []emulator.Write
		shown  int
		broken bool
	}{
		{"it was not shown", []emulator.Write{{Values: map[string]any{"reserve": 0}, Carried: true}}, 60, false},
		{"it was shown", []emulator.Write{{Values: map[string]any{"reserve": 0}, Carried: true}}, 0, true},
		{"it was refused", []emulator.Write{{Values: map[string]any{"reserve": 0}}}, 60, true},
		{"there is none", nil, 60, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newOracle(&home{world: &world{}, house: &emulator.House{}, keepalived: &keepalived{}})
			anHourAgo := time.Now().Add(-time.Hour)
			w.booted = anHourAgo
			for _, write := range c.sent {
				w.arrives(write, true)
			}
			w.reserveShown(c.shown, false)
			w.reserveShown(60, false)
			w.has, w.reserveAt, w.reserveSent = 60, time.Now().Add(-time.Minute), anHourAgo
			w.violations = nil
			w.reserveCommand([]byte(`{"value": 60}`))
			if got := len(w.violations) > 0; got != c.broken {
				t.Errorf("%v, want one: %v", w.violations, c.broken)
			}
		})
	}
}

// The portal is left alone after a log-in that led to no data, and for longer each time it
// refuses one.
func TestThePortalIsLeftAlone(t *testing.T) {
	for _, c := range []struct {
		name    string
		request emulator.Request
		waits   []time.Duration
	}{
		{"it refuses", emulator.Request{Endpoint: "tcc.zones", Status: http.StatusForbidden, Fault: emulator.Status}, []time.Duration{15 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour}},
		{"it gives no session", emulator.Request{Endpoint: "tcc.login", Status: http.StatusOK, Fault: emulator.HTML}, []time.Duration{15 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour}},
		{"it is tired of log-ins", emulator.Request{Endpoint: "tcc.login", Status: http.StatusTooManyRequests, Fault: emulator.Status}, []time.Duration{15 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour}},
		{"it does not answer", emulator.Request{Endpoint: "tcc.login", Fault: emulator.Hang}, []time.Duration{time.Hour, time.Hour}},
		{"the session ends at once", emulator.Request{Endpoint: "tcc.locations", Status: http.StatusOK, Fault: emulator.Expire}, []time.Duration{time.Hour, time.Hour}},
		{"it has a mishap", emulator.Request{Endpoint: "tcc.locations", Status: http.StatusBadGateway, Fault: emulator.Status}, []time.Duration{0}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newOracle(&home{world: &world{}, keepalived: &keepalived{}})
				c.request.Vendor, c.request.Injected = "tcc", emulator.Fault{Class: c.request.Fault}
				for _, wait := range c.waits {
					w.asks(c.request)
					if got := time.Until(w.owed.hindered["tcc"]); got != wait {
						t.Errorf("for %v, want %v", got, wait)
					}
					time.Sleep(12 * time.Hour)
				}
			})
		})
	}
}

// A command is carried out although the vendor wants no requests, and may be seen only
// after the requests that it causes.
func TestACommandExcusesARequestThatCameEarly(t *testing.T) {
	for _, c := range []struct {
		name    string
		command time.Duration // after the request; zero: there is none
		give    func(*oracle)
		broken  bool
	}{
		{"there is none", 0, nil, true},
		{"a person's, seen just after it", time.Second, func(w *oracle) { w.askedBattery("20") }, false},
		{"the controller's, seen just after it", time.Second, func(w *oracle) { w.reserveCommand([]byte(`{"value":20}`)) }, false},
		{"a person's, long before", -2 * afterCommand, func(w *oracle) { w.askedBattery("20") }, true},
		{"a person's, shortly before", -afterCommand / 2, func(w *oracle) { w.askedBattery("20") }, false},
		{"a person's, and another one before it is judged", time.Second, func(w *oracle) {
			w.askedBattery("20")
			time.Sleep(beforeCommand + time.Second)
			w.askedBattery("30")
		}, false},
		{"a person's, long after", 2 * beforeCommand, func(w *oracle) { w.askedBattery("20") }, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newOracle(&home{world: &world{}, keepalived: &keepalived{}, nodes: []*node{{}}})
				w.asks(emulator.Request{Vendor: "tesla", Endpoint: "tesla.token", Status: http.StatusTooManyRequests, Injected: emulator.Fault{RetryAfter: 3600}})
				time.Sleep(20 * time.Minute)
				if c.command < 0 {
					c.give(w)
					time.Sleep(-c.command)
				}
				w.asks(emulator.Request{Vendor: "tesla", Endpoint: "tesla.token", Status: http.StatusOK})
				for after := time.Second; after <= 4*time.Minute; after += time.Second {
					if time.Sleep(time.Second); after == c.command {
						c.give(w)
					}
					if after%time.Minute == 0 {
						w.judgeLimits()
					}
				}
				if got := len(w.violations) > 0; got != c.broken {
					t.Errorf("%v, want one: %v", w.violations, c.broken)
				}
			})
		})
	}
}

// Where the controller is stopped, the reserve stays as a person chose it, even if that is
// the lowest that the battery keeps.
func TestAChosenReserveIsKeptWhileTheControllerIsStopped(t *testing.T) {
	for _, c := range []struct {
		name   string
		chosen *int
		broken bool
	}{
		{"a person chose it", new(5), false},
		{"a person chose less than the battery keeps", new(0), false},
		{"a person chose another one", new(40), true},
		{"nobody chose it", nil, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newOracle(&home{world: &world{Powerwall: powerwall{ReserveFloor: 5}}, keepalived: &keepalived{}})
			w.paused, w.chosenReserve, w.settingsAt, w.changed = true, c.chosen, time.Now(), time.Now()
			w.judgeReserveGivenBack(5)
			if got := len(w.violations) > 0; got != c.broken {
				t.Errorf("broken: %v, want %v", w.violations, c.broken)
			}
		})
	}
}

// With a wrong clock it is not known whether a hold has ended: its schedule may be put back
// in place of it.
func TestAHoldThatMayHaveEndedByAWrongClockMayBecomeTheSchedule(t *testing.T) {
	now := time.Now()
	for _, jumped := range []bool{false, true} {
		w := newOracle(&home{world: &world{}, keepalived: &keepalived{}})
		if jumped {
			w.jumped = now
		}
		d := &thermostatOracle{id: "up", taken: now.Add(-time.Hour), choices: []setting{{Mode: devices.Cool, Cool: 75, Heat: 65, Hold: devices.HoldUntil, Until: now.Add(time.Hour)}}}
		w.judgeThermostatIsFree(d, command{at: now, restore: true, setting: setting{Mode: devices.Cool, Hold: devices.HoldSchedule}})
		if got := len(w.violations) > 0; got == jumped {
			t.Errorf("jumped: %v, broken: %v", jumped, w.violations)
		}
	}
}

// An answer of Tesla without anything in it keeps the reserve from being written; one
// without a figure does not.
func TestWhichFaultsAreMild(t *testing.T) {
	for _, c := range []struct {
		field string
		mild  bool
	}{{"battery_power", true}, {"response", false}} {
		f := emulator.Fault{Endpoint: "tesla.live_status", Class: emulator.Replace, Values: map[string]any{c.field: nil}}
		if got := mild(f); got != c.mild {
			t.Errorf("without %s: mild is %v, want %v", c.field, got, c.mild)
		}
	}
}
