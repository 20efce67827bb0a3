package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// command runs powermgr and returns its exit code and what it printed.
func command(t *testing.T, args ...string) (code int, out, complaints string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = run(t.Context(), args, streams{in: strings.NewReader(""), out: &stdout, err: &stderr})
	return code, stdout.String(), stderr.String()
}

func TestHistoryImportsAndShowsWhatThereIs(t *testing.T) {
	vendors := newClouds(t)
	dir := t.TempDir()
	config := filepath.Join(dir, "config.yaml")
	text := fmt.Sprintf("settings: {timezone: America/Los_Angeles}\npaths: {journal_file: %[1]s/journal.json}\n"+
		"tesla: {api_token: emulator-access, base_url: %[2]q, energy_site_id: 1234567890123, calls_per_month: 2000}\n", dir, vendors.url)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	year := filepath.Join(dir, "year.csv")
	if err := os.WriteFile(year, []byte("start,load_kwh\n2026-07-15T16:00,1\n2026-07-15T17:00,2\n2026-07-15T20:00,2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	month := filepath.Join(dir, "month.csv")
	if err := os.WriteFile(month, []byte(home("start,load_kwh,solar_kwh", time.Date(2026, 7, 16, 7, 0, 0, 0, time.UTC), 30, time.Hour, func(float64) string { return "1,0" })), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"nothing yet", []string{"history"}, 1, "there is no history"},
		{"more than the calls of a month allow", []string{"history", "import", "--days", "1001"}, 2, "tesla.calls_per_month is 2000"},
		{"from a new house", []string{"history", "import", "--days", "1"}, 0, "days read: 0, already there: 0, not available from Tesla: 1; calls to Tesla: 1, failed: 0"},
		{"an unknown source", []string{"history", "import", "--from", "moon"}, 2, "there are tesla, csv"},
		{"no file", []string{"history", "import", "--from", "csv"}, 2, "give a file"},
		{"a file", []string{"history", "import", "--from", "csv", year}, 0, "12 quarter hours added, of 5 hours; 2 hours are gaps"},
		{"what the history has", []string{"history"}, 0, "nothing from 2026-07-15 18:00 on for 2.00 hours"},
		{"too little to forecast", []string{"history"}, 0, "no forecasts yet: they need 7 days of history"},
		{"another month", []string{"history", "import", "--from", "csv", month}, 0, "2880 quarter hours added"},
		{"how far off forecasts are", []string{"history"}, 0, "24 h ahead  0.50      0.50    0.00        0.00"},
	} {
		t.Run(row.name, func(t *testing.T) {
			code, out, complaints := command(t, append(row.args, "--config", config)...)
			if code != row.code || !strings.Contains(out+complaints, row.want) {
				t.Errorf("exit %d: %s%s, want %s", code, out, complaints, row.want)
			}
		})
	}
}
