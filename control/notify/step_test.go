package notify_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"powermgr/control"
	"powermgr/control/health"
	"powermgr/control/notify"
	"powermgr/control/rules"
)

func pacific(t testing.TB) *time.Location {
	t.Helper()
	l, err := time.LoadLocation("America/Los_Angeles")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// start is when all stories begin: a Wednesday in summer, 15:00 at home.
var start = time.Date(2026, 7, 15, 22, 0, 0, 0, time.UTC)

// at is one thing that happens in a story, so long after its start.
type at struct {
	after time.Duration
	ev    notify.Event
}

// told is one mail of a story: the minute in which it was due, its level and
// its subject.
func told(m notify.Mail, now time.Time) string {
	return fmt.Sprintf("%d %s %s", int(now.Sub(start).Minutes()), m.Level, strings.TrimPrefix(m.Subject, "[powermgr] "))
}

// tell runs a story and the time after it, with a step whenever one is due.
// With restarts, the state goes through its file between any two steps.
func tell(t *testing.T, o notify.Settings, story []at, until time.Duration, restarts bool) (lines []string, mails []notify.Mail) {
	t.Helper()
	var s notify.State
	var wake time.Time
	step := func(ev notify.Event, now time.Time) {
		before := encode(t, s)
		next, out, w := o.Step(s, ev, now)
		if after := encode(t, s); after != before {
			t.Fatalf("a step changed the state it was given\nfrom %s\nto   %s", before, after)
		}
		if !w.IsZero() && !w.After(now) {
			t.Fatalf("%v: it wants a step at %v, which is not ahead", now, w)
		}
		s, wake = next, w
		if restarts {
			charge := s.Charge
			s = notify.State{}
			if err := json.Unmarshal([]byte(encode(t, next)), &s); err != nil {
				t.Fatal(err)
			}
			s.Charge = charge // is read again
		}
		for _, m := range out {
			lines, mails = append(lines, told(m, now)), append(mails, m)
		}
	}
	for _, e := range append(story, at{until, notify.Tick{}}) {
		now := start.Add(e.after)
		for turns := 0; !wake.IsZero() && !wake.After(now); turns++ {
			if turns > 1000 {
				t.Fatal("there is always one step more")
			}
			step(notify.Tick{}, wake)
		}
		step(e.ev, now)
	}
	return lines, mails
}

func encode(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

const minute = time.Minute

// faults is a message of control/health with those faults: "w:key" is a
// warning, "c:key" is critical, "o:key" is a warning that is ten minutes old.
func faults(after time.Duration, all ...string) at {
	var said notify.FaultsReported
	for _, f := range all {
		level, key, _ := strings.Cut(f, ":")
		said.Faults = append(said.Faults, health.Fault{
			Key: key, Part: strings.Split(key, "/")[0], Text: key + " is wrong",
			Level: map[string]health.Level{"w": health.Warning, "o": health.Warning, "c": health.Critical}[level],
		})
		if level == "o" {
			said.Faults[len(said.Faults)-1].Since = start.Add(after - 10*minute)
		}
	}
	return at{after, said}
}

func asked(after time.Duration, level health.Level, key string) at {
	return at{after, notify.MailRequested{Mail: notify.Mail{Key: key, Level: level, Subject: key, Text: "so it is"}}}
}

// many are n mails that were asked for at one moment.
func many(n int, level health.Level, after time.Duration) (all []at) {
	for i := range n {
		all = append(all, asked(after, level, fmt.Sprintf("m%d", i)))
	}
	return all
}

func TestWhatIsToldOfFaults(t *testing.T) {
	flap := func(key string, on, off time.Duration, times int) (all []at) {
		for i := range times {
			all = append(all, faults(time.Duration(i)*(on+off), key), faults(time.Duration(i)*(on+off)+on))
		}
		return all
	}
	for _, c := range []struct {
		name  string
		story []at
		want  []string
	}{
		{"one that is critical at once, and its end", []at{faults(0, "c:a"), faults(42 * minute)},
			[]string{"0 critical CRITICAL: a is wrong", "47 critical OVER: a is wrong"}},
		{"a warning when it has lasted", []at{faults(0, "w:a"), faults(42 * minute)},
			[]string{"5 warning WARNING: a is wrong", "47 warning OVER: a is wrong"}},
		{"a warning that passes is not told", []at{faults(0, "w:a"), faults(4 * minute)}, nil},
		{"said again and again, told once", []at{faults(0, "c:a"), faults(1*minute, "c:a"), faults(30*minute, "c:a"), faults(31*minute, "c:a", "c:b")},
			[]string{"0 critical CRITICAL: a is wrong", "31 critical CRITICAL: b is wrong"}},
		{"more urgent, told again, and one end", []at{faults(0, "w:a"), faults(10*minute, "c:a"), faults(20*minute, "w:a"), faults(30 * minute)},
			[]string{"5 warning WARNING: a is wrong", "10 critical CRITICAL: a is wrong", "35 critical OVER: a is wrong"}},
		{"more urgent before it was told", []at{faults(0, "w:a"), faults(1*minute, "c:a")}, []string{"1 critical CRITICAL: a is wrong"}},
		{"the most urgent first", []at{faults(5*minute, "o:z", "c:b", "c:a")},
			[]string{"5 critical CRITICAL: a is wrong", "5 critical CRITICAL: b is wrong", "5 warning WARNING: z is wrong"}},
		{"a short lapse is not its end", []at{faults(0, "c:a"), faults(10 * minute), faults(13*minute, "c:a"), faults(30 * minute)},
			[]string{"0 critical CRITICAL: a is wrong", "35 critical OVER: a is wrong"}},
		{"back within the hour: told, and over when it has been gone for long", []at{faults(0, "c:a"), faults(10 * minute), faults(40*minute, "c:a"), faults(50 * minute)},
			[]string{"0 critical CRITICAL: a is wrong", "15 critical OVER: a is wrong", "40 critical CRITICAL: a is wrong", "110 critical OVER: a is wrong"}},
		{"the same, with messages in between", []at{faults(0, "c:a"), faults(10 * minute), faults(16 * minute), faults(30 * minute), faults(40*minute, "c:a"), faults(50 * minute)},
			[]string{"0 critical CRITICAL: a is wrong", "15 critical OVER: a is wrong", "40 critical CRITICAL: a is wrong", "110 critical OVER: a is wrong"}},
		{"back after hours is a new one", []at{faults(0, "c:a"), faults(10 * minute), faults(200*minute, "c:a"), faults(210 * minute)},
			[]string{"0 critical CRITICAL: a is wrong", "15 critical OVER: a is wrong", "200 critical CRITICAL: a is wrong", "215 critical OVER: a is wrong"}},
		{"one that comes and goes every minute, for two hours", flap("c:a", minute, minute, 60),
			[]string{"0 critical CRITICAL: a is wrong", "124 critical OVER: a is wrong"}},
		{"one that comes and goes every ten minutes, for four hours", flap("c:a", 10*minute, 10*minute, 12),
			[]string{"0 critical CRITICAL: a is wrong", "15 critical OVER: a is wrong", "20 critical CRITICAL: a is wrong", "290 critical OVER: a is wrong"}},
		{"that mail does not work is not mailed", []at{faults(0, "c:mail")}, nil},
		{"the other node took over: what was told is ended, the rest is forgotten",
			[]at{faults(0, "c:a", "w:b"), {2 * minute, notify.StoodDown{}}, faults(300 * minute)},
			[]string{"0 critical CRITICAL: a is wrong", "305 critical OVER: a is wrong"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, restarts := range []bool{false, true} {
				if got, _ := tell(t, notify.Settings{Location: pacific(t)}, c.story, 24*time.Hour, restarts); !slices.Equal(got, c.want) {
					t.Errorf("with restarts: %v\ngot  %q\nwant %q", restarts, got, c.want)
				}
			}
		})
	}
}

func TestNoStorm(t *testing.T) {
	first := func(n int, level health.Level) (want []string) {
		for i := range n {
			want = append(want, strings.ReplaceAll(fmt.Sprintf("0 %s %s: m%d", level, strings.ToUpper(string(level)), i), "INFO: ", ""))
		}
		return want
	}
	for _, c := range []struct {
		name  string
		story []at
		want  []string
	}{
		{"as many as the hour allows", many(10, health.Warning, 0), first(10, health.Warning)},
		{"the others as one when the hour is over", many(17, health.Warning, 0), append(first(10, health.Warning), "60 warning WARNING: 7 more: m10")},
		{"one alone keeps its subject", many(11, health.Info, 0), append(first(10, health.Info), "60 info m10")},
		{"critical within five minutes", many(17, health.Critical, 0), append(first(10, health.Critical), "5 critical CRITICAL: 7 more: m10")},
		{"critical beyond the room of a digest", many(215, health.Critical, 0),
			append(first(10, health.Critical), "0 critical CRITICAL: 100 more: m10", "0 critical CRITICAL: 100 more: m110", "5 critical CRITICAL: 5 more: m210")},
		{"of the rest, what is beyond is counted", many(215, health.Info, 0), append(first(10, health.Info), "60 info 205 more: m10")},
		{"one level does not hold up another", append(many(12, health.Info, 0), asked(minute, health.Critical, "x")),
			append(first(10, health.Info), "1 critical CRITICAL: x", "60 info 2 more: m10")},
		{"the same key is held once, the same subject counted", append(many(10, health.Warning, 0),
			asked(minute, health.Warning, "x"), asked(minute, health.Warning, "x"),
			at{2 * minute, notify.MailRequested{Mail: notify.Mail{Key: "y", Level: health.Warning, Subject: "x", Text: "again"}}}),
			append(first(10, health.Warning), "60 warning WARNING: 2 more: x")},
		{"the hour slides", append(many(10, health.Info, 0), append(many(3, health.Info, 61*minute), many(9, health.Info, 62*minute)...)...),
			append(append(first(10, health.Info), "61 info m0", "61 info m1", "61 info m2"),
				"62 info m0", "62 info m1", "62 info m2", "62 info m3", "62 info m4", "62 info m5", "62 info m6", "121 info 2 more: m7")},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, restarts := range []bool{false, true} {
				if got, _ := tell(t, notify.Settings{}, c.story, 24*time.Hour, restarts); !slices.Equal(got, c.want) {
					t.Errorf("with restarts: %v\ngot  %q\nwant %q", restarts, got, c.want)
				}
			}
		})
	}
	t.Run("a digest tells everything in it, and has its keys", func(t *testing.T) {
		_, mails := tell(t, notify.Settings{PerHour: 1}, many(4, health.Critical, 0), time.Hour, false)
		if len(mails) != 2 || !slices.Equal(mails[1].Joined, []string{"m1", "m2", "m3"}) {
			t.Fatalf("got %+v", mails)
		}
		for _, word := range []string{"m1", "m2", "m3"} {
			if !strings.Contains(mails[1].Text, word) || !strings.Contains(mails[1].HTML, word) {
				t.Errorf("%s is not in the digest:\n%s", word, mails[1].Text)
			}
		}
	})
	t.Run("a clock that is set back does not stop mail", func(t *testing.T) {
		o := notify.Settings{PerHour: 1}
		s, _, _ := o.Step(notify.State{}, asked(0, health.Info, "a").ev, start.AddDate(1, 0, 0))
		if _, out, _ := o.Step(s, asked(0, health.Info, "b").ev, start); len(out) != 1 {
			t.Errorf("got %d mails", len(out))
		}
	})
}

