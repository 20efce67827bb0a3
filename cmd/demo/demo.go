// Package demo runs the whole system on one machine with nothing else installed: an
// embedded broker, the emulated vendor clouds on a hot day, and the same daemon as
// everywhere else, on a fast clock.
package demo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/mochi-mqtt/server/v2/listeners"

	"powermgr/bridge/bus"
	"powermgr/bridge/embedded"
	"powermgr/cmd/config"
	"powermgr/cmd/daemon"
	"powermgr/cmd/records"
	"powermgr/control/planner"
	"powermgr/control/report"
	"powermgr/control/rules"
	"powermgr/devices"
	"powermgr/devices/emulator"
	"powermgr/devices/emulator/vendors"
)

// Options are the flags of powermgr demo.
type Options struct {
	Day      string         // local day of the home: 2026-07-15
	Speed    float64        // the most seconds of that day per real second
	Listen   string         // where the embedded broker listens: host:port
	Page     string         // where the page is served, for this machine alone: host:port; empty: nowhere
	Command  string         // how powermgr was called, for use in messages
	Hold     bool           // continue after the day ends, until the context does
	Version  string         // of the daemon
	Days     int            // how many days to run; 0: one
	House    *House         // the house to use; nil: the default one
	Strategy rules.Strategy // what sets the reserve; empty: the rule
	Keep     string         // where to keep the daemon's files, with the report of the day; empty: nowhere
	SMTP     string         // a mail server on this machine, host:port; empty: no mail is sent
	Story    io.Writer      // gets a line for each decision, and where to watch the demo
	Log      *slog.Logger
}

// zone is the time zone of the emulated house in Fontana, California.
const zone = "America/Los_Angeles"

// Run runs the demo's days, and returns their outcome.
func Run(ctx context.Context, o Options) (Summary, error) {
	home, err := time.LoadLocation(zone)
	if err != nil {
		return Summary{}, err
	}
	start, err := time.ParseInLocation(time.DateOnly, o.Day, home)
	if err != nil {
		return Summary{}, fmt.Errorf("--day %s is not a day such as 2026-07-15", o.Day)
	}
	days := max(1, o.Days)
	end := start.AddDate(0, 0, days)
	h := o.house(days)
	dir, tidy, err := folder(o.Keep)
	if err != nil {
		return Summary{}, err
	}
	defer tidy()

	mqtt, stopBroker, err := broker(o.Listen)
	if err != nil {
		return Summary{}, err
	}
	defer stopBroker()
	o.Listen = mqtt // port 0 has become a real one

	clock := daemon.NewFastClock(start, o.Speed, nil)
	log := &record{}
	cloud := vendors.New(emulator.Options{
		Now: clock.Now, Location: home, House: h.Options(), Weather: h.Sky(home), OnRequest: log.add,
		Sleep: func(ctx context.Context, d time.Duration) error { return bus.Sleep(ctx, clock, d) },
	}, vendors.Options{})
	clouds, err := serve(cloud.Handler())
	if err != nil {
		return Summary{}, err
	}
	defer clouds.Close()

	config, err := configuration(dir, clouds.Addr, o)
	if err != nil {
		return Summary{}, err
	}
	before, rooms := past(start, home, h)
	if _, err := records.ImportSeries(config, before); err != nil {
		return Summary{}, err
	}
	d, err := daemon.New(daemon.Options{
		Config: config, Version: o.Version, Clock: clock, Log: o.Log, Began: clock.Begin, Ended: clock.End, RuntimeDir: makeRuntimeDir(),
		Rooms: func(time.Time) []planner.RoomHistory { return rooms },
	})
	if err != nil {
		return Summary{}, err
	}
	// Connecting takes real time, but no time of this day.
	linked, connectBy := false, time.Now().Add(10*time.Second)
	clock.Watch(func() bool {
		if !linked {
			m, ok := d.Bus.Retained(bus.LinkState)
			linked = ok && string(m.Payload) == "up" || time.Now().After(connectBy)
		}
		return !linked || d.Bus.Queued()
	})

	greet(o)
	day := &diary{clock: clock, cloud: cloud.Cloud, story: o.Story, home: home, hold: o.Hold}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var all sync.WaitGroup
	var failed error
	events := d.Bus.Subscribe("diary", devices.Topics{Base: config.MQTT.BaseTopic}.Control("+"))
	clock.Begin()
	all.Go(func() {
		defer clock.End()
		day.keep(ctx, events, end)
		if !o.Hold {
			cancel()
		}
	})
	all.Go(func() {
		if err := d.Run(ctx); err != nil {
			failed = err
		}
		cancel()
	})
	clock.Run(ctx)
	all.Wait()
	if failed != nil {
		return Summary{}, failed
	}
	if !day.over {
		return Summary{}, errors.New("interrupted before the day was over")
	}
	s := day.sum(log)
	s.Day, s.Days = o.Day, days
	s.Strategy, s.Currency = config.Settings.Strategy, config.Tariff.Currency
	s.Bill, s.BillAndCharge = day.bill(config.Tariff)
	evening := records.DailyReport{Config: config, Now: end, Log: o.Log}
	reports, err := reports(evening, start, days)
	if err != nil {
		return Summary{}, err
	}
	s.PeakImport, s.PeakWithout = peaks(reports)
	if days == 1 {
		s.Headline = report.Headline(reports[0].Record)
	}
	s.Report, err = tell(evening, o, reports[len(reports)-1])
	return s, err
}

