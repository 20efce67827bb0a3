package bridge

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"time"

	"powermgr/bridge/bus"
	"powermgr/devices"
)

// ForecastSource is a weather service as provided by an adapter.
type ForecastSource interface {
	Read(context.Context) (devices.Forecast, error)
}

// WeatherOptions are what a Weather part needs; all fields are required but Source,
// Meter, Unit and Store.
type WeatherOptions struct {
	Shared
	Source   ForecastSource // nil: only forecasts that are set by hand
	Every    func(now time.Time) time.Duration
	Meter    *Meter
	Location *time.Location // of the home: a forecast set by hand expires at its midnight
	Unit     devices.Unit   // of a forecast set by hand without one, and of the answers; empty: °F
	Store    Store          // keeps that forecast across a restart; nil: it is lost with the process
}

// Weather publishes today's forecast: from a service, or one that somebody set by hand,
// which counts until local midnight.
type Weather struct {
	WeatherOptions
	poller   *poller
	queue    *commandQueue
	sub      *bus.Subscription
	byHand   string           // the day that a forecast by hand is for; empty: none
	lastHigh devices.Forecast // the last forecast that had a high; zero: none
}

// NewWeather returns a part that is already subscribed.
func NewWeather(o WeatherOptions) *Weather {
	a := newPoller(o.Shared, "weather", o.Topics.Weather(devices.APILeaf), o.Every, o.Meter)
	return &Weather{
		WeatherOptions: o, poller: a, queue: &commandQueue{poller: a},
		sub: o.Bus.Subscribe("weather", o.Topics.Weather("+"+devices.Set), bus.Role),
	}
}

// Run publishes forecasts until ctx ends, and returns ctx's error.
func (w *Weather) Run(ctx context.Context) error {
	defer w.sub.Close()
	w.poller.loadLimits(w.Bus.Now())
	w.loadByHand(w.Bus.Now())
	for {
		m, ok, err := w.sub.Next(ctx, w.poller.due(time.Time{}))
		switch now := w.Bus.Now(); {
		case err != nil:
			return err
		case ok && w.poller.roleChanged(m):
			w.loadByHand(now)
		case ok:
			w.command(m, now)
		case !w.Role.Active():
			w.poller.next = now.Add(standby)
		case w.Source == nil || w.byHand == w.day(now):
			w.poller.next = devices.NextMidnight(now, w.Location)
		default:
			w.poll(ctx)
		}
	}
}

func (w *Weather) day(now time.Time) string { return now.In(w.Location).Format(time.DateOnly) }

func (w *Weather) poll(ctx context.Context) {
	var f devices.Forecast
	err := bounded(ctx, func(ctx context.Context) (err error) {
		f, err = w.Source.Read(ctx)
		return err
	})
	if ctx.Err() != nil {
		return
	}
	now := w.Bus.Now()
	if err == nil {
		f.AsOf = f.AsOf.Round(0)
		publishReading(w.Shared, w.Topics.Weather(devices.StateLeaf), f)
		w.noteHigh(f)
	}
	w.poller.polled(now, f.AsOf, err)
	if midnight := devices.NextMidnight(now, w.Location); midnight.Before(w.poller.next) {
		w.poller.next = midnight // another day, another high
	}
}

// byHandKey is the key of the forecast set by hand in a Store.
const byHandKey = "forecast_by_hand"

// publishByHand publishes a forecast set by hand.
func (w *Weather) publishByHand(f devices.Forecast) {
	w.byHand = f.Day
	w.publish(w.Topics.Weather(devices.StateLeaf), true, f)
	w.noteHigh(f)
}

// noteHigh remembers the last known high.
func (w *Weather) noteHigh(f devices.Forecast) {
	if f.HighF != nil {
		w.lastHigh = f
	}
}

// loadByHand restores a forecast set by hand before the start, or on the other node,
// while its day lasts.
func (w *Weather) loadByHand(now time.Time) {
	var f devices.Forecast
	if w.Store == nil || !w.Role.Active() || w.Store.Load(byHandKey, &f) != nil ||
		f.HighF == nil || !devices.Fahrenheit.Possible(*f.HighF) {
		return
	}
	if w.noteHigh(f); f.Day == w.day(now) {
		w.publishByHand(f)
	}
}

func (w *Weather) command(m bus.Message, now time.Time) {
	if !w.queue.guard(m, now) {
		return
	}
	req, err := devices.ParseRequest(m.Payload)
	if req.ID == "" {
		req.ID = m.ID
	}
	var high float64
	switch {
	case err != nil:
	case m.Topic != w.Topics.Weather("forecast_high"+devices.Set):
		err = fmt.Errorf("there is no such setting: send to forecast_high")
	default:
		high, err = w.high(req, now)
	}
	if err != nil {
		w.queue.refuse(m, req, err)
		return
	}
	f := devices.Forecast{HighF: &high, Hourly: []devices.HourlyDegF{}, Source: "mqtt", Day: w.day(now), AsOf: devices.WholeSecond(now)}
	w.poller.next = devices.NextMidnight(now, w.Location)
	w.publishByHand(f)
	if w.Store != nil {
		if err := w.Store.Save(byHandKey, f); err != nil {
			w.Log.Warn("the forecast by hand is lost with the next restart", "reason", err)
		}
	}
	shown := math.Round(devices.Fahrenheit.To(w.ownerUnit(), high)*100) / 100
	w.publish(devices.ResultTopic(m.Topic), false, devices.Result{ID: req.ID, Accepted: true, Final: true, Requested: shown, Applied: shown, Reason: req.Reason})
}

// A high is doubted if it is further than maxChange from one of the last few
// days, and could be of the other unit.
const (
	maxChange  = 40.0 // °F
	maxHighAge = 10 * 24 * time.Hour
)

// ownerUnit returns the unit that people in the home use.
func (w *Weather) ownerUnit() devices.Unit { return cmp.Or(w.Unit, devices.Fahrenheit) }

// high parses today's high into °F. The accepted forms: 101, in the owner's unit, "38
// C", {"value": 38, "unit": "C"}.
func (w *Weather) high(req devices.Request, now time.Time) (float64, error) {
	if err := req.Only("unit"); err != nil {
		return 0, err
	}
	owner, other, example := w.ownerUnit(), devices.Celsius, 38
	if owner == devices.Celsius {
		other, example = devices.Fahrenheit, 100
	}
	t, err := req.Temperature(req.Value)
	high := t.In(devices.Fahrenheit, owner)
	switch last := w.lastHigh; {
	case err != nil && len(req.Fields) > 0, err == nil && t.Unit != "" && !devices.Fahrenheit.Possible(high):
		return 0, cmp.Or(err, fmt.Errorf("%.40q is not a temperature", req.Value))
	case err != nil || !devices.Fahrenheit.Possible(high):
		return 0, fmt.Errorf("%.40q is not a temperature in °%s; one in °%s is {\"value\": %d, \"unit\": %q}", req.Value, owner, other, example, other)
	case t.Unit == "" && last.HighF != nil && now.Sub(last.AsOf) <= maxHighAge && math.Abs(high-*last.HighF) > maxChange:
		return 0, fmt.Errorf("a high of %g °%s is hard to believe after %s on %s: send {\"value\": %g, \"unit\": %q} if it is in °%s, and with %q if it is right",
			t.Degrees, owner, devices.Fahrenheit.Degrees(owner, math.Round(*last.HighF)), last.Day, t.Degrees, other, other, owner)
	}
	return high, nil
}
