package records

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"powermgr/cmd/config"
	"powermgr/control/history"
	"powermgr/control/report"
	"powermgr/devices/durable"
)

// The history of the home: one CSV file per month, 2026-07.csv, with a line for each
// quarter of an hour, kept forever. A day is added once it is over, in one write. Any
// spreadsheet can open it.

// historyHead is the first line of each file.
var historyHead = []string{"start", "load_kwh", "solar_kwh", "grid_import_kwh", "grid_export_kwh", "battery_in_kwh", "battery_out_kwh", "charge_percent"}

// Remember adds finished days to the history if they have metrics and are not in it yet,
// and returns the days that it added. What could not be added is added by a later run.
func (e DailyReport) Remember() (added []string, err error) {
	dates, err := e.Config.Metrics().Dates()
	problems := []error{err}
	for len(dates) > 0 {
		month := monthOf(dates[0])
		n := len(dates)
		if i := slices.IndexFunc(dates, func(date string) bool { return monthOf(date) != month }); i >= 0 {
			n = i
		}
		done, err := remember(e.Config, month, dates[:n])
		if err != nil {
			problems = append(problems, fmt.Errorf("the history of %s: %w", month, err))
		}
		added, dates = append(added, done...), dates[n:]
	}
	return added, errors.Join(problems...)
}

// monthOf returns the month of a date such as 2026-07-15.
func monthOf(date string) string { return date[:len("2026-07")] }

// remember adds the missing days of a month to its file.
func remember(c config.Config, month string, dates []string) (added []string, err error) {
	path := filepath.Join(c.Paths.HistoryDir, month+".csv")
	lines, err := historyLines(path)
	if err != nil {
		return nil, err
	}
	has := map[string]bool{}
	for _, l := range lines {
		has[l[0][:len(time.DateOnly)]] = true
	}
	for _, date := range dates {
		if has[date] {
			continue
		}
		// A file that is not a record was not written by powermgr, or the run that wrote
		// it has reported the problem.
		r, err := c.Metrics().Read(date)
		if err != nil || !r.Complete {
			continue
		}
		if quarters := r.Quarters(); len(quarters) > 0 {
			lines, added = merge(lines, quarters), append(added, date)
		}
	}
	if len(added) == 0 {
		return nil, nil
	}
	if err := writeHistory(c, path, lines); err != nil {
		return nil, err
	}
	return added, nil
}

// merge adds a day to lines. It replaces existing lines of the same time.
func merge(lines [][]string, day []report.Quarter) [][]string {
	first, end := day[0].Start, day[len(day)-1].Start
	lines = slices.DeleteFunc(lines, func(l []string) bool { return !startOf(l).Before(first) && !startOf(l).After(end) })
	for _, q := range day {
		lines = append(lines, []string{
			q.Start.Format(time.RFC3339), figure(q.Home), figure(q.Solar), figure(q.GridIn), figure(q.GridOut), figure(q.BatteryIn), figure(q.BatteryOut), figure(q.Charge),
		})
	}
	slices.SortStableFunc(lines, func(a, b []string) int { return startOf(a).Compare(startOf(b)) })
	return lines
}

func writeHistory(c config.Config, path string, lines [][]string) error {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	if err := w.WriteAll(append([][]string{historyHead}, lines...)); err != nil {
		return err
	}
	dir := c.Paths.HistoryDir
	if _, err := os.Stat(dir); err != nil {
		if err := errors.Join(os.MkdirAll(dir, 0o750), durable.HandOver(dir)); err != nil {
			return err
		}
	}
	return durable.Replace(path, b.Bytes(), 0o640)
}

// startOf returns when a line begins; historyLines has checked it.
func startOf(line []string) time.Time {
	at, _ := time.Parse(time.RFC3339, line[0])
	return at
}

// figure writes a quantity to a tenth of a watt-hour; an unknown one is empty.
func figure(v *float64) string {
	if v == nil {
		return ""
	}
	return strconv.FormatFloat(math.Round(*v*1e4)/1e4, 'f', -1, 64)
}

// historyLines returns the lines of a month's file without its head; none if there is no
// file. A file that powermgr has not written is an error, and stays.
func historyLines(path string) ([][]string, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	in := csv.NewReader(bytes.NewReader(b))
	in.FieldsPerRecord = len(historyHead)
	all, err := in.ReadAll()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if len(all) == 0 || !slices.Equal(all[0], historyHead) {
		return nil, fmt.Errorf("%s is not a history file: its first line is not %s", path, strings.Join(historyHead, ","))
	}
	for i, l := range all[1:] {
		if _, err := time.Parse(time.RFC3339, l[0]); err != nil {
			return nil, fmt.Errorf("%s, line %d: %q is not a time", path, i+2, l[0])
		}
	}
	return all[1:], nil
}

// History returns the whole history of the home.
func History(c config.Config) (history.Series, error) {
	files, err := filepath.Glob(filepath.Join(c.Paths.HistoryDir, "[0-9][0-9][0-9][0-9]-[0-9][0-9].csv"))
	if err != nil {
		return history.Series{}, err
	}
	if len(files) == 0 {
		return history.Series{}, fmt.Errorf("there is no history in %s: a day is added to it each night, by powermgr report --send", c.Paths.HistoryDir)
	}
	slices.Sort(files)
	lines := [][]string{historyHead[:len(historyHead)-1]}
	for _, path := range files {
		month, err := historyLines(path)
		if err != nil {
			return history.Series{}, err
		}
		for _, l := range month {
			lines = append(lines, l[:len(l)-1]) // the charge is for people
		}
	}
	var b bytes.Buffer
	if err := csv.NewWriter(&b).WriteAll(lines); err != nil {
		return history.Series{}, err
	}
	s, err := history.ReadCSV(&b, c.Zone())
	if err != nil {
		return history.Series{}, fmt.Errorf("%s, all months together: %w", c.Paths.HistoryDir, err)
	}
	return s, nil
}
