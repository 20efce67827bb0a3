package control_test

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"powermgr/bridge/bus"
	"powermgr/control"
	"powermgr/control/journal"
	"powermgr/control/rules"
	"powermgr/devices"
)

type memory struct {
	b    []byte
	full atomic.Bool
	aged atomic.Int32
}

func (m *memory) Read() ([]byte, error) {
	if m.b == nil {
		return nil, fs.ErrNotExist
	}
	return m.b, nil
}

func (m *memory) Write(b []byte) error {
	if m.full.Load() {
		return errors.New("no space left on device")
	}
	m.b = slices.Clone(b)
	m.aged.Add(1)
	return nil
}

func (m *memory) SetAside() (string, error) { m.b = nil; return "aside", nil }

type alone struct{}

func (alone) Active() bool       { return true }
func (alone) Generation() uint64 { return 1 }
func (alone) Alone() bool        { return true }

// paired is the active node of a pair.
type paired struct{ alone }

func (paired) Alone() bool { return false }

// standby is a node of a pair that may become the active one.
type standby struct {
	paired
	active atomic.Bool
}

func (s *standby) Active() bool { return s.active.Load() }

var topics = devices.Topics{Base: "powermgr"}

// rig is a controller on a bus, in a bubble whose clock begins on a Wednesday in
// summer.
type rig struct {
	t    *testing.T
	bus  *bus.Bus
	disk *memory
	peer *memory // the copy of the other node's journal
	all  *bus.Subscription
}

func settings() rules.Settings {
	return rules.Settings{
		Calendar: rules.Calendar{Location: time.UTC, Lead: 30 * time.Minute, Seasons: []rules.Season{{
			Name: "all", Months: []time.Month{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12},
			Days: []time.Weekday{0, 1, 2, 3, 4, 5, 6}, Peaks: []rules.Span{{Start: 60, End: 240}},
		}}},
		OffPeakReserve: 100, Thermostats: []string{"up"}, StepF: 2, MaxCoolF: 82, MinHeatF: 62, MaxIndoorF: 86, MinIndoorF: 58,
		Thresholds: []rules.Threshold{{Left: 2 * time.Hour, Level: 75}}, Spacing: 10 * time.Minute,
		StaleAfter: 15 * time.Minute, StaleCharge: 15 * time.Minute,
	}
}

// run runs a controller in a bubble, which begins at midnight UTC of 2000-01-01.
// Unless the scenario handles the link itself, the broker is up and has nothing retained.
func run(t *testing.T, ownLink bool, disk *memory, scenario func(r *rig)) {
	t.Helper()
	runAs(t, alone{}, ownLink, disk, scenario)
}

// runAs is run with a node that may be one of a pair.
func runAs(t *testing.T, node control.Role, ownLink bool, disk *memory, scenario func(r *rig)) {
	t.Helper()
	runWith(t, settings(), node, ownLink, disk, scenario)
}

// runWith is runAs with settings of its own.
func runWith(t *testing.T, own rules.Settings, node control.Role, ownLink bool, disk *memory, scenario func(r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := bus.New(bus.Wall{})
		r := &rig{t: t, bus: b, disk: disk, peer: &memory{}, all: b.Subscribe("test", "#")}
		c := control.New(control.Options{
			Bus: b, Topics: topics, Settings: own, Role: node,
			Journal: &journal.Journal{Disk: disk, Peer: r.peer, Node: "a", Now: time.Now}, Log: slog.New(slog.DiscardHandler),
		})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- c.Run(ctx) }()
		go func() { _ = control.NewCommandReporter(c.Options).Run(ctx) }()
		synctest.Wait()
		if !ownLink {
			b.Publish(bus.Message{Topic: bus.LinkState, Payload: []byte("up"), Retain: true})
			synctest.Wait()
		}
		scenario(r)
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Run ended with %v", err)
		}
	})
}

func (r *rig) send(topic string, payload string) {
	r.bus.Publish(bus.Message{Topic: topic, Payload: []byte(payload), Origin: bus.Broker})
	synctest.Wait()
}

func (r *rig) battery(charge, reserve int) {
	b, _ := json.Marshal(devices.PowerwallReading{
		ChargePercent: new(devices.Percent(charge)), ReservePercent: &reserve,
		Mode: new(devices.SelfConsumption), PolledAt: time.Now(),
	})
	r.bus.Publish(bus.Message{Topic: topics.Powerwall("state"), Payload: b, Retain: true})
	synctest.Wait()
}

