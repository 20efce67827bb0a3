package whatif

import (
	"math"
	"testing"
	"time"

	"powermgr/control/battery"
	"powermgr/devices"
	"powermgr/devices/emulator"
)

// A year lived by what-if is one lived by the emulated house: under the same
// reserves, with the same load and sun, both come to the same at the meter.
func TestTheEmulatedHouseLivesAsWhatIfDoes(t *testing.T) {
	zone, err := time.LoadLocation("America/Los_Angeles")
	if err != nil {
		t.Skip(err)
	}
	now := time.Date(2026, 7, 13, 0, 0, 0, 0, zone)
	cloud := emulator.New(emulator.Options{
		Now: func() time.Time { return now }, Location: zone,
		House: emulator.HouseOptions{ChargePercent: new(50.0), Reserve: new(0), SolarPeakW: 3200, BaseLoadW: 1800},
	})
	cloud.Person(func(h *emulator.House) {
		h.GridCharging = true
		for _, t := range h.Thermostats {
			t.Mode = devices.Off // a compressor that starts and stops within a quarter of an hour is netted here, and not in the house
		}
	})
	reserves := []int{0, 0, 60, 60, 100, 0, 30, 0} // each for three hours, and so on
	reserveAt := func(t int) int { return reserves[t/12%len(reserves)] }
	y := Year{Zone: zone, Free: func(time.Time) bool { return false }}
	before := cloud.Truth()
	first := before.Books
	for i := range 10 * 96 {
		cloud.Person(func(h *emulator.House) { h.SetReserve(reserveAt(i)) })
		now = now.Add(Step)
		after := cloud.Truth()
		y.Slots = append(y.Slots, Slot{
			Start: now.Add(-Step), Known: true, LoadKWh: (after.Books.Home - before.Books.Home) / 1000, SunKWh: (after.Books.Solar - before.Books.Solar) / 1000,
		})
		before = after
	}
	m := battery.Model{CapacityKWh: 13.5, PowerKW: 5, GridChargeKW: 1.7, OneWay: math.Sqrt(0.9)}
	last, used := 0.0, (before.Books.Home-first.Home)/1000
	r := y.Live(m, func(t int, _ float64) int { return reserveAt(t) }, func(l SlotOutcome) { last = l.StoredKWh })
	for _, x := range []struct {
		name        string
		house, here float64
	}{
		{"imported", (before.Books.Import - first.Import) / 1000, r.Import},
		{"exported", (before.Books.Export - first.Export) / 1000, r.Export},
		{"given by the battery", (before.Books.BatteryOut - first.BatteryOut) / 1000, r.Cycles * 13.5},
		{"stored at the end", before.StoredWh / 1000, last},
	} {
		if math.Abs(x.house-x.here) > 0.005*used {
			t.Errorf("%s: %.2f kWh in the house, %.2f here, of %.0f that it used", x.name, x.house, x.here, used)
		}
	}
	if r.Import < 0.1*used || r.Export < 1 || r.Cycles < 3 {
		t.Errorf("%+v: too little flows for the test to show anything", r)
	}
}