// A day's peak is from 16:00 to 19:00: from minute 60 to 240 of a story.
func phase(after time.Duration, p rules.Phase, owned ...string) at {
	c := control.State{Phase: p, Reserve: new(100)}
	peak := start.Add(time.Hour)
	switch {
	case p == rules.InPeak:
		c.Reserve = new(0)
	case after >= 240*minute:
		peak = peak.AddDate(0, 0, 1)
	}
	c.PeakStart, c.PeakEnd = &peak, new(peak.Add(3*time.Hour))
	for _, o := range owned {
		c.Owned = append(c.Owned, rules.Owned{Target: o, Name: o})
	}
	return at{after, notify.ControllerState{State: c}}
}

func decided(after time.Duration, what rules.NoteType, why string) at {
	return at{after, notify.DecisionMade{Event: control.Event{Type: what, Reason: why, At: start.Add(after)}}}
}

func charge(after time.Duration, percent float64) at {
	return at{after, notify.ChargeRead{Percent: &percent, AsOf: start.Add(after)}}
}

func TestWhatIsToldOfAPeak(t *testing.T) {
	second := time.Second
	usual := []at{
		phase(0, rules.OffPeak), decided(20*minute, rules.NoteReserve, "long before"),
		decided(30*minute, rules.NotePhase, "the peak starts at 16:00"), phase(30*minute, rules.PrePeak),
		decided(60*minute, rules.NotePhase, "peak until 19:00"), decided(60*minute, rules.NoteReserve, "reserve 0 %, was 100 %"), phase(60*minute, rules.InPeak, "Powerwall"),
		decided(120*minute, rules.NoteLatched, "the battery is at 70 % with 120 minutes of the peak left; the threshold is 75 % at 120 minutes"),
		decided(120*minute, rules.NoteSetback, "Hall is set back by 2 °F"), decided(120*minute, rules.NoteSetback, "Den is set back by 2 °F"),
		decided(180*minute, rules.NoteLatched, "the battery is at 40 % with 60 minutes of the peak left; the threshold is 50 % at 60 minutes"),
		decided(240*minute, rules.NotePhase, "off peak"), decided(240*minute, rules.NoteRestore, "Hall goes back to its schedule"),
		phase(240*minute, rules.OffPeak, "Powerwall", "Hall", "Den"), phase(242*minute, rules.OffPeak, "Den"),
	}
	low := "120 warning WARNING: low battery: the battery is at 70 % with 120 minutes of the peak left; the threshold is 75 % at 120…"
	for _, c := range []struct {
		name  string
		story []at
		want  []string
	}{
		{"a usual one, when everything is restored", append(slices.Clone(usual), decided(245*minute, rules.NoteRestored, "Den has its own setting again"), phase(245*minute, rules.OffPeak)),
			[]string{low, "245 info Peak on July 15, 16:00–19:00: reserve 0 %, 2 setbacks, everything restored"}},
		{"one after which something is not restored", usual, []string{low, "270 info Peak on July 15, 16:00–19:00: reserve 0 %, 2 setbacks, not everything restored"}},
		{"the next one begins before everything is restored", append(slices.Clone(usual), phase(250*minute, rules.PrePeak, "Den")),
			[]string{low, "250 info Peak on July 15, 16:00–19:00: reserve 0 %, 2 setbacks, not everything restored"}},
		{"nothing was decided", []at{phase(0, rules.OffPeak), decided(0, rules.NoteOverride, "long before"), phase(30*minute, rules.PrePeak),
			decided(60*minute, rules.NotePhase, "peak"), phase(60*minute, rules.InPeak), phase(240*minute, rules.OffPeak)}, nil},
		{"what is decided outside is not told", []at{phase(0, rules.OffPeak), decided(5*minute, rules.NoteReserve, "x"), decided(9*minute, rules.NoteEnabled, "x")}, nil},
		{"a lead alone", []at{phase(0, rules.OffPeak), decided(10*minute, rules.NotePrecool, "Hall precools"), phase(10*minute+second, rules.PrePeak), phase(30*minute, rules.OffPeak)},
			[]string{"30 info Precooling on July 15, 15:10–15:30: precooled once, everything restored"}},
		{"low when the peak begins, told once", []at{phase(0, rules.OffPeak), decided(60*minute, rules.NoteLatched, "at 40 %; so"), phase(60*minute, rules.InPeak),
			decided(90*minute, rules.NoteLatched, "at 30 %"), phase(240*minute, rules.OffPeak)},
			[]string{"60 warning WARNING: low battery: at 40 %; so", "240 info Peak on July 15, 16:00–19:00: nothing to restore"}},
		{"dry run, a person and a problem", []at{phase(60*minute, rules.InPeak), decided(61*minute, rules.NoteDryRun, "not sent"), decided(62*minute, rules.NoteDryRun, "not sent"),
			decided(63*minute, rules.NoteYielded, "Hall"), decided(64*minute, rules.NoteProblem, "x"), decided(64*minute, rules.NoteProblem, "y"), phase(240*minute, rules.OffPeak)},
			[]string{"240 info Peak on July 15, 16:00–19:00: 1 change by a person, 2 problems, dry run"}},
		{"a state without a phase is no state", []at{{0, notify.ControllerState{}}, decided(minute, rules.NoteReserve, "x"), {2 * minute, notify.ControllerState{}}}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, restarts := range []bool{false, true} {
				if got, _ := tell(t, notify.Settings{Location: pacific(t)}, c.story, 24*time.Hour, restarts); !slices.Equal(got, c.want) {
					t.Errorf("with restarts: %v\ngot  %q\nwant %q", restarts, got, c.want)
				}
			}
		})
	}
}