func (r *rig) thermostat(cool float64, hold devices.Hold) {
	b, _ := json.Marshal(devices.ThermostatReading{
		VendorID: "UP", Name: "Up", Mode: new(devices.Cool), CoolSetpoint: &cool, HeatSetpoint: new(68.0),
		Hold: &hold, Unit: devices.Fahrenheit, Step: 1, Alive: true, PolledAt: time.Now(),
		Holds: []devices.Hold{devices.HoldSchedule, devices.HoldUntil, devices.HoldPermanent},
	})
	r.bus.Publish(bus.Message{Topic: topics.Thermostat("up", "state"), Payload: b, Retain: true})
	synctest.Wait()
}

// got returns every message since the last call on topics that match filter, and drops
// the others.
func (r *rig) got(filter string) []bus.Message {
	r.t.Helper()
	var out []bus.Message
	for {
		m, ok, err := r.all.Next(r.t.Context(), time.Now())
		if err != nil || !ok {
			return out
		}
		if bus.Match(filter, m.Topic) {
			out = append(out, m)
		}
	}
}

func (r *rig) result(name string) devices.Result {
	r.t.Helper()
	ms := r.got(topics.Control(name + "/result"))
	if len(ms) != 1 {
		r.t.Fatalf("%d answers on %s, want 1", len(ms), name)
	}
	var res devices.Result
	if err := json.Unmarshal(ms[0].Payload, &res); err != nil {
		r.t.Fatal(err)
	}
	return res
}

func (r *rig) state() control.State {
	r.t.Helper()
	m, ok := r.bus.Retained(topics.Control("state"))
	if !ok {
		r.t.Fatal("there is no control/state")
	}
	var s control.State
	if err := json.Unmarshal(m.Payload, &s); err != nil {
		r.t.Fatal(err)
	}
	return s
}

func TestPeakOnTopics(t *testing.T) {
	run(t, false, &memory{}, func(r *rig) {
		r.battery(100, 100)
		r.thermostat(76, devices.HoldSchedule)
		time.Sleep(59 * time.Minute)
		r.battery(100, 100)
		r.thermostat(76, devices.HoldSchedule)
		r.got("#")
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		cmds := r.got(topics.Powerwall("reserve/set"))
		if len(cmds) != 1 {
			t.Fatalf("%d commands at the start of the peak", len(cmds))
		}
		m := cmds[0]
		req, err := devices.ParseRequest(m.Payload)
		if err != nil || req.Value != "0" || req.ID == "" || m.ID != req.ID || m.Source != devices.SourceControl || m.Node != "a" ||
			m.Generation != 1 || m.Retain || time.Until(m.Expires) > devices.CommandLife {
			t.Errorf("%s %+v %v", m.Payload, m, err)
		}
		if r.disk.aged.Load() == 0 {
			t.Error("nothing was journaled before the write")
		}
		r.battery(70, 0)
		if n := len(r.got(topics.Thermostat("up", "hold/set"))); n != 0 {
			t.Errorf("%d holds from one figure alone", n)
		}
		time.Sleep(time.Minute)
		r.battery(70, 0)
		holds := r.got(topics.Thermostat("up", "hold/set"))
		if len(holds) != 1 {
			t.Fatalf("%d holds", len(holds))
		}
		var body struct {
			Value string    `json:"value"`
			Until time.Time `json:"until"`
			Cool  float64   `json:"cool_setpoint"`
			Heat  float64   `json:"heat_setpoint"`
		}
		if err := json.Unmarshal(holds[0].Payload, &body); err != nil || body.Value != "until" || body.Cool != 78 || body.Heat != 68 || body.Until.UTC().Hour() != 4 {
			t.Errorf("%s: %v", holds[0].Payload, err)
		}
		s := r.state()
		if s.Phase != rules.InPeak || *s.MinutesLeft != 178 || *s.Reserve != 0 || s.OffsetF != 2 || len(s.Latched) != 1 || len(s.Owned) != 2 || s.Problem {
			t.Errorf("%+v", s)
		}
	})
}

