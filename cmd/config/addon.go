package config

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"powermgr/bridge/bus"
	"powermgr/devices"
)

// As an add-on of Home Assistant, powermgr is started by the Supervisor, which stores
// the options that the owner sets on the add-on's page, and knows the broker. The
// configuration file has priority over both.

// An Addon says where the Supervisor is, and what it passes to an add-on.
type Addon struct {
	// Options is the file with the owner's options, JSON with the keys of a
	// configuration.
	Options string
	// Supervisor is the address of its API, without a slash at its end.
	Supervisor string
	// Token authorizes this add-on with the Supervisor.
	Token devices.Secret
	// Timezone is Home Assistant's. Empty: the Supervisor did not say.
	Timezone string
}

// FindAddon returns the Addon that environ describes; false if this is not an add-on.
// The image sets ADDON_OPTIONS, and the Supervisor sets the rest; ADDON_SUPERVISOR is
// the Supervisor's address if that is not http://supervisor.
func FindAddon(environ []string) (Addon, bool) {
	a := Addon{Supervisor: "http://supervisor"}
	for _, line := range environ {
		switch name, value, _ := strings.Cut(line, "="); name {
		case "ADDON_OPTIONS":
			a.Options = value
		case "ADDON_SUPERVISOR":
			a.Supervisor = value
		case "SUPERVISOR_TOKEN":
			a.Token = devices.Secret(value)
		case "TZ":
			a.Timezone = value
		}
	}
	return a, a.Options != ""
}

// addonDir is the folder of an add-on that the Supervisor preserves across restarts and
// includes in backups.
const addonDir = "/data"

// isAddon reports whether the configuration is an add-on's.
func (l *loader) isAddon() bool { return l.state == addonDir }

// usualBroker is the address of Home Assistant's own broker add-on, if it is installed.
const usualBroker = "mqtt://core-mosquitto:1883"

// addonBase returns the settings that follow from being an add-on: where it may write,
// and that its page is behind Home Assistant's own log-in, whose requests come from a
// single address.
func addonBase(a Addon) map[string]string {
	return map[string]string{
		"mqtt.url":                    usualBroker,
		"paths.journal_file":          addonDir + "/journal.json",
		"paths.permanent_metrics_dir": addonDir + "/metrics",
		// In a folder that survives restarts: the day and its savings are next to it.
		// Home Assistant's own database writes to the same card far more often.
		"paths.ramdisk_state_file": addonDir + "/powermgr_state.json",
		"http.listen":              "0.0.0.0:8099",
		"settings.timezone":        a.Timezone,
	}
}

// ingress is the Supervisor's address in the network of add-ons. Requests of people who
// are logged in to Home Assistant come from it.
const ingress = "172.30.32.2"

