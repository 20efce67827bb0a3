package setup

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/mail"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"powermgr/cmd/config"
	"powermgr/control/tariff"
	"powermgr/devices"
	"powermgr/devices/resideo"
	"powermgr/devices/tcc"
	"powermgr/devices/tesla"
)

// An Interview asks for everything that a configuration needs, tries each account at
// once, and writes the configuration.
type Interview struct {
	*Console
	HTTP *http.Client
	Now  func() time.Time

	File     string // of the configuration
	Files    string // the folder for what powermgr writes; empty: the usual folders
	Emulator string // the address of the emulated clouds, in place of the real ones; empty: the real ones
	Example  string // the file that explains every key
	Zone     string // the machine's time zone; empty: unknown

	Find   func(context.Context) []Broker             // brokers on the network
	Broker func(context.Context, config.Config) error // tries the broker of a configuration
}

// stateDir is where vendors' authorizations are stored.
const stateDir = "/var/lib/powermgr"

// Run asks the questions, shows what would happen, and writes the configuration. It
// reports whether it has written it.
func (i Interview) Run(ctx context.Context) (written bool, err error) {
	i.Say(`This sets powermgr up, in about five minutes. powermgr tries each answer right away. Nothing is sent to any device: the
configuration starts as a dry run. Press Enter to accept what is in [brackets], Ctrl-C to quit.
`)
	if i.Files != "" {
		if err := os.MkdirAll(i.Files, 0o700); err != nil {
			return false, err
		}
	}
	if may, err := i.mayReplace(ctx); err != nil || !may {
		return false, err
	}
	if i.Answers == nil {
		i.Memory = remember(i.File + ".answers")
		if len(i.Memory.answers) > 0 {
			i.Say("What you answered last time is in [brackets].")
		}
		i.Say("At any question: back changes an earlier answer, skip leaves a part out.\n")
	}
	a := answers{Files: i.Files, Example: i.Example}
	a.Tariff.Currency = "$"
	a.Settings.OffPeakReservePercent = 100
	if err := i.steps(ctx, &a); err != nil {
		return false, err
	}
	written, err = i.write(ctx, a)
	if written {
		i.Memory.forget()
	}
	return written, err
}

// mayReplace asks before it replaces a configuration that somebody has written.
func (i Interview) mayReplace(ctx context.Context) (bool, error) {
	c, _, err := config.Load(i.File, nil)
	if _, missing := os.Stat(i.File); missing != nil || err == nil && len(c.Placeholders("")) > 0 {
		return true, writable(i.File)
	}
	if err := writable(i.File); err != nil {
		return false, err
	}
	return i.Confirm(ctx, Question{Key: "replace", Text: "There is already a configuration, " + i.File + ". Replace it (the old one is kept as " + i.File + ".old)?", Default: "no", Passing: true})
}

func (i Interview) state(name string) string {
	if i.Files != "" {
		return filepath.Join(i.Files, name)
	}
	return filepath.Join(stateDir, name)
}

func (i Interview) login() Login { return Login{Console: i.Console, HTTP: i.HTTP, Now: i.Now} }

func (i Interview) zone(ctx context.Context, a *answers, known string) error {
	if known == "" {
		known = i.Zone
	}
	zone, err := i.Ask(ctx, Question{Key: "timezone", Text: "Time zone of the home, such as America/Los_Angeles", Default: known, Check: func(answer string) error {
		if !config.ZoneKnown(answer) {
			return errors.New(config.WrongZone(answer))
		}
		return nil
	}})
	a.Settings.Timezone = zone
	return err
}

