package page

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"powermgr/bridge/bus"
	"powermgr/control"
	"powermgr/control/health"
	"powermgr/control/plan"
	"powermgr/control/rules"
	"powermgr/devices"
)

// A view is what is shown at one moment: what is retained on the bus, and what the page
// remembers. Nil is unknown.
type view struct {
	Now         time.Time // at home
	Version     string
	Node        string
	Standby     bool // another node speaks for the home
	ReadOnly    bool
	Control     *control.State
	Powerwall   *powerwall
	Thermostats []thermostat
	Weather     *devices.Forecast
	Ahead       ahead
	Planned     bool // there is a plan that can be followed
	LastCommand *control.LastCommand
	Events      []control.Event // the newest first
	Refused     []control.Event // the newest first
	Health      *health.Health
	Broker      *broker
	Calls       *calls
	Nodes       []node
}

// powerwall is the battery as it is shown.
type powerwall struct {
	devices.PowerwallReading
	Away    bool // the vendor does not answer
	Stale   bool
	Holds   *rules.Owned // what powermgr has set; nil: nothing
	Yielded *rules.Owned // what a person has set, which powermgr leaves alone; nil: nothing
}

// thermostat is a thermostat as it is shown.
type thermostat struct {
	devices.ThermostatReading
	Away       bool
	Stale      bool
	Controlled bool // powermgr may change it
	Holds      *rules.Owned
	Yielded    *rules.Owned
}

// broker is the condition of the link to MQTT.
type broker struct {
	Connected bool      `json:"connected"`
	Broker    string    `json:"broker"`
	Since     time.Time `json:"since"`
	Problem   string    `json:"problem"`
}

// calls are the calls that Tesla may bill.
type calls struct {
	Month *int `json:"calls_this_month"`
	Most  *int `json:"calls_per_month"` // 0: no limit
}

// node is a node of the pair.
type node struct {
	Name    string    `json:"-"`
	Role    string    `json:"role"`
	Version string    `json:"version"`
	Since   time.Time `json:"since"`
	Health  string    `json:"health"`
}

// newView collects a view.
func (p *Page) newView() view {
	home := p.Settings.Calendar.Location
	v := view{
		Now: devices.WholeSecond(p.Bus.Now()).In(home), Version: p.Version, Node: p.Node,
		Standby: !p.Active(), ReadOnly: p.Access.ReadOnly,
	}
	p.mu.Lock()
	v.Events, v.Refused = slices.Clone(p.events), slices.Clone(p.refused)
	p.mu.Unlock()
	slices.Reverse(v.Events)
	slices.Reverse(v.Refused)

	r := retained{at: p.Topics, all: map[string]bus.Message{}}
	for _, m := range p.Bus.Snapshot() {
		r.all[m.Topic] = m
	}
	t := p.Topics
	v.Control = read[control.State](r, t.Control(devices.StateLeaf))
	v.LastCommand = read[control.LastCommand](r, t.Control(devices.CommandLeaf))
	v.Health = read[health.Health](r, t.Control(devices.HealthLeaf))
	v.Weather = read[devices.Forecast](r, t.Weather(devices.StateLeaf))
	v.Broker = read[broker](r, bus.LinkHealth)
	v.Calls = read[calls](r, t.Powerwall(devices.APILeaf))
	if reading := read[devices.PowerwallReading](r, t.Powerwall(devices.StateLeaf)); reading != nil {
		v.Powerwall = &powerwall{PowerwallReading: *reading, Away: r.away(t.Powerwall(devices.AvailLeaf)), Stale: p.stale(v.Now, reading.AsOf(), p.Settings.StaleCharge)}
		v.Powerwall.Holds, v.Powerwall.Yielded = v.owners(rules.Powerwall)
	}
	for _, id := range r.ids() {
		if reading := read[devices.ThermostatReading](r, t.Thermostat(id, devices.StateLeaf)); reading != nil {
			shown := thermostat{
				ThermostatReading: *reading, Away: r.away(t.Thermostat(id, devices.AvailLeaf)), Controlled: slices.Contains(p.Settings.Thermostats, id),
				Stale: p.stale(v.Now, reading.AsOf(), p.Settings.StaleAfter),
			}
			shown.Holds, shown.Yielded = v.owners(id)
			v.Thermostats = append(v.Thermostats, shown)
		}
	}
	for topic := range r.all {
		if levels, ok := t.Split(topic); ok && len(levels) == 3 && levels[0] == "node" && levels[2] == devices.StateLeaf {
			if n := read[node](r, topic); n != nil {
				n.Name = levels[1]
				v.Nodes = append(v.Nodes, *n)
			}
		}
	}
	slices.SortFunc(v.Nodes, func(a, b node) int { return strings.Compare(a.Name, b.Name) })
	known := read[plan.Plan](r, t.Control(devices.PlanLeaf))
	v.Planned = known != nil && len(known.Slots) > 0
	v.Ahead = p.ahead(v, known)
	return v
}

// stale reports whether a reading is too old for new decisions.
func (p *Page) stale(now, asOf time.Time, after time.Duration) bool {
	return after > 0 && now.Sub(asOf) > after
}

// owners returns who has set a device at present: powermgr (holds) or a person (yielded).
func (v view) owners(target string) (holds, yielded *rules.Owned) {
	if v.Control == nil {
		return nil, nil
	}
	find := func(all []rules.Owned) *rules.Owned {
		if i := slices.IndexFunc(all, func(o rules.Owned) bool { return o.Target == target }); i >= 0 {
			return &all[i]
		}
		return nil
	}
	return find(v.Control.Owned), find(v.Control.Yielded)
}

// retained is what the bus has retained, by topic.
type retained struct {
	at  devices.Topics
	all map[string]bus.Message
}

// read decodes what is retained on a topic; nil: nothing, or nothing that can be
// decoded.
func read[T any](r retained, topic string) *T {
	m, ok := r.all[topic]
	if !ok {
		return nil
	}
	var v T
	if json.Unmarshal(m.Payload, &v) != nil {
		return nil
	}
	return &v
}

// away reports whether a device is marked as offline.
func (r retained) away(topic string) bool {
	m, ok := r.all[topic]
	return ok && string(m.Payload) == devices.Offline
}

// ids returns the thermostats that have published anything, sorted.
func (r retained) ids() (ids []string) {
	for topic := range r.all {
		if levels, ok := r.at.Split(topic); ok && len(levels) == 3 && levels[0] == "thermostat" && levels[2] == devices.StateLeaf {
			ids = append(ids, levels[1])
		}
	}
	slices.Sort(ids)
	return ids
}

// Limit returns how many calls are allowed; nil: there is no limit.
func (c calls) Limit() *int {
	if c.Most == nil || *c.Most == 0 {
		return nil
	}
	return c.Most
}

// KWh formats an energy.
func (v view) KWh(e *devices.WattHours) float64 { return float64(*e) / 1000 }

// True and False report what is known to be so, or known not to be.
func (v view) True(b *bool) bool  { return b != nil && *b }
func (v view) False(b *bool) bool { return b != nil && !*b }

// marks are what is wrong with the figures of a device.
type marks struct {
	Away, Stale bool
	Clock, Age  string
}

// Marks returns how old the figures of a device are, if that matters.
func (v view) Marks(away, stale bool, asOf time.Time) marks {
	return marks{away, stale, v.Clock(asOf), v.age(asOf)}
}
