package records

import (
	"errors"
	"io/fs"
	"path/filepath"
	"powermgr/cmd/config"
	"powermgr/control/forecast"
	"powermgr/control/report"
	"slices"
	"strconv"
	"time"
)

// recentMonths is how many months of the history the forecasts use, including the
// current one.
const recentMonths = 5

// Past reads the history, and the days since then from their records. What cannot be
// read is left out, and the error says so.
func Past(c config.Config, now time.Time) (all []forecast.Sample, err error) {
	var problems []error
	first := now.In(c.Zone()).AddDate(0, -recentMonths, 0)
	files, err := filepath.Glob(filepath.Join(c.Paths.HistoryDir, "[0-9][0-9][0-9][0-9]-[0-9][0-9].csv"))
	problems = append(problems, err)
	slices.Sort(files)
	for _, path := range files {
		if filepath.Base(path) < first.Format("2006-01")+".csv" {
			continue
		}
		lines, err := historyLines(path)
		problems = append(problems, err)
		for _, l := range lines {
			load, sun := parsed(l[1]), parsed(l[2])
			all = append(all, forecast.Sample{Start: startOf(l), Length: report.QuarterLength, LoadKWh: load, SunKWh: sun})
		}
	}
	for _, path := range append(report.Finished(c.DayFile()), c.DayFile()) {
		r, err := report.Load(path)
		if err != nil {
			if !errors.Is(err, fs.ErrNotExist) {
				problems = append(problems, err)
			}
			continue
		}
		for _, q := range r.Quarters() {
			if n := len(all); n == 0 || q.Start.After(all[n-1].Start) {
				all = append(all, forecast.Sample{Start: q.Start, Length: report.QuarterLength, LoadKWh: q.Home, SunKWh: q.Solar})
			}
		}
	}
	for len(all) > 0 && all[len(all)-1].Start.After(now) { // the clock was wrong
		all = all[:len(all)-1]
	}
	return all, errors.Join(problems...)
}

// parsed parses a quantity in the history; nil: it is unknown, or not a quantity.
func parsed(text string) *float64 {
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || v < 0 || v > 1000 {
		return nil
	}
	return &v
}