func TestLowAtTheEndOfTheDay(t *testing.T) {
	inPeak, over := phase(60*minute, rules.InPeak), phase(240*minute, rules.OffPeak)
	another := over.ev.(notify.ControllerState)
	another.PeakStart = new(start.Add(8 * time.Hour)) // 23:00 the same day
	none := over.ev.(notify.ControllerState)
	none.PeakStart, none.PeakEnd = nil, nil
	want := []string{"240 warning WARNING: battery at 18 % at the end of the day's last peak"}
	for _, c := range []struct {
		name      string
		threshold float64
		story     []at
		want      []string
	}{
		{"low", 20, []at{inPeak, charge(238*minute, 18), over}, want},
		{"low, with no other peak at all", 20, []at{inPeak, charge(238*minute, 18), {240 * minute, none}}, want},
		{"high enough", 20, []at{inPeak, charge(238*minute, 20), over}, nil},
		{"unknown is not low", 20, []at{inPeak, charge(200*minute, 18), {238 * minute, notify.ChargeRead{AsOf: start.Add(238 * minute)}}, over}, nil},
		{"never read", 20, []at{inPeak, over}, nil},
		{"read long ago", 20, []at{inPeak, charge(180*minute, 18), over}, nil},
		{"no threshold", 0, []at{inPeak, charge(238*minute, 0), over}, nil},
		{"there is another peak today", 20, []at{inPeak, charge(238*minute, 18), {240 * minute, another}}, nil},
		{"the daemon was down when it ended", 20, []at{inPeak, charge(400*minute, 18), phase(401*minute, rules.OffPeak)}, nil},
		{"outside of peaks nobody is told", 20, []at{phase(250*minute, rules.OffPeak), charge(251*minute, 5), phase(252*minute, rules.OffPeak)}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, restarts := range []bool{false, true} {
				if got, _ := tell(t, notify.Settings{Location: pacific(t), LowPercent: c.threshold}, c.story, 24*time.Hour, restarts); !slices.Equal(got, c.want) {
					t.Errorf("with restarts: %v\ngot  %q\nwant %q", restarts, got, c.want)
				}
			}
		})
	}
}

// A crash after a mail was spooled and before that was written down repeats
// the step: its mails have to have the same keys.
func TestAStepDoneAgainHasTheSameKeys(t *testing.T) {
	o := notify.Settings{Location: pacific(t), LowPercent: 50, PerHour: 2}
	var s notify.State
	for _, e := range []at{faults(0, "c:a", "c:b", "c:c"), faults(10*minute, "w:d"), phase(60*minute, rules.InPeak), charge(100*minute, 10),
		decided(100*minute, rules.NoteLatched, "low"), phase(240*minute, rules.OffPeak)} {
		now := start.Add(e.after)
		next, first, _ := o.Step(s, e.ev, now)
		_, again, _ := o.Step(s, e.ev, now)
		for i := range first {
			if first[i].Key == "" || first[i].Key != again[i].Key {
				t.Errorf("key %q became %q", first[i].Key, again[i].Key)
			}
		}
		s = next
	}
}
