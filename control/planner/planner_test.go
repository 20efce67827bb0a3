package planner

import (
	"context"
	"encoding/json"
	"io/fs"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"powermgr/bridge/bus"
	"powermgr/control/forecast"
	"powermgr/control/plan"
	"powermgr/control/tariff"
	"powermgr/devices"
)

// rig is a planner on a bus, in a bubble that begins on 2000-01-01 00:00 UTC.
type rig struct {
	*bus.Bus
	topics devices.Topics
	sub    *bus.Subscription
	active bool
	kept   map[string][]byte

	ctx     context.Context
	planner *Planner
	stop    func() // ends it
}

func (r *rig) Active() bool       { return r.active }
func (r *rig) Generation() uint64 { return 1 }

func (r *rig) Load(key string, v any) error {
	b, ok := r.kept[key]
	if !ok {
		return fs.ErrNotExist
	}
	return json.Unmarshal(b, v)
}

func (r *rig) Save(key string, v any) (err error) {
	r.kept[key], err = json.Marshal(v)
	return err
}

func bubble(t *testing.T, source string, test func(r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := &rig{Bus: bus.New(bus.Wall{}), topics: devices.Topics{Base: "powermgr"}, active: true, kept: map[string][]byte{}, ctx: t.Context()}
		r.sub = r.Subscribe("test", r.topics.Control(devices.PlanLeaf), r.topics.Tariff("+"))
		s := settings()
		s.Source = source
		r.start(s)
		defer func() { r.stop() }()
		test(r)
	})
}

// start starts a planner, which goes on for the one before it.
func (r *rig) start(s Settings) {
	p := New(Options{Settings: s, Bus: r.Bus, Topics: r.topics, Role: r, Log: slog.New(slog.DiscardHandler), Store: r,
		Past: func(now time.Time) ([]forecast.Sample, error) { return home(now, 14, 3), nil }})
	if r.planner != nil {
		p.Resume(r.planner)
	}
	r.planner = p
	ctx, stop := context.WithCancel(r.ctx)
	done := make(chan struct{})
	go func() { defer close(done); _ = p.Run(ctx) }()
	r.stop = func() { stop(); <-done }
	synctest.Wait()
}

// read has the Powerwall say something.
func (r *rig) read(charge float64) {
	b, _ := json.Marshal(reading(r.Now(), charge, 60))
	r.Publish(bus.Message{Topic: r.topics.Powerwall(devices.StateLeaf), Payload: b, Retain: true})
	synctest.Wait()
}

// plans are those that were published since the last call.
func (r *rig) plans(t *testing.T) (all []plan.Plan) {
	t.Helper()
	for {
		m, ok, err := r.sub.Next(t.Context(), r.Now())
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			return all
		}
		if m.Topic == r.topics.Control(devices.PlanLeaf) {
			p, err := bus.Decode[plan.Plan](m)
			if err != nil || !m.Retain {
				t.Fatalf("retained %v: %v", m.Retain, err)
			}
			all = append(all, p)
		}
	}
}

func TestItPublishesPlans(t *testing.T) {
	bubble(t, FromConfig, func(r *rig) {
		if all := r.plans(t); len(all) != 1 || all[0].Reserve != nil || all[0].Reason == "" {
			t.Fatalf("at the start: %+v", all)
		}
		r.read(60)
		if all := r.plans(t); len(all) != 1 || all[0].Reserve == nil || len(all[0].Slots) != plan.Horizon {
			t.Fatalf("after a reading: %d plans", len(all))
		}
		made := map[time.Time]bool{}
		for range 12 {
			time.Sleep(5 * time.Minute)
			r.read(60)
			for _, p := range r.plans(t) {
				made[p.Made] = true
			}
		}
		if len(made) < 2 || len(made) > 4 {
			t.Errorf("%d plans in an hour", len(made))
		}
		r.active = false
		r.Publish(bus.Message{Topic: bus.Role, Retain: true, Payload: []byte("standby")})
		time.Sleep(2 * time.Hour)
		r.read(60)
		if all := r.plans(t); len(all) != 0 {
			t.Errorf("%d plans on standby", len(all))
		}
	})
}