func TestCommandsToTheController(t *testing.T) {
	for _, c := range []struct {
		name, topic, payload string
		accepted             bool
		applied              any
		reason               string
	}{
		{"override", "override", "peak 90m", true, "peak", ""},
		{"override as JSON", "override", `{"value":"off_peak","for":"2h","id":"7","reason":"guests"}`, true, "off_peak", "guests"},
		{"auto", "override", "auto", true, "auto", ""},
		{"too long", "override", "peak 32d", false, nil, "at most 31 days"},
		{"until a time", "override", "pause until 2000-01-10 08:00", true, "pause", ""},
		{"until a time, as JSON", "override", `{"value":"pause","until":"2000-01-10 08:00"}`, true, "pause", ""},
		{"for minutes", "override", `{"value":"off_peak","minutes":90}`, true, "off_peak", ""},
		{"for no minutes", "override", `{"value":"off_peak","minutes":null}`, true, "off_peak", ""},
		{"for minutes as text", "override", `{"value":"off_peak","minutes":"90"}`, true, "off_peak", ""},
		{"for a number", "override", `{"value":"off_peak","for":90}`, false, nil, `"for" is 90`},
		{"for negative minutes", "override", `{"value":"off_peak","minutes":-5}`, false, nil, "longer than"},
		{"two times", "override", "peak 5m 5m", false, nil, "send it once"},
		{"two fields", "override", `{"value":"peak","for":"5m","minutes":5}`, false, nil, "several times"},
		{"a field that nobody reads", "override", `{"value":"pause","duration":"2h"}`, false, nil, `"duration" is not understood`},
		{"until a time that is over", "override", "pause until 1999-12-31 08:00", false, nil, "is in the past"},
		{"the next peak", "override", "skip", true, "skip", ""},
		{"resume", "override", "resume", true, "auto", ""},
		{"restore by another word", "restore", "now", false, nil, "not PRESS"},
		{"restore in small letters", "restore", "press", false, nil, "not PRESS"},
		{"restore with a field", "restore", `{"value":"PRESS","for":"5m"}`, false, nil, "not understood"},
		{"restore as JSON", "restore", `{"value":"PRESS","id":"3"}`, true, "pause", ""},
		{"without a unit", "override", "peak 90", false, nil, "unit"},
		{"nonsense", "override", "now!", false, nil, "not an override"},
		{"nothing", "override", "", false, nil, "the payload is empty"},
		{"nothing to restore", "restore", "", false, nil, "the payload is empty"},
		{"broken JSON", "override", `{"value":`, false, nil, "JSON"},
		{"off", "enabled", "OFF", true, "OFF", ""},
		{"neither", "enabled", "maybe", false, nil, "ON nor OFF"},
		{"restore", "restore", "PRESS", true, "pause", ""},
		{"strategy", "strategy", "Plan", true, "plan", ""},
		{"no strategy", "strategy", "wing it", false, nil, "send rule or plan"},
		{"a reserve by hand", "peak_reserve", "12", true, 12.0, ""},
		{"a reserve by hand, back to what is configured", "off_peak_reserve", "Configured", true, 100.0, ""},
		{"a reserve by hand above the other", "peak_reserve", `{"value":100,"id":"a"}`, true, 100.0, ""},
		{"a reserve that no Powerwall keeps", "off_peak_reserve", "90", false, nil, "0 to 80 or 100"},
		{"a depth by hand", "precool_depth", "1.5", true, 1.5, ""},
		{"a depth that is too deep", "precool_depth", "9", false, nil, "0 to 5 °F"},
		{"a depth that is none", "precool_depth", "NaN", false, nil, "not a number"},
		{"a depth with a field", "precool_depth", `{"value":2,"for":"2h"}`, false, nil, "not understood"},
		{"back to what is configured", "configured", "PRESS", true, "configured", ""},
		{"back by another word", "configured", "now", false, nil, "not PRESS"},
		{"unknown", "schedule", "x", false, nil, "no such command"},
		{"not text", "override", "\xff\xfe", false, nil, "not text"},
	} {
		t.Run(c.name, func(t *testing.T) {
			run(t, false, &memory{}, func(r *rig) {
				r.got("#")
				r.send(topics.Control(c.topic+"/set"), c.payload)
				var res devices.Result
				answers, refused := 0, false
				for _, m := range r.got("#") {
					var e control.Event
					switch {
					case m.Topic == topics.Control(c.topic+"/result"):
						answers++
						if err := json.Unmarshal(m.Payload, &res); err != nil {
							t.Fatal(err)
						}
					case m.Topic == topics.Control("event") && json.Unmarshal(m.Payload, &e) == nil && e.Type == rules.NoteRefused:
						refused = strings.Contains(e.Reason, c.reason) && strings.HasPrefix(e.Reason, c.topic)
					}
				}
				if answers != 1 || refused == c.accepted {
					t.Errorf("%d answers; an event says that it was refused: %v", answers, refused)
				}
				if res.Accepted != c.accepted || res.Applied != c.applied || !res.Final || !strings.Contains(res.Reason, c.reason) {
					t.Errorf("%+v", res)
				}
			})
		})
	}
}

