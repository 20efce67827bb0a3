package bridge

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"powermgr/bridge/bus"
	"powermgr/devices"
)

// limitedBattery is a battery whose calls are limited, in the first month of a
// bubble, which begins with it. peak says whether there is one.
func limitedBattery(f *fakeBattery, calls int, peak *atomic.Bool) func(Shared) func(context.Context) error {
	return func(s Shared) func(context.Context) error {
		return NewPowerwall(limitedPowerwall(s, f, calls, peak)).Run
	}
}

func limitedPowerwall(s Shared, f *fakeBattery, calls int, peak *atomic.Bool) PowerwallOptions {
	return PowerwallOptions{
		Shared: s, Device: f, Every: func(time.Time) time.Duration { return time.Minute },
		Budget: &Budget{
			Calls: calls, Account: "tesla", Location: time.UTC, Log: slog.New(slog.DiscardHandler),
			Ahead: func(now time.Time) Ahead { return winter.part(1 - float64(now.Day()-1)/31) },
		},
		Moment: func(time.Time) Moment { return Moment{Peak: peak.Load()} },
	}
}

// counted is how often each was read since the last time.
func (f *fakeBattery) counted() (lives, settings int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	lives, settings = len(f.lives), len(f.settings)
	f.lives, f.settings = nil, nil
	return lives, settings
}

func TestFiguresAndSettingsAreReadApart(t *testing.T) {
	f, peak := &fakeBattery{reserve: 100}, &atomic.Bool{}
	bubble(t, limitedBattery(f, 5000, peak), func(r *rig) {
		f.counted() // at the start all is read
		r.sleep(24 * time.Hour)
		if lives, settings := f.counted(); lives < 47 || lives > 50 || settings < 1 || settings > 2 {
			t.Errorf("a day without a peak: figures %d times, settings %d times", lives, settings)
		}
		peak.Store(true)
		r.sleep(devices.PeakPoll + paceAgain)
		if lives, _ := f.counted(); lives != 1 {
			t.Errorf("the peak of an override begins with %d readings", lives)
		}
		r.sleep(3 * time.Hour)
		if lives, settings := f.counted(); lives < 44 || lives > 46 || settings < 5 || settings > 7 {
			t.Errorf("three hours of a peak: figures %d times, settings %d times", lives, settings)
		}
	})
}

// The controller goes by the times at which each part says that it was read.
func TestOldSettingsAreNotSaidToBeFresh(t *testing.T) {
	f, peak := &fakeBattery{reserve: 100}, &atomic.Bool{}
	bubble(t, limitedBattery(f, 5000, peak), func(r *rig) {
		r.sleep(5 * time.Minute)
		begin := time.Now().Add(-4 * time.Minute) // the second reading of the settings
		last := func() (reading devices.PowerwallReading) {
			m, _ := r.bus.Retained("powermgr/powerwall/state")
			if err := json.Unmarshal(m.Payload, &reading); err != nil {
				t.Fatal(err)
			}
			return reading
		}
		f.set(func() { f.reserve = 40 })
		r.sleep(2 * time.Hour)
		if got := last(); !got.SettingsAt.Equal(begin) || got.PolledAt.Sub(begin) < 90*time.Minute || *got.ReservePercent != 100 || got.ChargePercent == nil {
			t.Errorf("figures alone were read: %+v", got)
		}
		polled := last().PolledAt
		r.command("powermgr/powerwall/reserve/set", "0")
		if got := last(); !got.SettingsAt.Equal(time.Now()) || !got.PolledAt.Equal(polled) || *got.ReservePercent != 40 || got.ChargePercent == nil {
			t.Errorf("settings alone were read: %+v", got)
		}
	})
}

