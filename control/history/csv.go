package history

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
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

// CSVHelp says which columns a file may have.
const CSVHelp = `a line for each period, with the columns
  start                when the period starts: 2026-07-15T16:00, with or without an offset such as -07:00
  load_kwh             what the home used; or instead grid_import_kwh, grid_export_kwh, battery_in_kwh and battery_out_kwh
  solar_kwh            what the panels produced
  outdoor_c, outdoor_f the outdoor temperature
  price_usd_per_kwh    the price of a kWh from the grid; export_price_usd_per_kwh: what a kWh sent to the grid earns
Energy may be in _kwh or _wh, or given as the average power in _kw or _w. A name that ends in _total_kwh is a counter that
only rises, with its value at the end of the period; if the times are in a column timestamp or last_changed instead of
start, with its value at that time. Two exports of Home Assistant work as they are: the hourly download of the energy
dashboard, and statistics with statistic_id, start_ts and sum.`

// ReadCSV reads a file with named columns; CSVHelp says which. Times without
// an offset are in zone. Errors are CSVErrors.
func ReadCSV(r io.Reader, zone *time.Location) (Series, error) {
	text := bufio.NewReader(r)
	in := csv.NewReader(text)
	in.Comma = separator(text)
	in.TrimLeadingSpace, in.ReuseRecord, in.FieldsPerRecord = in.Comma != '\t', true, -1
	head, err := in.Read()
	if err != nil {
		if errors.Is(err, io.EOF) {
			err = errors.New("the file is empty")
		}
		return Series{}, &CSVError{Line: 1, Err: err}
	}
	t := &table{zone: zone, start: -1, comma: in.Comma}
	if isDashboard(head) {
		err = readDashboard(in, head, t)
	} else if s, ok := statisticsOf(head); ok {
		err = readStatistics(in, head, t, s)
	} else if err = t.understand(head); err == nil {
		err = lines(in, t.add)
	}
	if err != nil {
		return Series{}, err
	}
	return t.series()
}

// separator returns what separates the columns of a file: a comma, or what a spreadsheet
// writes if commas are decimal separators.
func separator(text *bufio.Reader) rune {
	head, _ := text.Peek(512)
	if line, _, ok := bytes.Cut(head, []byte("\n")); ok {
		head = line
	}
	for _, other := range []rune{';', '\t'} {
		if n := bytes.Count(head, []byte(string(other))); n > 0 && n >= bytes.Count(head, []byte(",")) {
			return other
		}
	}
	return ','
}

// What a column can contain.
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

// others are names that other programs use for the same things.
var others = map[string]string{
	"time": isStart, "timestamp": isStart, "datetime": isStart, "date": isStart, "start_time": isStart, "last_changed": isStart,
	"home": isLoad, "house": isLoad, "consumption": isLoad, "usage": isLoad,
	"sun": isSun, "pv": isSun, "generation": isSun,
	"import": isIn, "export": isOut, "from_grid": isIn, "to_grid": isOut,
	"battery_charge": isFed, "battery_discharge": isGiven,
	"temperature": isAir, "outdoor_temperature": isAir,
}

// A column is a column whose name is understood.
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
	nth    int // how often its meter had the same wall-clock time before
	values map[*column]float64
}

// A table is a file that is being read.
type table struct {
	zone     *time.Location
	columns  []*column
	start    int
	rows     []row
	currency string
	ignored  []string
	comma    rune // between columns
	instants bool // counters were read at the time of their line, not at the end of its slot
	byMeter  bool // lines are grouped by meter, not sorted by time
}

