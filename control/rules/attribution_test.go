package rules_test

import (
	"testing"
	"time"

	. "powermgr/control/rules"
	"powermgr/devices"
)

// TestWhyAReserveIsShown has a row for each thing that can explain a reserve.
func TestWhyAReserveIsShown(t *testing.T) {
	written := at("2026-07-15 19:00")
	peak := BatteryRecord{Writes: Writes{Wanted: devices.Setting{Reserve: new(0)}, Before: devices.Setting{Reserve: new(100)}, WrittenAt: written}, AtPeak: true}
	back := BatteryRecord{Writes: Writes{Wanted: devices.Setting{Reserve: new(100)}, Before: devices.Setting{Reserve: new(0)}, WrittenAt: written}, AtPeak: true}
	with := func(k BatteryRecord, change func(*BatteryRecord)) BatteryRecord { change(&k); return k }
	told := func(k BatteryRecord) BatteryRecord {
		k.Flights = []Flight{FlightOf(*k.Wanted.Reserve, *k.Before.Reserve, written)}
		return k
	}
	crossed := func(earlier, last int) BatteryRecord { // two writes, of which nothing has been shown
		return BatteryRecord{Writes: Writes{Wanted: devices.Setting{Reserve: &last}, Before: devices.Setting{Reserve: &last}, WrittenAt: written, Flights: []Flight{FlightOf(earlier, last, written.Add(-time.Minute)), FlightOf(last, last, written)}}, AtPeak: true}
	}
	chose := func(k *BatteryRecord) { k.Choice = &Choice{Reserve: new(50)} }
	for _, c := range []struct {
		name  string
		l     ReserveLedger
		shown *int
		after time.Duration
		want  Cause
	}{
		{"the write of the peak", ReserveLedger{Record: peak, OffPeak: 100, Discharge: true}, new(0), time.Minute, Landed},
		{"what it was before the write", ReserveLedger{Record: peak, OffPeak: 100, Discharge: true}, new(100), time.Minute, Unchanged},
		{"nothing", ReserveLedger{Record: peak, OffPeak: 100, Discharge: true}, nil, time.Minute, Unchanged},
		{"while Storm Watch has it", ReserveLedger{Record: peak, OffPeak: 100, Owner: true}, new(50), time.Minute, OwnerMoved},
		{"the off-peak reserve, after the peak", ReserveLedger{Record: back, OffPeak: 100}, new(100), time.Minute, GivenBack},
		{"the off-peak reserve, set by a node that died since", ReserveLedger{Record: with(peak, func(k *BatteryRecord) { k.Confirmed = true }), OffPeak: 100}, new(100), time.Hour, AsWanted},
		{"a choice while the write was on its way", ReserveLedger{Record: peak, OffPeak: 100, Discharge: true}, new(50), time.Minute, Crossing},
		{"a choice after the write was shown", ReserveLedger{Record: with(peak, func(k *BatteryRecord) { k.Confirmed = true }), OffPeak: 100, Discharge: true}, new(50), time.Minute, Foreign},
		{"a choice after the write can land no more", ReserveLedger{Record: peak, OffPeak: 100, Discharge: true}, new(50), devices.AnswerWithin, Foreign},
		{"80 instead of 100", ReserveLedger{Record: told(back), OffPeak: 100, ReadLast: written}, new(80), 5 * time.Minute, DeviceLimit},
		{"80 instead of 100, half an hour later", ReserveLedger{Record: told(back), OffPeak: 100, ReadLast: written.Add(30 * time.Minute)}, new(80), 32 * time.Minute, DeviceLimit},
		{"80 instead of 100, of which the vendor was never told", ReserveLedger{Record: back, OffPeak: 100, ReadLast: written}, new(80), 5 * time.Minute, Crossing},
		{"5 instead of 0", ReserveLedger{Record: told(peak), OffPeak: 100, Discharge: true, ReadLast: written}, new(5), 5 * time.Minute, DeviceFloor},
		{"5 instead of 0, of which the vendor was never told", ReserveLedger{Record: peak, OffPeak: 100, Discharge: true, ReadLast: written}, new(5), 5 * time.Minute, Crossing},
		{"80, long after 100 was kept", ReserveLedger{Record: with(back, func(k *BatteryRecord) { k.Confirmed = true }), OffPeak: 100, ReadLast: written.Add(2 * time.Hour)}, new(80), 3 * time.Hour, Foreign},
		{"80 as before the write", ReserveLedger{Record: with(back, func(k *BatteryRecord) { k.Before.Reserve = new(80) }), OffPeak: 100, ReadLast: written}, new(80), time.Minute, Unchanged},
		{"an earlier write may still hide it", ReserveLedger{Record: with(back, func(k *BatteryRecord) { k.Flights = []Flight{FlightOf(0, 100, written)} }), OffPeak: 100}, new(100), time.Minute, Unchanged},
		{"the choice, and the write may still land over it", ReserveLedger{Record: with(peak, chose), OffPeak: 100}, new(50), time.Minute, Unchanged},
		{"the choice, and the write can land no more", ReserveLedger{Record: with(peak, chose), OffPeak: 100}, new(50), devices.AnswerWithin, ChoiceStands},
		{"the write over the choice", ReserveLedger{Record: with(told(peak), chose), OffPeak: 100}, new(0), time.Minute, Unchanged},
		{"what a write asked for that never left", ReserveLedger{Record: with(peak, chose), OffPeak: 100}, new(0), time.Minute, Crossing},
		{"what a person has had", ReserveLedger{Record: BatteryRecord{Choice: &Choice{Reserve: new(50)}}, OffPeak: 100}, new(50), time.Hour, Unchanged},
		{"what a person has made of it since", ReserveLedger{Record: BatteryRecord{Choice: &Choice{Reserve: new(50)}}, OffPeak: 100}, new(30), time.Hour, Rechosen},
		{"80, chosen after 100 that the rules have not written", ReserveLedger{Record: BatteryRecord{Writes: Writes{Wanted: devices.Setting{Reserve: new(100)}, Confirmed: true}}, OffPeak: 100}, new(80), time.Hour, Foreign},
		{"5, which may be what it makes of 0", ReserveLedger{Record: crossed(0, 9), OffPeak: 100, Discharge: true}, new(5), time.Minute, Unchanged},
		{"5, and it has kept 0", ReserveLedger{Record: with(crossed(0, 9), func(k *BatteryRecord) { k.Keeps.Least = new(0) }), OffPeak: 100, Discharge: true}, new(5), time.Minute, Crossing},
		{"5, and it has kept 5", ReserveLedger{Record: with(crossed(0, 9), func(k *BatteryRecord) { k.Keeps.Least = new(5) }), OffPeak: 100, Discharge: true}, new(5), time.Minute, Unchanged},
		{"80, which may be what it makes of 100", ReserveLedger{Record: crossed(100, 30), OffPeak: 100, Discharge: true}, new(80), time.Minute, Unchanged},
		{"80, and it has kept 100", ReserveLedger{Record: with(crossed(100, 30), func(k *BatteryRecord) { k.Keeps.More = true }), OffPeak: 100, Discharge: true}, new(80), time.Minute, Crossing},
		{"another choice", ReserveLedger{Record: with(peak, chose), OffPeak: 100}, new(30), time.Minute, Crossing},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := AttributeReserve(c.l, c.shown, written.Add(c.after)); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}
