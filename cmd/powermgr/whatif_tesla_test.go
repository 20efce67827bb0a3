package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"powermgr/devices/emulator"
	"powermgr/devices/emulator/vendors"
)

// longLived returns a configuration for a house with so many days of history before the
// clock of a synctest bubble starts. Tesla's cloud is outside the bubble, and its clock
// stands still. told is called for each call before it is answered.
func longLived(t *testing.T, days int, told func(cloud *vendors.Cloud, call int)) (config string) {
	t.Helper()
	zone, err := time.LoadLocation("America/Los_Angeles")
	if err != nil {
		t.Skip(err)
	}
	end := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	var now, calls atomic.Int64
	now.Store(end.AddDate(0, 0, -days).Unix())
	cloud := vendors.New(emulator.Options{Now: func() time.Time { return time.Unix(now.Load(), 0) }, Location: zone}, vendors.Options{})
	for ; now.Load() < end.Unix(); now.Add(3600) {
		cloud.Truth()
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		told(cloud, int(calls.Add(1)))
		cloud.Handler().ServeHTTP(w, r)
	}))
	server.Config.SetKeepAlivesEnabled(false) // while a connection is open, the clock of the bubble stands still
	server.Start()
	t.Cleanup(server.Close)
	dir := t.TempDir()
	config = filepath.Join(dir, "config.yaml")
	text := fmt.Sprintf("settings: {timezone: America/Los_Angeles}\npaths: {journal_file: %[1]s/journal.json}\n"+
		"tariff: {currency: USD, rates: [{price: 0.5, start: 16:00, end: 21:00, peak: true}, {price: 0.2}]}\n"+
		"tesla: {api_token: emulator-access, base_url: %[2]q, energy_site_id: 1234567890123, calls_per_month: 2000}\n", dir, server.URL)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return config
}

// fetched runs what-if --from tesla for three weeks, in a synctest bubble.
func fetched(t *testing.T, config string) (all []comparison, complaints string, took time.Duration, err error) {
	t.Helper()
	began := time.Now()
	root := rootCommand() // run would wait for signals, which come from outside the bubble
	var stdout, stderr bytes.Buffer
	root.SetArgs([]string{"what-if", "--config", config, "--from", "tesla", "--days", "21", "--policies", "none,rule", "--json"})
	root.SetOut(&stdout)
	root.SetErr(&stderr)
	if err = root.ExecuteContext(t.Context()); err == nil {
		if err := json.Unmarshal(stdout.Bytes(), &all); err != nil || len(all) != 1 {
			t.Fatalf("%v: %s", err, &stdout)
		}
	}
	return all, stderr.String(), time.Since(began), err
}

// tooMany makes the cloud refuse the next call for some seconds.
func tooMany(t *testing.T, cloud *vendors.Cloud, seconds int) {
	if err := cloud.AddFaults(emulator.Fault{Endpoint: "tesla.*", Class: emulator.Status, Status: http.StatusTooManyRequests, RetryAfter: seconds}); err != nil {
		t.Error(err)
	}
}

// Three weeks and the week before them. Tesla refuses a call in the middle: the import
// waits as long as Tesla asks, and then reads the rest.
func TestWhatIfFetchesFromTesla(t *testing.T) {
	config := longLived(t, 40, func(cloud *vendors.Cloud, call int) {
		if call == 10 {
			tooMany(t, cloud, 200)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		all, complaints, took, err := fetched(t, config)
		if err != nil {
			t.Fatal(err, complaints)
		}
		if c := all[0]; c.Days != 21 || c.Gaps != 0 || c.Results["no battery"].Import < 100 || c.Results["rule"].ExpensiveImport >= c.Results["no battery"].ExpensiveImport {
			t.Errorf("%+v", all[0])
		}
		if want := "days read: 28, already there: 0, not available from Tesla: 0; calls to Tesla: 29, failed: 1"; !strings.Contains(complaints, want) {
			t.Errorf("%s, want %s", complaints, want)
		}
		if least := 200*time.Second + 27*3*time.Second; took < least || took > least+time.Minute {
			t.Errorf("it took %v, want %v", took, least)
		}
	})
}

// Tesla refuses all further calls for half a day. What was read is kept, and the next run
// continues from there.
func TestWhatIfGoesOnWhereTeslaRefused(t *testing.T) {
	config := longLived(t, 40, func(cloud *vendors.Cloud, call int) {
		if call == 15 {
			tooMany(t, cloud, 48000)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		if _, complaints, _, err := fetched(t, config); err == nil || !strings.Contains(err.Error(), "run it again later, and it continues from there") ||
			!strings.Contains(complaints, "days read: 14, already there: 0") {
			t.Fatal(err, complaints)
		}
		all, complaints, _, err := fetched(t, config)
		if err != nil || all[0].Days != 21 || all[0].Gaps != 0 || !strings.Contains(complaints, "days read: 16, already there: 12") {
			t.Error(err, complaints, all)
		}
	})
}

// A typo in a flag was reported only after 20 minutes of calls to Tesla.
func TestWhatIfAsksTeslaForNothingUntilAllElseIsRight(t *testing.T) {
	config := longLived(t, 1, func(_ *vendors.Cloud, call int) { t.Errorf("call %d", call) })
	for _, args := range [][]string{
		{"--policies", "rules"}, {"--battery", "13.5"}, {"--tariff", "none.yaml"}, {"--days", "-3"}, {"--timezone", "Moon"}, {"--from-date", "yesterday"}, {"--to-date", "tomorrow"},
	} {
		if code, _, complaints := command(t, append([]string{"what-if", "--config", config, "--from", "tesla"}, args...)...); code != 2 {
			t.Errorf("%v: exit %d, %s", args, code, complaints)
		}
	}
}
