package demo

import (
	"context"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"powermgr/bridge/bus"
	"powermgr/cmd/config"
	"powermgr/cmd/daemon"
	"powermgr/control"
	"powermgr/control/rules"
	"powermgr/devices"
	"powermgr/devices/emulator"
)

// Summary is the outcome of the days. The energies from the grid in peaks, with and
// without powermgr, are those in the reports of the days.
type Summary struct {
	Day                 string         `json:"day"` // the first
	Days                int            `json:"days"`
	PeakImport          *float64       `json:"peak_import_kwh"`            // nil: there was no peak
	PeakWithout         *float64       `json:"peak_import_without_kwh"`    // likewise
	ReserveInPeak       *int           `json:"reserve_in_peak_percent"`    // the lowest that the device had
	ReserveAfterPeak    *int           `json:"reserve_after_peak_percent"` // at the end of the day
	Precooled           bool           `json:"precooled"`
	Setbacks            int            `json:"setbacks"` // set point changes for a setback
	ThermostatsRestored bool           `json:"thermostats_restored"`
	Strategy            rules.Strategy `json:"strategy"`
	Currency            string         `json:"currency"`
	Bill                float64        `json:"bill"`
	BillAndCharge       float64        `json:"bill_and_charge"` // the bill, less the value of what the battery has gained, at the off-peak price
	Commands            int            `json:"commands"`        // writes that reached a vendor
	Violations          int            `json:"violations"`      // of what powermgr never does
	Books               Books          `json:"meter"`
	Headline            string         `json:"headline,omitempty"` // of the report, if it is one day
	Report              string         `json:"report,omitempty"`   // where the report of the last day is; empty: nowhere

	broken []string
}

// Books hold what the emulated meters counted in the day.
type Books struct {
	Home       float64 `json:"home_kwh"`
	Solar      float64 `json:"solar_kwh"`
	GridIn     float64 `json:"grid_in_kwh"`
	PeakGridIn float64 `json:"peak_grid_in_kwh"`
	GridOut    float64 `json:"grid_out_kwh"`
	BatteryIn  float64 `json:"battery_in_kwh"`
	BatteryOut float64 `json:"battery_out_kwh"`
}

// Print writes the summary for people.
func (s Summary) Print(w io.Writer) {
	if s.Days > 1 {
		fmt.Fprintf(w, "\n%d days from %s\n", s.Days, s.Day)
	} else {
		fmt.Fprintf(w, "\n%s\n", s.Day)
	}
	if s.Headline != "" {
		fmt.Fprintf(w, "  %s\n", s.Headline)
	}
	if s.PeakImport != nil && s.PeakWithout != nil {
		fmt.Fprintf(w, "  from the grid in the peak   %6.2f kWh\n", *s.PeakImport)
		fmt.Fprintf(w, "  without powermgr            %6.2f kWh (the same home load and sun, and the battery left in self-consumption)\n", *s.PeakWithout)
	}
	text := func(r *int) string {
		if r == nil {
			return "there was no peak"
		}
		return fmt.Sprintf("%d %%", *r)
	}
	fmt.Fprintf(w, "  reserve in the peak         %s, at the end of the day %s\n", text(s.ReserveInPeak), text(s.ReserveAfterPeak))
	fmt.Fprintf(w, "  precooled                   %v, set point changes for setbacks %d\n", s.Precooled, s.Setbacks)
	fmt.Fprintf(w, "  everything restored         %v\n", s.ThermostatsRestored)
	stored := "more"
	if s.BillAndCharge > s.Bill {
		stored = "less"
	}
	fmt.Fprintf(w, "  the bill, by the %-10s %s%.2f, and %s%.2f %s in the battery than at first\n", s.Strategy, s.Currency, s.Bill, s.Currency, math.Abs(s.Bill-s.BillAndCharge), stored)
	fmt.Fprintf(w, "  commands to the vendors     %d\n", s.Commands)
	for _, v := range s.broken {
		fmt.Fprintf(w, "  VIOLATION: %s\n", v)
	}
	if len(s.broken) == 0 {
		fmt.Fprintln(w, "  violations                  none")
	}
	if s.Report != "" {
		fmt.Fprintf(w, "  the report of the day       %s\n", s.Report)
	}
}

