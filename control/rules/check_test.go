package rules

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"powermgr/devices"
)

// These are the only valid combinations of the fields of a thermostat's record. In each
// of them a person may also have the thermostat until the window ends.
func TestTheLegalRecordsOfAThermostat(t *testing.T) {
	legal := []string{
		"nothing",
		"baseline of this event",            // its own setting is back, and the event goes on
		"claim",                             // a write is on its way
		"claim confirmed",                   // it is in force
		"claim crossed",                     // an earlier write may still land too
		"claim crossed confirmed",           // version 1 had it for a moment
		"claim contested",                   // it may land over a person's choice
		"claim crossed contested",           //
		"claim commanded",                   // a person's command is on its way
		"claim commanded confirmed",         //
		"claim commanded crossed",           //
		"claim commanded crossed confirmed", //
	}
	at := time.Date(2026, 7, 15, 16, 0, 0, 0, time.UTC)
	var found []string
	for bits := range 1 << 6 {
		has := func(i int) bool { return bits>>i&1 == 1 }
		var h ThermostatRecord
		var words []string
		add := func(i int, word string, do func()) {
			if has(i) {
				words = append(words, word)
				do()
			}
		}
		add(0, "baseline of this event", func() { h.Baseline = &Baseline{Mode: devices.Cool} })
		add(1, "claim", func() { h.Claim = &Claim{Kind: Setback, Writes: Writes{WrittenAt: at}} })
		if h.Claim == nil && bits>>2 != 0 {
			continue // these are of a claim
		}
		add(2, "commanded", func() { h.Claim.Flights = append(h.Claim.Flights, Flight{Sender: SentByPerson, At: at}) })
		add(3, "crossed", func() { h.Claim.Flights = append(h.Claim.Flights, Flight{At: at}) })
		add(4, "contested", func() { h.Claim.Contested = true })
		add(5, "confirmed", func() { h.Claim.Confirmed = true })
		if words == nil {
			words = []string{"nothing"}
		}
		for _, taken := range []*Choice{nil, {At: at, What: "set to cool 72"}} {
			h.Choice = taken
			name := strings.Join(words, " ")
			switch err := h.Check(); {
			case (err == nil) != slices.Contains(legal, name):
				t.Errorf("%s, taken %v: %v", name, taken != nil, err)
			case err == nil && taken == nil:
				found = append(found, name)
			}
		}
	}
	if len(found) != len(legal) {
		t.Errorf("%d of %d are found: %q", len(found), len(legal), found)
	}
}

// A record can only have seen a reserve that was asked for.
func TestTheLegalRecordsOfABattery(t *testing.T) {
	zero := 0
	for bits := range 1 << 3 {
		k := BatteryRecord{Writes: Writes{Confirmed: bits&1 > 0}}
		if bits&2 > 0 {
			k.Before.Reserve = &zero
		}
		if bits&4 > 0 {
			k.Wanted.Reserve = &zero
		}
		if legal := k.Wanted.Reserve != nil || bits == 0; (k.Check() == nil) != legal {
			t.Errorf("%s: %v", fmt.Sprintf("wanted %v, before %v, confirmed %v", k.Wanted.Reserve != nil, k.Before.Reserve != nil, k.Confirmed), k.Check())
		}
	}
}
