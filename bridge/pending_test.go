package bridge

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"powermgr/devices"
)

// After a person's choice the old value came back for half a minute while the
// command was on its way. dashboard is an optimistic entity of Home Assistant whose
// template leaves a pending setting as it is.
type dashboard struct {
	field, setting string
	shows          []string
}

func (d *dashboard) chooses(value string) { d.shows = append(d.shows, value) }

func (d *dashboard) hears(t *testing.T, states []string) {
	t.Helper()
	for _, s := range states {
		var state map[string]any
		if err := json.Unmarshal([]byte(s), &state); err != nil {
			t.Fatal(err)
		}
		pending, _ := state["pending"].([]any)
		if slices.Contains(pending, any(d.setting)) {
			continue
		}
		if v := fmt.Sprint(state[d.field]); len(d.shows) == 0 || d.shows[len(d.shows)-1] != v {
			d.shows = append(d.shows, v)
		}
	}
}

func TestAChoiceIsShownUntilItIsDecided(t *testing.T) {
	refused := &devices.Error{Kind: devices.Refused, Err: errors.New("no such site")}
	for _, c := range []struct {
		name    string
		battery *fakeBattery
		sends   string
		within  time.Duration
		want    string
	}{
		{"it lands after a minute", &fakeBattery{reserve: 100, lands: time.Minute}, "20", 10 * time.Minute, "100 20"},
		{"it lands at once", &fakeBattery{reserve: 100}, "20", 10 * time.Minute, "100 20"},
		{"refused by the vendor: at once", &fakeBattery{reserve: 100, apply: refused}, "20", time.Second, "100 20 100"},
		{"not a value: at once", &fakeBattery{reserve: 100}, "90", time.Second, "100 90 100"},
		{"dry run: at once", &fakeBattery{reserve: 100, apply: ErrDryRun}, "20", time.Second, "100 20 100"},
		{"the device makes something else of it", &fakeBattery{reserve: 100, snaps: 25}, "20", time.Minute, "100 20 25"},
		{"never taken", &fakeBattery{reserve: 100, lands: -1}, "20", 9 * time.Minute, "100 20 100"},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, battery(c.battery), func(r *rig) {
				d := &dashboard{field: "reserve_percent", setting: "reserve"}
				d.hears(t, r.got("powermgr/powerwall/state"))
				d.chooses(c.sends)
				r.send("powermgr/powerwall/reserve/set", c.sends)
				r.sleep(c.within)
				d.hears(t, r.got("powermgr/powerwall/state"))
				if got := strings.Join(d.shows, " "); got != c.want {
					t.Errorf("shown: %s, want %s", got, c.want)
				}
			})
		})
	}
}

func TestAChoiceForAThermostatIsShownUntilItIsDecided(t *testing.T) {
	for _, c := range []struct {
		name, setting, field, value string
		apply                       error
		within                      time.Duration
		want                        string
	}{
		{"a set point", "cool_setpoint", "cool_setpoint", "74", nil, 5 * time.Minute, "76 74"},
		{"a mode", "mode", "mode", "heat", nil, 5 * time.Minute, "cool heat"},
		{"the fan", "fan", "fan", "on", nil, 5 * time.Minute, "auto on"},
		{"a hold", "hold", "hold", "permanent", nil, 5 * time.Minute, "schedule permanent"},
		{"refused by the vendor: at once", "cool_setpoint", "cool_setpoint", "74", &devices.Error{Kind: devices.Refused, Err: errors.New("no")}, time.Second, "76 74 76"},
		{"not a value: at once", "mode", "mode", "dry", nil, time.Second, "cool dry cool"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newThermostats()
			f.delay, f.apply = 20*time.Second, c.apply
			bubble(t, thermostats(f), func(r *rig) {
				d := &dashboard{field: c.field, setting: c.setting}
				topic := "powermgr/thermostat/" + f.r.ID() + "/"
				d.hears(t, r.got(topic+"state"))
				d.chooses(c.value)
				r.send(topic+c.setting+"/set", c.value)
				r.sleep(c.within)
				d.hears(t, r.got(topic+"state"))
				if got := strings.Join(d.shows, " "); got != c.want {
					t.Errorf("shown: %s, want %s", got, c.want)
				}
			})
		})
	}
}
