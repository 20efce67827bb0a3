package history

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

func zone(t *testing.T, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Skip(err)
	}
	return z
}

// text writes a series, a line a slot.
func text(s Series) string {
	var b strings.Builder
	f := func(v *float64) string {
		if v == nil {
			return "-"
		}
		return fmt.Sprintf("%.4g", *v)
	}
	for _, x := range s.Slots {
		fmt.Fprintf(&b, "%s load %s sun %s out %s price %s %s\n", x.Start.In(s.Zone).Format("01-02 15:04"), f(x.LoadKWh), f(x.SunKWh), f(x.OutdoorC), f(x.Import), f(x.Export))
	}
	return b.String()
}

func TestReadCSV(t *testing.T) {
	la := zone(t, "America/Los_Angeles")
	for _, tt := range []struct{ name, file, want string }{
		{"a line an hour, in kWh", "start,load_kwh,solar_kwh,outdoor_c,price_usd_per_kwh\n2026-07-15T16:00,2,1,30,0.5\n2026-07-15T17:00,3,0,31,0.5\n",
			"07-15 16:00 load 2 sun 1 out 30 price 0.5 -\n07-15 17:00 load 3 sun 0 out 31 price 0.5 -\n"},
		{"Wh, and °F", "time,home_wh,pv_wh,outdoor_f\n2026-07-15 16:00,2000,1000,86\n2026-07-15 16:30,3000,0,86\n",
			"07-15 16:00 load 2 sun 1 out 30 price - -\n07-15 16:30 load 3 sun 0 out 30 price - -\n"},
		{"W, every five minutes", "start,load_w\n2026-07-15T16:00,1200\n2026-07-15T16:05,2400\n",
			"07-15 16:00 load 0.1 sun - out - price - -\n07-15 16:05 load 0.2 sun - out - price - -\n"},
		{"what the meters of grid, sun and battery say", "start,grid_import_kwh,grid_export_kwh,solar_kwh,battery_in_kwh,battery_out_kwh\n2026-07-15T16:00,1,0,2,0.5,0\n2026-07-15T17:00,0,0.5,1,0,2\n",
			"07-15 16:00 load 2.5 sun 2 out - price - -\n07-15 17:00 load 2.5 sun 1 out - price - -\n"},
		{"counters that only rise, one reset among them", "start,load_total_kwh\n2026-07-15T16:00,100\n2026-07-15T17:00,101.5\n2026-07-15T18:00,0.5\n2026-07-15T19:00,1\n",
			"07-15 16:00 load - sun - out - price - -\n07-15 17:00 load 1.5 sun - out - price - -\n07-15 18:00 load - sun - out - price - -\n07-15 19:00 load 0.5 sun - out - price - -\n"},
		{"a gap stays a gap, and a counter says nothing of the slot after it", "start,load_total_kwh\n2026-07-15T15:00,99\n2026-07-15T16:00,100\n2026-07-15T19:00,104\n2026-07-15T20:00,105\n2026-07-15T21:00,106\n",
			"07-15 15:00 load - sun - out - price - -\n07-15 16:00 load 1 sun - out - price - -\n07-15 17:00 load - sun - out - price - -\n07-15 18:00 load - sun - out - price - -\n07-15 19:00 load - sun - out - price - -\n07-15 20:00 load 1 sun - out - price - -\n07-15 21:00 load 1 sun - out - price - -\n"},
		{"an hour that is not known", "start,load_kwh\n2026-07-15T16:00,1\n2026-07-15T17:00,unavailable\n2026-07-15T18:00,\n",
			"07-15 16:00 load 1 sun - out - price - -\n07-15 17:00 load - sun - out - price - -\n07-15 18:00 load - sun - out - price - -\n"},
		{"other currencies, and a price for what is fed in", "start,load_kwh,price_eur_per_kwh,export_price_eur_per_kwh\n2026-07-15T16:00,1,0.31,0.08\n2026-07-15T17:00,1,0.29,0.08\n",
			"07-15 16:00 load 1 sun - out - price 0.31 0.08\n07-15 17:00 load 1 sun - out - price 0.29 0.08\n"},
		{"summer time begins", "start,load_kwh\n2026-03-08T01:00,1\n2026-03-08T03:00,2\n2026-03-08T04:00,3\n",
			"03-08 01:00 load 1 sun - out - price - -\n03-08 03:00 load 2 sun - out - price - -\n03-08 04:00 load 3 sun - out - price - -\n"},
		{"summer time ends, and an hour comes twice", "start,load_kwh\n2026-11-01T00:00,1\n2026-11-01T01:00,2\n2026-11-01T01:00,3\n2026-11-01T02:00,4\n",
			"11-01 00:00 load 1 sun - out - price - -\n11-01 01:00 load 2 sun - out - price - -\n11-01 01:00 load 3 sun - out - price - -\n11-01 02:00 load 4 sun - out - price - -\n"},
		{"summer time ends, with offsets", "start,load_kwh\n2026-11-01T01:30:00-07:00,1\n2026-11-01T01:00:00-08:00,2\n",
			"11-01 01:30 load 1 sun - out - price - -\n11-01 01:00 load 2 sun - out - price - -\n"},
		{"a leap day", "start,load_kwh\n2028-02-28T23:00,1\n2028-02-29T00:00,2\n2028-02-29T01:00,3\n",
			"02-28 23:00 load 1 sun - out - price - -\n02-29 00:00 load 2 sun - out - price - -\n02-29 01:00 load 3 sun - out - price - -\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, err := ReadCSV(strings.NewReader(tt.file), la)
			if err != nil {
				t.Fatal(err)
			}
			if got := text(s); got != tt.want {
				t.Errorf("got\n%swant\n%s", got, tt.want)
			}
		})
	}
}

