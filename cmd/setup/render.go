package setup

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"text/template"
	"time"

	"powermgr/cmd/config"
	"powermgr/control/tariff"
	"powermgr/devices"
)

// Writes the configuration: the answers, with explanations.

// answers is the input for writing a configuration.
type answers struct {
	config.Config

	Files   string // the folder for everything that powermgr writes; empty: the usual folders
	Week    string // peak hours such as 16:00–21:00, on weekdays; empty: Tariff.Rates has them
	Example string // the file that explains every key
}

var configuration = template.Must(template.New("configuration").Funcs(template.FuncMap{
	"q":    func(v any) (string, error) { b, err := json.Marshal(v); return string(b), err }, // JSON is YAML
	"rate": rateLine,
	"secret": func(s devices.Secret) (string, error) {
		b, err := json.Marshal(s.Reveal())
		return string(b), err
	},
}).Parse(`# yaml-language-server: $schema=/usr/share/powermgr/config.schema.json
# powermgr's configuration, written by powermgr setup. Change what you like, and then run
#   sudo powermgr check-config      it says what would happen, and changes nothing
#   sudo systemctl reload powermgr
# Keys that are not here have their default; {{.Example}} explains every one.
# This file holds secrets: keep it readable by root and powermgr alone.
{{with .Tesla}}
tesla:
{{- if .APIToken}}
  # A token from Teslemetry. powermgr cannot renew it: replace it here before it ends.
  api_token: {{secret .APIToken}}
{{- else}}
  # Your app at developer.tesla.com.
  client_id: {{q .ClientID}}
  client_secret: {{secret .ClientSecret}}
  # Where the authorization is kept. powermgr renews it.
  token_file: {{q .TokenFile}}
{{- end}}
  base_url: {{q .BaseURL}}
{{- if .TokenURL}}
  token_url: {{q .TokenURL}}
{{- end}}
{{- if .EnergySiteID}}
  # The home, of several on the account.
  energy_site_id: {{.EnergySiteID}}
{{- end}}
{{end}}
{{- with .Honeywell}}
honeywell:
  # resideo: Honeywell Home, by an app at developer.honeywellhome.com. tcc: Total Connect Comfort.
  backend: {{.Backend}}
{{- if eq .Backend "tcc"}}
  username: {{q .Username}}
  password: {{secret .Password}}
{{- else}}
  client_id: {{q .ClientID}}
  client_secret: {{secret .ClientSecret}}
{{- end}}
  token_file: {{q .TokenFile}}
{{- if .BaseURL}}
  base_url: {{q .BaseURL}}
{{- end}}
{{end}}
mqtt:
{{- if .MQTT.Off}}
  # There is no broker, so Home Assistant sees nothing. With one: mqtt://192.168.1.10:1883
{{- end}}
  url: {{q .MQTT.URL}}
{{- if .MQTT.Username}}
  username: {{q .MQTT.Username}}
  password: {{secret .MQTT.Password}}
{{- end}}

weather:
{{- if .Weather.Latitude}}
  # The forecast for the home decides whether it precools.
  latitude: {{.Weather.Latitude}}
  longitude: {{.Weather.Longitude}}
{{- if .Weather.BaseURL}}
  base_url: {{q .Weather.BaseURL}}
{{- end}}
{{- else}}
  # No forecast: nothing is precooled. With latitude and longitude it is.
  source: none
{{- end}}
{{if .HTTP.Listen}}
http:
  # The page, and figures for Prometheus at /metrics.
  listen: {{q .HTTP.Listen}}
{{- if .HTTP.Password}}
  password: {{secret .HTTP.Password}}
{{- end}}
{{end}}
{{- if .Notifications.SMTP.Server}}
notifications:
  smtp:
    server: {{q .Notifications.SMTP.Server}}
    port: {{.Notifications.SMTP.Port}}
{{- if .Notifications.SMTP.Username}}
    username: {{q .Notifications.SMTP.Username}}
    password: {{secret .Notifications.SMTP.Password}}
{{- end}}
  recipients:
    info: {{q .Notifications.Recipients.Info}}          # the report of the day
    warning: {{q .Notifications.Recipients.Warning}}       # something did not work; it may mend itself
    critical: {{q .Notifications.Recipients.Critical}}      # somebody has to do something
{{end}}
settings:
  # true: everything is read, decided and reported, and nothing is sent to a device. Look at what powermgr
  # would have done for a few days (powermgr report --first-week); sudo powermgr live writes false here.
  dry_run: true
  timezone: {{q .Settings.Timezone}}
  # What temperatures are shown in, F or C.
  unit: {{.Settings.Unit}}
  # The thermostats that powermgr may control. Others on the account are shown and never touched.
  thermostat_ids: {{q .Settings.ThermostatIDs}}
{{- if .Week}}
  # When electricity is expensive.
  seasons:
    year:
      months: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]
      days: [weekdays]
      precool: true
      peak_periods: {{.Week}}
{{- end}}
  # The battery's reserve in a peak and otherwise, percent.
  peak_reserve_percent: {{.Settings.PeakReservePercent}}
  off_peak_reserve_percent: {{.Settings.OffPeakReservePercent}}

# What a kWh costs.
tariff:
  currency: {{q .Tariff.Currency}}
{{- if .Tariff.Rates}}
  # From Tesla's app. The first rate that holds counts; in hours with peak: true the home is to draw nothing
  # from the grid.
  rates:
{{- range .Tariff.Rates}}
    - {{rate .}}
{{- end}}
{{- else}}
  peak_per_kwh: {{.Tariff.PeakPerKWh}}
  off_peak_per_kwh: {{.Tariff.OffPeakPerKWh}}
{{- end}}
{{- if .Files}}

paths:
  journal_file: {{q (printf "%s/journal.json" .Files)}}
  ramdisk_state_file: {{q (printf "%s/state.json" .Files)}}
  permanent_metrics_dir: {{q (printf "%s/metrics" .Files)}}
{{- end}}
`))

