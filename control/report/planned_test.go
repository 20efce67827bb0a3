package report

import (
	"math"
	"strings"
	"testing"
	"time"

	"powermgr/control"
	"powermgr/control/plan"
	"powermgr/control/rules"
)

// plans publishes a plan from now on for 36 hours: figures says what each slot has.
func (h *home) plans(figures func(at time.Time) plan.Ahead) {
	h.t.Helper()
	start := h.now.Truncate(plan.Length)
	p := plan.Plan{Made: h.now, Decided: h.now, Currency: "$"}
	for i := range plan.Horizon {
		at := start.Add(time.Duration(i) * plan.Length)
		s := figures(at.In(h.cal.Location))
		s.Start = at
		p.Slots = append(p.Slots, s)
	}
	h.says(topics.Control("plan"), p)
}

// usualPlan is a plan for a hot day in the emulated house.
func usualPlan(at time.Time) plan.Ahead {
	s := plan.Ahead{Reserve: 60, Charge: 90, Load: 0.5, Grid: 0.5, Price: 0.3}
	if hour := at.Hour(); hour >= 8 && hour < 17 {
		s.Sun, s.Grid = 1, -0.5
	} else if hour >= 16 && hour < 19 {
		s.Expensive, s.Price, s.Reserve, s.Grid = true, 0.6, 0, 0
	}
	return s
}

// onPlan is a day with that plan from midnight on, which sets the reserve.
func onPlan(t *testing.T, figures func(at time.Time) plan.Ahead) *home {
	t.Helper()
	h := newHome(t, "2026-07-15 00:00")
	h.control(func(s *control.State) { s.Phase = rules.OffPeak; s.Strategy = rules.StrategyPlan })
	h.plans(figures)
	h.until("23:55")
	return h
}

func TestThePictureShowsThePlanAheadOfNow(t *testing.T) {
	h := newHome(t, "2026-07-15 00:00")
	h.plans(usualPlan)
	h.until("13:10")
	for _, p := range again(t, *h.r).panels()[:2] {
		dashed := 0
		for _, l := range p.lines {
			if !l.dashed || l.name == "reserve" {
				continue
			}
			dashed++
			for _, xys := range l.strokes() {
				if xys[0].X < 13 || xys[0].X > 13.3 || xys[len(xys)-1].X < 23.8 {
					t.Errorf("%s: it is planned from %.2f to %.2f", p.title, xys[0].X, xys[len(xys)-1].X)
				}
			}
		}
		if want := map[string]int{"Battery, %": 1, "Power, kW": 3}[p.title]; dashed != want {
			t.Errorf("%s: %d lines are planned, want %d", p.title, dashed, want)
		}
	}
	h.until("23:55")
	done := h.midnight()
	if got := len(done.panels()[0].lines); got != 2 {
		t.Errorf("of a day that is over %d lines of the battery are drawn", got)
	}
	if _, err := Chart(done); err != nil {
		t.Error(err)
	}
}

func TestAPlanOfWhichNothingIsInTheDayIsNone(t *testing.T) {
	h := newHome(t, "2026-07-15 09:00")
	h.says(topics.Control("plan"), plan.Plan{Reason: "no history", Slots: []plan.Ahead{}})
	if p := h.r.Planned; p.First != nil || p.Newest != nil {
		t.Errorf("%+v", p)
	}
	h.plans(usualPlan)
	if n := len(h.r.Planned.First.Load); n != 30 {
		t.Errorf("%d half hours are left of the day at 9:00", n)
	}
	h.says(topics.Control("plan"), plan.Plan{Reason: "no prices", Slots: []plan.Ahead{}})
	if p := h.r.Planned; p.First == nil || p.Newest != nil {
		t.Error("a plan that is no more is ahead still, or the first one is forgotten")
	}
}

// like is a plan that knows how the day went.
func like(r Record) func(at time.Time) plan.Ahead {
	quarters := r.Quarters()
	return func(at time.Time) plan.Ahead {
		s := usualPlan(at)
		s.Load, s.Sun, s.Grid = 0, 0, 0
		for _, q := range quarters {
			if !q.Start.Before(at) && q.Start.Before(at.Add(plan.Length)) && q.Home != nil {
				s.Load, s.Sun, s.Grid = s.Load+*q.Home, s.Sun+*q.Solar, s.Grid+*q.GridIn
			}
		}
		return s
	}
}

