package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// whatIf runs the command on a file with that content.
func whatIf(t *testing.T, content string, args ...string) (code int, out, complaints string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "home.csv")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	code = run(t.Context(), append([]string{"what-if", "--timezone", "America/Los_Angeles", path}, args...), streams{in: strings.NewReader(""), out: &stdout, err: &stderr})
	return code, stdout.String(), stderr.String()
}

// home returns a file about a home for a number of days, with a line for each length;
// figure returns the values of a line, by the hours since the beginning.
func home(head string, from time.Time, days int, length time.Duration, figure func(hours float64) string) string {
	var b strings.Builder
	fmt.Fprintln(&b, head)
	for at := from; at.Before(from.Add(time.Duration(days) * 24 * time.Hour)); at = at.Add(length) {
		fmt.Fprintf(&b, "%s,%s\n", at.Format(time.RFC3339), figure(at.Sub(from).Hours()))
	}
	return b.String()
}

func tariffFile(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const flat = "tariff: {currency: EUR, rates: [{price: 0.25}]}\n"

// The same home, in files of different forms: ten days, of which three count.
func TestWhatIfReadsFilesOfEveryKind(t *testing.T) {
	from := time.Date(2026, 7, 1, 7, 0, 0, 0, time.UTC)
	one := func(text string) func(float64) string { return func(float64) string { return text } }
	prices := tariffFile(t, "flat.yaml", flat)
	for _, row := range []struct{ name, file, kWh string }{
		{"hours", home("start,load_kwh", from, 10, time.Hour, one("1")), "72"},
		{"half hours in Wh", home("start,load_wh", from, 10, 30*time.Minute, one("500")), "72"},
		{"quarter hours in W", home("start,load_w", from, 10, 15*time.Minute, one("1000")), "72"},
		{"five minutes in kW", home("start,load_kw", from, 10, 5*time.Minute, one("1")), "72"},
		{"ten minutes in W", home("start,load_w", from, 10, 10*time.Minute, one("1000")), "72"},
		{"twenty minutes in Wh", home("start,load_wh", from, 10, 20*time.Minute, one("333.33333333")), "72"},
		{"a counter", home("start,load_total_kwh", from, 10, time.Hour, func(h float64) string { return fmt.Sprintf("%.1f", 5000+h) }), "72"},
		{"a counter in Wh, by quarter hours", home("start,load_total_wh", from, 10, 15*time.Minute, func(h float64) string { return fmt.Sprintf("%.0f", 1000*h) }), "72"},
		{"a leap day", home("start,load_kwh", time.Date(2028, 2, 20, 8, 0, 0, 0, time.UTC), 11, time.Hour, one("1")), "96"},
		{"the day on which summer time begins", home("start,load_kwh", time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC), 10, time.Hour, one("1")), "72"},
		{"the day on which it ends", home("start,load_kwh", time.Date(2026, 10, 25, 7, 0, 0, 0, time.UTC), 10, time.Hour, one("1")), "72"},
		{"a week only", home("start,load_kwh", from, 7, time.Hour, one("1")), "168"},
		{"another currency", home("start,load_kwh,price_chf_per_kwh", from, 10, time.Hour, one("1,0.25")), "72"},
	} {
		t.Run(row.name, func(t *testing.T) {
			args := []string{"--policies", "none", "--json"}
			currency := "chf"
			if !strings.Contains(row.file, "chf") {
				args, currency = append(args, "--tariff", prices), "EUR"
			}
			code, out, complaints := whatIf(t, row.file, args...)
			var all []comparison
			if err := json.Unmarshal([]byte(out), &all); code != 0 || err != nil || len(all) != 1 {
				t.Fatal(code, err, complaints)
			}
			r := all[0].Results["no battery"]
			if got := fmt.Sprintf("%.0f", r.Import); got != row.kWh || r.Bill < 0.2499*r.Import || r.Bill > 0.2501*r.Import || all[0].Currency != currency {
				t.Errorf("%s kWh for %.2f %s, want %s", got, r.Bill, all[0].Currency, row.kWh)
			}
		})
	}
}

