package rules_test

import (
	"math"
	"strings"
	"testing"
	"time"

	. "powermgr/control/rules"
)

// byHand is a person's change, if it is allowed.
func (w *world) byHand(a Adjustable, value float64) {
	w.t.Helper()
	asked := ByHandAsked{Setting: a, Value: &value}
	if err := w.s.Check(asked); err != nil {
		w.t.Fatal(err)
	}
	w.step(asked)
}

// A value set by hand takes effect at once, survives a restart, and can be undone.
func TestByHandHoldsUntilItIsGivenBack(t *testing.T) {
	w := newWorld(t, "2026-07-15 17:00").start()
	if w.reserve != 0 {
		t.Fatalf("the reserve in a peak is %g %%", w.reserve)
	}
	w.byHand(AdjustPeakReserve, 15)
	w.forth(5 * time.Minute)
	if w.reserve != 15 {
		t.Errorf("the reserve in a peak is %g %%, want 15 by hand", w.reserve)
	}
	w.byHand(AdjustOffPeakReserve, 70)
	w.restart()
	w.until("20:00")
	if w.reserve != 70 {
		t.Errorf("the reserve after the peak is %g %%, want 70 by hand", w.reserve)
	}
	if all := w.s.ByHand(); len(all) != 2 || all[0] != (Adjusted{AdjustPeakReserve, 15, 0, "15 %"}) || all[1] != (Adjusted{AdjustOffPeakReserve, 70, 100, "70 %"}) {
		t.Errorf("changed by hand: %v", all)
	}
	w.step(ByHandAsked{Setting: AdjustOffPeakReserve})
	w.forth(5 * time.Minute)
	if all := w.s.ByHand(); w.reserve != 100 || len(all) != 1 {
		t.Errorf("the reserve is %g %%, changed by hand %v", w.reserve, all)
	}
	w.step(ByHandAsked{})
	if all := w.s.ByHand(); len(all) != 0 || w.s.Persisted.ByHand != nil {
		t.Errorf("changed by hand: %v", all)
	}
}

// Setting the configured value is not a change, and neither is setting the same value
// again: the journal is not written.
func TestByHandSaysNothingTwice(t *testing.T) {
	w := newWorld(t, "2026-07-15 12:00").start()
	before := w.noted(NoteEnabled)
	w.byHand(AdjustPeakReserve, 0)
	w.byHand(AdjustPrecool, 3)
	spoken := w.s.Persisted.LastUserInput
	w.forth(5 * time.Minute)
	w.byHand(AdjustPrecool, 3)
	if n := w.noted(NoteEnabled) - before; n != 1 || w.s.Persisted.LastUserInput != spoken {
		t.Errorf("%d decisions for one change", n)
	}
	if w.s.InForce().PrecoolAdjustF != 3 {
		t.Error("the depth of precooling is not in force")
	}
}

func TestByHandIsRefused(t *testing.T) {
	w := newWorld(t, "2026-07-15 12:00")
	w.s.Settings.OffPeakReserve = 60
	for _, tt := range []struct {
		a     Adjustable
		value float64
		why   string
	}{
		{AdjustPeakReserve, 61, "above the reserve at other times, which is 60 %"},
		{AdjustPeakReserve, -1, "0 to 80 or 100"},
		{AdjustPeakReserve, 12.5, "a whole number"},
		{AdjustOffPeakReserve, 90, "0 to 80 or 100"},
		{AdjustOffPeakReserve, 1e300, "0 to 80 or 100"},
		{AdjustPrecool, 5.5, "0 to 5 °F"},
		{AdjustPrecool, -1, "0 to 5 °F"},
		{AdjustPrecool, math.NaN(), "0 to 5 °F"},
	} {
		if err := w.s.Check(ByHandAsked{tt.a, &tt.value}); err == nil || !strings.Contains(err.Error(), tt.why) {
			t.Errorf("%s %g: %v, want %s", tt.a, tt.value, err, tt.why)
		}
	}
	w.byHand(AdjustPeakReserve, 30)
	if err := w.s.Check(ByHandAsked{AdjustOffPeakReserve, new(20.0)}); err == nil || !strings.Contains(err.Error(), "below the reserve in a peak, which is 30 %") {
		t.Error(err)
	}
	// The configuration may change in the meantime.
	w.s.Settings.OffPeakReserve = 20
	if got := w.s.InForce().PeakReserve; got != 20 {
		t.Errorf("the reserve in a peak is %d %%, above the one otherwise", got)
	}
}

// A plan respects values changed by hand just like configured ones.
func TestAPlanKeepsToWhatWasChangedByHand(t *testing.T) {
	w := plans(t, "2026-07-15 12:00")
	w.byHand(AdjustPeakReserve, 25)
	w.byHand(AdjustOffPeakReserve, 50)
	w.plan(3)
	w.forth(5 * time.Minute)
	if w.reserve != 25 {
		t.Errorf("the plan's reserve is %g %%, want the least by hand", w.reserve)
	}
	w.plan(100)
	w.forth(5 * time.Minute)
	if w.reserve != 50 {
		t.Errorf("the plan's reserve is %g %%, want the most by hand", w.reserve)
	}
}

// A person's latest change holds when two nodes' journals are merged.
func TestByHandIsMergedWithAPersonsLastWord(t *testing.T) {
	older := HomeRecord{ByHand: map[Adjustable]float64{AdjustPrecool: 1}, LastUserInput: at("2026-07-15 11:00")}
	newer := HomeRecord{LastUserInput: at("2026-07-15 10:00")}
	if got := newer.With(older); got.ByHand[AdjustPrecool] != 1 {
		t.Errorf("merged: %v", got.ByHand)
	}
	newer.LastUserInput = at("2026-07-15 12:00")
	if got := newer.With(older); got.ByHand != nil {
		t.Errorf("merged: %v", got.ByHand)
	}
}