func TestAChoiceInTheAppIsNotOverwrittenUnseen(t *testing.T) {
	reads := func(f *fakeBattery, err error) { f.set(func() { f.read = err }) }
	away := &devices.Error{Vendor: "tesla", Kind: devices.Unreachable, Err: errors.New("HTTP 502")}
	for _, tt := range []struct {
		name    string
		payload string
		before  func(f *fakeBattery)
		writes  int
		reason  string // of the answer
		gaveWay bool
	}{
		{"nothing has changed", "0", func(*fakeBattery) {}, 1, "on its way", false},
		{"a reserve was chosen since", "0", func(f *fakeBattery) { f.set(func() { f.reserve = 40 }) }, 0, "it has just changed", true},
		{"what goes back gives way as well", giveBack, func(f *fakeBattery) { f.set(func() { f.reserve = 40 }) }, 0, "it has just changed", true},
		{"it cannot be read", "0", func(f *fakeBattery) { reads(f, away) }, 0, "it could not be read first", false},
		{"it cannot be read, and something goes back", giveBack, func(f *fakeBattery) { reads(f, away) }, 1, "on its way", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f, peak := &fakeBattery{reserve: 100, lands: -1}, &atomic.Bool{}
			bubble(t, limitedBattery(f, 5000, peak), func(r *rig) {
				r.sleep(3 * time.Hour)
				tt.before(f)
				r.got("#")
				r.command("powermgr/powerwall/reserve/set", tt.payload)
				var first devices.Result
				topics := []string{}
				for _, m := range r.messages() {
					topics = append(topics, m.Topic)
					if first.Reason == "" && strings.HasSuffix(m.Topic, devices.ResultSuffix) {
						if err := json.Unmarshal(m.Payload, &first); err != nil {
							t.Fatal(err)
						}
						if tt.gaveWay && !strings.Contains(strings.Join(topics, " "), "powerwall/state") {
							t.Error("the controller hears no before it hears why")
						}
					}
				}
				if len(f.writes()) != tt.writes || !strings.Contains(first.Reason, tt.reason) || first.GaveWay != tt.gaveWay {
					t.Errorf("sent %v, answered %+v", f.writes(), first)
				}
			})
		})
	}
	t.Run("what the controller decides with it in mind goes", func(t *testing.T) {
		f, peak := &fakeBattery{reserve: 100}, &atomic.Bool{}
		bubble(t, limitedBattery(f, 5000, peak), func(r *rig) {
			r.sleep(3 * time.Hour)
			f.set(func() { f.reserve = 40 })
			r.command("powermgr/powerwall/reserve/set", "0")
			r.sleep(devices.JustRead)
			r.command("powermgr/powerwall/reserve/set", "0")
			if len(f.writes()) != 1 {
				t.Errorf("sent %v", f.writes())
			}
		})
	})
	t.Run("what was asked for here is no choice", func(t *testing.T) {
		f, peak := &fakeBattery{reserve: 100, lands: 4 * time.Minute}, &atomic.Bool{}
		bubble(t, limitedBattery(f, 5000, peak), func(r *rig) {
			r.sleep(3 * time.Hour)
			r.command("powermgr/powerwall/reserve/set", "0")
			r.sleep(5 * time.Minute) // it lands late
			r.command("powermgr/powerwall/reserve/set", giveBack)
			if got := f.writes(); got[len(got)-1] != 100 {
				t.Errorf("sent %v", got)
			}
		})
	})
}

// messages are all of the bus since the last time.
func (r *rig) messages() (all []bus.Message) {
	for {
		m, ok, err := r.sub.Next(r.t.Context(), time.Now())
		if err != nil || !ok {
			return all
		}
		all = append(all, m)
	}
}

// A single reading of a choice decides nothing, so the next one is not hours away.
func TestAChangeNobodyAskedForIsReadAgain(t *testing.T) {
	f, peak := &fakeBattery{reserve: 100}, &atomic.Bool{}
	peak.Store(true)
	bubble(t, limitedBattery(f, 5000, peak), func(r *rig) {
		r.sleep(20 * time.Minute)
		f.set(func() { f.reserve = 40 })
		f.counted()
		r.sleep(12 * time.Minute)
		if _, settings := f.counted(); settings != 2 {
			t.Errorf("read %d times", settings)
		}
	})
}