func TestWhatIfSaysWhereAFileIsWrong(t *testing.T) {
	from := time.Date(2026, 7, 1, 7, 0, 0, 0, time.UTC)
	good := home("start,load_kwh", from, 10, time.Hour, func(float64) string { return "1" })
	prices := tariffFile(t, "flat.yaml", flat)
	for _, row := range []struct{ name, file, want string }{
		{"not a number", strings.Replace(good, "03:00:00Z,1", "03:00:00Z,much", 1), `line 22, column load_kwh: "much" is not a number`},
		{"not a time", strings.Replace(good, "2026-07-02T03:00:00Z", "yesterday", 1), `line 22, column start: "yesterday" is not a time`},
		{"W for kWh", strings.ReplaceAll(good, "Z,1", "Z,1000000"), "line 1, column load_kwh: its mean is"},
		{"the same hour twice", strings.Replace(good, "2026-07-02T03:00:00Z", "2026-07-02T02:00:00Z", 1), "line 22, column start"},
	} {
		t.Run(row.name, func(t *testing.T) {
			code, _, complaints := whatIf(t, row.file, "--tariff", prices)
			if code != 2 || !strings.Contains(complaints, row.want) {
				t.Errorf("exit %d: %s, want %s", code, complaints, row.want)
			}
		})
	}
}

// Hours without a figure for the sun silently counted as hours without sun.
func TestWhatIfSaysWhereTheSunIsNotKnown(t *testing.T) {
	from := time.Date(2026, 7, 1, 7, 0, 0, 0, time.UTC)
	prices := tariffFile(t, "flat.yaml", flat)
	for _, row := range []struct {
		name, head string
		figure     func(h float64) string
		said       bool
	}{
		{"holes", "start,load_kwh,solar_kwh", func(h float64) string { return "1," + map[bool]string{true: "", false: "0.5"}[h >= 200 && h < 203] }, true},
		{"all of it", "start,load_kwh,solar_kwh", func(float64) string { return "1,0.5" }, false},
		{"no roof", "start,load_kwh", func(float64) string { return "1" }, false},
	} {
		_, out, complaints := whatIf(t, home(row.head, from, 10, time.Hour, row.figure), "--policies", "none", "--tariff", prices)
		if said := strings.Contains(out, "note: solar production is missing for 3 hours, and counts as zero there"); said != row.said {
			t.Errorf("%s: %s%s", row.name, out, complaints)
		}
	}
}

// For a single week, a note said that the plan followed the rule all the time; and gaps
// were of "1 hours".
func TestWhatIfSaysHowTheTimeCounts(t *testing.T) {
	from := time.Date(2026, 7, 1, 7, 0, 0, 0, time.UTC)
	prices := tariffFile(t, "flat.yaml", flat)
	for _, row := range []struct {
		days, hours int // hours: without a figure
		want        string
	}{
		{7, 0, "all of them count, and the plan follows the rule until the seventh day"},
		{10, 1, "; 1 hour without data is left out\n"},
		{10, 2, "; 2 hours without data are left out\n"},
	} {
		file := home("start,load_kwh,solar_kwh", from, row.days, time.Hour, func(h float64) string {
			return map[bool]string{true: ",", false: "1,0"}[h >= 200 && h < 200+float64(row.hours)]
		})
		if code, out, complaints := whatIf(t, file, "--policies", "none", "--tariff", prices); code != 0 || !strings.Contains(out, row.want) {
			t.Errorf("exit %d, want %q\n%s%s", code, row.want, out, complaints)
		}
	}
}

