package history

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A CSVError is about one place in a file.
type CSVError struct {
	Line   int    // 1 is the header
	Column string // its name; empty: the whole line
	Err    error
}

func (e *CSVError) Error() string {
	if e.Column == "" {
		return fmt.Sprintf("line %d: %v", e.Line, e.Err)
	}
	return fmt.Sprintf("line %d, column %s: %v", e.Line, e.Column, e.Err)
}

func (e *CSVError) Unwrap() error { return e.Err }

// CSVHelp says what columns a file may have.
const CSVHelp = `a line for each stretch of time with the columns
  start                the beginning of the stretch: 2026-07-15T16:00, with or without an offset such as -07:00
  load_kwh             what the home used; instead of it grid_import_kwh, grid_export_kwh, battery_in_kwh and battery_out_kwh
  solar_kwh            what the panels gave
  outdoor_c, outdoor_f
  price_usd_per_kwh    what a kWh from the grid costs; export_price_usd_per_kwh what is paid for one fed in
Energy may be in _kwh or _wh, or a mean power in _kw or _w. A name that ends in _total_kwh is a counter that only rises.`

// ReadCSV reads a file with named columns; CSVHelp says which. Times without
// an offset are in zone. Errors are CSVErrors.
func ReadCSV(r io.Reader, zone *time.Location) (Series, error) {
	in := csv.NewReader(r)
	in.TrimLeadingSpace, in.ReuseRecord, in.FieldsPerRecord = true, true, -1
	head, err := in.Read()
	if err != nil {
		if errors.Is(err, io.EOF) {
			err = errors.New("the file is empty")
		}
		return Series{}, &CSVError{Line: 1, Err: err}
	}
	t, err := newTable(head, zone)
	if err != nil {
		return Series{}, err
	}
	for line := 2; ; line++ {
		rec, err := in.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		var bad *csv.ParseError
		if errors.As(err, &bad) {
			return Series{}, &CSVError{Line: bad.Line, Err: bad.Err}
		}
		if err != nil {
			return Series{}, &CSVError{Line: line, Err: err}
		}
		if line, _ = in.FieldPos(0); len(rec) == 1 && rec[0] == "" {
			continue
		}
		if err := t.add(line, rec); err != nil {
			return Series{}, err
		}
	}
	return t.series()
}

// What a column can be about.
const (
	isStart = "start"
	isLoad  = "load"
	isSun   = "solar"
	isIn    = "grid_import"
	isOut   = "grid_export"
	isFed   = "battery_in"
	isGiven = "battery_out"
	isAir   = "outdoor"
	isPrice = "price"
	isPaid  = "export_price"
)

// others are names that other programs give to the same.
var others = map[string]string{
	"time": isStart, "timestamp": isStart, "datetime": isStart, "date": isStart, "start_time": isStart, "last_changed": isStart,
	"home": isLoad, "house": isLoad, "consumption": isLoad, "usage": isLoad,
	"sun": isSun, "pv": isSun, "generation": isSun,
	"import": isIn, "export": isOut, "from_grid": isIn, "to_grid": isOut,
	"battery_charge": isFed, "battery_discharge": isGiven,
	"temperature": isAir, "outdoor_temperature": isAir,
}

// A column is one that is understood.
type column struct {
	at      int
	name    string // as in the file
	is      string
	factor  float64 // to kWh, or to kW for a power
	power   bool
	counter bool
	fahr    bool
	last    *float64  // of a counter
	lastAt  time.Time // its slot
}

// A row is one line that was read.
type row struct {
	line   int
	start  time.Time // without an offset: the wall clock, as UTC, until clocks are settled
	wall   bool
	values map[string]float64
}

// A table is a file that is being read.
type table struct {
	zone     *time.Location
	columns  []*column
	start    int
	rows     []row
	currency string
	ignored  []string
}

