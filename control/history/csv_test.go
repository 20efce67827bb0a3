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

// text formats a series, with a line for each slot.
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
		{"counters that were read at an instant", "timestamp,load_total_kwh\n2026-07-15T16:00,100\n2026-07-15T17:00,101.5\n2026-07-15T18:00,104\n",
			"07-15 16:00 load 1.5 sun - out - price - -\n07-15 17:00 load 2.5 sun - out - price - -\n"},
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
		{"a spreadsheet's, with commas for decimals", "start;load_kwh\n2026-07-15T16:00;1,5\n2026-07-15T17:00;2\n",
			"07-15 16:00 load 1.5 sun - out - price - -\n07-15 17:00 load 2 sun - out - price - -\n"},
		{"with tabs", "start\tload_kwh\tsolar_kwh\n2026-07-15T16:00\t\t1\n2026-07-15T17:00\t2\t0\n",
			"07-15 16:00 load - sun 1 out - price - -\n07-15 17:00 load 2 sun 0 out - price - -\n"},
		{"Home Assistant's energy dashboard, with two panels and a device", "entity_id,type,unit,2026-07-15T23:00:00.000Z,2026-07-16T00:00:00.000Z\n" +
			"sensor.a,grid_consumption,kWh,1,0\nsensor.b,grid_return,kWh,0,0.5\nsensor.c,battery_in,kWh,0.5,0\nsensor.d,battery_out,kWh,0,2\n" +
			"sensor.e,solar_production,kWh,1.5,1\nsensor.f,solar_production,Wh,500,0\nsensor.g,device_consumption,kWh,9,9\n,calculated_total_consumption,kWh,9,9\n",
			"07-15 16:00 load 2.5 sun 2 out - price - -\n07-15 17:00 load 2.5 sun 1 out - price - -\n"},
		{"Home Assistant's statistics, a meter after the other", "statistic_id,start_ts,state,sum\n" +
			"sensor.powerwall_home_energy,1784152800,5,1000\nsensor.powerwall_home_energy,1784156400,6,1001.5\nsensor.powerwall_home_energy,1784160000,7,1003.5\n" +
			"sensor.powerwall_solar_energy,1784156400,1,20\nsensor.powerwall_solar_energy,1784160000,1,20.5\nsensor.kitchen,1784160000,1,1\n",
			"07-15 15:00 load - sun - out - price - -\n07-15 16:00 load 1.5 sun - out - price - -\n07-15 17:00 load 2 sun 0.5 out - price - -\n"},
		{"Home Assistant's statistics in Wh, with the grid's meters", "statistic_id;unit;start;sum\n" +
			"sensor.grid_import;Wh;2026-07-15 22:00:00+00:00;1000\nsensor.grid_import;Wh;2026-07-15 23:00:00+00:00;2000\nsensor.grid_import;Wh;2026-07-16 00:00:00+00:00;2000\n" +
			"sensor.solar_energy;kWh;2026-07-15 22:00:00+00:00;5\nsensor.solar_energy;kWh;2026-07-15 23:00:00+00:00;6\nsensor.solar_energy;kWh;2026-07-16 00:00:00+00:00;9\n" +
			"sensor.grid_export;kWh;2026-07-15 22:00:00+00:00;5\nsensor.grid_export;kWh;2026-07-15 23:00:00+00:00;5\nsensor.grid_export;kWh;2026-07-16 00:00:00+00:00;6\n",
			"07-15 15:00 load - sun - out - price - -\n07-15 16:00 load 2 sun 1 out - price - -\n07-15 17:00 load 2 sun 3 out - price - -\n"},
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
		{"at two past", "start,load_kwh\n2026-07-15T16:02,1\n2026-07-15T17:02,1\n", 2, "start", "multiple of 15 minutes"},
		{"at two past, every five minutes", "start,load_kwh\n2026-07-15T16:02,1\n2026-07-15T16:07,1\n", 2, "start", "multiple of 5 minutes"},
		{"days", "start,load_kwh\n2026-07-15T00:00,1\n2026-07-16T00:00,1\n", 3, "start", "60 minutes"},
		{"Wh called kWh", "start,load_kwh\n2026-07-15T16:00,1200\n2026-07-15T17:00,900\n", 1, "load_kwh", "load_wh"},
		{"a counter in Wh called kWh", "start,load_total_kwh\n2026-07-15T16:00,100000\n2026-07-15T17:00,101200\n2026-07-15T18:00,102500\n", 1, "load_total_kwh", "load_total_wh"},
		{"a dashboard with a word for a number", "entity_id,type,unit,2026-07-15T23:00:00.000Z,2026-07-16T00:00:00.000Z\nsensor.a,grid_consumption,kWh,1,much\n", 2, "2026-07-16T00:00:00.000Z", "not a number"},
		{"a dashboard in gallons", "entity_id,type,unit,2026-07-15T23:00:00.000Z\nsensor.a,grid_consumption,gal,1\n", 2, "unit", "kWh"},
		{"statistics without the home's meters", "statistic_id,start_ts,sum\nsensor.kitchen,1784156400,1\n", 1, "statistic_id", "sensor.kitchen"},
		{"statistics with two of one kind", "statistic_id,start_ts,sum\nsensor.grid_import_a,1784156400,1\nsensor.grid_import_b,1784156400,1\n", 3, "statistic_id", "leave out"},
		{"statistics with a word for a number", "statistic_id,start_ts,sum\nsensor.home_energy,1784156400,1\nsensor.home_energy,1784160000,much\n", 3, "sum", "not a number"},
		{"states as they changed", "entity_id,state,last_changed\nsensor.home_energy,1,2026-07-15T23:00:01.000Z\nsensor.home_energy,2,2026-07-15T23:17:20.000Z\n", 3, "start", "60 minutes"},
		{"sun that is counted downwards", "start,load_kwh,solar_kwh\n2026-07-15T16:00,1,0\n2026-07-15T17:00,1,-2\n", 3, "solar_kwh", "negative"},
		{"prices in two currencies", "start,load_kwh,price_usd_per_kwh,export_price_eur_per_kwh\n2026-07-15T16:00,1,0.2,0.1\n", 1, "export_price_eur_per_kwh", "another price in USD"},
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

