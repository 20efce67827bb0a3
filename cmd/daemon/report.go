package daemon

import (
	"powermgr/bridge"
	"powermgr/control/report"
)

// recorder is the part that keeps the record of the day, and the one that draws it,
// if there is one.
func (d *Daemon) recorder(s bridge.Shared) (*report.Recorder, *report.Painter) {
	c := d.options.Config
	o := report.Options{
		Bus: s.Bus, Topics: s.Topics, Calendar: c.Calendar(), Node: c.HA.Node, Role: s.Role, Log: s.Log.With("part", "report"),
		Thermostats: c.Rules().Thermostats, Assumptions: report.Assumptions{ReservePercent: float64(c.Settings.ReserveWithoutPercent)},
		Unit: c.Settings.Unit,
		Tariff: report.Tariff{
			Currency: c.Tariff.Currency, PeakPerKWh: c.Tariff.PeakPerKWh, OffPeakPerKWh: c.Tariff.OffPeakPerKWh, ExportPerKWh: c.Tariff.ExportPerKWh,
		},
	}
	if d.options.Journal == nil { // else nothing of this daemon is in files, and nobody looks at it
		o.Painter = report.NewPainter(s.Bus, s.Topics, o.Log, d.options.Drawn)
		o.File, o.Before, o.Unfinished = c.DayFile(), c.Metrics().Before, c.Metrics().Unfinished
	}
	return report.New(o), o.Painter
}
