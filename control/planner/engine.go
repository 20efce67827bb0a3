package planner

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"time"

	"powermgr/control/battery"
	"powermgr/control/forecast"
	"powermgr/control/plan"
	"powermgr/control/tariff"
	"powermgr/devices"
)

// Where prices come from.
const (
	FromConfig = "config" // tariff.rates, or the two prices of peak and off-peak
	FromTesla  = "tesla"  // what the owner has set in Tesla's app
	FromMQTT   = "mqtt"   // a list of prices on tariff/set
)

// Settings are what the owner has configured.
type Settings struct {
	Zone     *time.Location
	Free     func(day time.Time) bool // reports whether a day is not a working day
	Source   string                   // of prices: one of the constants above
	Prices   *tariff.Table            // from the configuration; nil: there are none
	Currency string
	Unit     devices.Unit // what the owner reads temperatures in; empty: °F

	CapacityKWh  float64 // of the battery, until it is learned from readings
	PowerKW      float64 // maximum of charging and discharging
	GridChargeKW float64 // maximum of charging from the grid; 0: it is learned
	OneWay       float64 // share of energy that is left after going in, or out

	Rule    plan.Fixed   // the reserves of the fixed rule, percent
	Alone   int          // the reserve of a battery that is left alone
	Options plan.Options // see PlanOptions
	Band    Band         // for the thermostats; zero: they are not planned
}

// When it plans and asks.
const (
	planEvery        = 30 * time.Minute
	decideEvery      = 5 * time.Minute
	replanOffPercent = 5.0                                     // difference from the planned charge at which it plans again
	staleAfter       = devices.SlowestFigures + devices.TooOld // older readings make no plan
	staleForecast    = 12 * time.Hour                          // an older weather forecast is ignored
	maxReadingGap    = time.Hour                               // between two readings whose energy is counted
	minPricedSlots   = 12                                      // slots with a price; there is no plan with fewer
	firstRate        = 1.7                                     // kW from the grid until it is learned, as seen on a Powerwall 2
	justDecided      = time.Minute                             // while a reading may not show yet what was decided
)

// An Engine is the planner without its bus: what it knows, and when it has to act. The
// same calls at the same times give the same plans. It is for use by one goroutine.
type Engine struct {
	Settings
	configured Settings // before a person changed the reserves by hand
	past       *forecast.Past
	last       *devices.PowerwallReading
	quotes     tariff.Quotes
	forecast   *devices.Forecast // of a weather service; nil: none
	table      *tariff.Table     // prices; nil: there are none
	noTable    string            // why table is nil

	capacity, rate float64 // of the battery, as learned; kWh, kW

	values    *plan.Values // nil: there is no plan to follow
	start     time.Time    // of its first slot
	published plan.Plan    // the plan as it was published
	decidedAt time.Time
	// Of the thermostats.
	rooms      map[string]*room
	powers     []powers // of the last half hours, oldest first
	house      House
	noHouse    string    // why there is no model of the house; empty: there is one, or none was tried
	fitTriedAt time.Time // when fitting a model was last tried
	chosen     *plan.Comfort
	shifted    shiftedLoad

	due bool // something has changed, so plan at once
}

// NewEngine returns an engine that learns from past, oldest first.
func NewEngine(s Settings, past []forecast.Sample) *Engine {
	d := &Engine{Settings: s, configured: s, past: forecast.NewPast(s.Zone, s.Free), capacity: s.CapacityKWh, rate: s.GridChargeKW, due: true, rooms: map[string]*room{}}
	if d.rate == 0 {
		d.rate = firstRate
	}
	for _, sample := range past {
		d.past.Add(sample)
	}
	switch d.table = s.Prices; {
	case s.Source == FromTesla:
		d.table, d.noTable = nil, "the tariff of Tesla's app has not been read yet"
	case d.table == nil:
		d.noTable = "nothing says what energy costs: fill in tariff.rates, or tariff.peak_per_kwh and tariff.off_peak_per_kwh"
	}
	return d
}

// Resume makes d continue from last: with its readings and what it has learned, and
// with its plan, unless other settings require a new one.
func (d *Engine) Resume(last *Engine) {
	fresh := *d
	*d = *last
	d.past, d.configured = fresh.past, fresh.configured
	if d.configured.same(last.configured) {
		d.Free = fresh.Free
		return
	}
	d.Settings, d.due = fresh.Settings, true
	if d.Source != last.Source || d.Source != FromTesla {
		d.table, d.noTable = fresh.table, fresh.noTable
	}
	if fresh.quotes != nil {
		d.quotes = fresh.quotes
	}
	if d.CapacityKWh != last.CapacityKWh {
		d.capacity = fresh.capacity
	}
	if d.GridChargeKW != last.GridChargeKW {
		d.rate = fresh.rate
	}
}