// After a reload the plan said for a moment that the Powerwall had not been read.
func TestAReloadKeepsThePlan(t *testing.T) {
	bubble(t, FromTesla, func(r *rig) {
		r.Publish(bus.Message{Topic: r.topics.Powerwall(devices.TariffLeaf), Retain: true, Payload: []byte(`{"currency":"USD","energy_charges":{"ALL":{"rates":{"ALL":0.3}}},"seasons":{}}`)})
		r.read(60)
		all := r.plans(t)
		made := all[len(all)-1]
		if made.Reserve == nil {
			t.Fatalf("no plan: %s", made.Reason)
		}
		for _, c := range []struct {
			name    string
			reserve int // least, of the plan
			again   bool
		}{{"nothing was changed", 0, false}, {"another reserve", 20, true}} {
			r.stop()
			s := settings()
			s.Source, s.Options.MinReserve = FromTesla, max(s.Options.MinReserve, c.reserve)
			r.Bus = bus.New(bus.Wall{}) // a daemon has a bus of its own
			r.sub = r.Subscribe("test", r.topics.Control(devices.PlanLeaf))
			time.Sleep(time.Minute)
			r.start(s)
			r.Publish(bus.Message{Topic: bus.Role, Payload: []byte("active"), Retain: true})
			synctest.Wait()
			for _, p := range r.plans(t) {
				if p.Reserve == nil || *p.Reserve < c.reserve && p.Made != made.Made {
					t.Errorf("%s: %v, %s", c.name, p.Reserve, p.Reason)
				}
				if again := p.Made != made.Made; again && !c.again {
					t.Errorf("%s: it plans again", c.name)
				}
				made = p
			}
		}
		if *made.Reserve < 20 {
			t.Errorf("the reserve is %d by the last plan", *made.Reserve)
		}
	})
}

func TestPricesByMQTT(t *testing.T) {
	const start, end = "2000-01-01T00:00:00Z", "2000-01-02T00:00:00Z"
	list := `[{"start":"` + start + `","end":"` + end + `","price":0.3}]`
	for _, c := range []struct {
		name, source, payload string
		retain                bool
		refused               string // empty: it is accepted
	}{
		{"prices", FromMQTT, list, false, ""},
		{"retained", FromMQTT, list, true, "without -r"},
		{"prices nobody asked for", FromConfig, list, false, "tariff.source is config"},
		{"no list", FromMQTT, "0.3", false, "has to be a list"},
		{"prices that are over", FromMQTT, strings.NewReplacer("2000", "1999").Replace(list), false, "over"},
		{"endless", FromMQTT, "[" + strings.Repeat(" ", maxQuotes) + "]", false, "is the most"},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, c.source, func(r *rig) {
				r.read(60)
				r.plans(t)
				results := r.Subscribe("results", r.topics.Tariff("+"))
				r.Publish(bus.Message{Topic: r.topics.Tariff("set"), Payload: []byte(c.payload), Retain: c.retain})
				synctest.Wait()
				var res devices.Result
				cleared := false
				for {
					m, ok, err := results.Next(t.Context(), r.Now())
					if err != nil {
						t.Fatal(err)
					}
					if !ok {
						break
					}
					cleared = cleared || m.Retain && len(m.Payload) == 0
					if m.Topic == r.topics.Tariff("result") {
						if err := json.Unmarshal(m.Payload, &res); err != nil {
							t.Fatal(err)
						}
					}
				}
				if !res.Final || res.Accepted != (c.refused == "") || !strings.Contains(res.Reason, c.refused) || cleared != c.retain {
					t.Errorf("%+v, cleared %v", res, cleared)
				}
				var kept tariff.Quotes
				all := r.plans(t)
				if c.refused != "" {
					if len(r.kept) > 0 || len(all) > 0 {
						t.Errorf("kept %v, planned %d times", r.kept, len(all))
					}
					return
				}
				if err := r.Load(quotesKey, &kept); err != nil || len(kept) != 1 || len(all) != 1 || all[0].Reserve == nil || len(all[0].Slots) != 48 {
					t.Errorf("kept %v (%v), planned %+v", kept, err, all)
				}
				time.Sleep(25 * time.Hour) // they end
				r.read(60)
				if all := r.plans(t); len(all) == 0 || all[len(all)-1].Reserve != nil || !strings.Contains(all[len(all)-1].Reason, "ended at") {
					t.Errorf("after their end: %d plans", len(all))
				}
			})
		})
	}
}

// The tariff of Tesla's app is taken as soon as it is known.
func TestPricesOfTesla(t *testing.T) {
	bubble(t, FromTesla, func(r *rig) {
		r.read(60)
		if all := r.plans(t); !strings.Contains(all[len(all)-1].Reason, "has not been read yet") {
			t.Errorf("%+v", all)
		}
		r.Publish(bus.Message{Topic: r.topics.Powerwall(devices.TariffLeaf), Retain: true, Payload: []byte(`{"currency":"USD","energy_charges":{"ALL":{"rates":{"ALL":0.3}}},"seasons":{}}`)})
		synctest.Wait()
		if all := r.plans(t); len(all) != 1 || all[0].Reserve == nil || all[0].Slots[0].Price != 0.3 {
			t.Errorf("%+v", all)
		}
		r.Publish(bus.Message{Topic: r.topics.Powerwall(devices.TariffLeaf), Retain: true, Payload: []byte(`{"seasons":3}`)})
		synctest.Wait()
		if all := r.plans(t); len(all) != 1 || all[0].Reserve != nil || !strings.Contains(all[0].Reason, "cannot be used") {
			t.Errorf("%+v", all)
		}
	})
}
