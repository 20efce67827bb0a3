package rules

import (
	"testing"
	"time"

	"powermgr/devices"
)

// What is on its way after a write, after a refusal, and after a command that was never
// sent.
func TestWhatIsOnItsWay(t *testing.T) {
	at := time.Date(2026, 7, 15, 16, 0, 0, 0, time.UTC)
	full, empty := FlightOf(100, 0, at), FlightOf(0, 100, at.Add(time.Minute))
	undone := empty
	undone.Undone = true
	repeated := FlightOf(0, 0, empty.At)
	person := FlightOf(50, 0, at.Add(2*time.Minute))
	person.Sender = SentByPerson
	of := func(flights ...Flight) Writes {
		return Writes{Wanted: empty.Setting, Flights: flights}
	}
	later := at.Add(5 * time.Minute)
	for _, c := range []struct {
		name string
		got  []Flight
		want []Flight
	}{
		{"another write", of(full).sending(empty, later), []Flight{full, empty}},
		{"the same once more is one flight", of(full, empty).sending(FlightOf(0, 100, later), later), []Flight{full, empty}},
		{"the same after another one is another flight", of(empty, full).sending(FlightOf(0, 100, later), later), []Flight{empty, full, FlightOf(0, 100, later)}},
		{"the same after it was shown and undone is another flight", of(undone).sending(FlightOf(0, 100, later), later), []Flight{undone, FlightOf(0, 100, later)}},
		{"a person's command before it counts no more", of(full, person).sending(empty, later), []Flight{full, empty}},
		{"a day later nothing of before is on its way", of(full, empty).sending(FlightOf(80, 0, at.Add(48*time.Hour)), at.Add(48*time.Hour)), []Flight{FlightOf(80, 0, at.Add(48*time.Hour))}},
		{"refused", of(full, empty, person).refused(empty.At), []Flight{full, person}},
		{"refused, and an earlier try may have arrived", of(full, empty).refused(later), []Flight{full, empty}},
		{"never sent", of(full, empty, person).neverSent(full.At, empty.At), []Flight{empty, person}},
		{"never sent, and the one after it within the same second", of(full, FlightOf(0, 100, at)).neverSent(full.At, at), []Flight{FlightOf(0, 100, at)}},
		{"never sent, and none after it", of(full, empty).neverSent(empty.At, time.Time{}), []Flight{full}},
		{"never sent, and the one after it was refused", of(full).neverSent(full.At, empty.At), nil},
		{"not shown yet", shown([]Flight{empty}, -1, 50, later), []Flight{empty}},
		{"a repetition of what was shown, and something else is shown now", shown([]Flight{repeated}, -1, 50, later), []Flight{undone}},
		{"what was shown when it was sent may be from before an earlier one", shown([]Flight{full, repeated}, 0, 100, later), []Flight{full, empty}},
		{"a repetition of what is still shown", shown([]Flight{repeated, full}, -1, 0, later), []Flight{empty, full}},
		{"earlier ones than the last", of(full, empty, person).earlier(), []Flight{full}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if len(c.got) != len(c.want) {
				t.Fatalf("%v, want %v", c.got, c.want)
			}
			for i, f := range c.want {
				if g := c.got[i]; *g.Reserve != *f.Reserve || !g.At.Equal(f.At) || g.Sender != f.Sender || g.Undone != f.Undone {
					t.Errorf("%d: %d %% at %s, want %d %% at %s", i, *g.Reserve, g.At, *f.Reserve, f.At)
				}
			}
		})
	}
}

// What a thermostat showed before a write does not show that it has landed, even if later
// readings without a setting repeat it.
func TestAWriteIsShownOnlyByAReadingOfTheSetting(t *testing.T) {
	wanted := devices.Setting{Cool: new(76.0), Heat: new(68.0), Hold: devices.HoldPermanent}
	claim := Claim{Baseline: Baseline{Setting: wanted, Mode: devices.Cool}, Writes: Writes{Wanted: wanted, WrittenAt: written}}
	for after, want := range map[time.Duration]bool{-time.Minute: false, time.Minute: true} {
		read := Thermostat{Mode: devices.Cool, Setting: wanted, Polled: written.Add(time.Minute), Shown: written.Add(after)}
		if got := claim.shown(read); got != want {
			t.Errorf("it showed its setting %v after the write: %v", after, got)
		}
	}
}
