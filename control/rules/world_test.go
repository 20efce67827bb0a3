package rules_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	. "powermgr/control/rules"
	"powermgr/devices"
)

// world is a home whose devices do at once what they are told, unless a test
// says otherwise. It steps the rules the way the controller does.
type world struct {
	t     *testing.T
	s     State
	now   time.Time
	d     Decision
	sent  []Write // since the last take
	notes []Note

	reserve, charge float64
	mode            string
	therm           map[string]*Thermostat
	deaf            map[string]bool              // targets that accept writes and do nothing
	mute            map[string]bool              // targets that give no readings
	busy            bool                         // the bridge has not come to the commands yet
	hidden          bool                         // the battery leaves its reserve out
	last            State                        // after the last step
	stepped         time.Time                    // when that was
	leaves          map[string]func(*Thermostat) // what readings of a thermostat leave out
	journaled       int
	kept            string
	steps           int
}

var pacific = mustZone("America/Los_Angeles")

func mustZone(name string) *time.Location {
	l, err := time.LoadLocation(name)
	if err != nil {
		panic(err)
	}
	return l
}

var weekdays = []time.Weekday{time.Monday, time.Tuesday, time.Wednesday, time.Thursday, time.Friday}

func calendar() Calendar {
	return Calendar{
		Location: pacific, Lead: 30 * time.Minute, Holidays: []string{"2026-07-03"},
		Seasons: []Season{
			{Name: "summer", Months: []time.Month{5, 6, 7, 8, 9, 10}, Days: weekdays, Peaks: []Span{{960, 1140}}, Precool: true},
			{Name: "winter", Months: []time.Month{11, 12, 1, 2, 3, 4}, Days: weekdays, Peaks: []Span{{360, 540}, {1020, 1200}}},
		},
	}
}

func settings() Settings {
	return Settings{
		Calendar: calendar(), OffPeakReserve: 100, Thermostats: []string{"up"},
		PrecoolAdjustF: 2, PrecoolAtF: 95, PrecoolFloorF: 67,
		StepF: 2, MaxCoolF: 82, MinHeatF: 62, MaxIndoorF: 86, MinIndoorF: 58,
		Thresholds: []Threshold{{120 * time.Minute, 75}, {60 * time.Minute, 50}, {30 * time.Minute, 25}},
		Spacing:    10 * time.Minute, StaleAfter: 15 * time.Minute, StaleCharge: 15 * time.Minute,
	}
}

func cooling(cool float64) *Thermostat {
	return &Thermostat{
		Name: "Upstairs", Mode: "cool", Setting: devices.Setting{Cool: &cool, Heat: new(68.0), Hold: devices.HoldSchedule},
		Temperature: new(cool), Step: 1, CoolMin: new(50.0), CoolMax: new(99.0), HeatMin: new(40.0), HeatMax: new(90.0),
		Alive: true, Holds: []devices.Hold{devices.HoldSchedule, devices.HoldTemporary, devices.HoldUntil, devices.HoldPermanent},
	}
}

func at(text string) time.Time {
	t, err := time.ParseInLocation("2006-01-02 15:04", text, pacific)
	if err != nil {
		panic(err)
	}
	return t
}

// newWorld returns a hot summer day unless the test changes it.
func newWorld(t *testing.T, when string) *world {
	w := &world{
		t: t, s: State{Settings: settings()}, now: at(when), reserve: 100, charge: 100, mode: "self_consumption",
		therm: map[string]*Thermostat{"up": cooling(76)}, deaf: map[string]bool{}, mute: map[string]bool{},
		leaves: map[string]func(*Thermostat){},
	}
	return w
}

// start steps for the first time and reads everything, the battery twice, because a
// single figure decides nothing.
func (w *world) start() *world {
	w.t.Helper()
	w.step(Tick{})
	w.forecast(103)
	w.readBattery(w.now.Add(-time.Minute))
	w.read()
	return w
}

func (w *world) forecast(f float64) {
	w.step(Forecast{HighF: &f, Day: w.now.In(pacific).Format(time.DateOnly)})
}

func (w *world) step(ev Event) {
	w.t.Helper()
	before, looks := "", w.steps%17 == 0 || w.steps < 50 // to look costs more than the step
	if w.steps++; looks {
		before = mustJSON(w.t, w.s)
	}
	next, d := Step(w.s, ev, w.now)
	if looks {
		if after := mustJSON(w.t, w.s); before != after {
			w.t.Fatalf("Step changed the state it was given:\n%s\n%s", before, after)
		}
	}
	if w.kept == "" || !reflect.DeepEqual(w.s.Persisted, next.Persisted) {
		if k := mustJSON(w.t, next.Persisted); k != w.kept {
			w.kept = k
			w.journaled++
		}
		w.canBeRead(next.Persisted)
	}
	if _, tick := ev.(Tick); tick && w.stepped.Before(w.now) && w.now.Sub(w.stepped) <= time.Minute && (w.d.Wake.IsZero() || w.now.Before(w.d.Wake)) {
		w.changesNothing(next, d)
	}
	if !d.Wake.IsZero() && !d.Wake.After(w.now) {
		w.t.Fatalf("the next step is to be at %v, and it is %v: it would never end", d.Wake, w.now)
	}
	w.s, w.d, w.last, w.stepped = next, d, next, w.now
	w.notes = append(w.notes, d.Notes...)
	for _, write := range d.Writes {
		w.sent = append(w.sent, write)
		w.apply(write)
		if !w.busy {
			w.step(Answer{Target: write.Target, ID: write.ID, Accepted: true})
		}
	}
}

