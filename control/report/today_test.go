package report

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	"powermgr/devices"
)

func known(t *testing.T, v *float64) float64 {
	t.Helper()
	if v == nil {
		t.Fatal("it is not known")
	}
	return *v
}

func TestTodayIsWhatTheReportSays(t *testing.T) {
	h := hotDay(t, false)
	r := h.midnight()
	f, today := r.Figures(), r.Today()
	if known(t, today.PeakImport) != *f.PeakGridIn || known(t, today.SavedKWh) != round(*f.PeakGridInWithout-*f.PeakGridInActual) ||
		known(t, today.Saved) != round(*f.Saved+r.stored()) || today.Currency != "$" || today.Date != "2026-07-15" {
		t.Errorf("%+v, and the figures are %+v", today, f)
	}
	if today.Month.Days != 1 || *today.Month.Saved != *today.Saved || !today.Month.Start.Equal(h.at("2026-07-01 00:00")) || !today.DayStart.Equal(h.at("2026-07-15 00:00")) {
		t.Errorf("the month: %+v", today.Month)
	}
	dry := r
	if dry.DryRun = true; dry.Today().Saved != nil || dry.Today().SavedKWh != nil {
		t.Error("a dry run has saved something")
	}
	before := *newHome(t, "2026-07-15 09:00").r
	if v := before.Today(); known(t, v.PeakImport) != 0 || v.SavedKWh != nil || v.Saved != nil {
		t.Errorf("before anything is known: %+v", v)
	}
}

func TestAMonthIsTheSumOfItsDays(t *testing.T) {
	h := hotDay(t, false)
	r := h.midnight()
	one, stored := *r.Figures().Saved, r.stored()
	again(t, r) // through its file
	next := r.next(h.at("2026-07-16 00:00"), h.cal)
	if e := next.Earlier; e.Days != 1 || known(t, e.Saved) != one {
		t.Errorf("%+v, want %g", e, one)
	}
	r.Earlier = Earlier{Days: 14, Saved: new(10.0), SavedKWh: new(20.0)}
	m := r.Today().Month
	if m.Days != 15 || math.Abs(*m.Saved-(10+one+stored)) > 1e-5 || *m.SavedKWh <= 20 {
		t.Errorf("%+v", m)
	}
	if e := r.earlier("2026-08-01"); e.Days != 0 || e.Saved != nil {
		t.Errorf("another month begins with %+v", e)
	}
	if e := r.earlier("2026-07-16"); e.Days != 15 || math.Abs(*e.Saved-(10+one)) > 1e-5 {
		t.Errorf("the next day begins with %+v", e)
	}
}

// What the day has come to is published as it changes; a standby publishes nothing.
func TestTodayIsPublished(t *testing.T) {
	bubble(t, func(t *testing.T, file string) {
		n := start(t, file, nil)
		defer n.stop()
		said := func() (v Today) {
			m, ok := n.bus.Retained(topics.Control(devices.TodayLeaf))
			if !ok {
				return v
			}
			if err := json.Unmarshal(m.Payload, &v); err != nil {
				t.Fatal(err)
			}
			return v
		}
		if v := said(); v.Date != "2000-01-01" || v.Month.Days != 1 {
			t.Fatalf("at first: %+v", v)
		}
		time.Sleep(24*time.Hour + time.Second)
		if v := said(); v.Date != "2000-01-02" || v.Month.Days != 2 {
			t.Errorf("on the next day: %+v", v)
		}
		n.turns(false)
		time.Sleep(24*time.Hour + time.Second)
		if v := said(); v.Date != "2000-01-02" {
			t.Errorf("on standby: %+v", v)
		}
	})
}
