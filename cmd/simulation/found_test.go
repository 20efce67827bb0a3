package simulation

import (
	"fmt"
	"strings"
	"testing"
)

// TestFoundBugs lives the days again on which something was found that has
// been mended since. A seed draws the same day as long as nobody changes what
// is drawn; the tables of package rules have the same cases for good.
func TestFoundBugs(t *testing.T) {
	for _, c := range []struct {
		seed uint64
		what string
	}{
		{87, "what was read while a journal was looked for was decided upon before it was understood"},
		{773, "what an earlier life could not write down hid what this one had done to a thermostat"},
		{1151, "a node that took over took the other one's set points for what people had chosen"},
		{1976, "at a thermostat that took nothing a choice passed for its schedule"},
		{5119, "a thermostat that knows no holds was not read any more after a vacation"},
		{6298, "with a full disk it was forgotten that a person had a thermostat"},
		{6320, "a write that had never landed was overtaken by one of what the device had"},
		{6596, "a reserve that was taken back after a person had had it was taken for theirs after a restart"},
		{7195, "what a node read while it looked for its lost journal was decided upon from an empty one"},
		{8915, "a node that became active decided from the reading of when it was active before"},
		{14976, "of two active nodes' hands on a thermostat the earlier one counted"},
		{21758, "what the device showed was asked for again"},
		{22385, "a set point that the vendor left out was not given back"},
		{52391, "a person's set point that landed after the end of our hold lasted until the next day"},
		{101887, "a clock that went back into a peak that was over made a hold last until the next day"},
		{151580, "a node that became active decided from a reading that had come just after it stood down"},
		{155674, "a reserve was not given back after a person's command for it had failed"},
		{600511, "the off-peak reserve that a dead node had asked for was taken for a person's"},
		{1005014, "a journal of the other node hid a choice made just after it"},
		{1008093, "a hold that the device had rounded up was sent again"},
		{1011489, "a limit of the Powerwall that showed after an outage was taken for a choice"},
		{1017754, "a choice that a full disk could not keep was written over after a crash"},
		{1018635, "a choice just after a lost journal was found again passed for what had been there"},
		{1019202, "a hold that was read while the clock was a day ahead could not be given back"},
		{2001784, "a node that had lost its journal decided from the other one's older copy before it had looked at the broker"},
		{2002451, "a reserve that had never come through was undone"},
		{2004517, "a set point that a person sent in the last seconds of a hold lasted until the next day"},
		{2009521, "a person's hold over a setback on its way kept the set point of the setback, and passed for not taken"},
		{2016151, "a temporary hold of a person was not given back after a setback to the same set point"},
		{2025853, "of two nodes that had not seen each other the one that had gone on for hours gave way to the other's old journal"},
		{2030625, "after a short storm a Powerwall that keeps no more than 80 % passed for a person"},
		{2032920, "a journal of the other node made a node send a second time what was on its way"},
		{2040394, "a thermostat that was on its schedule was given back to it"},
		{2040638, "a reserve of ours that landed over a person's stayed, and passed for theirs"},
		{2058902, "a dead node's hand on a thermostat came to light and undid a person's choice"},
		{2069738, "a hold of ours from a clock that was a day behind passed for a person's where the clocks change"},
		{2073274, "a hold that had ended and was set anew was nobody's choice"},
		{2075046, "what the device would have rounded up to what it had was sent"},
	} {
		t.Run(fmt.Sprintf("seed %d: %s", c.seed, c.what), func(t *testing.T) {
			t.Parallel()
			r := live(t, Options{Seed: c.seed, Faults: All})
			for _, v := range r.Violations {
				t.Error(v)
			}
			if t.Failed() {
				t.Log("\n" + strings.Join(r.Story, "\n"))
			}
		})
	}
}