func TestTheReportSaysWhyTheDayWasNotAsPlanned(t *testing.T) {
	knows := like(onPlan(t, usualPlan).midnight())
	with := func(change func(at time.Time, s *plan.Ahead)) func(at time.Time) plan.Ahead {
		return func(at time.Time) plan.Ahead {
			s := knows(at)
			change(at, &s)
			return s
		}
	}
	for _, tt := range []struct {
		name  string
		plan  func(at time.Time) plan.Ahead
		after func(r *Record)
		want  string
	}{
		{"as planned", knows, nil, "It went as planned."},
		{"a heavy evening", with(func(_ time.Time, s *plan.Ahead) {
			if s.Expensive {
				s.Load, s.Grid = s.Load-1, max(0, s.Grid-1)
			}
		}), nil, "the home used 4.0 kWh more in expensive hours than forecast."},
		{"a quiet night", with(func(at time.Time, s *plan.Ahead) {
			if at.Hour() < 5 {
				s.Load, s.Grid = s.Load+0.5, s.Grid+0.5
			}
		}), nil, "the home used 4.5 kWh less outside expensive hours than forecast."},
		{"clouds", with(func(at time.Time, s *plan.Ahead) {
			if at.Hour() >= 9 && at.Hour() < 16 {
				s.Sun, s.Grid = s.Sun+0.8, max(0, s.Grid-0.8)
			}
		}), nil, "the sun delivered 11.2 kWh less than forecast."},
		{"someone took the battery", with(func(_ time.Time, s *plan.Ahead) { s.Grid += 0.5 }), func(r *Record) {
			r.Takings = append(r.Takings, Taking{At: r.start.Add(14 * time.Hour), Target: string(rules.Powerwall)})
		}, "someone changed the battery at 14:00."},
		{"the battery went its own way", with(func(_ time.Time, s *plan.Ahead) { s.Grid, s.Charge = s.Grid+0.5, 20 }), nil, "and 20 % was planned."},
		{"the rule acted", with(func(_ time.Time, s *plan.Ahead) { s.Grid += 0.5 }), func(r *Record) {
			r.Planned.Other, r.Planned.GaveWay = 2000, "the last figures of the Powerwall are of 09:00"
		}, "the rule set the reserve instead of the plan, because the last figures of the Powerwall are of 09:00."},
		{"the plan was beside the rule", with(func(_ time.Time, s *plan.Ahead) { s.Grid += 0.5 }), func(r *Record) { r.Planned.Other = 2000 }, "the plan was only shown."},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := onPlan(t, tt.plan).midnight()
			if tt.after != nil {
				tt.after(&r)
			}
			r = again(t, r)
			s := r.expected()
			if !strings.Contains(s.Note, tt.want) || !strings.Contains(s.Note, " Compared with the plan made at 00:00, over the 23.5 hours") || len(s.Rows) != 5 {
				t.Errorf("%q, %d rows, want %q", s.Note, len(s.Rows), tt.want)
			}
		})
	}
}

func TestByHowMuchForecastsWereOff(t *testing.T) {
	h := onPlan(t, usualPlan)
	knows := like(h.midnight())
	h = onPlan(t, func(at time.Time) plan.Ahead {
		s := knows(at)
		s.Load *= 1.1
		s.Sun *= 0.75
		return s
	})
	done := h.midnight()
	a := h.r.Today().Forecast
	if a == nil || a.Date != "2026-07-15" || math.Abs(known(t, a.LoadOff)-10) > 0.2 || math.Abs(known(t, a.SunOff)-25) > 0.2 || math.Abs(a.LoadForecast-1.1*a.Load) > 0.05 {
		t.Errorf("%+v", a)
	}
	if done.Today().Forecast != nil {
		t.Error("a day is measured before it is over")
	}
	next := h.midnight() // a day without a plan
	if f := h.r.Today().Forecast; f == nil || f.Date != "2026-07-15" || next.accuracy() != nil {
		t.Errorf("after a day without a plan: %+v", f)
	}
}

func TestARecordWithAPlanThatNobodyMadeIsRefused(t *testing.T) {
	h := newHome(t, "2026-07-15 00:00")
	h.plans(usualPlan)
	h.r.Planned.Newest = &Outline{Load: Series{1, 2}, Start: h.now, Made: h.now}
	b, err := Encode(*h.r)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Decode(b); err == nil {
		t.Error("it was taken")
	}
}