func TestWhatIfComparesTariffsAndBatteries(t *testing.T) {
	from := time.Date(2026, 7, 1, 7, 0, 0, 0, time.UTC)
	file := home("start,load_kwh", from, 10, time.Hour, func(float64) string { return "1" })
	day := "tariff: {rates: [{name: p, price: 0.5, start: 16:00, end: 21:00, peak: true}, {price: 0.1}]}\n"
	code, out, complaints := whatIf(t, file, "--policies", "none,self-consumption,rule", "--battery", "2.5,5", "--battery", "5,10",
		"--tariff", tariffFile(t, "day.yaml", day), "--tariff", tariffFile(t, "flat.yaml", "tariff: {rates: [{price: 0.2}]}\n"))
	if code != 0 {
		t.Fatal(code, complaints)
	}
	for _, want := range []string{
		"A second battery of 2.5 kWh saves $", "With tariff flat you pay $", " in 3 days than with day (rule).",
		"home.csv, 3 days, tariff day, battery of 5 kWh and 10 kW", "Each battery holds 5 kWh, charges and discharges with 10 kW",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("it does not say %q:\n%s", want, out)
		}
	}
	if code, _, complaints := whatIf(t, file, "--battery", "2,2", "--battery", "3,3", "--trace", "x"); code != 2 || !strings.Contains(complaints, "--trace is for one") {
		t.Error(code, complaints)
	}
}

func TestWhatIfHasAllInItsJSON(t *testing.T) {
	from := time.Date(2026, 7, 1, 7, 0, 0, 0, time.UTC)
	file := home("start,load_kwh,price_usd_per_kwh", from, 10, time.Hour, func(h float64) string {
		return map[bool]string{true: "1,0.5", false: "1,0.1"}[int(h)%24 >= 16 && int(h)%24 < 21]
	})
	code, out, complaints := whatIf(t, file, "--policies", "none,self-consumption,rule,foresight", "--battery", "13.5,5,1.7", "--battery", "27,10", "--json")
	var all []struct {
		Battery   map[string]float64 `json:"battery"`
		Way       map[string]float64 `json:"of_the_way"`
		Sentences []string           `json:"sentences"`
	}
	if err := json.Unmarshal([]byte(out), &all); code != 0 || err != nil || len(all) != 2 {
		t.Fatal(code, err, complaints)
	}
	a := all[0]
	if a.Battery["capacity_kwh"] != 13.5 || a.Battery["power_kw"] != 5 || a.Battery["grid_charge_kw"] != 1.7 {
		t.Errorf("the battery is %v", a.Battery)
	}
	if way, ok := a.Way["self-consumption"]; !ok || way != 0 || a.Way["foresight"] != 1 || a.Way["rule"] == 0 || len(a.Way) != 3 {
		t.Errorf("of the way: %v", a.Way)
	}
	if len(a.Sentences) != 3 || !strings.Contains(a.Sentences[0], "USD") || len(all[1].Sentences) != 0 {
		t.Errorf("%q, %q", a.Sentences, all[1].Sentences)
	}
}

func TestWhatIfCountsTheDaysThatAreAskedFor(t *testing.T) {
	from := time.Date(2026, 7, 1, 7, 0, 0, 0, time.UTC)
	file := home("start,load_kwh", from, 20, time.Hour, func(float64) string { return "1" })
	prices := tariffFile(t, "flat.yaml", flat)
	for _, row := range []struct {
		name string
		args []string
		want string
	}{
		{"all", nil, "13 days"},
		{"the last ones", []string{"--days", "5"}, "5 days"},
		{"more than there are", []string{"--days", "15"}, "13 days"},
		{"more than there are, which is said", []string{"--days", "15"}, "it starts on 2026-07-01, and its first seven days only train"},
		{"from before the eighth one on", []string{"--from-date", "2026-07-04"}, "counts fewer days than you asked for"},
		{"from one to another", []string{"--from-date", "2026-07-10", "--to-date", "2026-07-11"}, "2 days"},
		{"none of them", []string{"--from-date", "2027-01-01"}, "has nothing in these days"},
		{"not a date", []string{"--to-date", "yesterday"}, "it has to read like"},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, out, complaints := whatIf(t, file, append(row.args, "--policies", "none", "--tariff", prices)...)
			if !strings.Contains(out, row.want) && !strings.Contains(complaints, row.want) {
				t.Errorf("%s%s, want %s", out, complaints, row.want)
			}
		})
	}
}

