package rules_test

import (
	"cmp"
	"fmt"
	"time"

	. "powermgr/control/rules"
)

// A peak begins at 16:00: the battery, which has kept 100 %, may now be used. Step
// returns the next state and what to send; it sends nothing itself.
func ExampleStep() {
	state := State{Settings: Settings{
		OffPeakReserve: 100, StaleAfter: 15 * time.Minute, StaleCharge: 15 * time.Minute,
		Calendar: Calendar{Location: time.UTC, Lead: 30 * time.Minute, Seasons: []Season{{
			Name: "summer", Months: []time.Month{time.July}, Days: []time.Weekday{time.Wednesday}, Peaks: []Span{{Start: 16 * 60, End: 19 * 60}},
		}}},
	}}
	charge, reserve := 98.0, 100
	for _, now := range []time.Time{
		time.Date(2026, 7, 15, 15, 0, 0, 0, time.UTC),
		time.Date(2026, 7, 15, 16, 0, 0, 0, time.UTC),
	} {
		var d Decision
		state, d = Step(state, BatteryRead{Battery{Charge: &charge, Reserve: &reserve, Mode: "self_consumption", AsOf: now, Polled: now}}, now)
		fmt.Println(d.Plan.Phase, "-", d.Why)
		for _, w := range d.Writes {
			fmt.Printf("set the %s's reserve to %d %%\n", w.Target, *w.Reserve)
		}
	}
	// Output:
	// off_peak - off peak; the next peak starts at 16:00; reserve 100 %, battery 98 %
	// peak - peak until 19:00; reserve 0 %, battery 98 %
	// set the powerwall's reserve to 0 %
}

// The table of tenure: what happens to the battery's reserve when a reading has been
// attributed to a cause.
func ExampleReserveTable() {
	for _, from := range Tenures() {
		for _, c := range Causes() {
			if t, ok := ReserveTable().Next(from, c); ok {
				fmt.Printf("%-9s | %-13s | %-9s | %-9s | %s\n", from, c, t.To, cmp.Or(t.Outside, t.To), t.Effect)
			}
		}
	}
	// Output:
	// free      | unchanged     | free      | free      | nothing
	// free      | landed        | free      | free      | confirm the write
	// free      | given back    | free      | free      | confirm the write
	// free      | as wanted     | free      | free      | adopt what is shown
	// free      | landed late   | returning | returning | take the write up again
	// free      | device limit  | free      | free      | learn the limit
	// free      | device floor  | free      | free      | learn the floor
	// free      | owner moved   | free      | free      | forget what was asked for
	// free      | crossing      | yielded   | yielded   | yield, and put the choice back if a write lands over it
	// free      | foreign       | yielded   | yielded   | yield
	// free      | mode moved    | yielded   | yielded   | yield the mode, and owe what the rules set
	// held      | unchanged     | held      | held      | nothing
	// held      | landed        | held      | held      | confirm the write
	// held      | given back    | free      | free      | confirm the write
	// held      | landed late   | held      | held      | take the write up again
	// held      | device limit  | free      | free      | learn the limit
	// held      | device floor  | held      | held      | learn the floor
	// held      | owner moved   | held      | held      | forget what was asked for
	// held      | crossing      | yielded   | yielded   | yield, and put the choice back if a write lands over it
	// held      | foreign       | yielded   | yielded   | yield
	// held      | mode moved    | yielded   | held      | yield the mode, and owe what the rules set
	// returning | unchanged     | returning | returning | nothing
	// returning | landed        | returning | returning | confirm the write
	// returning | given back    | free      | free      | confirm the write
	// returning | as wanted     | free      | free      | adopt what is shown
	// returning | landed late   | returning | returning | take the write up again
	// returning | device limit  | free      | free      | learn the limit
	// returning | device floor  | returning | returning | learn the floor
	// returning | owner moved   | returning | returning | forget what was asked for
	// returning | crossing      | yielded   | yielded   | yield, and put the choice back if a write lands over it
	// returning | foreign       | yielded   | yielded   | yield
	// returning | mode moved    | yielded   | returning | yield the mode, and owe what the rules set
	// yielded   | unchanged     | yielded   | yielded   | nothing
	// yielded   | choice stands | yielded   | yielded   | the choice stands
	// yielded   | device limit  | yielded   | yielded   | learn the limit
	// yielded   | device floor  | yielded   | yielded   | learn the floor
	// yielded   | owner moved   | yielded   | yielded   | forget what was asked for
	// yielded   | crossing      | yielded   | yielded   | the choice is what is shown
	// yielded   | rechosen      | yielded   | yielded   | the choice is what is shown
	// yielded   | foreign       | yielded   | yielded   | forget what was asked for
	// yielded   | mode moved    | yielded   | yielded   | remember the mode
}

