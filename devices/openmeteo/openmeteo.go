// Package openmeteo reads today's forecast from Open-Meteo, which needs no key.
package openmeteo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"powermgr/devices"
	"powermgr/devices/cloud"
)

const vendor = "open-meteo"

// DefaultBaseURL is the free service.
const DefaultBaseURL = "https://api.open-meteo.com"

// Options configure a Client.
type Options struct {
	BaseURL   string           // empty: DefaultBaseURL. Without TLS only on loopback
	Latitude  float64          // degrees north
	Longitude float64          // degrees east
	Location  *time.Location   // of the home, for its local day; nil: UTC
	HTTP      *http.Client     // nil: the client makes its own
	Now       func() time.Time // nil: time.Now
}

// Client reads the forecast for one place. Only one goroutine at a time may use it.
type Client struct {
	o     Options
	base  *url.URL
	hours cloud.Known[hours] // which change far less often than they are read
}

// New returns a client for o, which it checks. It makes no request.
func New(o Options) (*Client, error) {
	if o.BaseURL == "" {
		o.BaseURL = DefaultBaseURL
	}
	if o.Location == nil {
		o.Location = time.UTC
	}
	if o.HTTP == nil {
		o.HTTP = &http.Client{Timeout: 30 * time.Second}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	base, err := cloud.BaseURL(o.BaseURL)
	if err != nil {
		return nil, errors.New("weather: " + err.Error())
	}
	if o.Latitude < -90 || o.Latitude > 90 || o.Longitude < -180 || o.Longitude > 180 {
		return nil, fmt.Errorf("weather: there is no place at %g, %g", o.Latitude, o.Longitude)
	}
	return &Client{o: o, base: base}, nil
}

// pastDays is for how many days before today the sun is read: compared with what the
// panels produced on these days, it shows how much they produce from a given sun.
const pastDays = 10

// hourForm is Open-Meteo's format of a local time.
const hourForm = "2006-01-02T15:04"

// Read reads the home's local day and the next two, and the sun of the days before.
func (c *Client) Read(ctx context.Context) (devices.Forecast, error) {
	const op = "read the forecast"
	fail := func(kind devices.Kind, format string, args ...any) (devices.Forecast, error) {
		return devices.Forecast{}, &devices.Error{Vendor: vendor, Op: op, Kind: kind, Err: fmt.Errorf(format, args...)}
	}
	q := url.Values{
		"latitude": {strconv.FormatFloat(c.o.Latitude, 'f', -1, 64)}, "longitude": {strconv.FormatFloat(c.o.Longitude, 'f', -1, 64)},
		"hourly": {"temperature_2m,shortwave_radiation"}, "daily": {"temperature_2m_max"}, "temperature_unit": {"fahrenheit"},
		"timezone": {c.o.Location.String()}, "forecast_days": {"3"}, "past_days": {strconv.Itoa(pastDays)},
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base.String()+"/v1/forecast?"+q.Encode(), nil)
	if err != nil {
		return fail(devices.Refused, "the address cannot be made")
	}
	reply, err := cloud.Do(c.o.HTTP, vendor, op, req)
	if err != nil {
		return devices.Forecast{}, err
	}
	var body struct {
		Reason string          `json:"reason"`
		Hourly json.RawMessage `json:"hourly"`
		Daily  struct {
			Time []string   `json:"time"`
			High []*float64 `json:"temperature_2m_max"`
		} `json:"daily"`
	}
	body.Hourly = json.RawMessage("{}")
	bad := json.Unmarshal(reply.Body, &body) != nil
	switch {
	case reply.Status != http.StatusOK:
		e := cloud.StatusError(vendor, op, reply, false, body.Reason)
		if e.Kind == devices.Unauthorized {
			e.Kind = devices.Unreachable // there is nothing for a person to authorize
		}
		return devices.Forecast{}, e
	case bad:
		return fail(devices.Nonsense, "%w", errNoForecast)
	case len(body.Daily.Time) != len(body.Daily.High):
		return fail(devices.Nonsense, "%w", errUnequal)
	}
	hours, err := c.hours.Decode(body.Hourly, c.parseHours)
	if err != nil {
		return fail(devices.Nonsense, "%w", err)
	}
	now := c.o.Now()
	f := devices.Forecast{Source: vendor, Day: now.In(c.o.Location).Format(time.DateOnly), AsOf: devices.WholeSecond(now), Hourly: []devices.HourlyDegF{}}
	for i, day := range body.Daily.Time {
		if high := body.Daily.High[i]; day == f.Day && high != nil {
			if !devices.Fahrenheit.Possible(*high) {
				return fail(devices.Nonsense, "a high of %g °F", *high)
			}
			f.HighF = high
		}
	}
	midnight := devices.Midnight(now, c.o.Location)
	for _, h := range hours.degF {
		if !h.At.Before(midnight) && len(f.Hourly) < 72 { // most hours belong to past days
			f.Hourly = append(f.Hourly, h)
		}
	}
	f.Radiation = hours.radiation
	if f.HighF == nil {
		return fail(devices.Nonsense, "there is no high for today in it")
	}
	return f, nil
}

var (
	errNoForecast = errors.New("the answer is not a forecast")
	errUnequal    = errors.New("there are not as many times as temperatures")
)

// hours are what an answer says of each hour, of all days.
type hours struct {
	degF      []devices.HourlyDegF // the possible ones
	radiation *devices.Radiation   // nil: the answer has none
}

func (c *Client) parseHours(body []byte) (hours, error) {
	var said struct {
		Time []string   `json:"time"`
		Temp []*float64 `json:"temperature_2m"`
		Sun  []*float64 `json:"shortwave_radiation"`
	}
	switch err := json.Unmarshal(body, &said); {
	case err != nil:
		return hours{}, errNoForecast
	case len(said.Time) != len(said.Temp):
		return hours{}, errUnequal
	}
	h := hours{radiation: c.radiation(said.Time, said.Sun)}
	for i, text := range said.Time {
		at, err := time.ParseInLocation(hourForm, text, c.o.Location)
		if temp := said.Temp[i]; err == nil && temp != nil && devices.Fahrenheit.Possible(*temp) {
			h.degF = append(h.degF, devices.HourlyDegF{At: at, DegF: *temp})
		}
	}
	return h, nil
}

// maxRadiation is more radiation than ever reaches the ground, in W/m².
const maxRadiation = 1600

// radiation returns the radiation of each hour; nil: the answer has none. Open-Meteo
// gives the mean of the hour before each time.
func (c *Client) radiation(times []string, sun []*float64) *devices.Radiation {
	var r devices.Radiation
	for i := range min(len(times), len(sun), 24*(pastDays+4)) {
		end, err := time.ParseInLocation(hourForm, times[i], c.o.Location)
		if err != nil || sun[i] == nil || !(*sun[i] > -maxRadiation && *sun[i] < maxRadiation) {
			continue
		}
		at, wm2 := end.Add(-time.Hour), max(0, *sun[i]) // Open-Meteo's models give values slightly below zero
		if r.WM2 == nil {
			r.Start = at
		}
		hour := int(at.Sub(r.Start) / time.Hour)
		if hour < 0 || hour > 24*(pastDays+4) {
			continue
		}
		for len(r.WM2) <= hour {
			r.WM2 = append(r.WM2, nil)
		}
		r.WM2[hour] = &wm2
	}
	if r.WM2 == nil {
		return nil
	}
	return &r
}
