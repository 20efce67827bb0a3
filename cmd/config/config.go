// Package config is the configuration: which keys there are, where their values come
// from, whether they make sense, and what they mean in plain words and in the words
// of the other packages. It starts nothing and commands nothing.
package config

import (
	"time"

	"powermgr/control/rules"
	"powermgr/devices"
)

// Config is the whole configuration, as Load returns it: complete, checked,
// with every default filled in. The comments say what each key means, its
// unit, its range, its default, and what its zero value does.
//
// deploy/config.example.yaml has the same keys with words for whoever installs
// powermgr; a test holds the two together.
type Config struct {
	// Tesla is the Powerwall. Nil, no such section: there is none to control.
	Tesla *Tesla `koanf:"tesla"`
	// Honeywell are the thermostats. Nil, no such section: there are none.
	Honeywell *Honeywell `koanf:"honeywell"`

	MQTT          MQTT          `koanf:"mqtt"`
	Discovery     Discovery     `koanf:"discovery"`
	Weather       Weather       `koanf:"weather"`
	Notifications Notifications `koanf:"notifications"`
	Settings      Settings      `koanf:"settings"`
	Tariff        Tariff        `koanf:"tariff"`
	Poll          Poll          `koanf:"poll"`
	Paths         Paths         `koanf:"paths"`
	HA            HA            `koanf:"ha"`
	HTTP          HTTP          `koanf:"http"`
	Logging       Logging       `koanf:"logging"`
}

// Tesla is the account of the Powerwall. It needs TokenFile or APIToken.
type Tesla struct {
	// APIToken is an access token that cannot be refreshed, such as
	// Teslemetry's. Empty: TokenFile is used. Load empties it when there is an
	// authorization in TokenFile.
	APIToken devices.Secret `koanf:"api_token"`
	// TokenFile holds the OAuth answer and is rewritten when it is refreshed.
	// Empty: APIToken is used.
	TokenFile string `koanf:"token_file"`
	// EnergySiteID is the site on the account. 0, the default: the only one
	// there is; with several, the daemon says which there are.
	EnergySiteID int64 `koanf:"energy_site_id"`
	// ClientID is the app's, for refreshing the token of TokenFile; "ownerapi"
	// means Tesla's older owner API. Empty: allowed with APIToken alone.
	ClientID string `koanf:"client_id"`
	// ClientSecret is the app's, for the first authorization. Empty: none.
	ClientSecret devices.Secret `koanf:"client_secret"`
	// BaseURL is the API, without a slash at its end. Empty in the file: the
	// owner API for client_id ownerapi with a token file, else Fleet in North
	// America. Load fills it in.
	BaseURL string `koanf:"base_url"`
	// TokenURL is the token endpoint. Empty in the file: the one that belongs to
	// the same choice. Load fills it in.
	TokenURL string `koanf:"token_url"`
	// CallsPerMonth is how many calls there may be in a calendar month: 2000 and
	// more, default 5000. The Powerwall is read as often as they last; commands and
	// what they need always go. 0: no limit, and Poll alone says how often.
	CallsPerMonth int `koanf:"calls_per_month"`
}

// The two clouds that Honeywell thermostats can be on.
const (
	BackendResideo = "resideo" // developer.honeywellhome.com: client_id and client_secret
	BackendTCC     = "tcc"     // mytotalconnectcomfort.com, United States: username and password
)

// Honeywell is the account of the thermostats.
type Honeywell struct {
	// Backend is BackendResideo or BackendTCC. Empty in the file: resideo if an
	// authorization is at TokenFile, else tcc if there are a user name and a
	// password, else resideo. Load fills it in.
	Backend string `koanf:"backend"`
	// ClientID and ClientSecret are consumer key and secret of the app; resideo
	// needs both.
	ClientID     string         `koanf:"client_id"`
	ClientSecret devices.Secret `koanf:"client_secret"`
	// Username and Password are those of the Total Connect Comfort portal; tcc
	// needs both.
	Username string         `koanf:"username"`
	Password devices.Secret `koanf:"password"`
	// BaseURL is the API or the portal. Empty in the file: the vendor's. Load
	// fills it in.
	BaseURL string `koanf:"base_url"`
	// TokenFile keeps the authorization of resideo, or the session of tcc.
	// Empty in the file: honeywell_token.json or honeywell_session.json in
	// /var/lib/powermgr. Load fills it in.
	TokenFile string `koanf:"token_file"`
}