func TestMetersThatAreMissingAreSaid(t *testing.T) {
	for file, want := range map[string]string{
		"start,grid_import_kwh,solar_kwh\n2026-07-15T16:00,1,0\n2026-07-15T17:00,1,2\n":                                              "nothing is known of grid_export, battery_in, battery_out",
		"start,grid_import_kwh,grid_export_kwh,battery_in_kwh,battery_out_kwh\n2026-07-15T16:00,1,0,0,0\n2026-07-15T17:00,1,0,0,0\n": "",
		"start,load_kwh\n2026-07-15T16:00,1\n2026-07-15T17:00,1\n":                                                                   "",
	} {
		s, err := ReadCSV(strings.NewReader(file), zone(t, "America/Los_Angeles"))
		if err != nil || want == "" && len(s.Notices) > 0 || want != "" && !strings.Contains(strings.Join(s.Notices, ""), want) {
			t.Errorf("%v, %q, want %q", err, s.Notices, want)
		}
	}
}

func TestAPriceThatIsMissingIsSaidWithItsLine(t *testing.T) {
	s, err := ReadCSV(strings.NewReader("start,load_kwh,price_usd_per_kwh\n2026-07-15T16:00,1,0.1\n2026-07-15T17:00,1,0.1\n2026-07-15T18:00,1,\n"), time.UTC)
	if want := "line 4, column price_usd_per_kwh: no price; 1 of 3 lines have none"; err != nil || len(s.Notices) != 1 || s.Notices[0] != want {
		t.Errorf("%v, %q, want %q", err, s.Notices, want)
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
	f.Add("entity_id,type,unit,2026-07-15T23:00:00.000Z,2026-07-16T00:00:00.000Z\na,grid_consumption,kWh,1,2\n")
	f.Add("statistic_id;unit;start_ts;sum\nsensor.home_energy;Wh;1784156400;1,5\nsensor.home_energy;Wh;1784160000;2\n")
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