// same reports whether two settings are equal, apart from Free.
func (s Settings) same(o Settings) bool {
	s.Free, o.Free = nil, nil // functions cannot be compared
	return reflect.DeepEqual(s, o)
}

// ReadPowerwall takes in a reading of the Powerwall.
func (d *Engine) ReadPowerwall(r devices.PowerwallReading, now time.Time) {
	before := d.last
	if before != nil && !r.AsOf().After(before.AsOf()) {
		return // the same figures once more
	}
	d.last = &r
	d.learnBattery(r)
	d.notePower(r)
	if before == nil || now.Sub(before.AsOf()) > staleAfter {
		d.due = true
	}
	if before == nil {
		return
	}
	from, until := before.AsOf(), r.AsOf()
	if until.Sub(from) > maxReadingGap {
		return
	}
	energy := func(a, b *devices.Watts) *float64 {
		if a == nil || b == nil {
			return nil
		}
		kWh := max(0, float64(*a+*b)/2/1000*until.Sub(from).Hours())
		return &kWh
	}
	load := energy(before.HomePower, r.HomePower)
	if load != nil {
		*load = max(0, *load-d.shiftedEnergy(from, until))
	}
	d.past.Add(forecast.Sample{Start: from, Length: until.Sub(from), LoadKWh: load, SunKWh: energy(before.SolarPower, r.SolarPower)})
	if at, ok := d.expected(now); ok && r.ChargePercent != nil && math.Abs(float64(*r.ChargePercent)-at) >= replanOffPercent && now.Sub(d.published.Made) >= decideEvery {
		d.due = true
	}
}

// learnBattery learns the capacity of the battery, and how fast it charges from the
// grid.
func (d *Engine) learnBattery(r devices.PowerwallReading) {
	if r.StoredEnergy != nil && r.ChargePercent != nil && *r.ChargePercent >= 20 {
		if kWh := float64(*r.StoredEnergy) / 1000 / float64(*r.ChargePercent) * 100; kWh >= 1 && kWh <= 1000 {
			d.capacity = kWh
		}
	}
	if d.GridChargeKW != 0 || r.GridPower == nil || r.BatteryPower == nil || r.ChargePercent == nil || r.ReservePercent == nil {
		return
	}
	// While the grid fills it, and well below the reserve, where it fills as fast as it does.
	if in := -float64(*r.BatteryPower) / 1000; in > 0.5 && float64(*r.GridPower)/1000 >= in && float64(*r.ChargePercent) < float64(*r.ReservePercent)-3 {
		d.rate += 0.2 * (min(in, d.PowerKW) - d.rate)
	}
}

// SetTariff sets the tariff from Tesla's app; nil: it cannot be used, for the reason
// why.
func (d *Engine) SetTariff(t *tariff.Table, why string) {
	d.table, d.noTable, d.due = t, why, true
}

// SetQuotes sets prices by the hour.
func (d *Engine) SetQuotes(q tariff.Quotes) { d.quotes, d.due = q, true }

// SetForecast sets the forecast of a weather service. The next plan uses it.
func (d *Engine) SetForecast(f devices.Forecast) {
	if f.Radiation != nil {
		d.forecast = &f
	}
}

// ahead returns the time to plan, with the sun that is forecast for it. from is the
// source of that forecast; empty: it is estimated from past days alone.
func (d *Engine) ahead(now, start time.Time, slots int) (a forecast.Ahead, from string) {
	a = forecast.Ahead{Now: start, Slots: slots, Length: plan.Length}
	if d.forecast == nil || now.Sub(d.forecast.AsOf) > staleForecast {
		return a, ""
	}
	a.Sun = d.past.Roof(a, d.forecast.Radiation.Between)
	if math.IsNaN(a.Sun[0]) {
		return a, ""
	}
	return a, d.forecast.Source
}

// PlanAgain makes it plan at once, after a person's command.
func (d *Engine) PlanAgain() { d.due = true }

// SetRule sets the reserves of the rule as they are now: a person may change them by
// hand.
func (d *Engine) SetRule(rule plan.Fixed) {
	d.due = d.due || d.Rule != rule
	d.Rule = rule
}

// PlanOptions returns the owner's options; the reserve never goes below that of the
// rule in a peak.
func (s Settings) PlanOptions() plan.Options {
	o := s.Options
	o.MinReserve = max(o.MinReserve, s.Rule.Peak)
	return o
}

