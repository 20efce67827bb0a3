package report

import (
	"slices"
	"time"

	"powermgr/bridge/bus"
	"powermgr/control"
	"powermgr/control/rules"
	"powermgr/devices"
)

// The fold: each message changes the record, and how it does depends only on the record
// and the time. A record that was saved and loaded continues as if it had not been.

// A message is one that came on the bus at now.
type message struct {
	bus.Message
	levels []string // of the topic below the base
	now    time.Time
}

// filters returns the topics from which a record is made.
func filters(t devices.Topics) []string {
	return []string{
		t.Powerwall(devices.StateLeaf), t.Powerwall(devices.APILeaf), t.Powerwall("+" + devices.Set), t.Powerwall("+" + devices.ResultSuffix),
		t.Thermostat("+", devices.StateLeaf), t.Thermostat("+", "+"+devices.Set), t.Thermostat("+", "+"+devices.ResultSuffix),
		t.Thermostats(devices.APILeaf), t.Weather(devices.APILeaf), t.Weather("+" + devices.Set), t.Weather("+" + devices.ResultSuffix),
		t.Control(devices.StateLeaf), t.Control(devices.EventLeaf), t.Control(devices.PlanLeaf), t.Control("+" + devices.Set), t.Control("+" + devices.ResultSuffix),
	}
}

// add folds one message. It does no I/O and knows no other time than m's.
func (r *Record) add(m message) {
	if len(m.Payload) == 0 || len(m.levels) < 2 {
		return // the clearing of a retained command
	}
	r.Until = r.local(m.now)
	var err error
	switch first, last := m.levels[0], "/"+m.levels[len(m.levels)-1]; {
	case last == devices.Set:
		r.asked(m)
	case last == devices.ResultSuffix:
		err = r.answered(m)
	case last == "/"+devices.APILeaf:
		err = r.vendor(first, m)
	case first == "control" && last == "/"+devices.EventLeaf:
		err = r.decided(m)
	case first == "control" && last == "/"+devices.PlanLeaf:
		err = r.planned(m)
	case first == "control":
		err = r.state(m)
	case first == "powerwall":
		var p devices.PowerwallReading
		if p, err = bus.Decode[devices.PowerwallReading](m.Message); err == nil {
			r.powerwall(p, m.now)
		}
	case first == "thermostat":
		var t devices.ThermostatReading
		if t, err = bus.Decode[devices.ThermostatReading](m.Message); err == nil {
			r.thermostat(m.levels[1], t, m.now)
		}
	}
	if err != nil {
		r.LeftOut["messages"]++
	}
}

// decided folds an event of the controller.
func (r *Record) decided(m message) error {
	e, err := bus.Decode[control.Event](m.Message)
	if err != nil {
		return err
	}
	d := Decision{At: r.local(m.now), Type: rules.NoteType(clip(string(e.Type), longestName)), Target: clip(e.Target, longestName), Reason: clip(e.Reason, longestText)}
	keep(r, "decisions", &r.Decisions, d, maxDecisions)
	if e.Type == rules.NoteYielded {
		keep(r, "people", &r.Takings, Taking{At: d.At, Target: d.Target, What: d.Reason}, maxTakings)
	}
	return nil
}

// state folds the controller's state.
func (r *Record) state(m message) error {
	s, err := bus.Decode[control.State](m.Message)
	if err != nil {
		return err
	}
	now := r.local(m.now)
	r.DryRun, r.Disabled = r.DryRun || s.DryRun, r.Disabled || !s.Enabled
	if s.ForecastF != nil && devices.Fahrenheit.Possible(*s.ForecastF) {
		r.ForecastF = s.ForecastF
	}
	r.steers(s, now)
	r.owned(s, now)
	r.override(s, now)
	r.yielded(s, now)
	r.Open.Heard = true
	return nil
}

// An Override is a person's override that was in force for a while.
type Override struct {
	Kind    string     `json:"kind"`
	From    time.Time  `json:"from"`
	Planned *time.Time `json:"planned_until"`
	Until   *time.Time `json:"until"`    // nil: it is still in force
	EndedBy string     `json:"ended_by"` // byTime or byPerson; empty: it is still in force
}

const (
	byTime   = "time"
	byPerson = "person"
)