func (i Interview) tariff(ctx context.Context, a *answers, about tesla.About) error {
	zone, err := time.LoadLocation(a.Settings.Timezone)
	if err != nil {
		return err
	}
	if use, err := i.teslaTariff(ctx, a, about, zone); err != nil || use {
		return err
	}
	var week string
	_, err = i.Ask(ctx, Question{Key: "peak_hours", Text: "When is electricity expensive on weekdays? Separate several times with commas", Default: "16:00-21:00", Check: func(answer string) error {
		week, err = peakHours(answer)
		return err
	}})
	if err != nil {
		return err
	}
	a.Week = week
	for _, p := range []struct {
		key, text string
		to        *float64
	}{{"peak_price", "Price per kWh in those hours", &a.Tariff.PeakPerKWh}, {"off_peak_price", "Price per kWh at other times", &a.Tariff.OffPeakPerKWh}} {
		_, err := i.Ask(ctx, Question{Key: p.key, Text: p.text + ", such as 0.42 (for the report)", Optional: true, Check: func(answer string) error {
			v, err := strconv.ParseFloat(strings.TrimPrefix(answer, "$"), 64)
			if err != nil || !devices.Finite(v) || v < 0 || v > 100 {
				return errors.New("a number from 0 to 100, with a point")
			}
			*p.to = v
			return nil
		}})
		if err != nil {
			return err
		}
	}
	i.Say("Seasons, weekends and holidays can be set in the configuration later.")
	return nil
}

// teslaTariff offers the tariff in Tesla's app, if there is one with peaks. It reports
// whether to use it.
func (i Interview) teslaTariff(ctx context.Context, a *answers, about tesla.About, zone *time.Location) (use bool, err error) {
	if len(about.Tariff) == 0 {
		return false, nil
	}
	t, notices, err := tariff.FromTesla(about.Tariff, zone)
	if err != nil || !t.HasPeaks() {
		return false, nil // the owner is asked for the hours instead
	}
	rates, more := ratesOf(t)
	if t.Currency != "" {
		a.Tariff.Currency = t.Currency
	}
	i.Say("Tesla's app has a tariff:")
	for _, r := range rates {
		i.Say("  %s", rateLine(r))
	}
	for _, n := range append(notices, more...) {
		i.Say("  Note: %s.", n)
	}
	if use, err = i.Confirm(ctx, Question{Key: "use_tesla_tariff", Text: "Use it", Default: "yes"}); use {
		a.Tariff.Rates = rates
	}
	return use, err
}

var clockSpan = regexp.MustCompile(`^([0-9]{1,2}:[0-9]{2})\s*[-–]\s*([0-9]{1,2}:[0-9]{2})$`)

// peakHours returns the list of peak_periods for hours such as 16:00-21:00.
func peakHours(answer string) (string, error) {
	var list []string
	for part := range strings.SplitSeq(answer, ",") {
		m := clockSpan.FindStringSubmatch(strings.TrimSpace(part))
		if m == nil {
			return "", errors.New("write hours like 16:00-21:00")
		}
		var from, to config.Minute
		if err := errors.Join(from.UnmarshalText([]byte(m[1])), to.UnmarshalText([]byte(m[2]))); err != nil {
			return "", err
		}
		list = append(list, fmt.Sprintf("{start: %q, end: %q}", from, to))
	}
	return "[" + strings.Join(list, ", ") + "]", nil
}

func (i Interview) location(ctx context.Context, a *answers) error {
	i.Say("powermgr precools before hot peaks. The forecast comes from Open-Meteo, without an account, and needs the location of the home.")
	_, err := i.Ask(ctx, Question{Key: "location", Text: "Latitude and longitude, such as 34.09, -117.43", Optional: true, Check: func(answer string) error {
		north, east, ok := strings.Cut(answer, ",")
		lat, err1 := strconv.ParseFloat(strings.TrimSpace(north), 64)
		lon, err2 := strconv.ParseFloat(strings.TrimSpace(east), 64)
		if !ok || err1 != nil || err2 != nil || !(lat >= -90 && lat <= 90) || !(lon >= -180 && lon <= 180) {
			return errors.New("two numbers in degrees with a comma between them, such as 34.09, -117.43; right-click on an online map to see them")
		}
		a.Weather.Latitude, a.Weather.Longitude = &lat, &lon
		return nil
	}})
	a.Weather.BaseURL = i.Emulator
	return err
}