// The same for a thermostat. The second tenure is that of a choice for which no
// window is open.
func ExampleThermostatTable() {
	for _, from := range Tenures() {
		for _, c := range Causes() {
			if t, ok := ThermostatTable().Next(from, c); ok {
				fmt.Printf("%-9s | %-15s | %-9s | %-9s | %s\n", from, c, t.To, cmp.Or(t.Outside, t.To), t.Effect)
			}
		}
	}
	// Output:
	// free      | unchanged       | free      | free      | nothing
	// free      | owner moved     | free      | free      | remember what it was set to before
	// free      | foreign         | yielded   | yielded   | yield
	// free      | schedule moved  | free      | free      | forget what it went back to
	// free      | choice ended    | yielded   | yielded   | yield
	// held      | unchanged       | held      | held      | nothing
	// held      | landed          | held      | held      | confirm the write
	// held      | owner moved     | held      | held      | remember what it was set to before
	// held      | crossing        | yielded   | yielded   | yield, and put the choice back if a write lands over it
	// held      | foreign         | yielded   | yielded   | yield
	// held      | mode moved      | yielded   | yielded   | yield the mode, and owe what the rules set
	// held      | period moved    | held      | held      | remember the period
	// held      | schedule moved  | held      | held      | adopt what is shown
	// held      | lapsed          | held      | held      | the hold has ended, and the schedule is its own setting
	// held      | hold lost       | held      | held      | take the write up again
	// held      | mode undone     | yielded   | yielded   | yield the mode, and owe what the rules set
	// held      | part foreign    | yielded   | yielded   | yield, and owe the other set point
	// held      | choice hidden   | yielded   | yielded   | yield, and put back the choice that is hidden
	// held      | choice ended    | yielded   | yielded   | yield
	// returning | unchanged       | returning | returning | nothing
	// returning | landed          | returning | returning | confirm the write
	// returning | given back      | free      | free      | forget what was asked for
	// returning | owner moved     | returning | returning | remember what it was set to before
	// returning | crossing        | yielded   | yielded   | yield, and put the choice back if a write lands over it
	// returning | foreign         | yielded   | free      | yield
	// returning | mode moved      | yielded   | returning | yield the mode, and owe what the rules set
	// returning | period moved    | returning | returning | remember the period
	// returning | schedule moved  | returning | returning | adopt what is shown
	// returning | lapsed          | returning | returning | the hold has ended, and the schedule is its own setting
	// returning | hold lost       | returning | returning | take the write up again
	// returning | mode undone     | yielded   | returning | yield the mode, and owe what the rules set
	// returning | part foreign    | yielded   | returning | yield, and owe the other set point
	// returning | choice hidden   | yielded   | returning | yield, and put back the choice that is hidden
	// returning | choice ended    | yielded   | free      | yield
	// yielded   | unchanged       | yielded   | yielded   | nothing
	// yielded   | landed          | yielded   | yielded   | confirm the write
	// yielded   | given back      | yielded   | yielded   | forget what was asked for
	// yielded   | choice stands   | yielded   | free      | the choice stands
	// yielded   | owner moved     | yielded   | yielded   | remember what it was set to before
	// yielded   | crossing        | yielded   | yielded   | the choice is what is shown
	// yielded   | foreign         | yielded   | free      | yield
	// yielded   | mode moved      | yielded   | returning | yield the mode, and owe what the rules set
	// yielded   | period moved    | yielded   | yielded   | remember the period
	// yielded   | schedule moved  | yielded   | yielded   | adopt what is shown
	// yielded   | lapsed          | yielded   | yielded   | the hold has ended, and the schedule is its own setting
	// yielded   | mode undone     | yielded   | returning | yield the mode, and owe what the rules set
	// yielded   | part foreign    | yielded   | returning | yield, and owe the other set point
	// yielded   | choice hidden   | yielded   | returning | yield, and put back the choice that is hidden
	// yielded   | choice ended    | yielded   | free      | yield
	// yielded   | landed over     | yielded   | returning | put the choice back
	// yielded   | command landing | yielded   | yielded   | remember the mode
	// yielded   | part stands     | yielded   | returning | the choice stands, and the other set point is owed
}
