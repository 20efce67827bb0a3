package control_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"powermgr/bridge/bus"
	"powermgr/devices"
)

// commands returns the commands for a setting of the thermostat "up" that this process
// sent.
func (r *rig) commands(setting string) (all []string) {
	for {
		m, ok, err := r.all.Next(r.t.Context(), time.Now())
		if err != nil || !ok {
			return all
		}
		if m.Topic == topics.Thermostat("up", setting+devices.Set) && m.Origin == bus.Local {
			all = append(all, string(m.Payload))
		}
	}
}

func (r *rig) answer(setting string, final bool) {
	b, _ := json.Marshal(devices.Result{Accepted: true, Final: final, Requested: "heat_cool"})
	r.bus.Publish(bus.Message{Topic: topics.Thermostat("up", setting+devices.ResultSuffix), Payload: b})
	synctest.Wait()
}

// A process that died between the two writes of a change of mode left the thermostat in
// the intermediate mode: the person's command was lost with it.
func TestAPersonsCommandOutlivesTheProcess(t *testing.T) {
	for _, c := range []struct {
		name     string
		answered bool
		down     time.Duration
		want     []string
	}{
		{"on its way", false, 30 * time.Second, []string{`{"value":"heat_cool"}`}},
		{"done", true, 30 * time.Second, nil},
		{"too long ago", false, devices.CommandLife, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			disk := &memory{}
			run(t, false, disk, func(r *rig) {
				r.thermostat(76, devices.HoldSchedule)
				r.send(topics.Thermostat("up", "mode"+devices.Set), `off`)
				r.answer("mode", false)
				r.send(topics.Thermostat("up", "mode"+devices.Set), `{"value":"heat_cool"}`)
				r.answer("mode", false)
				r.answer("mode", true) // of the first
				if c.answered {
					r.answer("mode", true)
				}
				r.thermostat(76, devices.HoldSchedule)
				if got := r.commands("mode"); got != nil {
					t.Errorf("sent again by the process that has accepted it: %q", got)
				}
			})
			run(t, false, disk, func(r *rig) { // which begins at the same time again
				r.commands("mode")
				time.Sleep(c.down)
				for range 2 {
					r.thermostat(76, devices.HoldSchedule)
				}
				if got := r.commands("mode"); fmt.Sprint(got) != fmt.Sprint(c.want) {
					t.Errorf("sent %q, want %q", got, c.want)
				}
			})
		})
	}
}
