package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"powermgr/bridge"
	"powermgr/cmd/config"
	"powermgr/cmd/demo"
	"powermgr/cmd/local"
	"powermgr/control"
	"powermgr/control/health"
	"powermgr/control/plan"
	"powermgr/control/report"
	"powermgr/control/rules"
	"powermgr/devices"
)

func statusCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:     "status",
		Short:   "Show what the daemon on this machine is doing, and why",
		Example: "  powermgr status",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := ask(cmd)
			if err != nil {
				return err
			}
			if asJSON {
				e := json.NewEncoder(cmd.OutOrStdout())
				e.SetIndent("", "  ")
				return e.Encode(s)
			}
			return page{s, cmd.OutOrStdout()}.print()
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "everything, as JSON")
	return c
}

// ask asks the daemon of this machine; if there is none, that of a demo, unless
// the configuration of a service was named.
func ask(cmd *cobra.Command) (local.Status, error) {
	s, err := local.QueryStatus(cmd.Context(), runtimeDir())
	if !errors.Is(err, local.ErrNotRunning) || os.Getenv("RUNTIME_DIRECTORY") != "" || cmd.Flags().Changed("config") {
		return s, err
	}
	dir, none := demo.RuntimeDir()
	if none != nil {
		return s, err
	}
	other, none := local.QueryStatus(cmd.Context(), dir)
	if none != nil {
		return s, err
	}
	fmt.Fprintln(cmd.ErrOrStderr(), "This is the demo; there is no service running here.")
	return other, nil
}

// page prints a status for people.
type page struct {
	local.Status
	out io.Writer
}

func (p page) print() error {
	dry := ""
	if p.DryRun {
		dry = ", in dry run"
	}
	p.line("Node", "%s, %s since %s, generation %d, %s; powermgr %s%s", p.Node, p.State.Role, p.clock(p.State.Since), p.State.Generation, p.State.Health, p.Version, dry)
	var link bridge.LinkHealth
	if p.Link == nil {
		p.line("Broker", "none")
	} else if json.Unmarshal(p.Link, &link) == nil {
		state := "connected"
		if !link.Connected {
			state = "not connected"
		}
		p.line("Broker", "%s, %s since %s", link.Broker, state, p.clock(link.Since))
		if link.Problem != "" {
			p.line("", "%s", link.Problem)
		}
	}
	var c control.State
	controlled := p.topic("control/state", &c)
	if controlled {
		p.line("Now", "%s", c.Reason)
		if c.Override != string(rules.Auto) && c.Until != nil {
			p.line("Override", "%s until %s", c.Override, p.clock(*c.Until))
		}
	}
	for _, w := range p.Peaks {
		p.line("Peak", "%s–%s (%s): reserve %d %%, then %d %%%s", p.clock(w.Start), p.clock(w.End), w.Season, w.Reserve, w.After, p.precooling(w, c.ForecastF))
	}
	if controlled {
		p.planned(c)
	}
	p.today()
	p.powerwall()
	for _, name := range p.names() {
		p.thermostat(name)
	}
	if controlled {
		for _, o := range c.Owned {
			p.line("Set", "%s: %s%s", o.Name, o.What, p.until(o.Until))
		}
		for _, o := range c.Yielded {
			p.line("By a person", "%s: %s%s", o.Name, o.What, p.until(o.Until))
		}
	}
	var h health.Health
	if p.topic("control/"+devices.HealthLeaf, &h) {
		for _, f := range h.Faults {
			p.line(levels[f.Level], "%s (since %s)", f.Text, p.clock(f.Since))
		}
	}
	for i, e := range p.Events {
		head := ""
		if i == 0 {
			head = "Decisions"
		}
		p.line(head, "%s  %s", p.clock(e.At), e.Reason)
	}
	return nil
}