// MQTT is the broker. It may be away: control goes on without it.
type MQTT struct {
	// URL has the scheme mqtt or tcp (plain), or mqtts, tls or ssl (TLS), a host
	// and a port. Default mqtt://127.0.0.1:1883; Load adds a missing port.
	URL string `koanf:"url"`
	// Username and Password are of the broker. Empty, the default: anonymous.
	Username string         `koanf:"username"`
	Password devices.Secret `koanf:"password"`
	// ClientID must be this node's alone. Empty in the file: "powermgr-" and
	// ha.node. Load fills it in.
	ClientID string `koanf:"client_id"`
	// BaseTopic is what all topics begin with. Default powermgr.
	BaseTopic string `koanf:"base_topic"`
	// KeepaliveSeconds is how long the connection may be silent: 5–300,
	// default 20.
	KeepaliveSeconds int     `koanf:"keepalive_seconds"`
	TLS              MQTTTLS `koanf:"tls"`
}

// MQTTTLS is for a broker with a certificate of one's own. It needs a scheme
// with TLS.
type MQTTTLS struct {
	// CAFile holds the certificate authority, PEM. Empty: the system's.
	CAFile string `koanf:"ca_file"`
	// CertFile and KeyFile are a client certificate, PEM. Empty, both: none.
	CertFile string `koanf:"cert_file"`
	KeyFile  string `koanf:"key_file"`
	// ServerName is the name in the broker's certificate. Empty: the host of
	// mqtt.url.
	ServerName string `koanf:"server_name"`
}

// The formats of discovery.
const (
	FormatDevice    = "device"    // one message for a device: Home Assistant 2024.12 and later
	FormatComponent = "component" // one message for an entity: any Home Assistant
)

// Discovery is how Home Assistant is told what there is.
type Discovery struct {
	// Enabled, default true. False: what was announced earlier is taken back.
	Enabled bool `koanf:"enabled"`
	// Prefix is Home Assistant's discovery prefix. Default homeassistant.
	Prefix string `koanf:"prefix"`
	// Format is FormatDevice, the default, or FormatComponent.
	Format string `koanf:"format"`
	// StatusTopic is where Home Assistant says that it has started. Empty in
	// the file: Prefix and "/status". Load fills it in.
	StatusTopic string `koanf:"status_topic"`
}

// Where the forecast comes from.
const (
	WeatherOpenMeteo = "open-meteo" // needs latitude and longitude
	WeatherMQTT      = "mqtt"       // a number on weather/forecast_high/set
	WeatherNone      = "none"       // nowhere: no precooling
)

// Weather is the forecast that decides on precooling.
type Weather struct {
	// Source is one of the Weather constants. Empty in the file: open-meteo if
	// there are coordinates, else mqtt. Load fills it in.
	Source string `koanf:"source"`
	// BaseURL is Open-Meteo's. Default https://api.open-meteo.com.
	BaseURL string `koanf:"base_url"`
	// Latitude and Longitude are the home's in degrees, −90–90 and −180–180,
	// both or neither. Nil: not known; 0 is a place.
	Latitude  *float64 `koanf:"latitude"`
	Longitude *float64 `koanf:"longitude"`
	// APIKey and APIURL are of Power Manager v2.0, which never used them.
	// Accepted, and without effect.
	APIKey devices.Secret `koanf:"api_key"`
	APIURL string         `koanf:"api_url"`
}

// Notifications is who gets mail.
type Notifications struct {
	SMTP       SMTP       `koanf:"smtp"`
	Recipients Recipients `koanf:"recipients"`
	// PerHour is how many mails of one urgency are sent in an hour: 1–60,
	// default 10. The others are gathered into one; nothing critical is dropped.
	PerHour int `koanf:"per_hour"`
}