func TestAWrongFileSaysWhere(t *testing.T) {
	la := zone(t, "America/Los_Angeles")
	for _, tt := range []struct {
		name, file string
		line       int
		column     string
		text       string
	}{
		{"nothing", "", 1, "", "empty"},
		{"no time", "load_kwh\n1\n", 1, "", "no column start"},
		{"no load", "start,price_usd_per_kwh\n2026-07-15T16:00,1\n", 1, "", "no column load_kwh"},
		{"only one line", "start,load_kwh\n2026-07-15T16:00,1\n", 1, "", "fewer than two"},
		{"a word for a number", "start,load_kwh\n2026-07-15T16:00,1\n2026-07-15T17:00,much\n", 3, "load_kwh", "not a number"},
		{"no number at all", "start,load_kwh\n2026-07-15T16:00,1\n2026-07-15T17:00,inf\n", 3, "load_kwh", "not a number"},
		{"a time that is none", "start,load_kwh\n15.7.26,1\n", 2, "start", "not a time"},
		{"out of order", "start,load_kwh\n2026-07-15T16:00,1\n2026-07-15T15:00,1\n", 3, "start", "in order"},
		{"twice", "start,load_kwh\n2026-07-15T16:00,1\n2026-07-15T16:00,1\n", 3, "start", "each once"},
		{"out of step", "start,load_kwh\n2026-07-15T16:00,1\n2026-07-15T17:00,1\n2026-07-15T18:00,1\n2026-07-15T18:40,1\n", 5, "start", "apart"},
		{"days", "start,load_kwh\n2026-07-15T00:00,1\n2026-07-16T00:00,1\n", 3, "start", "60 minutes"},
		{"Wh called kWh", "start,load_kwh\n2026-07-15T16:00,1200\n2026-07-15T17:00,900\n", 1, "load_kwh", "load_wh"},
		{"the same thing twice", "start,load_kwh,home_wh\n2026-07-15T16:00,1,1\n", 1, "home_wh", "already"},
		{"a slip of the century", "start,load_kwh\n1926-07-15T16:00,1\n1926-07-15T17:00,1\n2026-07-15T17:00,1\n", 4, "start", "years"},
		{"a quote that does not end", "start,load_kwh\n\"2026-07-15T16:00,1\n", 2, "", "quote"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := ReadCSV(strings.NewReader(tt.file), la)
			var bad *CSVError
			if !errors.As(err, &bad) {
				t.Fatalf("%v is no CSVError", err)
			}
			if bad.Line != tt.line || bad.Column != tt.column || !strings.Contains(err.Error(), tt.text) {
				t.Errorf("%v: want line %d, column %q, and %q", err, tt.line, tt.column, tt.text)
			}
		})
	}
}

func TestAFileThatKnowsNoSummerTime(t *testing.T) {
	s, err := ReadCSV(strings.NewReader("start,load_kwh\n2026-03-08T01:00,1\n2026-03-08T02:00,2\n2026-03-08T03:00,3\n"), zone(t, "America/Los_Angeles"))
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Slots) != 3 || len(s.Notices) != 1 || !strings.Contains(s.Notices[0], "line 3") {
		t.Errorf("%d slots, %v", len(s.Slots), s.Notices)
	}
}

func FuzzReadCSV(f *testing.F) {
	f.Add("start,load_kwh\n2026-07-15T16:00,1\n2026-07-15T17:00,2\n")
	f.Add("time,home_total_wh,price_usd_per_kwh\n1783900800,1,\n1783904400,2,0.1\n")
	f.Fuzz(func(t *testing.T, file string) {
		s, err := ReadCSV(strings.NewReader(file), time.UTC)
		var bad *CSVError
		if err != nil && !errors.As(err, &bad) {
			t.Fatalf("%T: %v", err, err)
		}
		for i := 1; i < len(s.Slots); i++ {
			if s.Slots[i].Start.Sub(s.Slots[i-1].Start) != s.Length {
				t.Fatalf("slot %d is not %v after the one before", i, s.Length)
			}
		}
	})
}