func (r *Record) override(s control.State, now time.Time) {
	kind := s.Override
	if kind == string(rules.Auto) {
		kind = ""
	}
	last := len(r.Overrides) - 1
	if last >= 0 && r.Overrides[last].Until == nil {
		o := &r.Overrides[last]
		if o.Kind == kind && same(o.Planned, s.Until) {
			return
		}
		o.Until, o.EndedBy = &now, byPerson
		if o.Planned != nil && !now.Before(o.Planned.Add(-time.Second)) {
			o.EndedBy = byTime
		}
	}
	if kind != "" {
		o := Override{Kind: clip(kind, longestName), From: now}
		if s.Until != nil {
			at := r.local(*s.Until)
			o.Planned = &at
		}
		keep(r, "overrides", &r.Overrides, o, maxOverrides)
	}
}

func same(a, b *time.Time) bool {
	return a == nil && b == nil || a != nil && b != nil && second(*a).Equal(second(*b))
}

// A Taking is a device that a person took over from the controller.
type Taking struct {
	At     time.Time  `json:"at"`
	Target string     `json:"target"`
	What   string     `json:"what"`
	Until  *time.Time `json:"until"` // when the rules applied again; nil: not yet, or at once
	Held   bool       `json:"held"`  // the controller left it alone until then
}

// yielded folds what people have taken over at present. Takings without an event, such
// as from before this node became the active one, come from here.
func (r *Record) yielded(s control.State, now time.Time) {
	has := map[string]bool{}
	for _, y := range s.Yielded {
		has[y.Target] = true
		if t := r.taking(y.Target); t != nil {
			t.Held = true
			continue
		}
		keep(r, "people", &r.Takings, Taking{At: now, Target: clip(y.Target, longestName), What: clip(y.What, longestText), Held: true}, maxTakings)
	}
	for i := range r.Takings {
		if t := &r.Takings[i]; t.Held && t.Until == nil && !has[t.Target] {
			t.Until = &now
		}
	}
}

// taking returns the open taking of a target; nil: there is none.
func (r *Record) taking(target string) *Taking {
	for i := range slices.Backward(r.Takings) {
		if t := &r.Takings[i]; t.Target == target {
			if t.Until != nil {
				return nil
			}
			return t
		}
	}
	return nil
}

// Vendor is how the API of one vendor did.
type Vendor struct {
	Calls          int        `json:"calls"`
	Failed         int        `json:"failed"`
	MinutesOffline float64    `json:"minutes_offline"` // the minutes for which the last poll had failed
	LastProblem    string     `json:"last_problem"`
	LastProblemAt  *time.Time `json:"last_problem_at"`

	// Of the last message. Nil, on another node: the first message tells from
	// where it counts.
	CallsSeen  *int      `json:"calls_seen"`
	FailedSeen int       `json:"failed_seen"`
	Since      time.Time `json:"offline_since,omitzero"`
}

// vendor folds the figures of a vendor's interface. They count from the start
// of the process, in the home's local day.
func (r *Record) vendor(name string, m message) error {
	api, err := bus.Decode[devices.API](m.Message)
	if err != nil {
		return err
	}
	now := r.local(m.now)
	v, known := r.Vendors[name]
	if !known {
		v.CallsSeen = new(int)
	}
	if v.CallsSeen != nil {
		from, failed := *v.CallsSeen, v.FailedSeen
		if api.CallsToday < from { // another process began to count
			from, failed = 0, 0
		}
		v.Calls += api.CallsToday - from
		v.Failed += max(0, api.FailedToday-failed)
	}
	v.CallsSeen, v.FailedSeen = &api.CallsToday, api.FailedToday
	v.accrue(now)
	v.Since = time.Time{}
	if api.Problem != nil {
		v.Since, v.LastProblem, v.LastProblemAt = now, clip(*api.Problem, longestText), &now
		if api.Reason != nil {
			v.LastProblem = clip(*api.Reason, longestText)
		}
	}
	r.Vendors[name] = v
	return nil
}

// accrue adds the time offline up to now.
func (v *Vendor) accrue(now time.Time) {
	if !v.Since.IsZero() && now.After(v.Since) {
		v.MinutesOffline = round(v.MinutesOffline + now.Sub(v.Since).Minutes())
		v.Since = now
	}
}

// next returns the vendor at the beginning of the next day.
func (v Vendor) next() Vendor { return Vendor{CallsSeen: new(int), Since: v.Since} }