// record collects the writes among the requests to the emulated vendors.
type record struct {
	mu     sync.Mutex
	writes []emulator.Request
}

func (r *record) add(q emulator.Request) {
	if q.Write == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.writes = append(r.writes, q)
}

// diary follows the day: what was decided, and what the meter showed at the start and
// the end of peaks.
type diary struct {
	clock *daemon.FastClock
	cloud *emulator.Cloud
	story io.Writer
	home  *time.Location
	hold  bool // the story continues after the day

	phase    rules.Phase
	began    float64 // the meter at the start of the peak, Wh
	imported float64 // from the grid in peaks, Wh
	lowest   *int
	precools int
	setbacks int
	reserve  int
	restored bool
	books    emulator.Books
	charged  float64 // how much more the battery holds than at the start of the day, Wh
	over     bool

	asked []time.Time // when somebody commanded a thermostat
}

// aWhile is how long the daemon continues after the day, until a poll has shown it the
// last minutes of the day.
const aWhile = 6 * time.Minute

// keep writes the story until ctx ends, and keeps the books until end.
func (d *diary) keep(ctx context.Context, events *bus.Subscription, end time.Time) {
	defer events.Close()
	last := end.Add(aWhile)
	hour, stored := d.clock.Now(), d.cloud.Truth().StoredWh
	for {
		if now := d.clock.Now(); !d.over && !now.Before(hour) {
			d.look(now)
			hour = hour.Add(time.Hour)
		}
		m, ok, err := events.Next(ctx, d.wake(end, last))
		if err != nil {
			return
		}
		if ok {
			d.take(m)
		}
		if d.over {
			if !d.hold && !d.clock.Now().Before(last) {
				return
			}
			continue
		}
		truth := d.cloud.Truth()
		if d.phase == rules.InPeak && (d.lowest == nil || truth.Reserve < *d.lowest) {
			d.lowest = &truth.Reserve
		}
		if !d.clock.Now().Before(end) {
			d.close(truth, stored)
		}
	}
}

// wake returns when to look at the house even if nothing happens; zero: never again.
func (d *diary) wake(end, last time.Time) time.Time {
	soon := d.clock.Now().Add(time.Minute)
	switch {
	case d.over && d.hold:
		return time.Time{}
	case d.over:
		return last
	case end.Before(soon):
		return end
	}
	return soon
}

// close closes the books of a day that began with stored Wh in the battery.
func (d *diary) close(truth emulator.Truth, stored float64) {
	d.over = true
	d.change(d.phase, rules.OffPeak, truth)
	d.reserve, d.restored = truth.Reserve, true
	for _, t := range truth.Thermostats {
		d.restored = d.restored && t.Hold == devices.HoldSchedule && !t.Pending
	}
	d.books, d.charged = truth.Books, truth.StoredWh-stored
}

func (d *diary) take(m bus.Message) {
	switch {
	case strings.HasSuffix(m.Topic, "/"+devices.StateLeaf):
		if s, err := bus.Decode[control.State](m); !d.over && err == nil && s.Phase != d.phase {
			d.change(d.phase, s.Phase, d.cloud.Truth())
		}
	case strings.HasSuffix(m.Topic, "/"+devices.CommandLeaf):
		d.hear(m)
	case strings.HasSuffix(m.Topic, "/"+devices.EventLeaf):
		e, err := bus.Decode[control.Event](m)
		if err != nil {
			return
		}
		switch {
		case d.over:
		case e.Type == rules.NotePrecool:
			d.precools++
		case e.Type == rules.NoteSetback:
			d.setbacks++
		}
		fmt.Fprintf(d.story, "%s  %-10s %s\n", e.At.In(d.home).Format("15:04:05"), e.Type, e.Reason)
	}
}

// hear records a command to a thermostat, sent by somebody who plays with the demo.
func (d *diary) hear(m bus.Message) {
	if c, err := bus.Decode[control.LastCommand](m); err == nil && c.Result == control.OnItsWay && strings.Contains(c.Topic, "/thermostat/") {
		d.asked = append(d.asked, c.At)
	}
}