// A change made while powermgr was not running does not stay in doubt for hours.
func TestTheFirstReadingIsReadAgain(t *testing.T) {
	f, peak := &fakeBattery{reserve: 100}, &atomic.Bool{}
	bubble(t, limitedBattery(f, 5000, peak), func(r *rig) {
		r.sleep(2 * time.Minute)
		if _, settings := f.counted(); settings != 2 {
			t.Errorf("read %d times", settings)
		}
	})
}

func TestCommandsGoAndAreReadBackWithNoCallsLeft(t *testing.T) {
	f, peak := &fakeBattery{reserve: 100, lands: 20 * time.Second}, &atomic.Bool{}
	bubble(t, limitedBattery(f, 1, peak), func(r *rig) {
		r.sleep(23 * time.Hour)
		if lives, _ := f.counted(); lives > 14 {
			t.Errorf("%d readings a day", lives)
		}
		r.got("#")
		r.command("powermgr/powerwall/reserve/set", "0")
		r.sleep(31 * time.Second)
		if res := r.results("powermgr/powerwall/reserve/result"); len(res) != 2 || !res[1].Final || res[1].Reason != "" {
			t.Errorf("answered %+v", res)
		}
		if lives, settings := f.counted(); lives != 0 || settings != 4 {
			t.Errorf("figures %d times, settings %d times", lives, settings)
		}
		r.sleep(10 * time.Minute)
		if _, settings := f.counted(); settings != 1 {
			t.Errorf("after it can no longer land late the settings were read %d times", settings)
		}
	})
}

// A vendor that does not answer is asked less and less, and not for two things.
func TestAnOutageDoesNotUseUpTheCalls(t *testing.T) {
	f, peak := &fakeBattery{reserve: 100}, &atomic.Bool{}
	peak.Store(true)
	bubble(t, limitedBattery(f, 5000, peak), func(r *rig) {
		r.sleep(time.Minute)
		f.set(func() { f.read = &devices.Error{Kind: devices.Unreachable, Err: errors.New("x")} })
		f.counted()
		r.sleep(3 * time.Hour)
		if lives, _ := f.counted(); lives > 3*15*11/10 {
			t.Errorf("asked %d times in three hours", lives)
		}
		f.set(func() { f.read = nil })
		r.sleep(7 * time.Minute)
		if lives, settings := f.counted(); lives < 1 || settings < 1 {
			t.Errorf("when it answers again all is read: figures %d times, settings %d times", lives, settings)
		}
	})
}

// A vendor that fell silent in a peak was asked up to ten minutes later when calls
// were short, and until then all was said to be well.
func TestAVendorThatFallsSilentInAPeakIsAskedInTimeWhateverTheCalls(t *testing.T) {
	for _, calls := range []int{1, 2000, 5000} {
		f, peak := &fakeBattery{reserve: 100}, &atomic.Bool{}
		peak.Store(true)
		bubble(t, limitedBattery(f, calls, peak), func(r *rig) {
			r.sleep(time.Hour)
			for f.counted(); ; f.counted() { // until just after a good answer
				r.sleep(time.Second)
				if lives, _ := f.counted(); lives > 0 {
					break
				}
			}
			f.set(func() { f.read = &devices.Error{Kind: devices.Unreachable, Err: errors.New("x")} })
			r.sleep(devices.PeakPoll)
			if lives, _ := f.counted(); lives < 1 {
				t.Errorf("with %d calls a month it was not asked for %v", calls, devices.PeakPoll)
			}
		})
	}
}