func TestRefusedCommands(t *testing.T) {
	for _, c := range []struct {
		name string
		m    bus.Message
	}{
		{"retained", bus.Message{Retain: true}},
		{"expired", bus.Message{Expires: time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			run(t, false, &memory{}, func(r *rig) {
				r.got("#")
				m := c.m
				m.Topic, m.Payload, m.Origin = topics.Control("override/set"), []byte("peak"), bus.Broker
				r.bus.Publish(m)
				synctest.Wait()
				if s := r.state(); s.Override != "auto" {
					t.Errorf("override %s", s.Override)
				}
				answered, cleared := false, false
				for _, m := range r.got("#") {
					answered = answered || m.Topic == topics.Control("override/result")
					cleared = cleared || m.Topic == topics.Control("override/set") && m.Retain && len(m.Payload) == 0 && m.Origin == bus.Local
				}
				if !answered || cleared != c.m.Retain {
					t.Errorf("answered %v, cleared %v", answered, cleared)
				}
			})
		})
	}
}

func TestNonsenseOnTheBusEndsNothing(t *testing.T) {
	run(t, false, &memory{}, func(r *rig) {
		for _, topic := range []string{
			topics.Powerwall("state"), topics.Thermostat("up", "state"), topics.Weather("state"), topics.Powerwall("reserve/result"),
			topics.NodeJournal("b"), topics.Thermostat("up", "hold/result"), "$link/state",
		} {
			for _, payload := range []string{"", "null", "[]", "{", `{"charge_percent":"x"}`, `{"version":1,"kept":7}`, "\x00"} {
				r.send(topic, payload)
			}
		}
		r.battery(50, 100)
		if s := r.state(); s.Phase != rules.OffPeak {
			t.Errorf("%+v", s)
		}
	})
}

func TestAFullDiskStartsNothingNew(t *testing.T) {
	disk := &memory{}
	disk.full.Store(true)
	run(t, false, disk, func(r *rig) {
		r.battery(100, 100)
		r.thermostat(76, devices.HoldSchedule)
		time.Sleep(61 * time.Minute)
		r.thermostat(76, devices.HoldSchedule)
		r.battery(60, 0)
		if n := len(r.got(topics.Thermostat("up", "hold/set"))); n != 0 {
			t.Errorf("%d setbacks with a full disk", n)
		}
		if s := r.state(); !s.Problem {
			t.Error("a full disk is a problem")
		}
		disk.full.Store(false)
		time.Sleep(2 * time.Minute)
		r.battery(60, 0)
		synctest.Wait()
		if n := len(r.got(topics.Thermostat("up", "hold/set"))); n != 1 {
			t.Errorf("%d setbacks once it can be written", n)
		}
	})
}

// saved is the journal of a node that has saved k as a whole.
func saved(t *testing.T, node string, generation, sequence uint64, k rules.Persisted) []byte {
	t.Helper()
	v := journal.Version{Generation: generation, Sequence: sequence, Writer: node + "/1"}
	e := journal.Entry{Node: node, Generation: generation, Sequence: sequence, SavedAt: time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC), Records: journal.Records{
		Home:        []journal.Record[rules.HomeRecord]{{Version: v, Value: k.HomeRecord}},
		Battery:     []journal.Record[rules.BatteryRecord]{{Version: v, Value: k.Battery}},
		Thermostats: map[string][]journal.Record[rules.ThermostatRecord]{},
		Knows:       map[string]uint64{v.Writer: sequence},
	}}
	for id, h := range k.Thermostats {
		e.Thermostats[id] = []journal.Record[rules.ThermostatRecord]{{Version: v, Value: h}}
	}
	b, err := journal.Encode(e)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// A node that has lost its file finds its journal on the broker, and changes nothing
// before it has looked there.
func TestTheRetainedJournalBringsBackALostFile(t *testing.T) {
	cool, until := 74.0, time.Date(2000, 1, 1, 3, 0, 0, 0, time.UTC)
	b := saved(t, "a", 1, 9, rules.Persisted{
		HomeRecord: rules.HomeRecord{Override: rules.Override{Kind: rules.OverridePeak, Since: until.Add(-4 * time.Hour), Until: until}},
		Thermostats: map[string]rules.ThermostatRecord{"up": {Claim: &rules.Claim{
			Baseline: rules.Baseline{Setting: devices.Setting{Cool: &cool, Hold: devices.HoldPermanent}, Mode: "cool"}, Kind: rules.Setback,
		}}},
	})
	run(t, true, &memory{}, func(r *rig) {
		r.battery(100, 100)
		if n := len(r.got(topics.Powerwall("reserve/set"))); n != 0 {
			t.Fatal("it acted before it had looked for its journal")
		}
		r.bus.Publish(bus.Message{Topic: topics.NodeJournal("a"), Payload: b, Retain: true, Origin: bus.Broker})
		r.bus.Publish(bus.Message{Topic: bus.LinkState, Payload: []byte("up"), Retain: true})
		synctest.Wait()
		if s := r.state(); s.Override != "peak" {
			t.Errorf("override %s", s.Override)
		}
	})
}