// folder returns where the daemon's files are, and a function that cleans up in the end.
func folder(keep string) (dir string, tidy func(), err error) {
	if keep == "" {
		dir, err = os.MkdirTemp("", "powermgr-demo-")
		return dir, func() { _ = os.RemoveAll(dir) }, err
	}
	if err := os.MkdirAll(keep, 0o750); err != nil {
		return "", nil, fmt.Errorf("--keep: %w", err)
	}
	dir, err = filepath.Abs(keep)
	return dir, func() {}, err
}

// reports returns the reports of the days, which are over.
func reports(e records.DailyReport, start time.Time, days int) (all []records.Day, err error) {
	if _, err := e.Close(start.AddDate(0, 0, days-1).Format(time.DateOnly)); err != nil {
		return nil, err
	}
	for n := range days {
		day, err := e.Day(start.AddDate(0, 0, n).Format(time.DateOnly))
		if err != nil {
			return nil, err
		}
		all = append(all, day)
	}
	return all, nil
}

// peaks returns the energy from the grid in peaks according to the reports, with and
// without powermgr, in kWh; nil: there was no peak.
func peaks(reports []records.Day) (with, without *float64) {
	for _, r := range reports {
		f := r.Figures()
		if f.PeakGridInActual == nil {
			continue
		}
		if with == nil {
			with, without = new(float64), new(float64)
		}
		*with += *f.PeakGridInActual
		*without += *f.PeakGridInWithout
	}
	return with, without
}

// tell mails and stores a report, if the options say so. It returns where it is stored.
func tell(e records.DailyReport, o Options, day records.Day) (path string, err error) {
	if o.SMTP != "" {
		if err := e.Mail(context.Background(), []records.Day{day}); err != nil {
			return "", err
		}
	}
	if o.Keep == "" {
		return "", nil
	}
	html, err := day.HTML()
	if err != nil {
		return "", err
	}
	path = filepath.Join(o.Keep, "report.html")
	return path, os.WriteFile(path, html, 0o644)
}

// house returns the house to use. The default one has the same weather every day, unless
// there are several days.
func (o Options) house(days int) House {
	switch {
	case o.House != nil:
		return *o.House
	case days > 1:
		return changing()
	}
	return House{}
}

// broker starts the embedded broker, and returns where it listens.
func broker(addr string) (at string, stop func(), err error) {
	if _, _, err := net.SplitHostPort(addr); err != nil {
		return "", nil, fmt.Errorf("--listen %s is not an address such as 127.0.0.1:1883", addr)
	}
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return "", nil, fmt.Errorf("the broker cannot listen on %s: is another one running there? Choose a free port with --listen 127.0.0.1:1884 (make demo LISTEN=127.0.0.1:1884): %w", addr, err)
	}
	server, err := embedded.New(embedded.Access{})
	if err != nil {
		return "", nil, err
	}
	if err := errors.Join(server.AddListener(listeners.NewNet("demo", listener)), server.Serve()); err != nil {
		return "", nil, err
	}
	return listener.Addr().String(), func() { _ = server.Close() }, nil
}

// serve serves the emulated clouds on a loopback port of their own.
func serve(h http.Handler) (*http.Server, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &http.Server{Addr: listener.Addr().String(), Handler: h, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = s.Serve(listener) }()
	return s, nil
}

// configuration returns a configuration that a person could have written, loaded the same
// way. Air conditioners start and stop within minutes: energies that have to be correct
// within a percent need a reading every minute.
func configuration(dir, clouds string, o Options) (config.Config, error) {
	mail, smtp := "", ""
	if o.SMTP != "" {
		host, port, err := net.SplitHostPort(o.SMTP)
		if err != nil {
			return config.Config{}, fmt.Errorf("--smtp %s is not an address such as 127.0.0.1:1025", o.SMTP)
		}
		mail, smtp = "owner@example.com", fmt.Sprintf("server: %q, port: %s", host, port)
	}
	text := fmt.Sprintf(`
tesla: {calls_per_month: 0, api_token: emulator-access, base_url: "http://%[1]s", energy_site_id: 1234567890123}
honeywell: {backend: tcc, username: owner@example.com, password: emulator-password, base_url: "http://%[1]s", token_file: %[2]s/honeywell.json}
weather: {source: open-meteo, base_url: "http://%[1]s", latitude: 34.1, longitude: -117.4}
mqtt: {url: "mqtt://%[3]s"}
settings: {strategy: %[8]s, timezone: %[4]s, thermostat_ids: ["1000001", "1000002"]}
tariff: {peak_per_kwh: 0.58, off_peak_per_kwh: 0.31, export_per_kwh: 0.05}
notifications: {smtp: {%[5]s}, recipients: {info: [%[6]s], warning: [%[6]s], critical: [%[6]s]}}
paths: {journal_file: %[2]s/journal.json, ramdisk_state_file: %[2]s/state.json, permanent_metrics_dir: %[2]s/metrics}
poll: {powerwall_seconds: 60}
ha: {node: demo}
http: {listen: %[7]q}
`, clouds, dir, nearby(o.Listen), zone, smtp, mail, o.Page, cmp.Or(o.Strategy, rules.StrategyRule))
	path := filepath.Join(dir, "config.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return config.Config{}, err
	}
	config, _, err := config.Load(path, nil)
	return config, err
}
