package rules

import (
	"errors"
	"fmt"
	"slices"

	"powermgr/devices"
)

// What a record can never say. A journal with one that does is not believed: acting on
// it would be worse than to go on without.

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
	if r := k.Wanted; r != nil && devices.CheckReserve(*r) != nil {
		return fmt.Errorf("it wants a reserve of %d %%", *r)
	}
	if t := k.Taken; t != nil && t.Reserve != nil && (*t.Reserve < 0 || *t.Reserve > 100) {
		return fmt.Errorf("it has a person's reserve of %d %%", *t.Reserve)
	}
	for _, f := range k.Flights {
		if f.Reserve == nil || *f.Reserve < 0 || *f.Reserve > 100 {
			return errors.New("it has a write of the reserve that asks for none")
		}
	}
	if n := k.Changes.Count; n < 0 {
		return fmt.Errorf("it has %d changes of the reserve", n)
	}
	return nil
}

// Check refuses a record of a thermostat that no version of this program has written.
func (h ThermostatRecord) Check() error {
	if h.Claim == nil {
		return nil
	}
	for _, v := range []*float64{h.Claim.Baseline.Cool, h.Claim.Baseline.Heat} {
		if v != nil && (*v < -40 || *v > 120) {
			return fmt.Errorf("it has a baseline of %g°", *v)
		}
	}
	return nil
}