// Nothing is decided from readings that came before the journal.
func TestWhatTheRetainedJournalSaysComesFirst(t *testing.T) {
	shown := 50
	for name, kept := range map[string]rules.Persisted{
		"people have switched powermgr off": {HomeRecord: rules.HomeRecord{Disabled: true}},
		"somebody has set the reserve":      {Battery: rules.BatteryRecord{Choice: &rules.Choice{At: time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC), What: "reserve set to 50 %"}}},
		"it is paused":                      {HomeRecord: rules.HomeRecord{Override: rules.Override{Kind: rules.OverridePause, Since: time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC), Until: time.Date(2000, 1, 1, 3, 0, 0, 0, time.UTC)}}},
	} {
		t.Run(name, func(t *testing.T) {
			b := saved(t, "a", 1, 9, kept)
			run(t, true, &memory{}, func(r *rig) {
				r.battery(100, shown)
				r.bus.Publish(bus.Message{Topic: topics.NodeJournal("a"), Payload: b, Retain: true, Origin: bus.Broker})
				r.bus.Publish(bus.Message{Topic: bus.LinkState, Payload: []byte("up"), Retain: true})
				synctest.Wait()
				if n := len(r.got(topics.Powerwall("reserve/set"))); n != 0 {
					t.Errorf("%d commands for the reserve", n)
				}
			})
		})
	}
}

// The first journal that is found may be the older one.
func TestAnOlderJournalDoesNotEndTheWaiting(t *testing.T) {
	older := saved(t, "a", 1, 3, rules.Persisted{})
	newer := saved(t, "b", 2, 9, rules.Persisted{HomeRecord: rules.HomeRecord{Disabled: true}})
	for name, find := range map[string]func(r *rig){
		"on the broker": func(r *rig) {
			r.bus.Publish(bus.Message{Topic: topics.NodeJournal("a"), Payload: older, Retain: true, Origin: bus.Broker})
		},
		"on the disk": func(r *rig) {
			r.peer.b = older
			r.bus.Publish(bus.Message{Topic: bus.Role, Payload: []byte("active"), Retain: true})
		},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, true, &memory{}, func(r *rig) {
				r.battery(100, 50)
				find(r)
				synctest.Wait()
				r.battery(100, 50)
				r.bus.Publish(bus.Message{Topic: topics.NodeJournal("b"), Payload: newer, Retain: true, Origin: bus.Broker})
				r.bus.Publish(bus.Message{Topic: bus.LinkState, Payload: []byte("up"), Retain: true})
				synctest.Wait()
				if n := len(r.got(topics.Powerwall("reserve/set"))); n != 0 {
					t.Errorf("%d commands for the reserve", n)
				}
				if s := r.state(); s.Enabled {
					t.Error("the newer journal was not taken over")
				}
			})
		})
	}
}

// A node that becomes active decides from what the other one has left on its disk, and
// never from its own older state.
func TestANodeThatTakesOverKnowsWhatTheOtherDid(t *testing.T) {
	node := &standby{}
	runAs(t, node, false, &memory{}, func(r *rig) {
		time.Sleep(90 * time.Minute) // into the peak
		r.battery(100, 50)
		r.peer.b = saved(t, "b", 2, 9, rules.Persisted{HomeRecord: rules.HomeRecord{Disabled: true}})
		node.active.Store(true)
		r.bus.Publish(bus.Message{Topic: bus.Role, Payload: []byte("active"), Retain: true})
		synctest.Wait()
		if n := len(r.got(topics.Powerwall("reserve/set"))); n != 0 {
			t.Errorf("%d commands for the reserve", n)
		}
		if r.state().Enabled {
			t.Error("the journal of the other node was not taken over")
		}
	})
}

// Two daemons that were not a pair but shared a base topic took over each other's
// journals endlessly, hundreds of times a second, each time to the disk.
type found struct {
	by            string
	alone, dryRun bool
}