// render writes a configuration.
func render(a answers) ([]byte, error) {
	var b strings.Builder
	if a.Settings.ThermostatIDs == nil {
		a.Settings.ThermostatIDs = []string{}
	}
	err := configuration.Execute(&b, a)
	return []byte(b.String()), err
}

// rateLine returns a rate for the configuration, in one line.
func rateLine(r config.Rate) string {
	text := func(s string) string {
		b, _ := json.Marshal(s) // never fails for a string
		return string(b)
	}
	parts := []string{"name: " + text(r.Name), fmt.Sprintf("price: %g", *r.Price)}
	if r.Export != 0 {
		parts = append(parts, fmt.Sprintf("export: %g", r.Export))
	}
	if r.From != 0 {
		parts = append(parts, fmt.Sprintf("from: %02d-%02d, to: %02d-%02d", r.From/100, r.From%100, r.To/100, r.To%100))
	}
	if len(r.Days) > 0 {
		parts = append(parts, "days: ["+strings.Join(r.Days, ", ")+"]")
	}
	if r.Start != r.End {
		parts = append(parts, fmt.Sprintf("start: %q, end: %q", r.Start, r.End))
	}
	if r.Peak {
		parts = append(parts, "peak: true")
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

// ratesOf returns the rates of a tariff in the form of the configuration. The notices
// say what is left out.
func ratesOf(t tariff.Table) (rates []config.Rate, notices []string) {
	pay, same := 0.0, true
	for i, e := range t.Exports {
		if i == 0 {
			pay = e.Import
		}
		same = same && e.Import == pay
	}
	for _, r := range t.Rates {
		out := config.Rate{Name: strings.ToLower(strings.ReplaceAll(r.Name, "_", " ")), Price: &r.Import, Export: r.Export, Peak: r.Peak}
		if r.Days.From != 101 || r.Days.To != 1231 {
			out.From, out.To = r.Days.From, r.Days.To
		}
		out.Days = dayWords(r.Days.Weekdays)
		// The whole day is 00:00 to 00:00 in the table, and 00:00 to 24:00 here.
		if whole := r.Span.End-r.Span.Start == 24*60 || r.Span.End == r.Span.Start; !whole {
			out.Start, out.End = config.Minute(r.Span.Start), config.Minute(r.Span.End)
			if out.End > 24*60 {
				out.End -= 24 * 60
			}
		}
		if len(t.Exports) > 0 {
			out.Export = pay
			if !same {
				i := slices.IndexFunc(t.Exports, func(e tariff.Rate) bool {
					return e.Span == r.Span && e.Days.From == r.Days.From && e.Days.To == r.Days.To && slices.Equal(e.Days.Weekdays, r.Days.Weekdays)
				})
				if i < 0 {
					out.Export = 0
					notices = append(notices, "what is paid for energy fed in between "+out.Start.String()+" and "+out.End.String()+" is left out: it has hours of its own")
				} else {
					out.Export = t.Exports[i].Import
				}
			}
		}
		rates = append(rates, out)
	}
	return rates, notices
}

// dayWords returns days of the week in the form of the configuration; none for all days.
func dayWords(days []time.Weekday) (words []string) {
	on := [7]bool{}
	for _, d := range days {
		on[d] = true
	}
	switch on {
	case [7]bool{}, [7]bool{true, true, true, true, true, true, true}:
		return nil
	case [7]bool{false, true, true, true, true, true, false}:
		return []string{"weekdays"}
	case [7]bool{true, false, false, false, false, false, true}:
		return []string{"weekends"}
	}
	for d, is := range on {
		if is {
			words = append(words, strings.ToLower(time.Weekday(d).String()[:3]))
		}
	}
	return words
}