// precooling says whether the lead of a peak precools; forecast is today's high.
func (p page) precooling(w local.Window, forecast *float64) string {
	switch today := w.Start.In(p.Now.Location()).Format(time.DateOnly) == p.Now.Format(time.DateOnly); {
	case w.PrecoolF == nil:
		return ""
	case !today || forecast == nil:
		return fmt.Sprintf("; precools from %s if the forecast is at least %s", p.clock(w.Lead), devices.Fahrenheit.Degrees(p.Unit, *w.PrecoolF))
	case *forecast < *w.PrecoolF:
		return fmt.Sprintf("; no precooling, because the forecast is only %s, not %s", devices.Fahrenheit.Degrees(p.Unit, math.Round(*forecast)), devices.Fahrenheit.Degrees(p.Unit, *w.PrecoolF))
	}
	return fmt.Sprintf("; precools from %s, because the forecast is %s", p.clock(w.Lead), devices.Fahrenheit.Degrees(p.Unit, math.Round(*forecast)))
}

// planned prints what the plan wants, and whether the plan is in charge.
func (p page) planned(c control.State) {
	var plan plan.Plan
	if !p.topic("control/"+devices.PlanLeaf, &plan) {
		return
	}
	who := "only shown"
	switch {
	case c.Strategy == rules.StrategyPlan && c.PlanIdle != "":
		who = "the rule is in charge: " + c.PlanIdle
	case c.Strategy == rules.StrategyPlan:
		who = "in charge"
	}
	if plan.Reserve == nil {
		p.line("Plan", "none: %s", plan.Reason)
		return
	}
	p.line("Plan", "reserve %d %% (%s): %s", *plan.Reserve, who, plan.Reason)
	if e := plan.Expected; e != nil {
		p.line("", "expected cost for %.0f h: %s with the plan, %s with the rule, %s with the battery left alone; %.1f kWh from the grid in the next peak", e.Hours,
			money(plan.Currency, e.Plan.Bill), money(plan.Currency, e.Rule.Bill), money(plan.Currency, e.Nothing.Bill), e.Plan.PeakImport)
	}
}

// today prints the results of the day, and of the month so far.
func (p page) today() {
	var t report.Today
	if !p.topic("control/"+devices.TodayLeaf, &t) || t.PeakImport == nil {
		return
	}
	var text strings.Builder
	text.WriteString(fmt.Sprintf("%.1f kWh from the grid in peaks", *t.PeakImport))
	if t.PeakWithout != nil {
		text.WriteString(fmt.Sprintf(" instead of %.1f", *t.PeakWithout))
	}
	for _, x := range []struct {
		saved *float64
		when  string
	}{{t.Saved, ""}, {t.Month.Saved, " this month"}} {
		if x.saved == nil {
			continue
		}
		what, amount := "saved", *x.saved
		if amount < 0 {
			what, amount = "more paid", -amount
		}
		text.WriteString(fmt.Sprintf("; %s %s%s", money(t.Currency, amount), what, x.when))
	}
	p.line("Today", "%s", text.String())
	p.forecasts(t.Forecast)
}

// forecasts prints how far off the forecasts of the last day with a plan were.
func (p page) forecasts(a *report.Accuracy) {
	if a == nil {
		return
	}
	var parts []string
	for _, x := range []struct {
		what       string
		off        *float64
		real, said float64
		was        string
	}{{"home", a.LoadOff, a.Load, a.LoadForecast, "used"}, {"sun", a.SunOff, a.Sun, a.SunForecast, "produced"}} {
		if x.off != nil {
			parts = append(parts, fmt.Sprintf("%s %.0f %% (%.1f kWh forecast, %.1f %s)", x.what, *x.off, x.said, x.real, x.was))
		}
	}
	if len(parts) > 0 {
		p.line("Forecasts", "for %s, average error of a half hour: %s", a.Date, strings.Join(parts, ", "))
	}
}

// levels are the words for how urgent a fault is.
var levels = map[health.Level]string{health.Warning: "Warning", health.Critical: "Critical"}