// SMTP is the mail server. Connections other than to this machine need TLS.
type SMTP struct {
	// Server is its host name. Empty, the default: no mail is sent.
	Server string `koanf:"server"`
	// Port is 1–65535. Default 587 (STARTTLS); 465 is TLS from the start.
	Port int `koanf:"port"`
	// From is the sender. Empty in the file: Username, if that is an address,
	// else the first recipient. Load fills it in.
	From string `koanf:"from"`
	// Username is for the log-in. Empty: the server wants none.
	Username string         `koanf:"username"`
	Password devices.Secret `koanf:"password"`
	// CAFile has the server's certificate authority, PEM. Empty: the system's.
	CAFile string `koanf:"ca_file"`
}

// Recipients are e-mail addresses for each urgency. Empty: nobody.
type Recipients struct {
	Info     []string `koanf:"info"`     // the daily report
	Warning  []string `koanf:"warning"`  // something did not work; it may mend itself
	Critical []string `koanf:"critical"` // somebody has to do something
}

// Settings are the rules of the home. Temperatures are °F whatever the
// thermostats show.
type Settings struct {
	// DryRun reads, decides and says everything, and sends nothing. Default
	// false; the example configuration has true.
	DryRun bool `koanf:"dry_run"`
	// Timezone is the IANA name of the home's. Required, unless Location is
	// given.
	Timezone string `koanf:"timezone"`
	// Location is v2.0's name for Timezone, which wins. Load fills Timezone in.
	Location string `koanf:"location"`
	// Holidays are local days on which no peak begins: 2026-07-04, 12-25 of every
	// year, the public holidays of a country (us), or one of them (us Memorial Day).
	Holidays []string `koanf:"holidays"`
	// Seasons by name. None in the file: summer and winter as in
	// defaultSeasons. Each day of the year belongs to at least one, and to several
	// if they have different days of the week.
	Seasons map[string]Season `koanf:"seasons"`

	// PeakReservePercent is the battery's reserve in a peak: 0–80 or 100,
	// default 0.
	PeakReservePercent int `koanf:"peak_reserve_percent"`
	// OffPeakReservePercent is the reserve otherwise: 0–80 or 100, default 100.
	OffPeakReservePercent int `koanf:"off_peak_reserve_percent"`

	// Unit is what the owner reads temperatures in, and what those of this section
	// may be given in: devices.Fahrenheit, or devices.Celsius, with keys that end
	// with _c. Empty, the default: °F, and each thermostat's own where it is read.
	Unit devices.Unit `koanf:"unit"`

	// Strategy is StrategyRule, the default, or StrategyPlan. A person may choose the
	// other one in Home Assistant.
	Strategy rules.Strategy `koanf:"strategy"`
	Plan     Plan           `koanf:"plan"`

	// ThermostatIDs are the vendor's ids of the thermostats to control. Others
	// on the account are shown and never touched. Empty: none is controlled.
	ThermostatIDs []string `koanf:"thermostat_ids"`

	// PrecoolLeadMinutes is how long pre_peak lasts before each peak: 10–180,
	// default 30.
	PrecoolLeadMinutes int `koanf:"precool_lead_minutes"`
	// PrecoolThresholdF is the forecast high from which it precools: 50–130,
	// default 95.
	PrecoolThresholdF float64 `koanf:"precool_threshold_f"`
	// PrecoolAdjustmentF is how much it precools: 0–5, default 2. 0: not at all.
	PrecoolAdjustmentF float64 `koanf:"precool_adjustment_f"`
	// MinThermostatTempF is the lowest cool set point of precooling: 60–85,
	// default 67.
	MinThermostatTempF float64 `koanf:"min_thermostat_temp_f"`

	// BatteryThresholds are when a setback step is due. Absent: those in
	// defaultThresholds; an empty list: there is no setback.
	BatteryThresholds []Threshold `koanf:"battery_thresholds"`
	// ThermostatIncrementF is the setback of one step: 0–5, default 2. 0: there
	// is no setback.
	ThermostatIncrementF float64 `koanf:"thermostat_increment_f"`
	// MaxThermostatAdjustments is how many steps count at most: 0–10. 0, the
	// default: all.
	MaxThermostatAdjustments int `koanf:"max_thermostat_adjustments"`
	// MaxThermostatTempF is the highest cool set point of a setback: 70–90,
	// default 82.
	MaxThermostatTempF float64 `koanf:"max_thermostat_temp_f"`
	// MinHeatSetpointF is the lowest heat set point of a setback: 50–75,
	// default 62.
	MinHeatSetpointF float64 `koanf:"min_heat_setpoint_f"`
	// MaxIndoorF and MinIndoorF are where a setback ends for the sake of whoever
	// is inside: 70–95, default 86, and 45–70, default 58.
	MaxIndoorF float64 `koanf:"max_indoor_f"`
	MinIndoorF float64 `koanf:"min_indoor_f"`
	// MinWriteIntervalMinutes is between automatic writes to one thermostat:
	// 5–120, default 10.
	MinWriteIntervalMinutes int `koanf:"min_write_interval_minutes"`

	// EODBatteryWarningThreshold is the charge at the end of the day's last
	// peak below which a warning is sent: 0–100 %, default 20. 0: never.
	EODBatteryWarningThreshold float64 `koanf:"eod_battery_warning_threshold"`
	// ReserveWithoutPercent is the reserve that the battery would have without
	// powermgr, for the report's comparison alone: 0–100, default 20, which is
	// Tesla's own.
	ReserveWithoutPercent int `koanf:"reserve_without_percent"`
	// CheckIntervalSeconds is v2.0's cycle: the poll of Powerwall and
	// thermostats where Poll does not say otherwise. 0, the default: 300.
	CheckIntervalSeconds int `koanf:"check_interval_seconds"`
}