// understand interprets the names of the columns.
func (t *table) understand(head []string) error {
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
			return &CSVError{Line: 1, Column: name, Err: fmt.Errorf("%s says the same already", before)}
		}
		seen[c.is] = name
		if c.is == isStart {
			t.start = i
			t.instants = plain(name) == "timestamp" || plain(name) == "last_changed"
			continue
		}
		if currency != "" && t.currency != "" && currency != t.currency {
			return &CSVError{Line: 1, Column: name, Err: fmt.Errorf("it is in %s, and another price in %s", strings.ToUpper(currency), strings.ToUpper(t.currency))}
		}
		if currency != "" {
			t.currency = currency
		}
		c.at = i
		t.columns = append(t.columns, c)
	}
	switch {
	case t.start < 0:
		return &CSVError{Line: 1, Err: fmt.Errorf("there is no column start; the file needs %s", CSVHelp)}
	case seen[isLoad] == "" && seen[isIn] == "":
		return &CSVError{Line: 1, Err: fmt.Errorf("there is no column load_kwh; the file needs %s", CSVHelp)}
	}
	return nil
}

// understand interprets a column's name: what it contains, and its unit. It returns nil
// for an unknown name.
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

func (t *table) add(line int, rec []string) error {
	if t.start >= len(rec) {
		return &CSVError{Line: line, Err: fmt.Errorf("it has %d columns, too few to have a start", len(rec))}
	}
	at, wall, err := parseTime(strings.TrimSpace(rec[t.start]))
	if err != nil {
		return &CSVError{Line: line, Column: "start", Err: err}
	}
	r := row{line: line, start: at, wall: wall, values: map[*column]float64{}}
	for _, c := range t.columns {
		if c.at >= len(rec) {
			continue
		}
		v, known, err := parseFigure(rec[c.at], t.comma)
		if err != nil {
			return &CSVError{Line: line, Column: c.name, Err: err}
		}
		if known {
			r.values[c] = v
		}
	}
	t.rows = append(t.rows, r)
	return nil
}

// longest is the longest time that a file may span.
const longest = 20 * 366 * 24 * time.Hour

// series turns what was read into a series.
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
	t.columns = slices.DeleteFunc(t.columns, func(c *column) bool {
		return !slices.ContainsFunc(t.rows, func(r row) bool { _, ok := r.values[c]; return ok })
	})
	if err := t.units(length); err != nil {
		return Series{}, err
	}
	if last := t.rows[len(t.rows)-1]; last.start.Sub(t.rows[0].start) > longest {
		return Series{}, &CSVError{Line: last.line, Column: "start", Err: errors.New("the file spans more than 20 years")}
	}
	if err := t.onQuarters(length); err != nil {
		return Series{}, err
	}
	if t.instants {
		t.shift(length)
	}
	s := Series{Length: length, Zone: zone, Currency: t.currency}
	if notice != "" {
		s.Notices = append(s.Notices, notice)
	}
	if len(t.ignored) > 0 {
		s.Notices = append(s.Notices, "not used: "+strings.Join(t.ignored, ", "))
	}
	if text := t.withoutMeters(); text != "" {
		s.Notices = append(s.Notices, text)
	}
	meters := make([]flows, 0, len(t.rows))
	for _, r := range t.rows {
		for n := len(s.Slots); n > 0 && r.start.Sub(s.Slots[n-1].Start) > length; n++ {
			s.Slots = append(s.Slots, Slot{Start: s.Slots[n-1].Start.Add(length)})
			meters = append(meters, nil)
		}
		if n := len(s.Slots); n > 0 && r.start.Sub(s.Slots[n-1].Start) != length {
			return Series{}, &CSVError{Line: r.line, Column: "start", Err: fmt.Errorf("%s is %v after the slot before it, and the lines are %v apart",
				r.start.Format("2006-01-02 15:04"), r.start.Sub(s.Slots[n-1].Start), length)}
		}
		slot, flow := t.slot(r, length)
		s.Slots, meters = append(s.Slots, slot), append(meters, flow)
	}
	asleep(meters, length)
	for i, flow := range meters {
		s.Slots[i].SunKWh, s.Slots[i].LoadKWh = flow[isSun], flow.load()
	}
	if text := t.unpriced(); text != "" {
		s.Notices = append(s.Notices, text)
	}
	if text := silent(meters); text != "" {
		s.Notices = append(s.Notices, text)
	}
	return s, nil
}