// A second model, which uses only the trace, computes the same bill.
func TestWhatIfTracesEachSlot(t *testing.T) {
	from := time.Date(2026, 7, 1, 7, 0, 0, 0, time.UTC)
	file := home("start,load_kwh,solar_kwh,price_usd_per_kwh,export_price_usd_per_kwh", from, 12, time.Hour, func(h float64) string {
		hour := math.Mod(h, 24)
		price := map[bool]float64{true: 0.5, false: 0.2}[hour >= 16 && hour < 21]
		return fmt.Sprintf("%.2f,%.3f,%.2f,%.2f", 0.5+math.Mod(h/7, 2), max(0, 5*math.Sin((hour-7)/11*math.Pi)), price, price-0.12)
	})
	for _, policy := range []string{"self-consumption", "rule", "plan", "foresight"} {
		path := filepath.Join(t.TempDir(), "trace.csv")
		code, out, complaints := whatIf(t, file, "--strategy", policy, "--battery", "13.5,5,1.7", "--trace", path, "--json")
		var all []comparison
		if err := json.Unmarshal([]byte(out), &all); code != 0 || err != nil {
			t.Fatal(code, err, complaints)
		}
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		rows, err := csv.NewReader(f).ReadAll()
		_ = f.Close()
		if err != nil || len(rows) != 1+5*96 || strings.Join(rows[0], " ") != "start load_kwh solar_kwh price_per_kwh reserve_percent grid_charging stored_kwh grid_kwh export_price_per_kwh" {
			t.Fatalf("%v, %d lines", err, len(rows))
		}
		if bill, want := rebilled(t, rows[1:]), all[0].Results[policy].Bill; math.Abs(bill-want) > 0.001*want {
			t.Errorf("%s: %.4f by the trace, %.4f by what-if", policy, bill, want)
		}
	}
}

// rebilled computes the bill of a trace for a battery of 13.5 kWh, 5 kW, and 1.7 kW from
// the grid. It uses the inputs of each line, and the stored energy of the first.
func rebilled(t *testing.T, rows [][]string) (bill float64) {
	t.Helper()
	oneWay, stored := math.Sqrt(0.9), -1.0
	for _, r := range rows {
		var v [9]float64
		for _, i := range []int{1, 2, 3, 4, 6, 8} {
			var err error
			if v[i], err = strconv.ParseFloat(r[i], 64); err != nil {
				t.Fatal(err)
			}
		}
		surplus, price, paid, floor := v[2]-v[1], v[3], v[8], 13.5*v[4]/100
		if stored < 0 {
			stored = v[6]
		}
		in, out := 0.0, 0.0
		switch {
		case r[5] == "true":
			in = min((floor-stored)/oneWay, 1.7/4)
		case surplus > 0:
			in = min(surplus, 5.0/4, (13.5-stored)/oneWay)
		case stored > floor:
			out = min(-surplus, 5.0/4, (stored-floor)*oneWay)
		}
		stored += in*oneWay - out/oneWay
		grid := in - out - surplus
		bill += max(0, grid)*price + min(0, grid)*paid
	}
	return bill
}