// Plan is what a plan of the battery goes by. There is one whatever the strategy.
type Plan struct {
	// MinReservePercent is never gone below, nor is PeakReservePercent: 0–80,
	// default 0.
	MinReservePercent int `koanf:"min_reserve_percent"`
	// PeakWeightPerKWh is what a kWh from the grid in a peak counts beside its price:
	// 0–100, default 0.4. The owner wants the peak clean before he wants it cheap.
	PeakWeightPerKWh float64 `koanf:"peak_weight_per_kwh"`
	// BatteryKWh is what the battery holds until its readings tell: 1–1000, default
	// 13.5, which is one Powerwall.
	BatteryKWh float64 `koanf:"battery_kwh"`
	// BatteryKW is the most it charges or discharges with: 0.5–1000, default 5.
	BatteryKW float64 `koanf:"battery_kw"`
	// GridChargeKW is the most it fills with from the grid: 0–1000. 0, the default:
	// it is learned.
	GridChargeKW float64 `koanf:"grid_charge_kw"`
}

// A Season is what holds in a part of the year: in Months, or from From to To.
type Season struct {
	// Months are 1–12. Empty: From and To are given.
	Months []time.Month `koanf:"months"`
	// From and To are its first and its last day, such as 06-15 and 09-30; it goes
	// over the turn of the year if To comes first. Empty, both: Months are given.
	From rules.YearDay `koanf:"from"`
	To   rules.YearDay `koanf:"to"`
	// PeakPeriods are the peaks that begin on each of Days. Empty: there is none.
	PeakPeriods []PeakPeriod `koanf:"peak_periods"`
	// Days are mon…sun, "weekdays", "weekends" or "daily". Empty in the file:
	// weekdays. Load fills it in.
	Days []string `koanf:"days"`
	// Precool says whether a hot forecast precools. Nil in the file: true for a
	// season named summer. Load fills it in.
	Precool *bool `koanf:"precool"`
}

// A PeakPeriod is a window of wall-clock time in which power is expensive. End
// is exclusive, and at most 24:00; one that is not after Start is of the next
// day, so that 22:00–02:00 goes over midnight.
type PeakPeriod struct {
	Start Minute `koanf:"start"`
	End   Minute `koanf:"end"`
}