// Next returns when Step has something to do at the latest.
func (d *Engine) Next() time.Time {
	next := d.published.Made.Truncate(planEvery).Add(planEvery)
	if d.values != nil {
		if at := d.decidedAt.Truncate(decideEvery).Add(decideEvery); at.Before(next) {
			next = at
		}
	}
	return next
}

// Step does what is due at now. ok is false if there is nothing new to publish.
func (d *Engine) Step(now time.Time) (out plan.Plan, ok bool) {
	switch {
	case d.last == nil && d.published.Made.IsZero() && d.due:
		d.due = false // the first reading is on its way
		return d.planNothing(now, "the Powerwall has not been read yet"), true
	case d.due || !now.Before(d.published.Made.Truncate(planEvery).Add(planEvery)):
		d.due = false
		return d.plan(now), true
	case d.values != nil && !now.Before(d.decidedAt.Truncate(decideEvery).Add(decideEvery)):
		return d.decide(now)
	}
	return d.published, false
}

// planNothing returns a plan that says why there is none.
func (d *Engine) planNothing(now time.Time, why string) plan.Plan {
	d.values, d.decidedAt = nil, now
	at := devices.WholeSecond(now)
	d.published = plan.Plan{Made: at, Decided: at, Reason: why, Currency: d.Currency, Slots: []plan.Ahead{}}
	return d.published
}

// plan makes a plan of what is known by now.
func (d *Engine) plan(now time.Time) plan.Plan {
	if why := d.noPlanReason(now); why != "" {
		return d.planNothing(now, why)
	}
	start := now.Truncate(plan.Length)
	slots := d.slots(start)
	if len(slots) < minPricedSlots {
		return d.planNothing(now, d.noPricesReason(slots, now))
	}
	ahead, weather := d.ahead(now, start, len(slots))
	courses, err := d.past.Look(ahead)
	if errors.Is(err, forecast.ErrTooYoung) {
		return d.planNothing(now, fmt.Sprintf("%d days of history are known, and a plan takes %d", d.past.Days(), forecast.MinDays))
	} else if err != nil {
		return d.planNothing(now, err.Error())
	}
	m := d.model()
	d.start = start
	q := d.question(now)
	in := plan.Inputs{Battery: m, Slots: slots, Length: plan.Length, Courses: courses, Options: d.PlanOptions()}
	comfort, courses, err := d.comfort(now, in, q)
	if err != nil {
		return d.planNothing(now, err.Error())
	}
	in.Courses = courses
	v, err := plan.Solve(in)
	if err != nil {
		return d.planNothing(now, err.Error())
	}
	d.values, d.decidedAt = v, now
	outline, expected := v.Outline(plan.Outlook{Rule: d.Rule, Alone: d.Alone, Zone: d.Zone, Now: q})
	for i := range outline {
		outline[i].Start = outline[i].Start.In(d.Zone)
	}
	at := devices.WholeSecond(now)
	d.published = plan.Plan{
		Made: at, Decided: at, Reserve: new(outline[0].Reserve), Reason: outline[0].Reason, Currency: d.Currency,
		Inputs: &plan.Known{
			HistoryDays: d.past.Days(), Courses: len(courses), ChargePercent: float64(*d.last.ChargePercent),
			CapacityKWh: m.CapacityKWh, PowerKW: m.PowerKW, GridChargeKW: m.GridChargeKW, Prices: d.Source, Weather: weather,
		},
		Expected: &expected, Slots: outline, Thermostats: comfort,
	}
	if from, until, ok := v.Peak(0); ok {
		d.published.PeakStart, d.published.PeakEnd = from.In(d.Zone), until.In(d.Zone)
	}
	return d.published
}

// noPlanReason returns why the readings allow no plan; empty: they do.
func (d *Engine) noPlanReason(now time.Time) string {
	r := d.last
	switch {
	case r == nil:
		return "the Powerwall has not been read yet"
	case r.ChargePercent == nil || r.ReservePercent == nil:
		return "the Powerwall does not say its charge and its reserve"
	case now.Sub(r.AsOf()) > staleAfter:
		return fmt.Sprintf("the last figures of the Powerwall are of %s", r.AsOf().In(d.Zone).Format("15:04"))
	case r.Mode != nil && *r.Mode != devices.SelfConsumption:
		return fmt.Sprintf("the Powerwall is in %s mode, and a plan is for self_consumption", *r.Mode)
	}
	return ""
}

