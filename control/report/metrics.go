package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"powermgr/devices/durable"
)

// Metrics are the stored records of past days, one file each: 2026-07-15.json. Other
// files in the folder are never touched.
type Metrics struct {
	Dir      string
	KeepDays int // days before today; 0: forever
}

// file is what a metrics file holds: the figures of the day, flat, for those
// who read nothing else, and the whole record, to draw its report again.
type file struct {
	Figures
	Record json.RawMessage `json:"record"`
}

// JSON returns the metrics file of r: one figure per line, and the record on one line.
func JSON(r Record) ([]byte, error) {
	figures, err := json.MarshalIndent(r.Figures(), "", "  ")
	if err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	record, err := Encode(r)
	if err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	return fmt.Appendf(nil, "%s,\n  \"record\": %s\n}\n", bytes.TrimSuffix(figures, []byte("\n}")), record), nil
}

// Write writes the file of a day, in one piece.
func (m Metrics) Write(r Record) error {
	b, err := JSON(r)
	if err != nil {
		return err
	}
	if _, err := os.Stat(m.Dir); err != nil {
		if err := errors.Join(os.MkdirAll(m.Dir, 0o750), durable.HandOver(m.Dir)); err != nil {
			return fmt.Errorf("report: %w", err)
		}
	}
	if err := durable.Replace(m.path(r.Date), b, 0o640); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	return nil
}

// Read reads the record of a day. The error is fs.ErrNotExist when there is none.
func (m Metrics) Read(date string) (Record, error) {
	path := m.path(date)
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return Record{}, fmt.Errorf("report: %w", err)
	case !info.Mode().IsRegular() || info.Size() > 2*MaxSize:
		return Record{}, fmt.Errorf("report: %s is no record of a day", path)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return Record{}, fmt.Errorf("report: %w", err)
	}
	var f file
	if err = json.Unmarshal(b, &f); err == nil && f.Record == nil {
		err = errors.New("it has no record: Power Manager v2.0 may have written it")
	}
	var r Record
	if err == nil {
		r, err = Decode(f.Record)
	}
	if err != nil {
		return Record{}, fmt.Errorf("report: %s: %w", path, err)
	}
	return r, nil
}

func (m Metrics) path(date string) string { return filepath.Join(m.Dir, date+".json") }

// Dates lists the days that have files, the oldest first.
func (m Metrics) Dates() ([]string, error) {
	entries, err := os.ReadDir(m.Dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("report: %w", err)
	}
	var dates []string
	for _, e := range entries { // in the order of their names
		date, ok := strings.CutSuffix(e.Name(), ".json")
		if _, err := time.Parse(time.DateOnly, date); ok && err == nil && e.Type().IsRegular() {
			dates = append(dates, date)
		}
	}
	return dates, nil
}

// Before returns the newest record before a date in which the battery without powermgr
// has a charge, for Options.Before.
func (m Metrics) Before(date string) (r Record, ok bool) {
	dates, _ := m.Dates()
	for _, v := range slices.Backward(dates) {
		if v >= date {
			continue
		}
		if r, err := m.Read(v); err == nil && r.Counterfactual.EndKWh != nil {
			return r, true
		}
	}
	return Record{}, false
}

// Unfinished returns the record in the file of a day that was not over when it was
// written, for Options.Unfinished.
func (m Metrics) Unfinished(date string) (Record, bool) {
	r, err := m.Read(date)
	return r, err == nil && !r.Complete
}

// Prune removes the files of days that are past their time, and returns how many. now
// is in the home's time.
func (m Metrics) Prune(now time.Time) (removed int, err error) {
	if m.KeepDays <= 0 {
		return 0, nil
	}
	dates, err := m.Dates()
	first := now.AddDate(0, 0, -m.KeepDays).Format(time.DateOnly)
	for _, date := range dates {
		if date >= first {
			break
		}
		if e := os.Remove(m.path(date)); e != nil {
			err = errors.Join(err, fmt.Errorf("report: %w", e))
		} else {
			removed++
		}
	}
	return removed, err
}

// newsAfter is by how much longer a record of a day that goes on has to be for its
// file to be written again: a run right after another one finds nothing to do.
const newsAfter = 15 * time.Minute

// Close is run every evening: it writes the files of the days up to last that are on
// the ramdisk, in live, the recorder's file, and beside it, if there is none yet or
// there is more to say, and removes those that are too old. It returns the days
// written, the oldest first; run again at once it returns none. now is in the home's
// time.
//
// A file is written twice: once today, for a day that is not over, and once more when a
// later run finds that day finished.
func (m Metrics) Close(live, last string, now time.Time) (written []string, err error) {
	var problems []error
	for _, path := range append(Finished(live), live) {
		r, err := Load(path)
		if err == nil && r.Date <= last && m.wants(r) {
			if err = m.Write(r); err == nil {
				written = append(written, r.Date)
			}
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			problems = append(problems, err)
		}
	}
	_, err = m.Prune(now)
	return written, errors.Join(append(problems, err)...)
}

// wants reports whether r is to be written. A file that cannot be read as a
// record is somebody else's, and stays; so does one that knows of more of the day.
func (m Metrics) wants(r Record) bool {
	had, err := m.Read(r.Date)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return true
	case err != nil || had.Complete || r.From.After(had.From):
		return false
	}
	return r.Complete || r.Until.Sub(had.Until) >= newsAfter
}

// Find returns the record of a day: the recorder's as long as it has it, and otherwise
// that of the metrics. The error is fs.ErrNotExist when neither has it.
func (m Metrics) Find(live, date string) (Record, error) {
	for _, path := range []string{live, beside(live, date)} {
		if r, err := Load(path); err == nil && r.Date == date {
			return r, nil
		}
	}
	return m.Read(date)
}
