package config

import "slices"

// Describes what energy costs: a week in each part of the year.

// prices writes the table of prices.
func (d *description) prices(c Config) {
	t, ok := c.Prices()
	if !ok {
		return
	}
	d.line("")
	d.line("Price per kWh, local time (%s):", c.Settings.Timezone)
	for _, part := range t.Week() {
		d.line("  %s:", part.Days)
		for _, k := range part.Kinds {
			for i, p := range k.Prices {
				day := ""
				if i == 0 {
					day = k.Days
				}
				d.line("    %-24s %s", day, p)
			}
		}
	}
}

// ratesPeaks says what happens around the expensive hours of the rates.
func (d *description) ratesPeaks(c Config) {
	s := c.Settings
	d.line("tariff.rates say when power is expensive (see the hours below).")
	on := slices.ContainsFunc(c.Tariff.Rates, func(r Rate) bool { return r.Peak && r.rate().Precool })
	before := beforePeak(c, Season{Precool: &on})
	d.at("before", "%d minutes: %s", s.PrecoolLeadMinutes, before)
	d.at("then", "%s", reserve(c, s.PeakReservePercent))
	if controlled(c) && s.ThermostatIncrementF != 0 {
		for _, t := range s.BatteryThresholds {
			d.at("", "%g %% or less in the battery with at least %d minutes left: cooling %s higher, heating %s lower", t.LevelPercent, t.TimeRemainingMinutes, s.difference(s.ThermostatIncrementF), s.difference(s.ThermostatIncrementF))
		}
	}
	if c.Tesla != nil {
		d.at("otherwise", "%s", reserve(c, s.OffPeakReservePercent))
	}
	if words := s.holidayWords(); len(words) > 0 {
		d.at("holidays", "%s; each counts as a Sunday unless a rate says otherwise", enumerate(words))
	}
}
