package history

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// Files from Home Assistant. The energy dashboard's "Download data" has a line for each
// meter and a column for each hour, with the energy of that hour. The statistics, as
// returned by a query of the database, have a line for each meter and hour, with a sum
// that only rises and is the value at the end of the hour.

// dashboard has the types of meters in the energy dashboard.
var dashboard = map[string]string{
	"grid_consumption": isIn, "grid_return": isOut, "solar_production": isSun, "battery_in": isFed, "battery_out": isGiven,
}

// isDashboard reports whether a file with that head is from the energy dashboard.
func isDashboard(head []string) bool {
	return len(head) > 3 && plain(head[0]) == "entity_id" && plain(head[1]) == "type" && plain(head[2]) == "unit"
}

// plain returns the name of a column without what spreadsheets add.
func plain(name string) string {
	return strings.ToLower(strings.TrimSpace(strings.TrimPrefix(name, "\ufeff")))
}

// toKWh returns the factor from a unit of energy to kWh.
func toKWh(unit string) (factor float64, ok bool) {
	factor, ok = map[string]float64{"kWh": 1, "Wh": 0.001, "MWh": 1000, "": 1}[strings.TrimSpace(unit)]
	return factor, ok
}

// readDashboard reads the energy dashboard's download after its head.
func readDashboard(in *csv.Reader, head []string, t *table) error {
	for _, text := range head[3:] {
		at, wall, err := parseTime(strings.TrimSpace(text))
		if err != nil {
			return &CSVError{Line: 1, Column: text, Err: err}
		}
		t.rows = append(t.rows, row{line: 1, start: at, wall: wall, values: map[*column]float64{}})
	}
	head = slices.Clone(head) // the reader reuses it
	return lines(in, func(line int, rec []string) error {
		if len(rec) < 3 {
			return &CSVError{Line: line, Err: errors.New("it has no unit")}
		}
		is, ok := dashboard[strings.TrimSpace(rec[1])]
		if !ok {
			return nil // a cost, gas, a single device, or a figure that Home Assistant has calculated
		}
		factor, ok := toKWh(rec[2])
		if !ok {
			return &CSVError{Line: line, Column: head[2], Err: fmt.Errorf("%.20q is not kWh, Wh or MWh", rec[2])}
		}
		c := &column{name: strings.TrimSpace(rec[0]), is: is, factor: factor} // a home may have several meters of a kind
		t.columns = append(t.columns, c)
		for i, text := range rec[3:min(len(rec), len(head))] {
			v, known, err := parseFigure(text, in.Comma)
			if err != nil {
				return &CSVError{Line: line, Column: head[3+i], Err: err}
			}
			if known {
				t.rows[i].values[c] = v
			}
		}
		return nil
	})
}

// statistics are the columns of a file of Home Assistant's statistics; -1: the file has
// no such column.
type statistics struct{ id, start, sum, unit int }

// statisticsOf finds the columns of a file with that head; ok is false if it is not a
// file of Home Assistant's statistics.
func statisticsOf(head []string) (s statistics, ok bool) {
	find := func(names ...string) int {
		for _, name := range names {
			if i := slices.IndexFunc(head, func(h string) bool { return plain(h) == name }); i >= 0 {
				return i
			}
		}
		return -1
	}
	s = statistics{find("statistic_id", "entity_id"), find("start_ts", "start", "last_changed", "last_updated"), find("sum", "state"), find("unit", "unit_of_measurement")}
	return s, s.id >= 0 && s.start >= 0 && s.sum >= 0
}

// readStatistics reads statistics after their head.
func readStatistics(in *csv.Reader, head []string, t *table, s statistics) error {
	head = slices.Clone(head)
	t.byMeter = true
	type moment struct {
		unix int64
		nth  int // 1: the second time that a wall clock shows it, when daylight saving time ends
	}
	at := map[moment]int{} // its row
	read := map[string]int{}
	err := lines(in, func(line int, rec []string) error {
		if len(rec) <= max(s.id, s.start, s.sum, s.unit) {
			return &CSVError{Line: line, Err: fmt.Errorf("it has %d columns, and the head %d", len(rec), len(head))}
		}
		id := strings.TrimSpace(rec[s.id])
		is := meter(id)
		if is == "" {
			t.ignore(id)
			return nil
		}
		c, err := t.counter(is, id)
		if err != nil {
			return &CSVError{Line: line, Column: head[s.id], Err: err}
		}
		start, wall, err := parseTime(strings.TrimSpace(rec[s.start]))
		if err != nil {
			return &CSVError{Line: line, Column: head[s.start], Err: err}
		}
		v, known, err := s.kWh(line, head, rec, in.Comma)
		if err != nil {
			return err
		}
		when := moment{unix: start.Unix()}
		if wall {
			key := fmt.Sprint(id, when.unix)
			when.nth = read[key]
			read[key]++
		}
		i, there := at[when]
		if !there {
			i = len(t.rows)
			at[when] = i
			t.rows = append(t.rows, row{line: line, start: start, wall: wall, nth: when.nth, values: map[*column]float64{}})
		}
		if known {
			t.rows[i].values[c] = v
		}
		return nil
	})
	if err == nil && !t.has(isLoad) && !t.has(isIn) {
		err = &CSVError{Line: 1, Column: head[s.id], Err: fmt.Errorf("none of its meters seems to be the home's or the grid's: %s", strings.Join(t.ignored[:min(len(t.ignored), 10)], ", "))}
	}
	return err
}

