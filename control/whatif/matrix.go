package whatif

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"powermgr/control/battery"
)

// A Case is a year under one tariff with one battery.
type Case struct {
	Tariff     string        `json:"tariff,omitempty"` // empty: the prices of the file
	Battery    battery.Model `json:"battery"`
	Comparison `json:"comparison"`
}

// Steered returns the policy that a case is judged by: the best one that an owner can
// use, among those that were replayed.
func (c Case) Steered() (string, Result, bool) {
	for _, name := range []string{Planned, Rule, Alone} {
		if r, ok := c.Results[name]; ok {
			return name, r, true
		}
	}
	return "", Result{}, false
}

// Sentences describes the result of a matrix of cases: how much the best strategy
// saves, which tariff fits, and what another battery saves. money formats an amount.
func Sentences(cases []Case, money func(float64) string) []string {
	var all []string
	for _, c := range cases {
		if text := c.answer(cases, money); text != "" {
			all = append(all, text)
		}
	}
	for i, c := range cases {
		name, r, ok := c.Steered()
		if !ok {
			continue
		}
		for _, o := range cases[:i] {
			if before, known := o.Results[name]; known {
				if text := c.against(o, cases[0], before.Bill-r.Bill, money); text != "" {
					all = append(all, text+" ("+name+").")
				}
			}
		}
	}
	return all
}

// against describes what a case saves compared with an earlier one that differs from
// it, and from the first, only in the tariff or the battery; empty for every other
// pair.
func (c Case) against(o, first Case, saved float64, money func(float64) string) string {
	less, saves := "less", "saves"
	if saved < 0 {
		less, saves, saved = "more", "costs", -saved
	}
	switch {
	case o.Battery == c.Battery && o.Tariff == first.Tariff && c.Tariff != o.Tariff && c.Battery == first.Battery:
		return fmt.Sprintf("With tariff %s you pay %s %s%s than with %s", c.Tariff, money(saved), less, c.time(), cmp.Or(o.Tariff, "the prices of the file"))
	case o.Tariff == c.Tariff && o.Battery == first.Battery && c.Tariff == first.Tariff && c.Battery != o.Battery:
		return fmt.Sprintf("%s %s %s%s", other(c.Battery, o.Battery), saves, money(saved), c.time())
	}
	return ""
}

// answer describes what controlling the battery saves in a case.
func (c Case) answer(cases []Case, money func(float64) string) string {
	name, r, ok := c.Steered()
	none, known := c.Results[NoBattery]
	if !ok || !known {
		return ""
	}
	where := ""
	if slices.ContainsFunc(cases, func(o Case) bool { return o.Tariff != c.Tariff }) {
		where = " with " + cmp.Or(c.Tariff, "the prices of the file")
	}
	if slices.ContainsFunc(cases, func(o Case) bool { return o.Battery != c.Battery }) {
		where += " and a battery of " + c.Among(cases)
	}
	text := fmt.Sprintf("The bill%s is %s%s by the %s, and %s without a battery", where, money(r.Bill), c.time(), name, money(none.Bill))
	if alone, ok := c.Results[Alone]; ok && name != Alone {
		text += fmt.Sprintf(" (%s with one that nobody steers)", money(alone.Bill))
	}
	return text + "."
}

// time describes the time that an amount is for.
func (c Case) time() string {
	if days := math.Round(c.Days); days == 365 || days == 366 {
		return " a year"
	}
	return " in " + Length(c.Days)
}

// Length describes a number of days in words.
func Length(days float64) string {
	switch hours := math.Round(24 * days); {
	case hours == 1:
		return "1 hour"
	case hours < 48:
		return fmt.Sprintf("%.0f hours", hours)
	}
	return fmt.Sprintf("%.0f days", days)
}

// other describes how one battery differs from another.
func other(m, from battery.Model) string {
	if m.CapacityKWh == 2*from.CapacityKWh && m.PowerKW == 2*from.PowerKW && m.GridChargeKW == 2*from.GridChargeKW {
		return fmt.Sprintf("A second battery of %g kWh", from.CapacityKWh)
	}
	return fmt.Sprintf("A battery of %s instead of %s", Describe(m), Describe(from))
}

// Describe describes a battery, such as "13.5 kWh and 5 kW", and what it takes from the
// grid if that is less.
func Describe(m battery.Model) string {
	text := fmt.Sprintf("%g kWh and %g kW", m.CapacityKWh, m.PowerKW)
	switch m.GridChargeKW {
	case m.PowerKW:
		return text
	case 0:
		return text + " (nothing from the grid)"
	}
	return fmt.Sprintf("%s (%g kW from the grid)", text, m.GridChargeKW)
}

// Among says how large the battery of c is: its capacity, and all of it where another
// case has one of the same capacity.
func (c Case) Among(cases []Case) string {
	if slices.ContainsFunc(cases, func(o Case) bool { return o.Battery.CapacityKWh == c.Battery.CapacityKWh && o.Battery != c.Battery }) {
		return Describe(c.Battery)
	}
	return fmt.Sprintf("%g kWh", c.Battery.CapacityKWh)
}
