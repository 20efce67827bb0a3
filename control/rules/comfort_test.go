package rules_test

import (
	"strings"
	"testing"
	"time"

	. "powermgr/control/rules"
)

// comforts returns a world at noon of a hot day whose thermostats follow a plan for the
// peak from 16:00 to 19:00.
func comforts(t *testing.T, c Comfort) *world {
	w := plans(t, "2026-07-15 12:00").start()
	w.comfort(c)
	return w
}

// comfort says what the plan wants of the thermostats now.
func (w *world) comfort(c Comfort) {
	w.t.Helper()
	if c.Peak.IsZero() {
		c.Peak = at("2026-07-15 16:00")
	}
	c.Why = "as planned"
	w.step(Planned{Reserve: new(100), Made: w.now, Why: "hold", Comfort: &c})
}

// replanned lets time pass while the same plan is made again every half hour.
func (w *world) replanned(clock string, c Comfort) *world {
	w.t.Helper()
	for end := at("2026-07-15 " + clock); w.now.Before(end); {
		w.forth(30 * time.Minute)
		w.comfort(c)
	}
	return w
}

// thermostats returns the writes to the thermostats since the last call.
func (w *world) thermostats() string {
	var lines []string
	for _, l := range w.take() {
		if !strings.HasPrefix(l, Powerwall) {
			lines = append(lines, l)
		}
	}
	return strings.Join(lines, "; ")
}

func TestThermostatsGoByThePlan(t *testing.T) {
	deep := Comfort{PrecoolF: 3, Lead: 2 * time.Hour, SetbackF: 4}
	const precooled = "up until 16:00 cool 73 heat 68"
	for _, tt := range []struct {
		name string
		do   func(t *testing.T) *world
		want string // until 18:30
	}{
		{"precooled for as long and as deep as planned, and set back", func(t *testing.T) *world { return comforts(t, deep) },
			precooled + "; up until 19:00 cool 80 heat 68"},
		{"no precooling is planned, and the rule would", func(t *testing.T) *world { return comforts(t, Comfort{SetbackF: 2}) },
			"up until 19:00 cool 78 heat 68"},
		{"nothing is planned", func(t *testing.T) *world { return comforts(t, Comfort{}) }, ""},
		{"a setback never leaves the band", func(t *testing.T) *world { return comforts(t, Comfort{SetbackF: 9}) },
			"up until 19:00 cool 81 heat 68"},
		{"precooling never goes below its floor", func(t *testing.T) *world { return comforts(t, Comfort{PrecoolF: 15, Lead: time.Hour}) },
			"up until 16:00 cool 67 heat 67"},
		{"another peak than the calendar's", func(t *testing.T) *world {
			c := deep
			c.Peak = at("2026-07-15 17:00")
			return comforts(t, c)
		}, "up until 16:00 cool 74 heat 68"},
		{"the rule is in force", func(t *testing.T) *world {
			w := comforts(t, deep)
			w.step(StrategyAsked{StrategyRule})
			return w
		}, "up until 16:00 cool 74 heat 68"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := tt.do(t)
			c := *w.s.Planned.Comfort
			if got := w.replanned("18:30", c).thermostats(); got != tt.want {
				t.Errorf("sent %q, want %q; %s", got, tt.want, w.d.Why)
			}
			if w.replanned("19:30", c); *w.therm["up"].Cool != 76 {
				t.Errorf("it ends with %g °F", *w.therm["up"].Cool)
			}
			if w.s.Persisted.Comfort != nil {
				t.Errorf("after the peak there is left %+v", w.s.Persisted.Comfort)
			}
		})
	}
}

// The latest plan counts until its time has come, and later plans do not.
func TestWhatHasBegunGoesOn(t *testing.T) {
	deep := Comfort{PrecoolF: 3, Lead: 2 * time.Hour, SetbackF: 4}
	t.Run("precooling", func(t *testing.T) {
		w := comforts(t, deep).replanned("14:30", deep)
		w.thermostats()
		if got := w.replanned("15:30", Comfort{SetbackF: 2}).thermostats(); got != "" {
			t.Errorf("another plan comes while it precools: sent %q", got)
		}
		if got := w.replanned("17:00", Comfort{SetbackF: 2}).thermostats(); got != "up until 19:00 cool 78 heat 68" {
			t.Errorf("the setback is decided as the peak begins: sent %q", got)
		}
		if got := w.replanned("18:00", Comfort{SetbackF: 6}).thermostats(); got != "" {
			t.Errorf("another plan comes in the peak: sent %q", got)
		}
	})
	t.Run("over a restart without a plan", func(t *testing.T) {
		w := comforts(t, deep).replanned("14:30", deep)
		w.thermostats()
		w.restart().forth(time.Hour)
		if got := w.thermostats(); got != "" || *w.therm["up"].Cool != 73 {
			t.Errorf("sent %q", got)
		}
		w.until("16:30")
		if got := w.thermostats(); got != "up until 19:00 cool 80 heat 68" {
			t.Errorf("in the peak: sent %q", got)
		}
	})
	t.Run("until a person chooses the rule", func(t *testing.T) {
		w := comforts(t, deep).replanned("14:30", deep)
		w.thermostats()
		w.step(StrategyAsked{StrategyRule})
		w.forth(20 * time.Minute)
		if got := w.thermostats(); got != "up schedule" {
			t.Errorf("sent %q", got)
		}
	})
	t.Run("thresholds are beneath it", func(t *testing.T) {
		shallow := Comfort{SetbackF: 2}
		w := comforts(t, shallow).replanned("16:30", shallow)
		w.thermostats()
		w.charge = 10
		if got := w.replanned("18:30", shallow).thermostats(); !strings.HasSuffix(got, "cool 82 heat 68") {
			t.Errorf("with an empty battery: sent %q", got)
		}
	})
}

// A choice that was made off peak ends with that, even if a longer lead is planned
// afterward: it would otherwise have begun before the choice, which would last until the
// end of the peak.
func TestALongerLeadTakesNoEarlierChoiceIn(t *testing.T) {
	w := comforts(t, Comfort{SetbackF: 2})
	w.until("14:10")
	w.reserve = 60
	w.until("14:20")
	if w.noted(NoteYielded) != 1 {
		t.Fatalf("the reserve that a person set is not left alone: %s", w.d.Why)
	}
	w.comfort(Comfort{PrecoolF: 3, Lead: 2 * time.Hour, SetbackF: 2})
	w.until("16:05")
	if w.reserve > 10 {
		t.Errorf("in the peak the reserve is %.0f %%: %s", w.reserve, w.d.Why)
	}
}

func TestWhyTheFixedRuleDecides(t *testing.T) {
	for _, tt := range []struct{ name, want string }{
		{"refused", "the model explains too little"}, {"another peak", "start at 17:00"}, {"no plan", "no plan to go by"}, {"planned", ""},
	} {
		w := plans(t, "2026-07-15 12:00").start()
		switch tt.name {
		case "refused":
			w.step(Planned{Reserve: new(100), Made: w.now, NoComfort: tt.want})
		case "another peak":
			w.comfort(Comfort{Peak: at("2026-07-15 17:00")})
		case "planned":
			w.comfort(Comfort{})
		}
		if got := w.d.ComfortIdle; !strings.Contains(got, tt.want) || (got == "") != (tt.want == "") {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}