// line prints one line; head is empty for a continuation line.
func (p page) line(head, format string, args ...any) {
	fmt.Fprintf(p.out, "%-11s %s\n", head, fmt.Sprintf(format, args...))
}

// topic reads the retained message of a topic; false if there is none.
func (p page) topic(name string, v any) bool {
	raw, ok := p.Topics[name]
	return ok && json.Unmarshal(raw, v) == nil
}

// clock writes a time for people, in the home's time zone.
func (p page) clock(t time.Time) string {
	here := p.Now.Location()
	if local := t.In(here); local.Format(time.DateOnly) == p.Now.Format(time.DateOnly) {
		return local.Format("15:04")
	}
	if t.Sub(p.Now).Abs() > 6*24*time.Hour {
		return t.In(here).Format("Mon Jan 2 15:04")
	}
	return t.In(here).Format("Mon 15:04")
}

func (p page) until(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return " until " + p.clock(t)
}

func (p page) age(t time.Time) string {
	if t.IsZero() {
		return "never read"
	}
	return p.Now.Sub(t).Round(time.Second).String() + " ago"
}

func (p page) names() []string {
	var all []string
	for name := range p.Topics {
		if id, ok := strings.CutPrefix(name, "thermostat/"); ok && strings.HasSuffix(id, "/"+devices.StateLeaf) {
			all = append(all, name)
		}
	}
	slices.Sort(all)
	return all
}

func (p page) powerwall() {
	var r devices.PowerwallReading
	if !p.topic("powerwall/"+devices.StateLeaf, &r) {
		return
	}
	var parts []string
	add := func(format string, known bool, value func() any) {
		if known {
			parts = append(parts, fmt.Sprintf(format, value()))
		}
	}
	add("%.0f %%", r.ChargePercent != nil, func() any { return float64(*r.ChargePercent) })
	add("reserve %d %%", r.ReservePercent != nil, func() any { return *r.ReservePercent })
	add("%s", r.Mode != nil, func() any { return *r.Mode })
	for _, w := range []struct {
		name string
		w    *devices.Watts
	}{{"battery", r.BatteryPower}, {"home", r.HomePower}, {"solar", r.SolarPower}, {"grid", r.GridPower}} {
		add(w.name+" %.0f W", w.w != nil, func() any { return float64(*w.w) })
	}
	p.line("Powerwall", "%s; %s%s", strings.Join(parts, ", "), p.age(r.AsOf()), p.away("powerwall"))
	var api devices.API
	if p.topic("powerwall/"+devices.APILeaf, &api) && api.CallsMonth != nil {
		p.line("", "%s", config.Calls(*api.CallsMonth, api.CallsPerMonth, p.Now))
	}
}

func (p page) thermostat(topic string) {
	var r devices.ThermostatReading
	if !p.topic(topic, &r) {
		return
	}
	var parts []string
	if r.Mode != nil {
		parts = append(parts, string(*r.Mode))
	}
	for _, t := range []struct {
		name string
		v    *float64
	}{{"cool", r.CoolSetpoint}, {"heat", r.HeatSetpoint}, {"inside", r.Temperature}} {
		if t.v != nil {
			parts = append(parts, t.name+" "+r.Unit.Degrees(p.Unit, *t.v))
		}
	}
	if r.Hold != nil {
		hold := "hold " + string(*r.Hold)
		if r.HoldUntil != nil {
			hold = "hold" + p.until(*r.HoldUntil)
		}
		parts = append(parts, hold)
	}
	p.line(r.Name, "%s; %s%s", strings.Join(parts, ", "), p.age(r.AsOf()), p.away(strings.TrimSuffix(topic, "/"+devices.StateLeaf)))
}

// away says that a device cannot be reached.
func (p page) away(device string) string {
	var state string
	if p.topic(device+"/"+devices.AvailLeaf, &state) && state != devices.Online {
		return ", " + state
	}
	return ""
}