// canBeRead fails where the next start would refuse what is saved, and lose all of it.
func (w *world) canBeRead(k Persisted) {
	w.t.Helper()
	err := errors.Join(k.HomeRecord.Check(), k.Battery.Check())
	for id, h := range k.Thermostats {
		if refused := h.Check(); refused != nil {
			err = errors.Join(err, fmt.Errorf("%s: %w", id, refused))
		}
	}
	if err != nil {
		w.t.Fatalf("at %s: a start would refuse the journal: %v", w.now.Format("15:04"), err)
	}
}

// changesNothing fails where a step that the one before has not asked for decides
// something: a controller takes no such step.
func (w *world) changesNothing(next State, d Decision) {
	w.t.Helper()
	if !reflect.DeepEqual(w.s, w.last) {
		return // the test has changed it
	}
	was := w.d
	was.Writes, was.Notes, was.Wake, d.Wake, was.Left, d.Left = nil, nil, time.Time{}, time.Time{}, nil, nil
	if a, b := mustJSON(w.t, w.s.Persisted), mustJSON(w.t, next.Persisted); a != b {
		w.t.Fatalf("%s: time alone changes what is kept, and no step was asked for:\n%s\n%s", w.now, a, b)
	}
	if a, b := mustJSON(w.t, was), mustJSON(w.t, d); a != b {
		w.t.Fatalf("%s: time alone changes what is decided, and no step was asked for:\n%s\n%s", w.now, a, b)
	}
}

func mustJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func (w *world) apply(write Write) {
	if w.deaf[write.Target] {
		return
	}
	if write.Reserve != nil {
		w.reserve = float64(*write.Reserve)
		return
	}
	th, s := w.therm[write.Target], *write.Setting
	th.Hold, th.Until = s.Hold, s.Until
	if s.Hold == devices.HoldSchedule {
		th.Cool, th.Heat = new(76.0), new(68.0) // its schedule
		return
	}
	th.Cool, th.Heat = s.Cool, s.Heat
}

// read lets every device be polled, after holds have lapsed.
func (w *world) read() {
	w.t.Helper()
	w.readBattery(w.now)
	for id, th := range w.therm {
		if w.mute[id] {
			continue
		}
		if th.Hold == devices.HoldUntil && !w.now.Before(th.Until) {
			th.Hold, th.Until, th.Cool, th.Heat = devices.HoldSchedule, time.Time{}, new(76.0), new(68.0)
		}
		r := *th
		r.AsOf, r.Polled = w.now, w.now
		if leave := w.leaves[id]; leave != nil {
			leave(&r)
		}
		w.step(ThermostatRead{ID: id, Thermostat: r})
	}
}

func (w *world) readBattery(at time.Time) {
	w.t.Helper()
	if w.mute[Powerwall] {
		return
	}
	reserve := new(int(w.reserve))
	if w.hidden {
		reserve = nil
	}
	w.step(BatteryRead{Battery{Charge: new(w.charge), Reserve: reserve, Mode: w.mode, AsOf: at, Polled: at}})
}

// until lets time pass in minutes, reading every two, and answers whatever
// the rules sent.
func (w *world) until(clock string) *world {
	w.t.Helper()
	end := at(w.now.In(pacific).Format("2006-01-02 ") + clock)
	return w.untilTime(end)
}

func (w *world) untilTime(end time.Time) *world {
	w.t.Helper()
	for w.now.Before(end) {
		w.now = w.now.Add(time.Minute)
		w.step(Tick{})
		if w.now.Minute()%2 == 0 {
			w.read()
		}
	}
	return w
}

// take returns what was sent since the last take, one line each.
func (w *world) take() []string {
	var lines []string
	for _, s := range w.sent {
		lines = append(lines, short(s))
	}
	w.sent = nil
	return lines
}

func short(w Write) string {
	if w.Reserve != nil {
		return w.Target + " " + mustText(*w.Reserve)
	}
	line := w.Target + " " + string(w.Setting.Hold)
	if w.Setting.Hold == devices.HoldUntil {
		line += " " + w.Setting.Until.In(pacific).Format("15:04")
	}
	if w.Setting.Hold != devices.HoldSchedule {
		if w.Setting.Cool != nil {
			line += " cool " + mustText(*w.Setting.Cool)
		}
		if w.Setting.Heat != nil {
			line += " heat " + mustText(*w.Setting.Heat)
		}
	}
	return line
}

func mustText(v any) string {
	b, _ := json.Marshal(v)
	return string(b)
}

func (w *world) want(lines ...string) *world {
	w.t.Helper()
	got := w.take()
	if mustText(got) != mustText(lines) && (len(got) > 0 || len(lines) > 0) {
		w.t.Errorf("at %s: sent %q, want %q", w.now.In(pacific).Format("15:04"), got, lines)
	}
	return w
}

func (w *world) ask(value string) *world {
	w.t.Helper()
	r, err := ParseOverride(value, "")
	if err != nil {
		w.t.Fatal(err)
	}
	w.step(OverrideAsked{r})
	return w
}

// restart forgets what a process forgets.
func (w *world) restart() *world {
	w.t.Helper()
	var kept Persisted
	if err := json.Unmarshal([]byte(mustJSON(w.t, w.s.Persisted)), &kept); err != nil {
		w.t.Fatal(err)
	}
	w.s = State{Settings: w.s.Settings}
	w.step(Recovered{kept})
	w.step(Tick{})
	return w
}

func (w *world) noted(t NoteType) int {
	n := 0
	for _, note := range w.notes {
		if note.Type == t {
			n++
		}
	}
	return n
}
