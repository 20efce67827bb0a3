package simulation

import (
	"encoding/json"
	"testing"
	"time"

	"powermgr/control"
	"powermgr/control/rules"
	"powermgr/devices"
	"powermgr/devices/emulator"
)

// persons returns the targets of the events about people in a period.
func (d *day) persons(from, to string) (all []string) {
	for _, payload := range d.said("control/event", from, to) {
		var e control.Event
		if json.Unmarshal([]byte(payload), &e) == nil && e.Type == rules.NoteYielded {
			all = append(all, e.Target)
		}
	}
	return all
}

// TestPeopleAreToldApart changes settings the way people, schedules, vendors and powermgr
// itself do, at both kinds of thermostats.
func TestPeopleAreToldApart(t *testing.T) {
	cool := func(f float64, hold devices.Hold) emulator.Setting {
		return emulator.Setting{Cool: &f, Hold: &hold}
	}
	for _, c := range []struct {
		name   string
		settle time.Duration // how long a command takes to land
		world  func(*world)  // changes to the hot day; nil: none
		script func(*day)
		person bool // a person has changed something
		check  func(*day)
	}{
		{name: "somebody at the wall", person: true,
			script: func(d *day) { d.on("17:01:10", func() { d.wall(1, cool(74, devices.HoldPermanent)) }) },
			check: func(d *day) {
				d.is("writes after that", len(d.wrote(upstairs, "17:06", "21:00")), 0)
				d.is("in the end", d.house.Thermostats[1].Cool, 74)
			}},
		{name: "somebody while an automatic write is on its way", settle: time.Minute, person: true,
			script: func(d *day) { d.on("16:00:20", func() { d.wall(1, cool(74, devices.HoldPermanent)) }) },
			check:  func(d *day) { d.is("in the end", d.house.Thermostats[1].Cool, 74) }},
		{name: "somebody by MQTT", person: true,
			script: func(d *day) { d.on("17:01:10", func() { d.publish("thermostat/%d/cool_setpoint/set", 1, "74") }) },
			check: func(d *day) {
				d.is("writes after that", len(d.wrote(upstairs, "17:02", "21:00")), 0)
				d.is("in the end", d.house.Thermostats[1].Cool, 74)
			}},
		{name: "off and on again at the wall", person: true,
			script: func(d *day) {
				d.on("17:01:10", func() { d.wall(1, emulator.Setting{Mode: new(devices.Off)}) })
				d.on("17:31:10", func() { d.wall(1, emulator.Setting{Mode: new(devices.Cool)}) })
			},
			check: func(d *day) {
				d.is("writes in that peak", len(d.wrote(upstairs, "17:06", "19:00")), 0)
				d.is("in the end", d.house.Thermostats[1].Cool, 75)
				d.is("the hold in the end", d.house.Thermostats[1].Hold, devices.HoldPermanent)
			}},
		{name: "off by MQTT in the peak and on after it", person: true,
			script: func(d *day) {
				d.on("17:01:10", func() { d.publish("thermostat/%d/mode/set", 1, "off") })
				d.on("20:01:10", func() { d.publish("thermostat/%d/mode/set", 1, "cool") })
			},
			check: func(d *day) {
				d.is("in the end", d.house.Thermostats[1].Cool, 75)
				d.is("the hold in the end", d.house.Thermostats[1].Hold, devices.HoldPermanent)
			}},
		{name: "a heat set point nearer than the deadband",
			world: func(w *world) {
				heat := 73.0
				w.Thermostats[1].Set.Heat = &heat
			},
			script: func(*day) {},
			check: func(d *day) {
				first := d.wrote(upstairs, "15:30", "15:31")
				d.is("precooled by writes", len(first), 1)
				d.is("cool", first[0].Write.Values["cool_setpoint"], 73.0)
				d.is("heat gives way", first[0].Write.Values["heat_setpoint"], 70.0)
				d.is("cool in the end", d.house.Thermostats[1].Cool, 75)
				d.is("heat in the end, as near as the vendor takes", d.house.Thermostats[1].Heat, 72)
			}},
		{name: "the fan is nobody's set point",
			script: func(d *day) {
				d.on("17:01:10", func() { d.wall(1, emulator.Setting{Fan: new(devices.FanOn)}) })
			},
			check: func(d *day) { d.is("in the end", d.house.Thermostats[1].Cool, 75) }},
		{name: "automatic writes take their time", settle: 75 * time.Second,
			script: func(*day) {},
			check:  func(d *day) { d.is("in the end", d.house.Thermostats[1].Cool, 75) }},
		{name: "the schedule moves on, and automatic holds end by themselves",
			script: func(*day) {},
			check: func(d *day) {
				d.is("the hold in the end", d.house.Thermostats[0].Hold, devices.HoldSchedule)
			}},
		{name: "the reserve in Tesla's app", person: true,
			script: func(d *day) { d.on("17:01:10", func() { d.app(func(e *emulator.House) { e.SetReserve(30) }) }) },
			check: func(d *day) {
				d.is("writes in that peak", len(d.wrote("powerwall", "17:01", "19:00")), 0)
				d.is("the rule applies again", d.wrote("powerwall", "19:00", "19:01")[0].Write.Values["reserve"], 100)
			}},
		{name: "the mode in Tesla's app", person: true,
			script: func(d *day) {
				d.on("17:01:10", func() { d.app(func(e *emulator.House) { e.Mode = devices.Backup }) })
			},
			check: func(d *day) {
				d.is("writes in that peak", len(d.wrote("powerwall", "17:01", "19:00")), 0)
				d.is("the mode in the end", d.house.Mode, devices.Backup)
			}},
		{name: "a reserve that the device does not keep",
			world: func(w *world) {
				w.Powerwall.Reserve, w.Powerwall.ReserveCap, w.Powerwall.CapDelay = 80, 80, 10*time.Minute
			},
			script: func(*day) {},
			check:  func(d *day) { d.is("in the end", d.house.Reserve, 80) }},
	} {
		for _, backend := range []string{"tcc", "resideo"} {
			t.Run(c.name+"/"+backend, func(t *testing.T) {
				t.Parallel()
				w := hot(1, backend)
				w.Powerwall.SettleDelay, w.Landing = c.settle, c.settle
				if c.world != nil {
					c.world(w)
				}
				d := lives(t, w, c.script)
				d.t = t
				if got := len(d.persons("14:30", "21:00")); (got > 0) != c.person || got > 1 {
					t.Errorf("%d times it was said that somebody has made a choice", got)
				}
				c.check(d)
			})
		}
	}
}