// fromAddon returns the sources that the file has priority over: the settings of every
// add-on, the broker that the Supervisor knows (unless options or file name another),
// and the options.
func (l *loader) fromAddon(a Addon, file source) []source {
	base := source{tree: map[string]any{}, where: func(string) string { return "the add-on" }}
	options := l.fromOptions(a)
	for key, value := range addonBase(a) {
		if value != "" {
			base.put(key, value)
		}
	}
	base.tree["http"].(map[string]any)["trusted_proxies"] = []any{ingress}
	if hasValue(file.tree, "mqtt", "url") || hasValue(options.tree, "mqtt", "url") {
		return []source{base, options}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	switch b, err := a.broker(ctx); {
	case err != nil:
		l.notice("mqtt.url", "%s: powermgr asks again", err)
	case b == nil:
		l.notice("mqtt.url", NoBroker)
	default:
		base.put("mqtt.url", b.url())
		base.put("mqtt.username", b.Username)
		base.put("mqtt.password", b.Password.Reveal())
	}
	return []source{base, options}
}

// NoBroker is the message for people whose Home Assistant has no broker.
const NoBroker = "there is no MQTT broker in Home Assistant, so powermgr has its page and no entities: " +
	"install the Mosquitto broker under Settings, Add-ons, and start it; powermgr finds it by itself"

// fromOptions reads the options. An empty option counts as not given, and so does a
// section that has only such options.
func (l *loader) fromOptions(a Addon) source {
	s := source{tree: map[string]any{}, where: func(string) string { return "the add-on's options" }, spell: func(key string) string { return key }}
	data, _, err := l.read(a.Options)
	if err == nil {
		s.tree, _, err = parse(data) // JSON is YAML
	}
	if err != nil {
		l.problem("", "the options of the add-on cannot be read from %s: %s", a.Options, plain(err))
		s.tree = map[string]any{}
	}
	l.given(s, s.tree, "")
	return s
}

// given removes empty options from tree, and records where the others come from, unless
// the file sets them.
func (l *loader) given(s source, tree map[string]any, key string) {
	for name, value := range tree {
		below := joined(key, name)
		section, isSection := value.(map[string]any)
		if isSection {
			l.given(s, section, below)
		}
		list, isList := value.([]any)
		if value == "" || isSection && len(section) == 0 || isList && len(list) == 0 {
			delete(tree, name)
		} else if !isSection && l.lines[below] == 0 {
			l.origin[below] = s.where(below)
		}
	}
}

// hasValue reports whether tree has a value at these keys.
func hasValue(tree map[string]any, section, name string) bool {
	below, ok := tree[section].(map[string]any)
	return ok && below[name] != nil && below[name] != ""
}

// A broker is the Supervisor's description of one.
type broker struct {
	Host     string         `json:"host"`
	Port     int            `json:"port"`
	SSL      bool           `json:"ssl"`
	Username string         `json:"username"`
	Password devices.Secret `json:"password"`
}

func (b broker) url() string {
	scheme := "mqtt"
	if b.SSL {
		scheme = "mqtts"
	}
	return scheme + "://" + net.JoinHostPort(b.Host, strconv.Itoa(b.Port))
}

// broker returns the Supervisor's MQTT service; nil: there is none.
func (a Addon) broker(ctx context.Context) (*broker, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, a.Supervisor+"/services/mqtt", nil)
	if err != nil {
		return nil, fmt.Errorf("the Supervisor cannot be asked for a broker: %w", err)
	}
	request.Header.Set("Authorization", "Bearer "+a.Token.Reveal())
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("the Supervisor cannot be asked for a broker: %w", err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, devices.MaxRequest))
	var said struct {
		Result string `json:"result"`
		Data   broker `json:"data"`
	}
	if err == nil {
		err = json.Unmarshal(body, &said)
	}
	switch {
	case answer.StatusCode == http.StatusBadRequest:
		return nil, nil // the answer while nobody provides the service
	case answer.StatusCode != http.StatusOK:
		return nil, errors.New("the Supervisor does not name a broker: " + answer.Status)
	case err != nil:
		return nil, fmt.Errorf("the Supervisor's answer about the broker cannot be read: %w", err)
	case said.Result != "ok" || said.Data.Host == "" || said.Data.Port < 1 || said.Data.Port > 65535:
		return nil, nil
	}
	return &said.Data, nil
}

// How often to ask the Supervisor for the broker: until there is one, and after that,
// since a reinstalled broker has a new password.
const (
	brokerSearch = 15 * time.Second
	brokerCheck  = 5 * time.Minute
)

// Watch calls reload, which reads the configuration again, when the Supervisor has a
// different broker from the one in c, until ctx ends. It does not do so for a broker
// that is gone: it may come back unchanged.
func (a Addon) Watch(ctx context.Context, c Config, clock bus.Clock, reload func()) {
	var last *broker
	for {
		every := brokerCheck
		if last == nil {
			every = brokerSearch
		}
		if bus.Sleep(ctx, clock, every) != nil {
			return
		}
		asking, done := context.WithTimeout(ctx, 10*time.Second)
		b, err := a.broker(asking)
		done()
		if err != nil || b == nil {
			continue
		}
		if last == nil && LacksBroker(c) || last != nil && *b != *last {
			reload()
		}
		last = b
	}
}

// LacksBroker reports whether an add-on with c has no broker except the one that it
// tries until the Supervisor knows one.
func LacksBroker(c Config) bool { return c.MQTT.URL == usualBroker && c.MQTT.Username == "" }
