package control_test

import (
	"testing"
	"testing/synctest"
	"time"

	"powermgr/bridge/bus"
	"powermgr/control"
)

// After a reload, changes that did not come from reading the devices again were shown
// half a minute late.
func TestAReloadHoldsNoRealChangeBack(t *testing.T) {
	for _, c := range []struct {
		name  string
		do    func(r *rig)
		shown func(s control.State) bool
	}{
		{"an override ends at another time", func(r *rig) { r.send(topics.Control("override/set"), "pause 2h") },
			func(s control.State) bool { return s.Until != nil && s.Until.Equal(time.Now().Add(2*time.Hour)) }},
		{"another daemon commands the same", func(r *rig) {
			r.bus.Publish(bus.Message{Topic: bus.Contest, Payload: []byte("b runs powermgr too"), Retain: true})
			synctest.Wait()
		}, func(s control.State) bool {
			return len(s.Problems) > 0 && s.Problems[len(s.Problems)-1].Kind == control.Contested
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				disk := &memory{}
				begin := func(last *control.Controller) (*rig, *control.Controller, func()) {
					b := bus.New(bus.Wall{})
					r := &rig{t: t, bus: b, disk: disk, all: b.Subscribe("test", "#")}
					next, stop := r.begin(alone{}, last)
					return r, next, stop
				}
				r, first, stop := begin(nil)
				r.battery(80, 100)
				r.send(topics.Control("override/set"), "pause 1h")
				stop()
				r, _, stop = begin(first)
				defer stop()
				c.do(r)
				if s := r.state(); !c.shown(s) {
					t.Errorf("%+v", s)
				}
			})
		})
	}
}