// noPricesReason returns why too few slots have a price.
func (d *Engine) noPricesReason(slots []plan.Slot, now time.Time) string {
	switch {
	case d.Source == FromMQTT && len(d.quotes) == 0:
		return "no prices have been sent to tariff/set"
	case d.Source == FromMQTT && !d.quotes.End().After(now):
		return fmt.Sprintf("the prices that were sent to tariff/set ended at %s", d.quotes.End().In(d.Zone).Format("Mon 15:04"))
	case d.Source == FromMQTT:
		return fmt.Sprintf("prices are known for %g hours only, and a plan takes %g", float64(len(slots))*plan.Length.Hours(), minPricedSlots*plan.Length.Hours())
	case d.table == nil:
		return d.noTable
	}
	return "the tariff has no price for the hours ahead"
}

// slots returns the half hours from start on, as far as prices are known.
func (d *Engine) slots(start time.Time) (slots []plan.Slot) {
	at := func(time.Time) (tariff.Price, bool) { return tariff.Price{}, false }
	switch {
	case d.Source == FromMQTT:
		at = func(t time.Time) (tariff.Price, bool) { return d.quotes.Price(t, d.Zone) }
	case d.table != nil:
		at = d.table.Reader().At
	}
	for n := range plan.Horizon {
		s := plan.Slot{Start: start.Add(time.Duration(n) * plan.Length)}
		first, ok := at(s.Start)
		second, also := at(s.Start.Add(plan.Length / 2))
		if !ok || !also {
			break
		}
		s.Import, s.Export = (first.Import+second.Import)/2, (first.Export+second.Export)/2
		s.Expensive = first.Peak || second.Peak
		slots = append(slots, s)
	}
	return slots
}

// model returns the battery as far as it is known.
func (d *Engine) model() battery.Model {
	m := battery.Model{CapacityKWh: d.capacity, PowerKW: d.PowerKW, GridChargeKW: min(d.rate, d.PowerKW), OneWay: d.OneWay}
	if d.last.GridCharging != nil && !*d.last.GridCharging {
		m.GridChargeKW = 0
	}
	return m
}

// question returns what is known at now.
func (d *Engine) question(now time.Time) plan.Question {
	q := plan.Question{
		Slot:      int(now.Sub(d.start) / plan.Length),
		StoredKWh: float64(*d.last.ChargePercent) / 100 * d.capacity, Reserve: *d.last.ReservePercent,
	}
	if d.published.Reserve != nil && now.Sub(d.decidedAt) < justDecided && !now.Before(d.decidedAt) {
		q.Reserve = *d.published.Reserve // no reading shows it yet
	}
	if r := d.last; r.HomePower != nil && now.Sub(r.AsOf()) <= 2*decideEvery {
		net := float64(*r.HomePower)
		if r.SolarPower != nil {
			net -= float64(*r.SolarPower)
		}
		net *= plan.Length.Hours() / 1000
		q.NetKWh = &net
	}
	return q
}

// decide chooses the reserve again, with what is known at now.
func (d *Engine) decide(now time.Time) (plan.Plan, bool) {
	if d.noPlanReason(now) != "" {
		return d.plan(now), true
	}
	q := d.question(now)
	if q.Slot < 0 || q.Slot >= len(d.published.Slots) {
		return d.plan(now), true
	}
	d.decidedAt = now
	reserve, _ := d.values.Ask(q)
	reserve = d.capReserve(reserve, d.published.Slots[q.Slot].Expensive)
	if d.published.Reserve != nil && *d.published.Reserve == reserve {
		return d.published, false
	}
	d.published.Decided, d.published.Reserve = devices.WholeSecond(now), &reserve
	d.published.Reason = d.values.Reason(q.Slot, reserve, q.StoredKWh, d.Zone)
	return d.published, true
}

// capReserve limits a reserve to that of the rule.
func (d *Engine) capReserve(reserve int, expensive bool) int {
	rule := d.Rule.OffPeak
	if expensive {
		rule = d.Rule.Peak
	}
	return min(reserve, max(rule, d.PlanOptions().MinReserve))
}

// expected returns the charge planned for now, in percent.
func (d *Engine) expected(now time.Time) (percent float64, ok bool) {
	if d.values == nil {
		return 0, false
	}
	at := now.Sub(d.start).Hours() / plan.Length.Hours()
	i := int(at)
	if at < 0 || i+1 >= len(d.published.Slots) {
		return 0, false
	}
	from := max(at-float64(i), 0)
	a, b := d.published.Slots[i].Charge, d.published.Slots[i+1].Charge
	if i == 0 { // the first slot began before the plan was made
		made := d.published.Made.Sub(d.start).Hours() / plan.Length.Hours()
		if from = 0; made < 1 {
			from = max(0, (at-made)/(1-made))
		}
	}
	return a + (b-a)*from, true
}