// While somebody else controls the battery, its settings may change.
func TestSettingsAreReadWhileAStormHasTheBattery(t *testing.T) {
	f, peak := &fakeBattery{reserve: 100}, &atomic.Bool{}
	bubble(t, limitedBattery(f, 5000, peak), func(r *rig) {
		f.set(func() { f.storm = true })
		r.sleep(time.Hour)
		f.set(func() { f.storm = false })
		f.counted()
		r.sleep(31 * time.Minute)
		if lives, settings := f.counted(); lives != 1 || settings != 1 {
			t.Errorf("at its end: figures %d times, settings %d times", lives, settings)
		}
	})
}

// A storm that began in a peak ended off peak, and for up to two hours the reserve
// stayed that of the peak.
func TestTheEndOfAStormIsSeenSoonWhileTheReserveIsToBeRestored(t *testing.T) {
	for _, c := range []struct {
		calls  int
		owed   bool
		within time.Duration // zero: not within an hour
	}{
		{0, true, time.Minute}, // they are not limited
		{5000, true, restoringPace},
		{1, true, restoringPace},
		{1, false, 0},
	} {
		f, peak := &fakeBattery{reserve: 100, storm: true}, &atomic.Bool{}
		part := func(s Shared) func(context.Context) error {
			p := limitedPowerwall(s, f, c.calls, peak)
			p.Restoring = func() bool { return c.owed }
			return NewPowerwall(p).Run
		}
		bubble(t, part, func(r *rig) {
			r.sleep(150 * time.Minute)
			f.set(func() { f.storm = false })
			f.counted()
			r.sleep(cmp.Or(c.within, time.Hour) + time.Second)
			if lives, _ := f.counted(); lives > 0 != (c.within > 0) {
				t.Errorf("%d calls a month, owed %v: figures are read %d times", c.calls, c.owed, lives)
			}
		})
	}
}

func TestAvailabilityIsSaidWhenItChanges(t *testing.T) {
	f, peak := &fakeBattery{reserve: 100}, &atomic.Bool{}
	bubble(t, limitedBattery(f, 0, peak), func(r *rig) {
		r.sleep(time.Hour)
		var said []string
		for _, m := range r.messages() {
			if m.Topic == "powermgr/powerwall/availability" {
				said = append(said, string(m.Payload))
			}
		}
		if !slices.Equal(said, []string{devices.Online}) {
			t.Errorf("said: %v", said)
		}
	})
}

// The tariff of Tesla's app is published once, and again when it changes.
func TestTheTariffIsSaidWhenItChanges(t *testing.T) {
	f, peak := &fakeBattery{reserve: 100, tariff: `{"code":"a"}`}, &atomic.Bool{}
	bubble(t, limitedBattery(f, 0, peak), func(r *rig) {
		r.sleep(time.Hour)
		f.mu.Lock()
		f.tariff = `{"code":"b"}`
		f.mu.Unlock()
		r.sleep(time.Hour)
		var said []string
		for _, m := range r.messages() {
			if m.Topic == "powermgr/powerwall/tariff" && m.Retain {
				said = append(said, string(m.Payload))
			}
		}
		if !slices.Equal(said, []string{`{"code":"a"}`, `{"code":"b"}`}) {
			t.Errorf("said: %v", said)
		}
	})
}

// The device may undo a reserve of 100 half an hour later. A command for another setting
// in the meantime does not hide that.
func TestALookAtTheReserveOutlivesACommandForAnotherSetting(t *testing.T) {
	f, peak := &fakeBattery{reserve: 20}, &atomic.Bool{}
	bubble(t, limitedBattery(f, 5000, peak), func(r *rig) {
		r.sleep(3 * time.Hour)
		r.command("powermgr/powerwall/reserve/set", "100")
		r.sleep(5 * time.Minute)
		r.command("powermgr/powerwall/storm_watch/set", "ON")
		r.sleep(20 * time.Minute)
		f.set(func() { f.reserve = 80 })
		f.counted()
		r.sleep(20 * time.Minute)
		if _, settings := f.counted(); settings == 0 {
			t.Error("nothing has looked whether the reserve was kept")
		}
	})
}
