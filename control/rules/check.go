package rules

import (
	"errors"
	"fmt"
	"slices"
)

// What a record can never contain. Its fields are not independent of each other, and this
// is the only place that says which combinations exist. A journal with any other
// combination is rejected: acting on it would be worse than continuing without it.

// Check refuses a record of the home that no version of this program has written.
func (r HomeRecord) Check() error {
	if s := r.Strategy; s != "" && !slices.Contains(Strategies(), s) {
		return fmt.Errorf("it has the strategy %q", s)
	}
	for a, v := range r.ByHand {
		if !slices.Contains(Adjustables(), a) || (State{Settings: Settings{OffPeakReserve: 100}}).Check(ByHandAsked{a, &v}) != nil {
			return fmt.Errorf("it has %q changed by hand to %g", a, v)
		}
	}
	return nil
}

// Check refuses a record of a battery that no version of this program has written.
func (k BatteryRecord) Check() error {
	percent := func(v *int) bool { return v == nil || *v >= 0 && *v <= 100 }
	switch {
	case !percent(k.Wanted.Reserve): // 81–99 too: what it had is a person's choice, on older firmware
		return fmt.Errorf("it wants a reserve of %d %%", *k.Wanted.Reserve)
	case k.Wanted.Reserve == nil && (k.Confirmed || k.Before.Reserve != nil):
		return errors.New("it has seen a reserve that it has not asked for")
	case !percent(k.Before.Reserve):
		return fmt.Errorf("it had a reserve of %d %% before", *k.Before.Reserve)
	case k.Choice != nil && !percent(k.Choice.Reserve):
		return fmt.Errorf("it has a person's reserve of %d %%", *k.Choice.Reserve)
	case k.Changes.Count < 0:
		return fmt.Errorf("it has %d changes of the reserve", k.Changes.Count)
	}
	for _, f := range k.Flights {
		if f.Reserve == nil || !percent(f.Reserve) {
			return errors.New("it has a write of the reserve that asks for none")
		}
	}
	return nil
}

// Check refuses a record of a thermostat that no version of this program has written.
func (h ThermostatRecord) Check() error {
	switch {
	case h.Claim == nil:
		return nil
	case h.Baseline != nil:
		return errors.New("it has a claim, and a second baseline besides that of the claim")
	}
	return h.Claim.check()
}

// check refuses a claim with impossible or contradictory fields.
func (claim Claim) check() error {
	for _, v := range []*float64{claim.Baseline.Cool, claim.Baseline.Heat} {
		if v != nil && (*v < -40 || *v > 120) {
			return fmt.Errorf("it has a baseline of %g°", *v)
		}
	}
	switch {
	case !slices.Contains([]Goal{Precool, Setback, Restore}, claim.Kind):
		return fmt.Errorf("it has a claim for %q", claim.Kind)
	case claim.Contested && claim.commanded():
		return errors.New("it has a claim that is contested while it waits for a person's command")
	case claim.Contested && claim.Confirmed:
		return errors.New("it has a claim that is both confirmed and contested")
	}
	return nil
}
