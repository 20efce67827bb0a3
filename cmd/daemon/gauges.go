package daemon

import (
	"encoding/json"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"powermgr/bridge"
	"powermgr/bridge/bus"
	"powermgr/cmd/pair"
	"powermgr/control"
	"powermgr/control/health"
	"powermgr/control/rules"
	"powermgr/devices"
)

// gauges gives Prometheus what is retained on the bus at the moment it asks.
// What is not known is left out: zero is a measurement.
type gauges struct{ d *Daemon }

// Describe says nothing, since what there is depends on the home.
func (g gauges) Describe(chan<- *prometheus.Desc) {}

// Collect reads the bus.
func (g gauges) Collect(ch chan<- prometheus.Metric) {
	s := scrape{ch: ch, snapshot: g.d.Bus.Snapshot()}
	t := devices.Topics{Base: g.d.options.Config.MQTT.BaseTopic}
	node := g.d.node.State()
	s.gauge("build_info", 1, "version", node.Version)
	s.gauge("node_active", number(node.Role == pair.Active))
	s.gauge("node_generation", float64(node.Generation))
	s.gauge("control_loop_turns", number(g.d.Alive()))

	var link bridge.LinkHealth
	if s.read(bus.LinkHealth, &link) {
		s.gauge("broker_connected", number(link.Connected))
		s.counter("broker_messages_total", float64(link.Sent), "way", "sent")
		s.counter("broker_messages_total", float64(link.Received), "way", "received")
		s.counter("broker_messages_total", float64(link.Dropped), "way", "dropped")
	}
	for vendor, topic := range map[string]string{
		health.Powerwall: t.Powerwall(devices.APILeaf), health.Thermostats: t.Thermostats(devices.APILeaf), health.Weather: t.Weather(devices.APILeaf),
	} {
		var api devices.API
		if s.read(topic, &api) {
			s.gauge("vendor_calls_today", float64(api.CallsToday), "vendor", vendor)
			s.gauge("vendor_failed_calls_today", float64(api.FailedToday), "vendor", vendor)
			if api.CallsMonth != nil {
				s.gauge("vendor_calls_this_month", float64(*api.CallsMonth), "vendor", vendor)
			}
			s.gauge("vendor_answers", number(api.Problem == nil), "vendor", vendor)
		}
	}
	s.powerwall(g.d, t)
	s.thermostats(g.d, t)
	s.controller(t)
}

// scrape is one answer.
type scrape struct {
	ch       chan<- prometheus.Metric
	snapshot []bus.Message
}

func (s scrape) read(topic string, v any) bool {
	for _, m := range s.snapshot {
		if m.Topic == topic {
			return json.Unmarshal(m.Payload, v) == nil
		}
	}
	return false
}

// gauge is one figure; labels are names and values in turn.
func (s scrape) gauge(name string, v float64, labels ...string) {
	s.metric(prometheus.GaugeValue, name, v, labels)
}

func (s scrape) counter(name string, v float64, labels ...string) {
	s.metric(prometheus.CounterValue, name, v, labels)
}

func (s scrape) metric(kind prometheus.ValueType, name string, v float64, labels []string) {
	var names, values []string
	for i := 0; i+1 < len(labels); i += 2 {
		names, values = append(names, labels[i]), append(values, labels[i+1])
	}
	full := "powermgr_" + name
	m, err := prometheus.NewConstMetric(prometheus.NewDesc(full, help[name], names, nil), kind, v, values...)
	if err != nil {
		m = prometheus.NewInvalidMetric(prometheus.NewDesc(full, help[name], nil, nil), err)
	}
	s.ch <- m
}

// known is a gauge of what may be unknown.
func known[T ~float64 | ~int](s scrape, name string, v *T, labels ...string) {
	if v != nil {
		s.gauge(name, float64(*v), labels...)
	}
}

func (s scrape) powerwall(d *Daemon, t devices.Topics) {
	var r devices.PowerwallReading
	if !s.read(t.Powerwall(devices.StateLeaf), &r) {
		return
	}
	known(s, "powerwall_charge_percent", r.ChargePercent)
	known(s, "powerwall_reserve_percent", r.ReservePercent)
	for flow, w := range map[string]*devices.Watts{"battery": r.BatteryPower, "solar": r.SolarPower, "grid": r.GridPower, "home": r.HomePower} {
		known(s, "powerwall_power_watts", w, "flow", flow)
	}
	for flow, wh := range map[string]*devices.WattHours{
		"grid_import": r.GridImport, "grid_export": r.GridExport, "solar": r.Solar, "battery_in": r.BatteryIn, "battery_out": r.BatteryOut, "home": r.Home,
	} {
		if wh != nil {
			s.counter("powerwall_energy_watt_hours_total", float64(*wh), "flow", flow)
		}
	}
	s.gauge("reading_age_seconds", d.Bus.Now().Sub(r.AsOf()).Seconds(), "device", health.Powerwall)
}