func (i Interview) thermostats(ctx context.Context, a *answers) error {
	i.Say(`Honeywell has two clouds. The app on your phone tells which one your thermostats are on. If it is the Resideo app
(formerly Honeywell Home), choose Resideo: it has an official interface, a free developer account is all it takes,
and the authorization renews itself. If it is Total Connect Comfort, choose that: powermgr logs in with your user
name and password, as the app does. That interface is not official, and too many log-ins lock the account for a while.`)
	which, err := i.Choose(ctx, Question{Key: "honeywell", Text: "Which one", Default: "none"}, []Option{
		{"resideo", "Honeywell Home (Resideo)"}, {"tcc", "Total Connect Comfort, United States"}, {"none", "no thermostats"},
	})
	if err != nil || which == "none" {
		return err
	}
	h := &config.Honeywell{Backend: which, BaseURL: i.Emulator}
	c := config.Config{Honeywell: h, Settings: a.Settings}
	var all []devices.ThermostatReading
	if which == config.BackendTCC {
		h.TokenFile = i.state("honeywell_session.json")
		if h.BaseURL == "" {
			h.BaseURL = tcc.DefaultBaseURL
		}
		if h.Username, err = i.Ask(ctx, Question{Key: "honeywell_username", Text: "E-mail address of the account"}); err != nil {
			return err
		}
		var password string
		if password, err = i.Ask(ctx, Question{Key: "honeywell_password", Text: "Password", Secret: true}); err != nil {
			return err
		}
		h.Password = devices.Secret(password)
		all, err = i.login().TCC(ctx, c)
	} else {
		h.TokenFile = i.state("honeywell_token.json")
		if h.BaseURL == "" {
			h.BaseURL = resideo.DefaultBaseURL
		}
		i.Say(`At https://developer.honeywellhome.com, create an account (separate from that of the phone app), and in it an app with
the callback URL %s. It then shows a consumer key and a consumer secret.`, LocalRedirect)
		if h.ClientID, err = i.Ask(ctx, Question{Key: "honeywell_client_id", Text: "Consumer key"}); err != nil {
			return err
		}
		var secret string
		if secret, err = i.Ask(ctx, Question{Key: "honeywell_client_secret", Text: "Consumer secret", Secret: true}); err != nil {
			return err
		}
		h.ClientSecret = devices.Secret(secret)
		all, err = i.login().Resideo(ctx, c)
	}
	if err != nil {
		return err
	}
	if i.Emulator == "" {
		h.BaseURL = "" // the usual one
	}
	a.Honeywell = h
	a.Settings.ThermostatIDs, err = i.login().Thermostats(ctx, all, nil)
	return err
}

func (i Interview) broker(ctx context.Context, a *answers) error {
	i.Say("Home Assistant shows powermgr through an MQTT broker, such as its Mosquitto add-on. Looking for one …")
	found := i.Find(ctx)
	usual := config.WithoutBroker
	for n, b := range found {
		i.Say("  found: %s, mqtt://%s", b.Name, b.Addr)
		if n == 0 {
			usual = "mqtt://" + b.Addr
		}
	}
	if len(found) == 0 {
		i.Say(`  None answers on this network. Without Home Assistant you need none. With it, give the address of Home Assistant, once
  its Mosquitto add-on runs; or have a broker on this machine: sudo apt install mosquitto (in another terminal), and
  then mqtt://127.0.0.1:1883 here.`)
	}
	address, err := i.Ask(ctx, Question{Key: "mqtt_url", Text: "Address of the broker, or none", Default: usual, Check: checkBroker})
	if err != nil {
		return err
	}
	a.MQTT = config.MQTT{URL: withScheme(address), ClientID: "powermgr-setup"}
	if a.MQTT.Off() {
		return nil
	}
	if a.MQTT.Username, err = i.Ask(ctx, Question{Key: "mqtt_username", Text: "User name", Optional: true}); err != nil {
		return err
	}
	if a.MQTT.Username != "" {
		password, err := i.Ask(ctx, Question{Key: "mqtt_password", Text: "Password", Secret: true, Optional: true})
		if err != nil {
			return err
		}
		a.MQTT.Password = devices.Secret(password)
	}
	if err := i.Broker(ctx, a.Config); err != nil {
		return err
	}
	i.Say("The broker answers.")
	return nil
}

func withScheme(address string) string {
	if strings.EqualFold(address, config.WithoutBroker) {
		return config.WithoutBroker
	}
	if !strings.Contains(address, "://") {
		address = "mqtt://" + address
	}
	return address
}

func checkBroker(answer string) error {
	if withScheme(answer) == config.WithoutBroker {
		return nil
	}
	u, err := url.Parse(withScheme(answer))
	if err != nil || u.Hostname() == "" || u.User != nil {
		return errors.New("it must read like mqtt://192.168.1.10:1883, or mqtts://broker.example:8883 for TLS; or none")
	}
	return nil
}