func newTable(head []string, zone *time.Location) (*table, error) {
	t := &table{zone: zone, start: -1}
	seen := map[string]string{}
	for i, name := range head {
		name = strings.TrimSpace(strings.TrimPrefix(name, "\ufeff"))
		c, currency := understand(name)
		if c == nil {
			if name != "" {
				t.ignored = append(t.ignored, name)
			}
			continue
		}
		if before := seen[c.is]; before != "" {
			return nil, &CSVError{Line: 1, Column: name, Err: fmt.Errorf("%s says the same already", before)}
		}
		seen[c.is] = name
		if c.is == isStart {
			t.start = i
			continue
		}
		if currency != "" {
			t.currency = currency
		}
		c.at = i
		t.columns = append(t.columns, c)
	}
	switch {
	case t.start < 0:
		return nil, &CSVError{Line: 1, Err: fmt.Errorf("there is no column start; the file needs %s", CSVHelp)}
	case seen[isLoad] == "" && seen[isIn] == "":
		return nil, &CSVError{Line: 1, Err: fmt.Errorf("there is no column load_kwh; the file needs %s", CSVHelp)}
	}
	return t, nil
}

// understand reads a column's name: what it is about, and its unit. It is nil
// for a name that says nothing to us.
func understand(name string) (c *column, currency string) {
	c = &column{name: name, factor: 1}
	word := strings.ToLower(strings.NewReplacer(" ", "_", "-", "_", "(", "", ")", "", "/", "_per_").Replace(name))
	if base, ok := strings.CutSuffix(word, "_per_kwh"); ok {
		kind, cur, _ := cutLast(base, "_")
		switch kind {
		case "price", "import_price":
			c.is = isPrice
		case "export_price":
			c.is = isPaid
		default:
			return nil, ""
		}
		return c, cur
	}
	for _, unit := range []struct {
		suffix  string
		factor  float64
		power   bool
		counter bool
		fahr    bool
	}{
		{suffix: "_total_kwh", factor: 1, counter: true}, {suffix: "_total_wh", factor: 0.001, counter: true},
		{suffix: "_kwh", factor: 1}, {suffix: "_wh", factor: 0.001},
		{suffix: "_kw", factor: 1, power: true}, {suffix: "_w", factor: 0.001, power: true},
		{suffix: "_c", factor: 1}, {suffix: "_f", factor: 1, fahr: true},
	} {
		base, ok := strings.CutSuffix(word, unit.suffix)
		if !ok {
			continue
		}
		c.factor, c.power, c.counter, c.fahr = unit.factor, unit.power, unit.counter, unit.fahr
		word = base
		break
	}
	if other, ok := others[word]; ok {
		word = other
	}
	if !slices.Contains([]string{isStart, isLoad, isSun, isIn, isOut, isFed, isGiven, isAir}, word) {
		return nil, ""
	}
	c.is = word
	return c, ""
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

// timeForms are the times that are read, with and without an offset.
var (
	timeForms = []string{time.RFC3339, "2006-01-02 15:04:05Z07:00", "2006-01-02T15:04Z07:00"}
	wallForms = []string{"2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04:05", "2006-01-02 15:04"}
)

// parseTime reads a time. wall says that it has no offset.
func parseTime(text string) (at time.Time, wall bool, err error) {
	if seconds, err := strconv.ParseInt(text, 10, 64); err == nil && seconds > 1e9 && seconds < 4e9 {
		return time.Unix(seconds, 0), false, nil
	}
	for _, form := range timeForms {
		if at, err := time.Parse(form, text); err == nil {
			return at, false, nil
		}
	}
	for _, form := range wallForms {
		if at, err := time.Parse(form, text); err == nil {
			return at, true, nil
		}
	}
	return time.Time{}, false, fmt.Errorf("%.40q is not a time such as 2026-07-15T16:00", text)
}

// onClock is the instant at which a clock of that zone shows wall, and whether
// it ever does: summer time leaves an hour out.
func onClock(wall time.Time, zone *time.Location) (time.Time, bool) {
	y, m, d := wall.Date()
	at := time.Date(y, m, d, wall.Hour(), wall.Minute(), wall.Second(), 0, zone)
	return at, at.Hour() == wall.Hour() && at.Day() == d
}

// clock is the zone that times without an offset are in. A file with an hour
// that summer time leaves out knows no summer time.
func (t *table) clock() (zone *time.Location, notice string) {
	for _, r := range t.rows {
		if !r.wall {
			continue
		}
		if at, ok := onClock(r.start, t.zone); !ok {
			_, winter := time.Date(at.Year(), 1, 1, 12, 0, 0, 0, t.zone).Zone()
			_, summer := time.Date(at.Year(), 7, 1, 12, 0, 0, 0, t.zone).Zone()
			return time.FixedZone("standard time", min(winter, summer)),
				fmt.Sprintf("line %d has %s, an hour that summer time leaves out in %s: its clock is taken to show no summer time", r.line, r.start.Format("2006-01-02 15:04"), t.zone)
		}
	}
	return t.zone, ""
}

// settle makes instants of all times, and checks their order. A file without
// offsets shows an hour twice when summer time ends.
func (t *table) settle() (zone *time.Location, notice string, err error) {
	zone, notice = t.clock()
	for i := range t.rows {
		r := &t.rows[i]
		shown := r.start
		if r.wall {
			r.start, _ = onClock(r.start, zone)
		}
		if i == 0 || r.start.After(t.rows[i-1].start) {
			continue
		}
		if again := r.start.Add(time.Hour); r.wall && again.In(zone).Hour() == r.start.Hour() && again.After(t.rows[i-1].start) {
			r.start = again
			continue
		}
		return nil, "", &CSVError{Line: r.line, Column: "start", Err: fmt.Errorf("%s is not after the line before it: lines have to be in order, each once", shown.Format("2006-01-02 15:04"))}
	}
	return zone, notice, nil
}

func (t *table) add(line int, rec []string) error {
	if t.start >= len(rec) {
		return &CSVError{Line: line, Err: fmt.Errorf("it has %d columns, too few to have a start", len(rec))}
	}
	at, wall, err := parseTime(strings.TrimSpace(rec[t.start]))
	if err != nil {
		return &CSVError{Line: line, Column: "start", Err: err}
	}
	r := row{line: line, start: at, wall: wall, values: map[string]float64{}}
	for _, c := range t.columns {
		if c.at >= len(rec) {
			continue
		}
		text := strings.TrimSpace(rec[c.at])
		switch strings.ToLower(text) {
		case "", "null", "nan", "unknown", "unavailable", "none":
			continue
		}
		v, err := strconv.ParseFloat(text, 64)
		if err != nil || !finite(v) {
			return &CSVError{Line: line, Column: c.name, Err: fmt.Errorf("%.40q is not a number", text)}
		}
		r.values[c.is] = v
	}
	t.rows = append(t.rows, r)
	return nil
}

// longest is the longest time that a file may span.
const longest = 20 * 366 * 24 * time.Hour

// series makes what was read one series.
func (t *table) series() (Series, error) {
	if len(t.rows) < 2 {
		return Series{}, &CSVError{Line: 1, Err: errors.New("it has fewer than two lines of figures")}
	}
	zone, notice, err := t.settle()
	if err != nil {
		return Series{}, err
	}
	length, err := t.length()
	if err != nil {
		return Series{}, err
	}
	if err := t.units(length); err != nil {
		return Series{}, err
	}
	if last := t.rows[len(t.rows)-1]; last.start.Sub(t.rows[0].start) > longest {
		return Series{}, &CSVError{Line: last.line, Column: "start", Err: errors.New("the file spans more than 20 years")}
	}
	s := Series{Length: length, Zone: zone, Currency: t.currency}
	if notice != "" {
		s.Notices = append(s.Notices, notice)
	}
	if len(t.ignored) > 0 {
		s.Notices = append(s.Notices, "not used: "+strings.Join(t.ignored, ", "))
	}
	for _, r := range t.rows {
		for n := len(s.Slots); n > 0 && r.start.Sub(s.Slots[n-1].Start) > length; n++ {
			s.Slots = append(s.Slots, Slot{Start: s.Slots[n-1].Start.Add(length)})
		}
		if n := len(s.Slots); n > 0 && r.start.Sub(s.Slots[n-1].Start) != length {
			return Series{}, &CSVError{Line: r.line, Column: "start", Err: fmt.Errorf("%s is %v after the slot before it, and the lines are %v apart",
				r.start.Format("2006-01-02 15:04"), r.start.Sub(s.Slots[n-1].Start), length)}
		}
		s.Slots = append(s.Slots, t.slot(r, length))
	}
	return s, nil
}

// length is how long the slots are: what most lines are apart.
func (t *table) length() (time.Duration, error) {
	counts := map[time.Duration]int{}
	for i := 1; i < len(t.rows); i++ {
		counts[t.rows[i].start.Sub(t.rows[i-1].start)]++
	}
	var length time.Duration
	for d, n := range counts {
		if n > counts[length] || n == counts[length] && d < length {
			length = d
		}
	}
	if length < time.Minute || length > time.Hour || time.Hour%length != 0 {
		return 0, &CSVError{Line: t.rows[1].line, Column: "start", Err: fmt.Errorf("the lines are %v apart: 5, 10, 15, 20, 30 or 60 minutes can be read", length)}
	}
	return length, nil
}

// mostKW is the most that a home draws on average of a whole file, in kW.
const mostKW = 30

// units refuses a column whose mean cannot be in the unit that its name says.
func (t *table) units(length time.Duration) error {
	for _, c := range t.columns {
		if c.counter || c.is == isAir || c.is == isPrice || c.is == isPaid {
			continue
		}
		sum, n := 0.0, 0.0
		for _, r := range t.rows {
			if v, ok := r.values[c.is]; ok {
				sum, n = sum+math.Abs(v), n+1
			}
		}
		mean := sum / n * c.factor
		if !c.power {
			mean /= length.Hours()
		}
		if mean > mostKW {
			return &CSVError{Line: 1, Column: c.name, Err: fmt.Errorf("its mean is %.4g in %v, which would be %.4g kW all the time: if it is in Wh or W, call it %s_wh or %s_w",
				sum/n, length, mean, c.is, c.is)}
		}
	}
	return nil
}

// slot is one line as a slot.
func (t *table) slot(r row, length time.Duration) Slot {
	s := Slot{Start: r.start}
	energy := map[string]*float64{}
	for _, c := range t.columns {
		v, ok := r.values[c.is]
		if !ok {
			continue
		}
		switch {
		case c.is == isAir:
			if c.fahr {
				v = (v - 32) / 1.8
			}
			s.OutdoorC = &v
		case c.is == isPrice:
			s.Import = &v
		case c.is == isPaid:
			s.Export = &v
		default:
			energy[c.is] = c.energy(v, r.start, length)
		}
	}
	s.SunKWh = energy[isSun]
	if s.LoadKWh = energy[isLoad]; s.LoadKWh == nil && energy[isIn] != nil {
		load := *energy[isIn]
		for is, sign := range map[string]float64{isSun: 1, isOut: -1, isGiven: 1, isFed: -1} {
			if v := energy[is]; v != nil {
				load += sign * *v
			}
		}
		load = max(0, load)
		s.LoadKWh = &load
	}
	return s
}

// energy is what a figure of a column is in kWh. A counter's first figure, one
// after a gap, and one after a fall, tell nothing of their slot.
func (c *column) energy(v float64, at time.Time, length time.Duration) *float64 {
	v *= c.factor
	switch {
	case c.power:
		v *= length.Hours()
	case c.counter:
		last, lastAt := c.last, c.lastAt
		c.last, c.lastAt = &v, at
		if last == nil || v < *last || at.Sub(lastAt) != length {
			return nil
		}
		rise := v - *last
		return &rise
	}
	return &v
}