// look reports the state of the house, so that there is output even in hours without a
// decision.
func (d *diary) look(now time.Time) {
	t := d.cloud.Truth()
	fmt.Fprintf(d.story, "%s  %-10s battery %.0f %%, sun %.1f kW, home %.1f kW, grid %.1f kW, %.0f °F outside", now.In(d.home).Format("15:04:05"), "", t.ChargePercent, t.SolarW/1000, t.HomeW/1000, t.GridW/1000, t.OutdoorC*9/5+32)
	for _, th := range t.Thermostats {
		fmt.Fprintf(d.story, ", %.0f °F in %s", th.Unit.To(devices.Fahrenheit, th.Temperature), th.Name)
	}
	fmt.Fprintln(d.story)
}

func (d *diary) change(from, to rules.Phase, truth emulator.Truth) {
	if from == rules.InPeak && to != rules.InPeak {
		d.imported += truth.Books.Import - d.began
	}
	if to == rules.InPeak && from != rules.InPeak {
		d.began = truth.Books.Import
	}
	d.phase = to
}

func (d *diary) sum(log *record) Summary {
	log.mu.Lock()
	defer log.mu.Unlock()
	s := Summary{
		Precooled: d.precools > 0, Setbacks: d.setbacks, ThermostatsRestored: d.restored,
		Books: Books{
			Home: kWh(d.books.Home), Solar: kWh(d.books.Solar), GridIn: kWh(d.books.Import), PeakGridIn: kWh(d.imported), GridOut: kWh(d.books.Export),
			BatteryIn: kWh(d.books.BatteryIn), BatteryOut: kWh(d.books.BatteryOut),
		},
		ReserveInPeak: d.lowest, ReserveAfterPeak: &d.reserve,
		broken: violations(log.writes, d.asked),
	}
	for _, w := range log.writes {
		if w.Write.Carried {
			s.Commands++
		}
	}
	if !d.restored && len(d.asked) == 0 { // otherwise somebody has set it
		s.broken = append(s.broken, "a thermostat was not restored by the end of the day")
	}
	s.Violations = len(s.broken)
	return s
}

// bill returns what the day cost, and the same less the value of what the battery has
// gained during the day, at the off-peak price.
func (d *diary) bill(t config.Tariff) (bill, less float64) {
	b := d.books
	bill = (d.imported*t.PeakPerKWh + (b.Import-d.imported)*t.OffPeakPerKWh - b.Export*t.ExportPerKWh) / 1000
	return round(bill), round(bill - d.charged/1000*t.OffPeakPerKWh)
}

func round(amount float64) float64 { return math.Round(amount*100) / 100 }

func kWh(wh float64) float64 { return float64(int(wh/10+0.5)) / 100 }

// carriedOut is the longest time that a command takes to reach a thermostat.
const carriedOut = 2 * time.Minute

// violations returns the writes that break a promise of powermgr, among those that
// reached the vendors. What a thermostat was sent soon after somebody asked for it is
// that person's choice.
func violations(writes []emulator.Request, asked []time.Time) (broken []string) {
	last := map[string]time.Time{}
	for _, w := range writes {
		at, v := w.At.Format("15:04:05"), w.Write.Values
		if w.Write.Device != "powerwall" && slices.ContainsFunc(asked, func(t time.Time) bool { return w.At.Sub(t) > -time.Second && w.At.Sub(t) < carriedOut }) {
			continue
		}
		if r, ok := v["reserve"].(int); ok && devices.CheckReserve(r) != nil {
			broken = append(broken, fmt.Sprintf("%s a reserve of %d %%", at, r))
		}
		for _, b := range []struct {
			name    string
			low, up float64
		}{{"cool_setpoint", 67, 82}, {"heat_setpoint", 62, 82}} {
			if f, ok := v[b.name].(float64); ok && (f < b.low || f > b.up) {
				broken = append(broken, fmt.Sprintf("%s %s %s %g", at, w.Write.Device, b.name, f))
			}
		}
		if w.Write.Device == "powerwall" || v["hold"] == devices.HoldSchedule || v["hold"] == string(devices.HoldSchedule) {
			continue // restoring need not keep the spacing
		}
		if before, ok := last[w.Write.Device]; ok && w.At.Sub(before) < 10*time.Minute {
			broken = append(broken, fmt.Sprintf("%s %s was set again after %v", at, w.Write.Device, w.At.Sub(before)))
		}
		last[w.Write.Device] = w.At
	}
	return broken
}
