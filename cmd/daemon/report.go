package daemon

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"time"

	"powermgr/bridge"
	"powermgr/control/health"
	"powermgr/control/notify"
	"powermgr/control/report"
)

// DayFile is where the record of the day grows.
func (c Config) DayFile() string { return c.onRamdisk("powermgr_day.json") }

// onRamdisk is a file beside the one that changes often.
func (c Config) onRamdisk(name string) string {
	return filepath.Join(filepath.Dir(c.Paths.RamdiskStateFile), name)
}

// Metrics are the records of past days.
func (c Config) Metrics() report.Metrics {
	return report.Metrics{Dir: c.Paths.PermanentMetricsDir, KeepDays: c.Paths.MetricsKeepDays}
}

// recorder is the part that keeps the record of the day.
func (d *Daemon) recorder(s bridge.Shared) *report.Recorder {
	c := d.options.Config
	o := report.Options{
		Bus: s.Bus, Topics: s.Topics, Calendar: c.Calendar(), Node: c.HA.Node, Standing: s.Standing, Log: s.Log.With("part", "report"),
		Thermostats: c.Rules().Thermostats, Assumptions: report.Assumptions{ReservePercent: float64(c.Settings.ReserveWithoutPercent)},
		Tariff: report.Tariff{
			Currency: c.Tariff.Currency, PeakPerKWh: c.Tariff.PeakPerKWh, OffPeakPerKWh: c.Tariff.OffPeakPerKWh, ExportPerKWh: c.Tariff.ExportPerKWh,
		},
	}
	if d.options.Journal == nil { // else nothing of this daemon is in files
		o.File, o.Before = c.DayFile(), c.Metrics().Before
	}
	return report.New(o)
}

// Evening is what powermgr report does: it turns the records of days into
// files, pages, pictures and mail.
type Evening struct {
	Config Config
	Now    time.Time
	Log    *slog.Logger
}

// Date reads a day as people say it.
func (e Evening) Date(text string) (string, error) {
	now := e.Now.In(e.Config.Zone())
	switch text {
	case "today":
		return now.Format(time.DateOnly), nil
	case "yesterday":
		return now.AddDate(0, 0, -1).Format(time.DateOnly), nil
	}
	if _, err := time.Parse(time.DateOnly, text); err != nil {
		return "", fmt.Errorf("%q is not a day: write today, yesterday, or one such as 2026-07-15", text)
	}
	return text, nil
}

// Close writes the metrics files that are due and removes those that are too
// old. It returns the days that were written; a second run right after it
// writes none.
func (e Evening) Close() ([]string, error) {
	return e.Config.Metrics().Close(e.Config.DayFile(), e.Now.In(e.Config.Zone()))
}

// A Day is the record of one, with its picture.
type Day struct {
	report.Record
	Chart []byte // PNG
}

// Day is the day of a date such as 2026-07-15.
func (e Evening) Day(date string) (Day, error) {
	r, err := e.Config.Metrics().Find(e.Config.DayFile(), date)
	if errors.Is(err, fs.ErrNotExist) {
		return Day{}, fmt.Errorf("there is no record of %s: neither %s nor %s has it", date, e.Config.DayFile(), e.Config.Paths.PermanentMetricsDir)
	}
	if err != nil {
		return Day{}, err
	}
	chart, err := report.Chart(r)
	return Day{r, chart}, err
}

// HTML is the report as a page of its own.
func (d Day) HTML() ([]byte, error) {
	return report.HTML(d.Record, "data:image/png;base64,"+base64.StdEncoding.EncodeToString(d.Chart))
}

// Mail sends the reports of days to those who get them, but for those that
// were sent before. What cannot be sent now waits for the daemon.
func (e Evening) Mail(ctx context.Context, days []Day) error {
	if !e.Config.Notifications.Mailbox().Wants(health.Info) {
		return nil
	}
	var mails []notify.Mail
	for _, d := range days {
		const id = "day.png"
		html, err := report.HTML(d.Record, "cid:"+id)
		if err != nil {
			return err
		}
		mails = append(mails, notify.Mail{
			Key: "report/" + d.Date, Level: health.Info, Subject: "[powermgr] " + report.Headline(d.Record), Text: report.Text(d.Record), HTML: string(html), At: e.Now,
			Inline: []notify.Attachment{{Name: "powermgr-" + d.Date + ".png", ContentType: "image/png", ContentID: id, Data: d.Chart}},
		})
	}
	return e.Config.Deliver(ctx, e.Log, mails...)
}
