package demo

import (
	"time"

	"powermgr/control/history"
	"powermgr/control/planner"
	"powermgr/control/thermal"
	"powermgr/devices"
	"powermgr/devices/emulator"
)

// pastDays is for how many days before the demo the house has a past: two weeks of
// working days and weekends.
const pastDays = 16

const (
	quarter = 15 * time.Minute
	look    = 5 * time.Minute // how often a thermostat is read
)

// past simulates the same house on the days before start, controlled only by the
// schedules of its thermostats. It returns what a history would hold, and what the
// thermostats would have shown.
func past(start time.Time, home *time.Location, h House) (history.Series, []planner.RoomHistory) {
	now := start.AddDate(0, 0, -pastDays)
	cloud := emulator.New(emulator.Options{Now: func() time.Time { return now }, Location: home, House: h.Options(), Weather: h.Sky(home)})
	s := history.Series{Length: quarter, Zone: home}
	rooms := make([]planner.RoomHistory, len(cloud.Truth().Thermostats))
	for before := cloud.Truth().Books; now.Before(start); {
		from := now
		for now.Before(from.Add(quarter)) {
			now = now.Add(look)
			watch(rooms, cloud.Truth())
		}
		after := cloud.Truth().Books
		load, sun := (after.Home-before.Home)/1000, (after.Solar-before.Solar)/1000
		s.Slots = append(s.Slots, history.Slot{Start: from, LoadKWh: &load, SunKWh: &sun})
		before = after
	}
	return s, rooms
}

// watch records what the thermostats show.
func watch(rooms []planner.RoomHistory, truth emulator.Truth) {
	const share = float64(look) / float64(thermal.Step)
	start := truth.At.Add(-look).Truncate(thermal.Step)
	for i, th := range truth.Thermostats {
		l := &rooms[i]
		l.ID = devices.TopicID(th.VendorID())
		celsius := func(v float64) float64 { return th.Unit.To(devices.Celsius, v) }
		if n := len(l.Samples); n == 0 || l.Samples[n-1].Start.Before(start) {
			l.Samples = append(l.Samples, thermal.Sample{Start: start})
			l.Follows = append(l.Follows, thermal.Setting{CoolC: celsius(th.Cool), HeatC: celsius(th.Heat)})
		}
		s := &l.Samples[len(l.Samples)-1]
		s.IndoorC += share * celsius(th.Temperature)
		s.OutdoorC += share * truth.OutdoorC
		s.SunKW += share * truth.SolarW / 1000
		s.HomeKW += share * truth.HomeW / 1000
		switch th.Action {
		case devices.ActionCooling:
			s.Cools += share
		case devices.ActionHeating:
			s.Heats += share
		}
	}
}
