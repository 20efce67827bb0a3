package report

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"powermgr/bridge/bus"
	"powermgr/control"
	"powermgr/control/rules"
	"powermgr/devices"
)

type standing struct{ atomic.Bool }

func (s *standing) Active() bool { return s.Load() }

// node is a recorder at work in a bubble.
type node struct {
	t    *testing.T
	bus  *bus.Bus
	file string
	said strings.Builder
	role *standing
	stop func()
}

// start starts a recorder. The bubble begins at 2000-01-01 00:00 UTC.
func start(t *testing.T, file string, change func(o *Options)) *node {
	t.Helper()
	n := &node{t: t, bus: bus.New(bus.Wall{}), file: file, role: &standing{}}
	n.role.Store(true)
	o := Options{
		Bus: n.bus, Topics: topics, Calendar: rules.Calendar{Location: time.UTC}, File: file, Node: "pi1", Role: n.role,
		Log: slog.New(slog.NewTextHandler(&n.said, nil)), Thermostats: []string{"up"}, Tariff: tariff,
	}
	if change != nil {
		change(&o)
	}
	r := New(o)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = r.Run(ctx)
	}()
	n.stop = func() { cancel(); <-done }
	synctest.Wait()
	return n
}

// decides publishes an event, which changes the record.
func (n *node) decides(why string) {
	n.bus.Publish(bus.Message{Topic: topics.Control("event"), Payload: mustJSON(n.t, control.Event{Type: rules.NotePhase, Reason: why})})
	synctest.Wait()
}

// reads publishes a reading of the Powerwall.
func (n *node) reads(percent float64) {
	charge := devices.Percent(percent)
	n.bus.Publish(bus.Message{Topic: topics.Powerwall(devices.StateLeaf), Payload: mustJSON(n.t, devices.PowerwallReading{ChargePercent: &charge, PolledAt: time.Now()})})
	synctest.Wait()
}

func (n *node) turns(active bool) {
	n.role.Store(active)
	n.bus.Publish(bus.Message{Topic: bus.Role, Payload: []byte("x"), Retain: true})
	synctest.Wait()
}

// decisions is what a record on the ramdisk has.
func decisions(t *testing.T, file string) string {
	t.Helper()
	r, err := Load(file)
	if err != nil {
		return err.Error()
	}
	all := []string{r.Date}
	for _, d := range r.Decisions {
		all = append(all, d.Reason)
	}
	return strings.Join(all, " ")
}

func names(t *testing.T, file string) (all []string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(file))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

func bubble(t *testing.T, f func(t *testing.T, file string)) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "powermgr_day.json")
	synctest.Test(t, func(t *testing.T) { f(t, file) })
}

// Readings come again; a decision does not, and may be the last before a crash.
func TestWrittenAtMostOnceAMinuteButForDecisions(t *testing.T) {
	bubble(t, func(t *testing.T, file string) {
		n := start(t, file, nil)
		time.Sleep(10 * time.Minute)
		writes := 0
		last, _ := os.Stat(file)
		for i := range 30 {
			n.reads(float64(50 + i))
			time.Sleep(10 * time.Second)
			synctest.Wait()
			if now, _ := os.Stat(file); !os.SameFile(now, last) {
				writes, last = writes+1, now
			}
		}
		if writes < 4 || writes > 6 {
			t.Errorf("%d writes in five minutes", writes)
		}
		n.decides("something")
		time.Sleep(saveUrgentEvery)
		synctest.Wait()
		if now := decisions(t, file); !strings.Contains(now, "something") {
			t.Errorf("there is %s", now)
		}
		time.Sleep(2 * time.Minute)
		before, _ := os.Stat(file)
		time.Sleep(time.Hour)
		if after, _ := os.Stat(file); !os.SameFile(before, after) {
			t.Error("it was written though nothing changed")
		}
		n.decides("last")
		n.stop()
		if got := decisions(t, file); !strings.HasSuffix(got, " last") {
			t.Errorf("after a shutdown the file has %s", got)
		}
	})
}