// pagePort is the port of the page.
const pagePort = "9469"

func (i Interview) page(ctx context.Context, a *answers) error {
	i.Say("powermgr's page shows what flows and what is decided, and has buttons for guests and vacations.")
	who, err := i.Choose(ctx, Question{Key: "page", Text: "Show it", Default: "machine"}, []Option{
		{"machine", "on this machine alone, at http://127.0.0.1:" + pagePort}, {"network", "on your phone and everything else on your network, with a password"}, {"none", "nowhere"},
	})
	switch {
	case err != nil || who == "none":
		return err
	case who == "machine":
		a.HTTP.Listen = "127.0.0.1:" + pagePort
		return nil
	}
	password, err := i.Ask(ctx, Question{Key: "page_password", Text: "Password for it, of your choice", Secret: true, Check: func(answer string) error {
		if len(answer) < config.MinPasswordLength {
			return fmt.Errorf("take at least %d characters", config.MinPasswordLength)
		}
		return nil
	}})
	a.HTTP.Listen, a.HTTP.Password = "0.0.0.0:"+pagePort, devices.Secret(password)
	return err
}

func (i Interview) mail(ctx context.Context, a *answers) error {
	i.Say("powermgr can mail you a report each day, and tell you when something goes wrong. For that it needs a mail server.")
	n := &a.Notifications
	server, err := i.Ask(ctx, Question{Key: "mail_server", Text: "Mail server, such as smtp.gmail.com", Optional: true, Check: func(answer string) error {
		if strings.ContainsAny(answer, "/ @") {
			return errors.New("the name of a server, without anything else")
		}
		return nil
	}})
	if err != nil || server == "" {
		return err
	}
	n.SMTP.Server, n.SMTP.Port = server, 587
	if host, port, err := net.SplitHostPort(server); err == nil {
		if p, err := strconv.Atoi(port); err == nil {
			n.SMTP.Server, n.SMTP.Port = host, p
		}
	}
	address := func(answer string) error {
		if _, err := mail.ParseAddress(answer); err != nil {
			return errors.New("this is not an e-mail address")
		}
		return nil
	}
	if n.SMTP.Username, err = i.Ask(ctx, Question{Key: "mail_username", Text: "User name there, usually your e-mail address", Optional: true}); err != nil {
		return err
	}
	if n.SMTP.Username != "" {
		password, err := i.Ask(ctx, Question{Key: "mail_password", Text: "Password (for Gmail and others: an app password)", Secret: true})
		if err != nil {
			return err
		}
		n.SMTP.Password = devices.Secret(password)
	}
	usual := ""
	if address(n.SMTP.Username) == nil {
		usual = n.SMTP.Username
	}
	to, err := i.Ask(ctx, Question{Key: "mail_to", Text: "Send the mails to", Default: usual, Check: address})
	n.Recipients = config.Recipients{Info: []string{to}, Warning: []string{to}, Critical: []string{to}}
	return err
}

// write shows what would happen with a configuration, and writes it to its place.
func (i Interview) write(ctx context.Context, a answers) (bool, error) {
	text, err := render(a)
	if err != nil {
		return false, err
	}
	trial := i.File + ".new"
	if err := replaceConfig(trial, text); err != nil {
		return false, err
	}
	defer func() { _ = os.Remove(trial) }() // by then the configuration is in its place, or not wanted
	c, notices, err := config.Load(trial, os.Environ())
	if err != nil {
		return false, err
	}
	i.Say("== What would happen\n\n%s", config.Describe(c))
	for _, n := range notices {
		i.Say("Note: %s", n)
	}
	ok, err := i.Confirm(ctx, Question{Key: "write", Text: "\nWrite " + i.File, Default: "yes", Passing: true})
	if err == nil && !ok && i.Memory != nil {
		i.Say("Your answers are kept: the next powermgr setup offers them again.")
	}
	if err != nil || !ok {
		return false, err
	}
	if old, err := os.ReadFile(i.File); err == nil {
		if err := replaceConfig(i.File+".old", old); err != nil {
			return false, err
		}
	}
	return true, replaceConfig(i.File, text)
}