// A Threshold is when a setback step is due: with at least that many minutes
// of the peak left, 1–1440, and the battery at or below that level, 0–100 %.
type Threshold struct {
	TimeRemainingMinutes int     `koanf:"time_remaining_minutes"`
	LevelPercent         float64 `koanf:"level_percent"`
}

// Poll is how often vendors are asked. The lower bounds are what their limits
// and the age of their figures make sensible. At most an hour; weather a day. For
// the Powerwall it is how often at most, if Tesla.CallsPerMonth is not 0.
type Poll struct {
	PowerwallPeakSeconds int `koanf:"powerwall_peak_seconds"` // in a peak and its lead: from 30, default 60; 240 at most
	PowerwallSeconds     int `koanf:"powerwall_seconds"`      // otherwise: from 30, default 300
	ThermostatSeconds    int `koanf:"thermostat_seconds"`     // from 120, default 300; in a peak and its lead 240 at most
	WeatherSeconds       int `koanf:"weather_seconds"`        // from 900, default 3600
}

// Paths are files of the daemon. A relative one is meant from the folder of
// the configuration file.
type Paths struct {
	// JournalFile is what must survive a reboot. Default
	// /var/lib/powermgr/journal.json.
	JournalFile string `koanf:"journal_file"`
	// RamdiskStateFile is what changes often. Default
	// /mnt/ramdisk/powermgr_state.json.
	RamdiskStateFile string `koanf:"ramdisk_state_file"`
	// PermanentMetricsDir has a record of each day. Default
	// /var/log/powermgr/metrics.
	PermanentMetricsDir string `koanf:"permanent_metrics_dir"`
	// MetricsKeepDays is for how long: 0–3650, default 400. 0: forever.
	MetricsKeepDays int `koanf:"metrics_keep_days"`
	// HistoryDir has the quarter hours of each month, forever. Empty in the file:
	// history beside JournalFile. Load fills it in.
	HistoryDir string `koanf:"history_dir"`
}

// HA is the pair of nodes.
type HA struct {
	// Enabled leaves it to keepalived which node is active. Default false: a
	// node alone, always active.
	Enabled bool `koanf:"enabled"`
	// Node is this node's name on topics, [a-zA-Z0-9_-], at most 64. Empty in
	// the file: the host name. Load fills it in.
	Node string `koanf:"node"`
	// PrimaryNodeIP, BackupNodeIP and VirtualIP are the addresses of the pair.
	// They are shown, and used by what is in deploy; empty: not known.
	PrimaryNodeIP string `koanf:"primary_node_ip"`
	BackupNodeIP  string `koanf:"backup_node_ip"`
	VirtualIP     string `koanf:"virtual_ip"`
}

// HTTP is for the page, metrics and health.
type HTTP struct {
	// Listen is host:port; Load makes it 127.0.0.1 if there is no host. Empty,
	// the default: there is none.
	Listen string `koanf:"listen"`
	// Password is asked for by the page. Empty, the default: the page is for this
	// machine and TrustedProxies alone.
	Password devices.Secret `koanf:"password"`
	// TrustedProxies are addresses, or networks such as 172.30.32.0/23, of proxies
	// that ask people to log in themselves: who comes through one sees the page.
	TrustedProxies []string `koanf:"trusted_proxies"`
	// ReadOnly has the page take no commands. Default false.
	ReadOnly bool `koanf:"read_only"`
}

// The outputs of Logging.
const (
	LogAuto    = "auto"    // journal under systemd, else text
	LogText    = "text"    // lines; in color on a terminal
	LogJSON    = "json"    // one object a line
	LogJournal = "journal" // lines with a priority, without a time
)

// Logging is what is said on stderr.
type Logging struct {
	// Level is debug, info, warning or error; Python's names mean the same.
	// Default info.
	Level Level `koanf:"level"`
	// Format is v2.0's Python format string. Accepted, and without effect.
	Format string `koanf:"format"`
	// Output is one of the Log constants. Default auto.
	Output string `koanf:"output"`
}