func TestMidnightClosesTheDay(t *testing.T) {
	bubble(t, func(t *testing.T, file string) {
		n := start(t, file, nil)
		for day := range 6 {
			n.decides(fmt.Sprint("day ", day))
			time.Sleep(24 * time.Hour)
			synctest.Wait()
			date := time.Date(2000, 1, 1+day, 0, 0, 0, 0, time.UTC).Format(time.DateOnly)
			r, err := Load(beside(file, date))
			if err != nil || !r.Complete || !r.Until.Equal(r.end) || len(r.Decisions) != 1 {
				t.Fatalf("%v, %+v", err, r.Decisions)
			}
			if live, err := Load(file); err != nil || live.Date <= date || live.Complete {
				t.Fatalf("the live record is of %s: %v", live.Date, err)
			}
		}
		n.stop()
		want := "[powermgr_day-2000-01-04.json powermgr_day-2000-01-05.json powermgr_day-2000-01-06.json powermgr_day.json]"
		if got := fmt.Sprint(names(t, file)); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	})
}

func TestAStartGoesOnWithTheFile(t *testing.T) {
	for _, tt := range []struct {
		name string
		away time.Duration
		want string // in the live record
		also string // in that of the day before
	}{
		{"the same day", time.Hour, "2000-01-01 one two", ""},
		{"another day: that one is closed first", 30 * time.Hour, "2000-01-02 two", "2000-01-01 one"},
		{"long after", 20 * 24 * time.Hour, "2000-01-21 two", "2000-01-01 one"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, file string) {
				n := start(t, file, nil)
				n.decides("one")
				n.stop()
				time.Sleep(tt.away)
				n = start(t, file, nil)
				n.decides("two")
				n.stop()
				if got := decisions(t, file); got != tt.want {
					t.Errorf("%s, want %s", got, tt.want)
				}
				if got := decisions(t, beside(file, "2000-01-01")); tt.also != "" && got != tt.also {
					t.Errorf("the day before has %s", got)
				}
			})
		})
	}
}

// The other node's file comes by rsync while this one is on standby: it is not
// written over, and what this node knew itself counts no more.
func TestChangeOfNode(t *testing.T) {
	bubble(t, func(t *testing.T, file string) {
		n := start(t, file, nil)
		n.decides("by this node")
		n.turns(false)
		other := begin(time.Now(), rules.Calendar{Location: time.UTC})
		other.Nodes = []string{"pi1", "pi2"}
		other.Decisions = []Decision{{At: other.From, Reason: "by the other node"}}
		other.Vendors["powerwall"] = Vendor{Calls: 100, CallsSeen: new(40)}
		b, _ := Encode(other)
		if err := os.WriteFile(file, b, 0o640); err != nil {
			t.Fatal(err)
		}
		n.decides("not by this node")
		time.Sleep(3 * time.Hour)
		if got := decisions(t, file); got != "2000-01-01 by the other node" {
			t.Errorf("on standby the file was made %s", got)
		}
		n.turns(true)
		for _, calls := range []int{7, 9} { // counted by this process
			n.bus.Publish(bus.Message{Topic: topics.Powerwall("api"), Payload: mustJSON(t, map[string]any{"calls_today": calls})})
		}
		n.decides("by this node again")
		n.stop()
		r, err := Load(file)
		if err != nil || decisions(t, file) != "2000-01-01 by the other node by this node again" {
			t.Fatalf("%v: %s", err, decisions(t, file))
		}
		if fmt.Sprint(r.Nodes) != "[pi1 pi2 pi1]" || r.Vendors["powerwall"].Calls != 102 {
			t.Errorf("nodes %v, %d calls", r.Nodes, r.Vendors["powerwall"].Calls)
		}
	})
}

// A node that is not the active one any more writes nothing, even if it goes
// down before it was told.
func TestAShutdownOnStandbyWritesNothing(t *testing.T) {
	bubble(t, func(t *testing.T, file string) {
		n := start(t, file, nil)
		n.decides("one")
		before, _ := os.Stat(file)
		n.role.Store(false)
		n.stop()
		if after, err := os.Stat(file); err != nil || !os.SameFile(before, after) {
			t.Errorf("it was written: %v", err)
		}
	})
}