func (s scrape) thermostats(d *Daemon, t devices.Topics) {
	for _, m := range s.snapshot {
		levels, ok := t.Split(m.Topic)
		if !ok || len(levels) != 3 || levels[0] != "thermostat" || levels[2] != devices.StateLeaf {
			continue
		}
		r, err := bus.Decode[devices.ThermostatReading](m)
		if err != nil {
			continue
		}
		of := []string{"thermostat", levels[1], "unit", strings.ToLower(string(r.Unit))}
		known(s, "thermostat_temperature", r.Temperature, of...)
		known(s, "thermostat_cool_setpoint", r.CoolSetpoint, of...)
		known(s, "thermostat_heat_setpoint", r.HeatSetpoint, of...)
		s.gauge("reading_age_seconds", d.Bus.Now().Sub(r.AsOf()).Seconds(), "device", levels[1])
	}
}

func (s scrape) controller(t devices.Topics) {
	var c control.State
	if s.read(t.Control(devices.StateLeaf), &c) {
		for _, phase := range rules.Phases() {
			s.gauge("phase", number(c.Phase == phase), "phase", string(phase))
		}
		for _, kind := range rules.OverrideKinds() {
			s.gauge("override", number(c.Override == string(kind)), "override", string(kind))
		}
		known(s, "reserve_wanted_percent", c.Reserve)
		known(s, "forecast_high_fahrenheit", c.ForecastF)
		s.gauge("offset_fahrenheit", c.OffsetF)
		s.gauge("thresholds_latched", float64(len(c.Latched)))
		s.gauge("enabled", number(c.Enabled))
		s.gauge("dry_run", number(c.DryRun))
		s.gauge("owned", float64(len(c.Owned)))
	}
	var h health.Health
	if s.read(t.Control(devices.HealthLeaf), &h) {
		for name, p := range h.Parts {
			s.gauge("part_ok", number(p.OK), "part", name)
		}
	}
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// help says what each figure is.
var help = map[string]string{
	"build_info":                        "The running version.",
	"node_active":                       "Whether this node is the one that polls and commands.",
	"node_generation":                   "The generation of this node's claim.",
	"control_loop_turns":                "Whether the control loop is running.",
	"broker_connected":                  "Whether there is a connection to the broker.",
	"broker_messages_total":             "Messages to and from the broker since the start.",
	"vendor_calls_today":                "Calls to a vendor since local midnight, or since the start.",
	"vendor_failed_calls_today":         "Calls to a vendor that failed, since local midnight, or since the start.",
	"vendor_calls_this_month":           "Calls of this node to a vendor that may bill for them, in the home's calendar month.",
	"vendor_answers":                    "Whether the last poll of a vendor succeeded.",
	"powerwall_charge_percent":          "State of charge.",
	"powerwall_reserve_percent":         "The reserve that the battery has.",
	"powerwall_power_watts":             "Power; the battery's discharge and the grid's import are positive.",
	"powerwall_energy_watt_hours_total": "Lifetime energy.",
	"reading_age_seconds":               "Age of a device's last reading, by the older of its own time and the poll's.",
	"thermostat_temperature":            "Temperature inside, in the device's unit.",
	"thermostat_cool_setpoint":          "Cool set point, in the device's unit.",
	"thermostat_heat_setpoint":          "Heat set point, in the device's unit.",
	"phase":                             "1 for the current phase.",
	"override":                          "1 for the current override, auto if there is none.",
	"reserve_wanted_percent":            "The reserve that the rules want.",
	"forecast_high_fahrenheit":          "Forecast high of today.",
	"offset_fahrenheit":                 "Setback in force.",
	"thresholds_latched":                "Battery thresholds that have latched in this peak.",
	"enabled":                           "Whether the controller is switched on.",
	"dry_run":                           "Whether commands are only reported and not sent.",
	"owned":                             "Settings that powermgr holds at present.",
	"part_ok":                           "Whether a part of powermgr works.",
}