func TestWhatIfWritesAPage(t *testing.T) {
	from := time.Date(2026, 7, 1, 7, 0, 0, 0, time.UTC)
	file := home("start,load_kwh,price_usd_per_kwh", from, 10, time.Hour, func(h float64) string {
		if int(h)%24 >= 16 && int(h)%24 < 21 {
			return "2,0.5"
		}
		return "1,0.1"
	})
	dir := t.TempDir()
	path := filepath.Join(dir, "page.html")
	code, _, complaints := whatIf(t, file, "--html", path, "--trace", filepath.Join(dir, "trace.csv"), "--policies", "none,self-consumption,rule")
	if code != 0 {
		t.Fatal(code, complaints)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"<title>home.csv, 3 days</title>", "<h1>The bill is ", "The best day, ", "Each battery holds 13.5 kWh"} {
		if !strings.Contains(string(b), want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if trace, err := os.ReadFile(filepath.Join(dir, "trace.csv")); err != nil || bytes.Count(trace, []byte("\n")) != 1+3*96 {
		t.Errorf("%v, %d lines", err, bytes.Count(trace, []byte("\n")))
	}
	if !strings.Contains(complaints, "home.csv: 30 of 30") {
		t.Errorf("it shows no progress: %s", complaints)
	}
	if code, out, complaints := whatIf(t, file, "--html", filepath.Join(dir, "none", "page.html")); code != 2 || out != "" || !strings.Contains(complaints, "no such file") {
		t.Error(code, out, complaints)
	}
	if code, _, complaints := whatIf(t, file, "other.csv", "--html", path); code != 2 || !strings.Contains(complaints, "--html is for one file") {
		t.Error(code, complaints)
	}
}

// A run that failed left an empty page.
func TestWhatIfLeavesNoPageWhereItFails(t *testing.T) {
	dir := t.TempDir()
	fresh, old := filepath.Join(dir, "fresh.html"), filepath.Join(dir, "old.html")
	if err := os.WriteFile(old, []byte("of last week"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{fresh, old} {
		if code, _, complaints := whatIf(t, "no,table\n", "--html", path); code != 2 {
			t.Errorf("exit %d, %s", code, complaints)
		}
	}
	if _, err := os.Stat(fresh); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a page is there: %v", err)
	}
	if b, err := os.ReadFile(old); string(b) != "of last week" {
		t.Errorf("the page that was there is %q (%v)", b, err)
	}
}

func TestWhatIfWithoutAHistorySaysWhereItComesFrom(t *testing.T) {
	dir := t.TempDir()
	config := filepath.Join(dir, "config.yaml")
	text := "settings: {timezone: America/Los_Angeles}\npaths: {journal_file: " + dir + "/journal.json}\n"
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		args []string
		want string
	}{
		{[]string{"--from", "history"}, "there is no history in " + dir + "/history"},
		{[]string{"--from", "history", "x.csv"}, "reads no file"},
		{[]string{"--from", "tesla"}, "there is no tesla in the configuration"},
		{[]string{"--from", "moon"}, "there are csv, history, tesla"},
		{nil, "give a file, or another --from: there are csv, history, tesla"},
	} {
		var stdout, stderr bytes.Buffer
		code := run(t.Context(), append([]string{"what-if", "--config", config}, row.args...), streams{in: strings.NewReader(""), out: &stdout, err: &stderr})
		if code != 2 || !strings.Contains(stderr.String(), row.want) {
			t.Errorf("%v: exit %d, %s", row.args, code, &stderr)
		}
	}
}

// The reserves and the battery of the configuration were ignored.
func TestWhatIfGoesByTheSettingsOfTheHome(t *testing.T) {
	dir := t.TempDir()
	config := filepath.Join(dir, "config.yaml")
	from := time.Date(2026, 7, 1, 7, 0, 0, 0, time.UTC)
	month := home("start,load_kwh,solar_kwh,grid_import_kwh,grid_export_kwh,battery_in_kwh,battery_out_kwh,charge_percent", from, 10, 15*time.Minute, func(float64) string { return "0.25,0,0.25,0,0,0,50" })
	for path, text := range map[string]string{
		config: "settings: {timezone: America/Los_Angeles, peak_reserve_percent: 15, off_peak_reserve_percent: 70, reserve_without_percent: 25,\n" +
			"  plan: {battery_kwh: 27, battery_kw: 10, grid_charge_kw: 3, min_reserve_percent: 18, peak_weight_per_kwh: 0.7}}\n" +
			"tariff: {rates: [{price: 0.5, start: 16:00, end: 21:00, peak: true}, {price: 0.2}]}\n" +
			"paths: {journal_file: " + dir + "/journal.json}\n",
		filepath.Join(dir, "history", "2026-07.csv"): month,
	} {
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o750), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	for _, row := range []struct{ args, want []string }{
		{nil, []string{
			"Each battery holds 27 kWh, charges and discharges with 10 kW, charges from the grid with 3 kW",
			"self-consumption keeps 25 %; the rule 15 % in expensive hours and 70 % outside; the plan 18 % at least", "to cost 0.7 more",
		}},
		{[]string{"--battery", "5,2", "--peak-weight", "0.1"}, []string{"Each battery holds 5 kWh, charges and discharges with 2 kW, charges from the grid with 2 kW", "the rule 15 %", "to cost 0.1 more"}},
	} {
		code, out, complaints := command(t, append([]string{"what-if", "--config", config, "--from", "history", "--policies", "none,self-consumption,rule"}, row.args...)...)
		for _, want := range row.want {
			if code != 0 || !strings.Contains(out, want) {
				t.Errorf("%v: exit %d, it does not say %q:\n%s%s", row.args, code, want, out, complaints)
			}
		}
	}
	trace := filepath.Join(dir, "trace.csv")
	code, _, complaints := command(t, "what-if", "--config", config, "--from", "history", "--policies", "rule", "--trace", trace)
	b, err := os.ReadFile(trace)
	if code != 0 || err != nil || !bytes.Contains(b, []byte(",70,")) || !bytes.Contains(b, []byte(",15,")) || bytes.Contains(b, []byte(",100,")) {
		t.Errorf("exit %d, %v, %s: the reserves of the rule are not those of the home", code, err, complaints)
	}
}

// The hours of a tariff were in the machine's time zone, although the history was in the
// home's.
func TestWhatIfReadsATariffByTheClockOfTheHome(t *testing.T) {
	local := time.Local
	time.Local = time.UTC
	defer func() { time.Local = local }()
	dir := t.TempDir()
	config := filepath.Join(dir, "config.yaml")
	// The home uses 1 kW, only in the evening.
	from := time.Date(2026, 7, 1, 7, 0, 0, 0, time.UTC)
	head := "start,load_kwh,solar_kwh,grid_import_kwh,grid_export_kwh,battery_in_kwh,battery_out_kwh,charge_percent"
	month := home(head, from, 10, 15*time.Minute, func(hours float64) string {
		if h := math.Mod(hours, 24); h >= 16 && h < 21 {
			return "0.25,0,0.25,0,0,0,50"
		}
		return "0,0,0,0,0,0,50"
	})
	for path, text := range map[string]string{
		config: "settings: {timezone: America/Los_Angeles}\npaths: {journal_file: " + dir + "/journal.json}\n",
		filepath.Join(dir, "history", "2026-07.csv"): month,
	} {
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o750), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	prices := tariffFile(t, "day.yaml", "tariff: {rates: [{price: 0.5, start: 16:00, end: 21:00}, {price: 0}]}\n")
	for _, row := range []struct {
		args []string
		want string // what a kWh cost
	}{
		{nil, "0.50"},
		{[]string{"--timezone", "UTC"}, "0.00"}, // it was asked for
	} {
		var stdout, stderr bytes.Buffer
		args := append([]string{"what-if", "--config", config, "--from", "history", "--tariff", prices, "--policies", "none", "--json"}, row.args...)
		code := run(t.Context(), args, streams{in: strings.NewReader(""), out: &stdout, err: &stderr})
		var all []comparison
		if err := json.Unmarshal(stdout.Bytes(), &all); code != 0 || err != nil || len(all) != 1 {
			t.Fatal(code, err, &stderr)
		}
		if r := all[0].Results["no battery"]; fmt.Sprintf("%.2f", r.Bill/r.Import) != row.want {
			t.Errorf("%v: %g kWh for %g, want %s a kWh", row.args, r.Import, r.Bill, row.want)
		}
	}
}