func TestLostMessagesAreCounted(t *testing.T) {
	b, role := bus.New(bus.Wall{}), &standing{}
	role.Store(true)
	r := New(Options{Bus: b, Topics: topics, Calendar: rules.Calendar{Location: time.UTC}, Node: "pi1", Role: role, Log: slog.New(slog.DiscardHandler)})
	for range bus.Depth + 7 {
		b.Publish(bus.Message{Topic: topics.Control("event"), Payload: []byte("{}")})
	}
	r.update(time.Now())
	r.update(time.Now())
	if got := r.day.LeftOut["messages"]; got != 7 {
		t.Errorf("%d, want 7", got)
	}
}

func TestUnusableFiles(t *testing.T) {
	whole, _ := Encode(begin(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC), rules.Calendar{Location: time.UTC}))
	good := string(whole)
	for _, tt := range []struct{ name, content, want string }{
		{"empty", "", "it is empty"},
		{"cut short", good[:len(good)/2], "it is no record of a day"},
		{"not a record", `{"hello": 1}`, "it has version 0"},
		{"of a later version", strings.Replace(good, `"version":1`, `"version":9`, 1), "it has version 9; this program reads up to 1"},
		{"too long", good + strings.Repeat(" ", MaxSize), "is no record of a day"},
		{"no such zone", strings.Replace(good, `"UTC"`, `"Moon"`, 1), `its time zone "Moon" is not known`},
		{"no such date", strings.Replace(good, `"2000-01-01"`, `"2000-13-01"`, 1), `its date "2000-13-01" is none`},
		{"a time that cannot be", strings.Replace(good, `"until":"2000`, `"until":"1492`, 1), "it has a time in the year 1492"},
		{"a figure that cannot be", strings.Replace(good, `"offset_f":0`, `"offset_f":1e300`, 1), "it has the figure 1e+300"},
		{"more samples than the day has", strings.Replace(good, `"home_w":[]`, `"home_w":[`+strings.Repeat("1,", 288)+`1]`, 1), "it has 289 samples"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, file string) {
				if err := os.WriteFile(file, []byte(tt.content), 0o640); err != nil {
					t.Fatal(err)
				}
				n := start(t, file, nil)
				n.decides("on")
				n.stop()
				if aside, err := os.ReadFile(file + ".unusable"); err != nil || string(aside) != tt.content {
					t.Errorf("it was not set aside: %v", err)
				}
				if got := decisions(t, file); got != "2000-01-01 on" {
					t.Errorf("the new record has %s", got)
				}
				if said := n.said.String(); !strings.Contains(said, tt.want) && !strings.Contains(said, strings.ReplaceAll(tt.want, `"`, `\"`)) {
					t.Errorf("it said %s", said)
				}
			})
		})
	}
}

func TestTheRamdiskCannotBeWritten(t *testing.T) {
	bubble(t, func(t *testing.T, file string) {
		gone := filepath.Join(filepath.Dir(file), "gone", "day.json")
		n := start(t, gone, nil)
		for i := range 5 {
			n.decides(fmt.Sprint(i))
			time.Sleep(2 * time.Minute)
		}
		if err := os.Mkdir(filepath.Dir(gone), 0o750); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if got := decisions(t, gone); got != "2000-01-01 0 1 2 3 4" {
			t.Errorf("%s", got)
		}
		n.stop()
		if said := n.said.String(); strings.Count(said, "cannot be kept") != 1 || strings.Count(said, "can be kept again") != 1 {
			t.Errorf("it said %s", said)
		}
	})
}

func TestWithoutAFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := start(t, "", nil)
		n.decides("one")
		time.Sleep(49 * time.Hour)
		n.stop()
		if said := n.said.String(); strings.Contains(said, "WARN") || strings.Count(said, "begins") != 3 {
			t.Errorf("it said %s", said)
		}
	})
}

