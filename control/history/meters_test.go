package history

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// A meter without figures was treated as one that had counted nothing.
func TestAMeterWithoutAFigureIsNotZero(t *testing.T) {
	const want = "07-15 16:00 load 2.5 sun 2 out - price - -\n07-15 17:00 load - sun 2 out - price - -\n07-15 18:00 load - sun 2 out - price - -\n07-15 19:00 load 2.5 sun 2 out - price - -\n"
	stat := func(id string, sums ...string) string {
		var b strings.Builder
		for i, sum := range sums {
			if sum != "" {
				fmt.Fprintf(&b, "%s,%d,%s\n", id, 1784152800+3600*i, sum)
			}
		}
		return b.String()
	}
	for name, file := range map[string]string{
		"a line an hour": "start,grid_import_kwh,grid_export_kwh,solar_kwh\n2026-07-15T16:00,1,0.5,2\n2026-07-15T17:00,1,,2\n2026-07-15T18:00,1,,2\n2026-07-15T19:00,1,0.5,2\n",
		"dashboard": "entity_id,type,unit,2026-07-15T23:00:00Z,2026-07-16T00:00:00Z,2026-07-16T01:00:00Z,2026-07-16T02:00:00Z\n" +
			"a,grid_consumption,kWh,1,1,1,1\nb,grid_return,kWh,0.5,,,0.5\nc,solar_production,kWh,2,2,2,2\n",
		"statistics": "statistic_id,start_ts,sum\n" + stat("sensor.grid_import", "5", "6", "7", "8", "9") +
			stat("sensor.grid_export", "5", "5.5", "", "6.5", "7") + stat("sensor.solar_energy", "10", "12", "14", "16", "18"),
		"statistics with a counter that falls": "statistic_id,start_ts,sum\n" + stat("sensor.grid_import", "5", "6", "7", "8", "9") +
			stat("sensor.grid_export", "5", "5.5", "3", "1", "1.5") + stat("sensor.solar_energy", "10", "12", "14", "16", "18"),
	} {
		s, err := ReadCSV(strings.NewReader(file), zone(t, "America/Los_Angeles"))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := strings.TrimPrefix(text(s), "07-15 15:00 load - sun - out - price - -\n"); got != want {
			t.Errorf("%s: got\n%swant\n%s", name, got, want)
		}
		if !strings.Contains(strings.Join(s.Notices, ""), "grid_export has no figure in") {
			t.Errorf("%s: %q", name, s.Notices)
		}
	}
}

// Many inverters report nothing at night: that means no sun, but a gap during the day
// does not.
func TestAnInverterThatSleepsAtNight(t *testing.T) {
	var b strings.Builder
	b.WriteString("start,grid_import_kwh,solar_kwh\n")
	begin := time.Date(2026, 7, 15, 12, 0, 0, 0, time.UTC)
	for i := range 96 {
		at, sun := begin.Add(time.Duration(i)*time.Hour), ""
		if h := at.Hour(); h >= 6 && h < 18 {
			sun = fmt.Sprint(min(h-5, 18-h))
		}
		if i >= 46 && i < 50 {
			sun = "" // away at noon
		}
		fmt.Fprintf(&b, "%s,1,%s\n", at.Format("2006-01-02T15:04"), sun)
	}
	s, err := ReadCSV(strings.NewReader(b.String()), time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	for i, slot := range s.Slots {
		if want := i < 46 || i >= 50; (slot.LoadKWh != nil) != want || (slot.SunKWh != nil) != want {
			t.Errorf("slot %d, %s: load %v, sun %v", i, slot.Start.Format("15:04"), slot.LoadKWh, slot.SunKWh)
		}
	}
}

// One of them was dropped, which halved the energy from the grid.
func TestTheTwoTariffsOfAMeterAreAdded(t *testing.T) {
	const file = "statistic_id,start_ts,sum\n%[1]s,1784152800,5\n%[1]s,1784156400,6\n%[1]s,1784160000,7\n%[2]s,1784152800,5\n%[2]s,1784156400,5.5\n%[2]s,1784160000,7\n"
	for _, tt := range []struct {
		a, b  string
		added bool
	}{
		{"sensor.p1_meter_energy_import_tariff_1", "sensor.p1_meter_energy_import_tariff_2", true},
		{"sensor.grid_import_t1", "sensor.grid_import_t2", true},
		{"sensor.grid_import_high", "sensor.grid_import_low", true},
		{"sensor.p1_meter_energy_import", "sensor.p1_meter_energy_import_tariff_1", false}, // all, and a part of it
		{"sensor.grid_import", "sensor.home_grid_import", false},
		{"sensor.grid_import_tariff_1", "sensor.p1_import_tariff_2", false},
	} {
		s, err := ReadCSV(strings.NewReader(fmt.Sprintf(file, tt.a, tt.b)), zone(t, "America/Los_Angeles"))
		if tt.added {
			const want = "07-15 15:00 load - sun - out - price - -\n07-15 16:00 load 1.5 sun - out - price - -\n07-15 17:00 load 2.5 sun - out - price - -\n"
			if err != nil || text(s) != want {
				t.Errorf("%s, %s: %v, got\n%swant\n%s", tt.a, tt.b, err, text(s), want)
			}
		} else if err == nil || !strings.Contains(err.Error(), "counts the same again") {
			t.Errorf("%s, %s: %v", tt.a, tt.b, err)
		}
	}
}