func (f found) payload(t *testing.T, k rules.Persisted) []byte {
	e, err := journal.Decode(saved(t, f.by, 1, 900, k))
	if err != nil {
		t.Fatal(err)
	}
	e.Alone, e.DryRun = f.alone, f.dryRun
	b, err := journal.Encode(e)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestWhoseJournalIsTakenOver(t *testing.T) {
	off := rules.Persisted{HomeRecord: rules.HomeRecord{Disabled: true}}
	own := saved(t, "a", 1, 3, rules.Persisted{})
	for name, c := range map[string]struct {
		node  control.Role
		disk  []byte // nil: the file is lost
		late  bool   // it comes after the broker has delivered what it had stored
		from  string
		found found
		taken bool
	}{
		"of another that runs":                      {alone{}, own, true, "b", found{by: "b"}, false},
		"of another, with a file of its own":        {alone{}, own, false, "b", found{by: "b"}, false},
		"of another name, by a node without a file": {alone{}, nil, false, "b", found{by: "b"}, true},
		"of another that runs, without a file":      {alone{}, nil, true, "b", found{by: "b"}, false},
		"of its own name, at the start":             {alone{}, own, false, "a", found{by: "a"}, true},
		"of a machine with the same name":           {alone{}, own, true, "a", found{by: "a"}, false},
		"of a dry run":                              {alone{}, nil, false, "b", found{by: "b", dryRun: true}, false},
		"of its own dry run":                        {alone{}, nil, false, "a", found{by: "a", dryRun: true}, false},
		"of the other of the pair":                  {paired{}, own, true, "b", found{by: "b"}, true},
		"of one that is none of the pair":           {paired{}, own, true, "b", found{by: "b", alone: true}, false},
	} {
		t.Run(name, func(t *testing.T) {
			disk := &memory{b: c.disk}
			runAs(t, c.node, true, disk, func(r *rig) {
				up := func() {
					r.bus.Publish(bus.Message{Topic: bus.LinkState, Payload: []byte("up"), Retain: true})
					r.battery(50, 100)
				}
				if c.late {
					up()
				}
				time.Sleep(control.JournalBatchDelay)
				synctest.Wait()
				disk.aged.Store(0)
				r.bus.Publish(bus.Message{Topic: topics.NodeJournal(c.from), Payload: c.found.payload(t, off), Retain: true, Origin: bus.Broker})
				synctest.Wait()
				if !c.late {
					up()
				}
				if r.state().Enabled == c.taken {
					t.Errorf("taken over: %v", !r.state().Enabled)
				}
				if n := disk.aged.Load(); c.late && !c.taken && n != 0 {
					t.Errorf("%d writes to the disk", n)
				}
			})
		})
	}
}

// From what a node publishes about itself, the others know whether to take over its
// journal.
func TestAJournalSaysWhoseItIs(t *testing.T) {
	for name, c := range map[string]struct {
		node  control.Role
		alone bool
	}{"alone": {alone{}, true}, "of a pair": {paired{}, false}} {
		t.Run(name, func(t *testing.T) {
			runAs(t, c.node, false, &memory{}, func(r *rig) {
				r.send(topics.Control("override/set"), "pause 1h")
				m, _ := r.bus.Retained(topics.NodeJournal("a"))
				if e, err := journal.Decode(m.Payload); err != nil || e.Alone != c.alone || e.DryRun {
					t.Errorf("%s: %v", m.Payload, err)
				}
			})
		})
	}
}

func TestWhatOthersFindIsAProblemAsLongAsItLasts(t *testing.T) {
	for _, c := range []struct {
		topic, text string
		kind        rules.ProblemKind
	}{
		{bus.Contest, "b runs powermgr too", control.Contested},
		{bus.Missing, "9999999 is not on the account", control.Absent},
	} {
		t.Run(string(c.kind), func(t *testing.T) {
			run(t, false, &memory{}, func(r *rig) {
				says := func(text string) control.State {
					r.bus.Publish(bus.Message{Topic: c.topic, Payload: []byte(text), Retain: true})
					synctest.Wait()
					return r.state()
				}
				if s := says(c.text); !s.Problem || len(s.Problems) != 1 || s.Problems[0] != (rules.Problem{Kind: c.kind, Text: c.text}) {
					t.Errorf("%+v", s.Problems)
				}
				if s := says(""); s.Problem || len(s.Problems) != 0 {
					t.Errorf("%+v", s.Problems)
				}
			})
		})
	}
}

// A choice that the next readings after it show is one, though the first came
// while the journal was still to come.
func TestWhatIsReadBeforeTheJournalIsSeen(t *testing.T) {
	b := saved(t, "a", 1, 9, rules.Persisted{})
	run(t, true, &memory{}, func(r *rig) {
		r.send(topics.Control("override/set"), "peak 2h")
		r.thermostat(76, devices.HoldSchedule)
		r.bus.Publish(bus.Message{Topic: topics.NodeJournal("a"), Payload: b, Retain: true, Origin: bus.Broker})
		r.bus.Publish(bus.Message{Topic: bus.LinkState, Payload: []byte("up"), Retain: true})
		synctest.Wait()
		r.send(topics.Control("override/set"), "peak 2h")
		time.Sleep(5 * time.Minute)
		r.thermostat(72, devices.HoldPermanent)
		time.Sleep(5 * time.Minute)
		r.thermostat(72, devices.HoldPermanent)
		if s := r.state(); len(s.Yielded) != 1 {
			t.Errorf("left to people: %+v", s.Yielded)
		}
	})
}

// Readings from before the journal was found are interpreted only with the journal: a
// choice made while no process ran would otherwise be overwritten, since it would already
// be there when the journal comes.
func TestWhatIsReadBeforeTheJournalIsUnderstoodByItAlone(t *testing.T) {
	base, set, since := 74.0, 78.0, time.Date(1999, 12, 31, 22, 0, 0, 0, time.UTC)
	b := saved(t, "a", 1, 9, rules.Persisted{
		HomeRecord: rules.HomeRecord{
			Override: rules.Override{Kind: rules.OverridePeak, Since: since, Until: since.Add(5 * time.Hour)},
			Window:   &rules.Stretch{Start: since, End: since.Add(5 * time.Hour)},
		},
		Battery: rules.BatteryRecord{AtPeak: true, Writes: rules.Writes{Wanted: devices.Setting{Reserve: new(0)}, Confirmed: true, WrittenAt: since}},
		Thermostats: map[string]rules.ThermostatRecord{"up": {Window: since, Claim: &rules.Claim{
			Baseline: rules.Baseline{Setting: devices.Setting{Cool: &base, Heat: new(68.0), Hold: devices.HoldPermanent}, Mode: "cool"}, Kind: rules.Setback,
			Writes: rules.Writes{Wanted: devices.Setting{Cool: &set, Heat: new(68.0), Hold: devices.HoldPermanent}, WrittenAt: since.Add(time.Minute), Confirmed: true},
		}}},
	})
	run(t, true, &memory{}, func(r *rig) {
		r.thermostat(72, devices.HoldPermanent)
		r.battery(50, 35)
		r.bus.Publish(bus.Message{Topic: topics.NodeJournal("a"), Payload: b, Retain: true, Origin: bus.Broker})
		r.bus.Publish(bus.Message{Topic: bus.LinkState, Payload: []byte("up"), Retain: true})
		synctest.Wait()
		time.Sleep(5 * time.Minute)
		r.thermostat(72, devices.HoldPermanent)
		r.battery(50, 35)
		time.Sleep(5 * time.Minute)
		r.thermostat(72, devices.HoldPermanent)
		r.battery(50, 35)
		if s := r.state(); len(s.Yielded) != 2 {
			t.Errorf("left to people: %+v", s.Yielded)
		}
		if n := len(r.got(topics.Thermostat("up", "hold/set"))); n != 0 {
			t.Errorf("%d commands to the thermostat", n)
		}
	})
}

// A device may accept a command and, at that moment, omit the value in its readings.
func TestACommandWhoseOutcomeIsNotShownIsNoProblem(t *testing.T) {
	run(t, false, &memory{}, func(r *rig) {
		r.battery(100, 50)
		sent := r.got(topics.Powerwall("reserve/set"))
		if len(sent) != 1 {
			t.Fatalf("%d commands", len(sent))
		}
		result := func(final bool, reason string) {
			b, _ := json.Marshal(devices.Result{ID: sent[0].ID, Accepted: true, Final: final, Requested: 100, Reason: reason})
			r.send(topics.Powerwall("reserve/result"), string(b))
		}
		result(false, "on its way to the device")
		result(true, "")
		if n := len(r.got(topics.Control("event"))); n != 0 {
			t.Errorf("%d events", n)
		}
	})
}

// What a full disk could not store is on the broker.
func TestAFullDiskIsOlderThanTheBroker(t *testing.T) {
	disk := &memory{b: saved(t, "a", 1, 8, rules.Persisted{})}
	disk.full.Store(true)
	run(t, true, disk, func(r *rig) {
		r.battery(100, 50)
		r.bus.Publish(bus.Message{Topic: topics.NodeJournal("a"), Payload: saved(t, "a", 1, 9, rules.Persisted{HomeRecord: rules.HomeRecord{Disabled: true}}), Retain: true, Origin: bus.Broker})
		r.bus.Publish(bus.Message{Topic: bus.LinkState, Payload: []byte("up"), Retain: true})
		synctest.Wait()
		r.battery(100, 50)
		if n := len(r.got(topics.Powerwall("reserve/set"))); n != 0 {
			t.Errorf("%d commands for the reserve", n)
		}
	})
}

// A command that a person sends before the node has looked for its journal is refused,
// so that they know that it has no effect.
func TestACommandBeforeTheJournalIsRefused(t *testing.T) {
	run(t, true, &memory{}, func(r *rig) {
		r.send(topics.Control("override/set"), "pause 1h")
		if res := r.result("override"); res.Accepted || !strings.Contains(res.Reason, "send it again") {
			t.Errorf("%+v", res)
		}
		r.bus.Publish(bus.Message{Topic: bus.LinkState, Payload: []byte("up"), Retain: true})
		synctest.Wait()
		r.send(topics.Control("override/set"), "pause 1h")
		if res := r.result("override"); !res.Accepted || r.state().Override != "pause" {
			t.Errorf("%+v, override %s", res, r.state().Override)
		}
	})
}

func TestWithoutABrokerItDoesNotWaitForEver(t *testing.T) {
	run(t, true, &memory{}, func(r *rig) {
		r.battery(100, 50)
		time.Sleep(11 * time.Second)
		r.battery(100, 50)
		if n := len(r.got(topics.Powerwall("reserve/set"))); n != 1 {
			t.Errorf("%d commands", n)
		}
	})
}

func TestQuietHourWritesNothing(t *testing.T) {
	disk := &memory{}
	run(t, false, disk, func(r *rig) {
		time.Sleep(6 * time.Hour) // after the peak
		r.battery(100, 100)
		time.Sleep(control.JournalBatchDelay)
		synctest.Wait()
		before := disk.aged.Load()
		for range 12 {
			time.Sleep(5 * time.Minute)
			r.battery(100, 100)
			r.thermostat(76, devices.HoldSchedule)
		}
		if n := disk.aged.Load() - before; n != 0 {
			t.Errorf("%d writes in a quiet hour", n)
		}
	})
}

// The changes from readings of the same moment lead to one write, and none is lost if
// the daemon is stopped in the meantime.
func TestReadingsShareASave(t *testing.T) {
	disk := &memory{}
	saves := func(want int32, when string) {
		t.Helper()
		if n := disk.aged.Swap(0); n != want {
			t.Errorf("%d writes %s, not %d", n, when, want)
		}
	}
	run(t, false, disk, func(r *rig) {
		r.battery(100, 50)
		saves(2, "for the start and before the first command")
		r.battery(60, 100) // as it was asked to
		r.battery(60, 40)  // a person
		time.Sleep(control.JournalBatchDelay / 2)
		r.battery(60, 40)
		saves(0, "at once")
		time.Sleep(control.JournalBatchDelay)
		synctest.Wait()
		saves(1, "for two readings")
		r.send(topics.Control("override/set"), "auto")
		saves(1, "for a command")
		r.battery(60, 100)
	})
	saves(1, "after a stop")
}

// Readings that come while a journal may still arrive from the broker are not lost: the
// next poll of the battery may be minutes away.
func TestAReadingBeforeTheJournalCounts(t *testing.T) {
	run(t, true, &memory{}, func(r *rig) {
		r.battery(80, 20)
		time.Sleep(11 * time.Second)
		synctest.Wait()
		if n := len(r.got(topics.Powerwall("reserve/set"))); n != 1 {
			t.Errorf("%d commands for the reserve", n)
		}
	})
}

// A refused command to a device was invisible to anybody who had not subscribed to its
// answers.
func TestACommandThatADeviceRefusesIsSeen(t *testing.T) {
	for _, c := range []struct {
		payload string
		want    string // of the event; empty: there is none
	}{
		{`{"id":"","accepted":false,"final":true,"requested":"999","applied":null,"reason":"999 is out of range"}`, "cool_setpoint \"999\" was refused: 999 is out of range"},
		{`{"id":"control-up-1","accepted":false,"final":true,"requested":"78","applied":null,"reason":"busy"}`, ""},
		{`{"id":"","accepted":true,"final":true,"requested":78,"applied":78,"reason":""}`, ""},
	} {
		run(t, false, &memory{}, func(r *rig) {
			r.got("#")
			r.send(topics.Thermostat("up", "cool_setpoint/result"), c.payload)
			got := ""
			for _, m := range r.got(topics.Control("event")) {
				var e control.Event
				if json.Unmarshal(m.Payload, &e) == nil && e.Type == rules.NoteRefused && e.Target == "up" {
					got = e.Reason
				}
			}
			if got != c.want {
				t.Errorf("%s: %q, want %q", c.payload, got, c.want)
			}
		})
	}
}