// apart returns the most common distance between lines.
func (t *table) apart() time.Duration {
	counts := map[time.Duration]int{}
	for i := 1; i < len(t.rows); i++ {
		counts[t.rows[i].start.Sub(t.rows[i-1].start)]++
	}
	var apart time.Duration
	for d, n := range counts {
		if n > counts[apart] || n == counts[apart] && d < apart {
			apart = d
		}
	}
	return apart
}

// length returns the length of the slots.
func (t *table) length() (time.Duration, error) {
	length := t.apart()
	if length < time.Minute || length > time.Hour || time.Hour%length != 0 {
		return 0, &CSVError{Line: t.rows[1].line, Column: "start", Err: fmt.Errorf("the lines are %v apart: 5, 10, 15, 20, 30 or 60 minutes can be read", length)}
	}
	return length, nil
}

// onQuarters refuses lines that cannot be combined into quarter hours.
func (t *table) onQuarters(length time.Duration) error {
	step := length
	for rest := 15 * time.Minute; rest > 0; {
		step, rest = rest, step%rest
	}
	if r := t.rows[0]; !r.start.Truncate(step).Equal(r.start) {
		return &CSVError{Line: r.line, Column: "start", Err: fmt.Errorf("%s is not a multiple of %.0f minutes past the hour: it cannot be combined into quarter hours", r.start.Format("15:04:05"), step.Minutes())}
	}
	return nil
}

// unpriced says where prices are missing in a column of prices; empty: nowhere.
func (t *table) unpriced() string {
	for _, c := range t.columns {
		if c.is != isPrice {
			continue
		}
		line, n := 0, 0
		for _, r := range t.rows {
			if _, ok := r.values[c]; !ok {
				n++
				if line == 0 {
					line = r.line
				}
			}
		}
		if n > 0 {
			return fmt.Sprintf("line %d, column %s: no price; %d of %d lines have none", line, c.name, n, len(t.rows))
		}
	}
	return ""
}

// maxKW is the highest average power of a home over a whole file, in kW.
const maxKW = 30

// units refuses a column whose mean is impossible in the unit that its name states.
func (t *table) units(length time.Duration) error {
	for _, c := range t.columns {
		if c.is == isAir || c.is == isPrice || c.is == isPaid {
			continue
		}
		mean, better := 0.0, c.is+"_wh or "+c.is+"_w"
		if c.counter {
			sum, n := c.rise(t.rows, length)
			mean, better = sum/n, c.is+"_total_wh"
		} else {
			var err error
			if mean, err = c.mean(t.rows); err != nil {
				return err
			}
		}
		kW := mean * c.factor
		if !c.power {
			kW /= length.Hours()
		}
		if kW > maxKW {
			return &CSVError{Line: 1, Column: c.name, Err: fmt.Errorf("its mean is %.4g in %v, which would be %.4g kW all the time: if it is in Wh or W, call it %s",
				mean, length, kW, better)}
		}
	}
	return nil
}

// mean returns the mean of the absolute values of a column; NaN: it has none. It refuses
// a column that is negative on average, and names the first line that is.
func (c *column) mean(rows []row) (float64, error) {
	sum, signed, n, below := 0.0, 0.0, 0.0, 0
	for _, r := range rows {
		v, ok := r.values[c]
		if !ok {
			continue
		}
		sum, signed, n = sum+math.Abs(v), signed+v, n+1
		if v < 0 && below == 0 {
			below = r.line
		}
	}
	if signed < 0 {
		return 0, &CSVError{Line: below, Column: c.name, Err: errors.New("it is negative there, and on average: energy counts from zero up, whichever way it flows")}
	}
	return sum / n, nil
}