// ignore notes a statistic that is not one of the home's meters.
func (t *table) ignore(id string) {
	if !slices.Contains(t.ignored, id) && len(t.ignored) < 100 {
		t.ignored = append(t.ignored, id)
	}
}

// kWh returns the sum in a line; known is false if it has none.
func (s statistics) kWh(line int, head, rec []string, comma rune) (v float64, known bool, err error) {
	factor := 1.0
	if s.unit >= 0 {
		if factor, known = toKWh(rec[s.unit]); !known {
			return 0, false, &CSVError{Line: line, Column: head[s.unit], Err: fmt.Errorf("%.20q is not kWh, Wh or MWh", rec[s.unit])}
		}
	}
	if v, known, err = parseFigure(rec[s.sum], comma); err != nil {
		return 0, false, &CSVError{Line: line, Column: head[s.sum], Err: err}
	}
	return v * factor, known, nil
}

// counter returns the column of a statistic in kWh, and creates it if necessary.
// Statistics of two tariffs are added; of any other second statistic it is not known
// whether it counts the same energy again.
func (t *table) counter(is, id string) (*column, error) {
	for _, c := range t.columns {
		switch {
		case c.name == id:
			return c, nil
		case c.is == is && !besides(c.name, id):
			return nil, fmt.Errorf("%s and %s both seem to be the home's %s: leave out what counts the same again; the two are added if only a number or tariff at the end of their names differs, such as _tariff_1 and _tariff_2", c.name, id, is)
		}
	}
	t.columns = append(t.columns, &column{name: id, is: is, factor: 1, counter: true})
	return t.columns[len(t.columns)-1], nil
}

// besides reports whether two statistics count different parts of the same quantity, such
// as the two tariffs of a Dutch meter: their names differ in a number or a tariff at the
// end.
func besides(a, b string) bool {
	a, endA, _ := cutLast(a, "_")
	b, endB, _ := cutLast(b, "_")
	return a == b && part(endA) && part(endB)
}

// part reports whether a word is the number or the tariff of one meter out of several.
func part(word string) bool {
	digits := strings.TrimLeft(word, "tl") // t1, and l1 of a phase
	if n, err := strconv.Atoi(digits); err == nil && n >= 0 && n < 10 && len(word)-len(digits) < 2 {
		return true
	}
	return slices.Contains([]string{"high", "low", "normal", "peak", "offpeak", "day", "night", "hp", "hc"}, word)
}

// meter returns what a meter counts, judging by the words of its id; empty: unknown.
func meter(id string) string {
	words := strings.FieldsFunc(strings.ToLower(id), func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') })
	has := func(any ...string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return slices.Contains(any, w) })
	}
	switch out := has("export", "exported", "return", "returned", "out", "discharge", "discharged", "to"); {
	case has("power", "cost", "price", "compensation", "percentage", "today", "daily", "weekly", "monthly", "yearly", "device"):
		return "" // not a counter of energy that only rises
	case has("battery") && (out || has("in", "charge", "charged", "imported", "import")):
		return map[bool]string{true: isGiven, false: isFed}[out]
	case has("battery"):
		return ""
	case has("solar", "pv", "photovoltaic") && !out:
		return isSun
	case has("grid", "import", "export", "imported", "exported", "return", "returned"):
		return map[bool]string{true: isOut, false: isIn}[out]
	case has("home", "house", "load"):
		return isLoad
	}
	return ""
}

// lines calls each for every line after the head.
func lines(in *csv.Reader, each func(line int, rec []string) error) error {
	for line := 2; ; line++ {
		rec, err := in.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		var bad *csv.ParseError
		if errors.As(err, &bad) {
			return &CSVError{Line: bad.Line, Err: bad.Err}
		}
		if err != nil {
			return &CSVError{Line: line, Err: err}
		}
		if line, _ = in.FieldPos(0); len(rec) == 1 && rec[0] == "" {
			continue
		}
		if err := each(line, rec); err != nil {
			return err
		}
	}
}

// parseFigure parses a number; known is false if a file says that there is none. If
// columns are not separated by commas, a comma may be a decimal separator.
func parseFigure(text string, separator rune) (v float64, known bool, err error) {
	text = strings.TrimSpace(text)
	switch strings.ToLower(text) {
	case "", "null", "nan", "unknown", "unavailable", "none":
		return 0, false, nil
	}
	number := text
	if separator != ',' && strings.Count(text, ",") == 1 && !strings.Contains(text, ".") {
		number = strings.Replace(text, ",", ".", 1)
	}
	if v, err = strconv.ParseFloat(number, 64); err != nil || !finite(v) {
		return 0, false, fmt.Errorf("%.40q is not a number", text)
	}
	return v, true, nil
}