// A clock that is set back over midnight goes on with the day that was closed.
func TestTheClockIsSetBack(t *testing.T) {
	file := filepath.Join(t.TempDir(), "day.json")
	r := New(Options{Bus: bus.New(bus.Wall{}), Topics: topics, Calendar: rules.Calendar{Location: time.UTC}, File: file,
		Node: "pi1", Role: func() Role { s := &standing{}; s.Store(true); return s }(), Log: slog.New(slog.DiscardHandler)})
	at := time.Date(2026, 7, 15, 23, 59, 0, 0, time.UTC)
	for i, now := range []time.Time{at, at.Add(2 * time.Minute), at} {
		r.update(now)
		keep(r.day, "decisions", &r.day.Decisions, Decision{At: now, Reason: fmt.Sprint(i)}, maxDecisions)
	}
	r.save()
	if got := decisions(t, file); got != "2026-07-15 0 2" || r.day.Complete {
		t.Errorf("%s, complete %v", got, r.day.Complete)
	}
}

// A day without one before it on the ramdisk begins where the newest of the
// metrics before it ended.
func TestTheOtherBatteryComesFromTheMetrics(t *testing.T) {
	bubble(t, func(t *testing.T, file string) {
		m := Metrics{Dir: filepath.Join(filepath.Dir(file), "metrics")}
		for day, kwh := range []float64{3, 4, 0, 5} { // 0: not known
			r := begin(time.Date(2000, 2, 1+day, 0, 0, 0, 0, time.UTC), rules.Calendar{Location: time.UTC})
			if kwh > 0 {
				r.Counterfactual.EndKWh, r.Counterfactual.CapacityKWh = &kwh, new(13.5)
			}
			if err := m.Write(r); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Until(time.Date(2000, 2, 4, 8, 0, 0, 0, time.UTC)))
		n := start(t, file, func(o *Options) { o.Before = m.Before })
		n.stop()
		r, err := Load(file)
		if err != nil || r.Counterfactual.StartFrom != "2000-02-02" || *r.Counterfactual.StartKWh != 4 || *r.Counterfactual.EndKWh != 4 {
			t.Fatalf("%v: %+v", err, r.Counterfactual)
		}
	})
}

// After a reboot in the last half hour of a day the record goes on from the
// metrics that were written before it.
func TestAnUnfinishedDayComesFromTheMetrics(t *testing.T) {
	bubble(t, func(t *testing.T, file string) {
		m := Metrics{Dir: filepath.Join(filepath.Dir(file), "metrics")}
		time.Sleep(time.Until(time.Date(2000, 2, 4, 23, 45, 0, 0, time.UTC)))
		r := begin(time.Date(2000, 2, 4, 0, 0, 0, 0, time.UTC), rules.Calendar{Location: time.UTC})
		r.Until = time.Date(2000, 2, 4, 23, 30, 0, 0, time.UTC)
		r.Decisions = append(r.Decisions, Decision{At: r.Until, Type: rules.NotePhase, Reason: "peak"})
		if err := m.Write(r); err != nil {
			t.Fatal(err)
		}
		n := start(t, file, func(o *Options) { o.Before, o.Unfinished = m.Before, m.Unfinished })
		time.Sleep(time.Hour)
		n.stop()
		day, err := Load(beside(file, "2000-02-04"))
		if err != nil || !day.Complete || !day.From.Equal(r.From) || len(day.Decisions) != 1 {
			t.Errorf("%v: complete %v, from %s, %d decisions", err, day.Complete, day.From, len(day.Decisions))
		}
		if next, err := Load(file); err != nil || next.Date != "2000-02-05" || len(next.Decisions) != 0 {
			t.Errorf("%v: %s, %d decisions", err, next.Date, len(next.Decisions))
		}
		if written, err := m.Close(file, "2000-02-05", time.Now()); err != nil || len(written) != 2 {
			t.Errorf("%s: %v", written, err)
		}
	})
}

func TestFinished(t *testing.T) {
	dir := t.TempDir()
	live := filepath.Join(dir, "day.json")
	for _, name := range []string{"day.json", "day-2026-07-15.json", "day-2026-07-14.json", "day-x.json", "2026-07-13.json", "day-2026-07-12.json.unusable"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got := Finished(live)
	if want := []string{filepath.Join(dir, "day-2026-07-14.json"), filepath.Join(dir, "day-2026-07-15.json")}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
