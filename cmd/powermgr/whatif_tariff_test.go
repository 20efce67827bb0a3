package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
)

// A file without offsets was read in the machine's time zone, so its peaks were at other
// hours than those of the tariff.
func TestWhatIfReadsAFileByTheClockOfItsTariff(t *testing.T) {
	local := time.Local
	time.Local = time.UTC
	defer func() { time.Local = local }()
	file := strings.ReplaceAll(home("start,load_kwh", time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC), 10, time.Hour, func(h float64) string {
		return map[bool]string{true: "1", false: "0"}[int(h)%24 >= 16 && int(h)%24 < 21] // only in the evening
	}), "Z,", ",")
	path := tariffFile(t, "home.csv", file)
	rates := "tariff: {rates: [{price: 0.5, start: 16:00, end: 21:00, peak: true}, {price: 0.1}]}\n"
	there, anywhere := tariffFile(t, "there.yaml", "settings: {timezone: America/Los_Angeles}\n"+rates), tariffFile(t, "anywhere.yaml", rates)
	const note = "Times without an offset are taken to be in the time zone of "
	for _, row := range []struct {
		args  []string
		price string // of each kWh, under each tariff
		said  bool
	}{
		{[]string{"--tariff", there}, "0.50", true},
		{[]string{"--tariff", there, "--tariff", anywhere}, "0.50 0.50", true},
		{[]string{"--tariff", there, "--timezone", "America/Los_Angeles"}, "0.50", false},
		{[]string{"--tariff", anywhere}, "0.50", false},
	} {
		code, out, complaints := command(t, append([]string{"what-if", path, "--policies", "none", "--json"}, row.args...)...)
		var all []comparison
		if err := json.Unmarshal([]byte(out), &all); code != 0 || err != nil {
			t.Fatal(code, err, complaints)
		}
		var prices []string
		for _, l := range all {
			prices = append(prices, fmt.Sprintf("%.2f", l.Results["no battery"].Bill/l.Results["no battery"].Import))
		}
		if got := strings.Join(prices, " "); got != row.price || strings.Contains(complaints, note) != row.said {
			t.Errorf("%v: %s a kWh, want %s; %s", row.args, got, row.price, complaints)
		}
	}
}

// Both tariffs were called "prices", and the sentences compared one with itself.
func TestWhatIfTellsTariffsOfTheSameNameApart(t *testing.T) {
	from := time.Date(2026, 7, 1, 7, 0, 0, 0, time.UTC)
	file := home("start,load_kwh", from, 10, time.Hour, func(float64) string { return "1" })
	now, offer := tariffFile(t, "prices.yaml", "tariff: {rates: [{price: 0.3}]}\n"), tariffFile(t, "prices.yaml", "tariff: {rates: [{price: 0.2}]}\n")
	code, out, complaints := whatIf(t, file, "--policies", "none,self-consumption", "--tariff", now, "--tariff", offer)
	if code != 0 || !strings.Contains(out, "With tariff "+offer+" you pay $") || !strings.Contains(out, " than with "+now+" (") || !strings.Contains(out, ", tariff "+now+", battery") {
		t.Errorf("exit %d\n%s%s", code, out, complaints)
	}
}

// Euros were subtracted from dollars.
func TestWhatIfDoesNotCompareCurrencies(t *testing.T) {
	from := time.Date(2026, 7, 1, 7, 0, 0, 0, time.UTC)
	file := home("start,load_kwh", from, 10, time.Hour, func(float64) string { return "1" })
	for _, row := range []struct {
		a, b string
		code int
	}{
		{"EUR", "CHF", 2}, {"EUR", "eur", 0}, {"USD", "$", 0}, {"€", "EUR", 0}, {"€", "$", 2},
	} {
		priced := func(currency string) string {
			return tariffFile(t, currency+".yaml", fmt.Sprintf("tariff: {currency: %q, rates: [{price: 0.3}]}\n", currency))
		}
		code, out, complaints := whatIf(t, file, "--policies", "none", "--tariff", priced(row.a), "--tariff", priced(row.b))
		if code != row.code || code != 0 && (out != "" || !strings.Contains(complaints, "has its prices in "+row.a) || !strings.Contains(complaints, "cannot be compared")) {
			t.Errorf("%s and %s: exit %d, %s%s", row.a, row.b, code, out, complaints)
		}
	}
}
