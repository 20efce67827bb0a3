// Package records turns the stored days of a home into history, reports, pages,
// pictures and mail.
package records

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"time"

	"powermgr/cmd/config"
	"powermgr/control/health"
	"powermgr/control/notify"
	"powermgr/control/report"
	"powermgr/control/rules"
	"powermgr/devices/durable"
)

// DailyReport does the work of powermgr report: it turns the records of days into files,
// pages, pictures and mail.
type DailyReport struct {
	Config config.Config
	Now    time.Time
	Log    *slog.Logger
}

// lastHour is how long before its end the report of a day is due.
const lastHour = time.Hour

// Date parses a day as people write it. Due is the newest day whose report is due: today
// in its last hour, otherwise yesterday.
func (e DailyReport) Date(text string) (string, error) {
	zone := e.Config.Zone()
	switch text {
	case "due":
		return rules.DateOf(e.Now.Add(lastHour), zone).Add(-1).String(), nil
	case "today":
		return rules.DateOf(e.Now, zone).String(), nil
	case "yesterday":
		return rules.DateOf(e.Now, zone).Add(-1).String(), nil
	}
	if _, err := time.Parse(time.DateOnly, text); err != nil {
		return "", fmt.Errorf("%q is not a day: write today, yesterday, due, or one such as 2026-07-15", text)
	}
	return text, nil
}

// Close writes the missing metrics files of the days up to last, and removes those that
// are too old. It returns the days that it has written; a second run right after it
// writes none.
func (e DailyReport) Close(last string) ([]string, error) {
	return e.Config.Metrics().Close(e.Config.DayFile(), last, e.Now.In(e.Config.Zone()))
}

// A Day is the record of a day, with its picture.
type Day struct {
	report.Record
	Chart []byte // PNG
}

// Day returns the day of a date such as 2026-07-15.
func (e DailyReport) Day(date string) (Day, error) {
	r, err := e.Config.Metrics().Find(e.Config.DayFile(), date)
	if errors.Is(err, fs.ErrNotExist) {
		return Day{}, &NoRecord{date, e.Config.DayFile(), e.Config.Paths.PermanentMetricsDir}
	}
	if err != nil {
		return Day{}, err
	}
	chart, err := report.Chart(r)
	return Day{r, chart}, err
}

// NoRecord means that a day has no record.
type NoRecord struct{ Date, DayFile, MetricsDir string }

// Is makes the error match fs.ErrNotExist.
func (e *NoRecord) Is(target error) bool { return target == fs.ErrNotExist }

func (e *NoRecord) Error() string {
	return fmt.Sprintf("there is no record of %s: neither %s nor %s has it", e.Date, e.DayFile, e.MetricsDir)
}

// HTML returns the report as a page of its own.
func (d Day) HTML() ([]byte, error) {
	return report.HTML(d.Record, "data:image/png;base64,"+base64.StdEncoding.EncodeToString(d.Chart))
}

// Mail sends the reports of days to their recipients, except those that this node or the
// other one has already sent. The report of a day that is not over is a mail of its own,
// and the final one is still sent. What cannot be sent now waits for the daemon.
func (e DailyReport) Mail(ctx context.Context, days []Day) error {
	if !e.Config.Notifications.Mailbox().Wants(health.Info) {
		return nil
	}
	due, err := e.Date("due")
	if err != nil {
		return err
	}
	var mails []notify.Mail
	mailed := e.mailed()
	for _, d := range days {
		key, subject := mailHeader(d.Record, due)
		if slices.Contains(mailed, key) {
			continue
		}
		const id = "day.png"
		html, err := report.HTML(d.Record, "cid:"+id)
		if err != nil {
			return err
		}
		mails = append(mails, notify.Mail{
			Key: key, Level: health.Info, Subject: subject, Text: report.Text(d.Record), HTML: string(html), At: e.Now,
			Inline: []notify.Attachment{{Name: "powermgr-" + d.Date + ".png", ContentType: "image/png", ContentID: id, Data: d.Chart}},
		})
	}
	m, ok, err := e.firstWeekMail(days)
	if err != nil {
		return err
	}
	if ok && !slices.Contains(mailed, m.Key) {
		mails = append(mails, m)
	}
	safe, err := e.Config.Spool(e.Log).Deliver(ctx, notify.NewSender(e.Config.Notifications.Mailbox()), mails...)
	before := len(mailed)
	for _, m := range mails {
		if slices.Contains(safe, m.Key) {
			mailed = append(mailed, m.Key)
		}
	}
	if len(mailed) > before {
		err = errors.Join(err, e.noteMailed(mailed))
	}
	return err
}

// mailHeader returns the key that identifies the mail of a report, and its subject. For a
// day that is not over, it is a different mail from that of the whole day; due is the
// newest day whose report is due.
func mailHeader(r report.Record, due string) (key, subject string) {
	key, subject = "report/"+r.Date, report.Headline(r)
	if date, err := time.Parse(time.DateOnly, r.Date); err == nil {
		subject = date.Format("Mon, January 2: ") + subject
	}
	if r.Date > due {
		key, subject = key+"/so far", subject+" (so far)"
	}
	return key, "[powermgr] " + subject
}

// maxMailed is how many mailed reports are remembered: more than there are days on the
// ramdisk.
const maxMailed = 20

// mailedFile returns the file that lists the mailed reports. The other node of a pair
// gets it with the records, and would mail them again without it.
func (e DailyReport) mailedFile() string { return e.Config.OnRamdisk("powermgr_reports.json") }

func (e DailyReport) mailed() (keys []string) {
	b, err := os.ReadFile(e.mailedFile())
	if err == nil {
		err = json.Unmarshal(b, &keys)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		e.Log.Warn("which reports the other node has mailed is not known", "file", e.mailedFile(), "reason", err)
		return nil
	}
	return keys
}

func (e DailyReport) noteMailed(keys []string) error {
	b, err := json.Marshal(keys[max(0, len(keys)-maxMailed):])
	if err != nil {
		return err
	}
	return durable.Replace(e.mailedFile(), b, 0o640)
}
