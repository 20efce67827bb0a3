package journal_test

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"powermgr/control/journal"
	"powermgr/control/rules"

	"powermgr/devices"
)

var now = time.Date(2026, 7, 15, 16, 0, 0, 0, time.UTC)

func open(path string) *journal.Journal {
	return &journal.Journal{Disk: journal.File{Path: path}, Node: "a", Now: func() time.Time { return now }}
}

func kept(minutes ...int) rules.Kept {
	cool := 76.0
	return rules.Kept{Latched: minutes, PeakEnd: now.Add(3 * time.Hour), Thermostats: map[string]rules.ThermostatRecord{
		"up": {Claim: &rules.Claim{Baseline: rules.Baseline{Setting: devices.Setting{Cool: &cool, Hold: devices.HoldSchedule}, Mode: "cool"}, WrittenAt: now}},
	}}
}

func TestSaveAndLoad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.json")
	j := open(path)
	if _, found, err := j.Load(); found || err != nil {
		t.Fatalf("found %v, %v in an empty directory", found, err)
	}
	e, saved, err := j.Save(kept(120), 3)
	if err != nil || !saved || e.Sequence != 1 || e.Generation != 3 {
		t.Fatalf("%+v saved %v: %v", e, saved, err)
	}
	if _, saved, _ = j.Save(kept(120), 3); saved || j.Writes() != 1 {
		t.Errorf("the same was written again: %d writes", j.Writes())
	}
	again := open(path)
	got, found, err := again.Load()
	if err != nil || !found || len(got.Kept.Latched) != 1 || *got.Kept.Thermostats["up"].Claim.Baseline.Cool != 76 {
		t.Fatalf("%+v, %v, %v", got, found, err)
	}
	if _, saved, _ = again.Save(got.Kept, 3); saved {
		t.Error("what was read was written again")
	}
	if e, _, _ = again.Save(kept(), 3); e.Sequence != 2 {
		t.Errorf("sequence %d, want 2", e.Sequence)
	}
}

func TestUnusableFiles(t *testing.T) {
	good, err := journal.Encode(journal.Entry{Node: "a", Sequence: 4, Kept: kept(120)})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, content, why string }{
		{"empty", "", "empty"},
		{"blank", " \n", "empty"},
		{"truncated", string(good[:len(good)/2]), "not a journal"},
		{"noise", "\x00\x01\xff", "not a journal"},
		{"another file", "[1,2,3]", "not a journal"},
		{"a write of the reserve that asks for none", `{"version":1,"kept":{"battery":{"wanted":0,"flights":[{"at":"2026-07-15T16:10:00-07:00"}]}}}`, "asks for none"},
		{"of the future", `{"version":99,"kept":{}}`, "version 99"},
		{"without a version", `{"kept":{}}`, "version 0"},
		{"wrong types", `{"version":1,"kept":{"latched":"x"}}`, "not a journal"},
		{"an impossible reserve", `{"version":1,"kept":{"battery":{"wanted":950}}}`, "reserve of 950"},
		{"an impossible reserve of a person", `{"version":1,"kept":{"battery":{"taken":{"reserve":600}}}}`, "reserve of 600"},
		{"an impossible baseline", `{"version":1,"kept":{"thermostats":{"up":{"touch":{"baseline":{"cool":760}}}}}}`, "baseline of 760"},
		{"huge", strings.Repeat(" ", journal.MaxSize+1), "longer than"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "journal.json")
			if err := os.WriteFile(path, []byte(c.content), 0o600); err != nil {
				t.Fatal(err)
			}
			j := open(path)
			_, found, err := j.Load()
			if found || err == nil || !strings.Contains(err.Error(), c.why) {
				t.Fatalf("found %v, %v; want %q", found, err, c.why)
			}
			if _, err := os.Stat(path + ".unusable"); err != nil {
				t.Errorf("it was not set aside: %v", err)
			}
			if _, saved, err := j.Save(kept(60), 0); err != nil || !saved {
				t.Errorf("not usable afterwards: %v", err)
			}
		})
	}
	t.Run("a directory in its place", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "journal.json")
		if err := os.Mkdir(path, 0o700); err != nil {
			t.Fatal(err)
		}
		j := open(path)
		if _, found, err := j.Load(); found || err == nil {
			t.Errorf("found %v, %v", found, err)
		}
		if _, _, err := j.Save(kept(1), 0); err == nil {
			t.Error("saved over a directory")
		}
	})
}

// locked is a file that belongs to somebody else.
type locked struct{ journal.File }

func (locked) Read() ([]byte, error) { return nil, fs.ErrPermission }

// A journal that could not be read was replaced by the next save, and with it
// what was to be given back.
func TestAJournalOfAnotherOwnerIsSetAside(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.json")
	if err := os.WriteFile(path, []byte("theirs"), 0o600); err != nil {
		t.Fatal(err)
	}
	j := open(path)
	j.Disk = locked{journal.File{Path: path}}
	if _, found, err := j.Load(); found || err == nil {
		t.Errorf("found %v, %v", found, err)
	}
	if _, _, err := j.Save(kept(1), 0); err != nil {
		t.Error(err)
	}
	if b, err := os.ReadFile(path + ".unusable"); string(b) != "theirs" {
		t.Errorf("%q, %v", b, err)
	}
}

// After a restart with a full disk this node counts on from the file, and its
// own earlier, retained journal looks newer. What was done since stays known.
func TestAnEarlierLifeThatCouldNotBeWritten(t *testing.T) {
	j := open(filepath.Join(t.TempDir(), "journal.json"))
	if _, _, err := j.Save(kept(1), 1); err != nil {
		t.Fatal(err)
	}
	now := rules.Kept{Thermostats: map[string]rules.ThermostatRecord{"up": {Claim: &rules.Claim{Kind: rules.Setback}}}}
	mine, _, err := j.Save(now, 1)
	if err != nil {
		t.Fatal(err)
	}
	earlier := mine
	earlier.Kept, earlier.Sequence, earlier.Knows = rules.Kept{Latched: []int{2}}, mine.Sequence+4, map[string]uint64{mine.Node: mine.Sequence + 4}
	got, ok := j.Adopt(earlier)
	if !ok || got.Kept.Thermostats["up"].Claim == nil {
		t.Errorf("%v, %+v", ok, got.Kept)
	}
}

func TestTheNewestWins(t *testing.T) {
	for _, c := range []struct {
		name                      string
		generation, sequence, own uint64
		adopted                   bool
	}{
		{"a later sequence", 1, 9, 1, true},
		{"an earlier sequence", 1, 1, 1, false},
		{"the same", 1, 2, 1, false},
		{"a higher generation with a lower sequence", 2, 1, 1, true},
		{"a lower generation with a higher sequence", 1, 99, 2, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			j := open(filepath.Join(t.TempDir(), "journal.json"))
			for _, m := range []int{1, 2} {
				if _, _, err := j.Save(kept(m), c.own); err != nil {
					t.Fatal(err)
				}
			}
			if _, got := j.Adopt(journal.Entry{Version: 1, Generation: c.generation, Sequence: c.sequence}); got != c.adopted {
				t.Errorf("adopted %v, want %v", got, c.adopted)
			}
			e, saved, err := j.Save(rules.Kept{}, c.own)
			if err != nil || !saved {
				t.Fatalf("%v, %v", saved, err)
			}
			if e.Sequence != max(2, c.sequence)+1 && c.adopted || e.Sequence != 3 && !c.adopted {
				t.Errorf("sequence %d after 2 of its own and %d of the other's", e.Sequence, c.sequence)
			}
		})
	}
}

// Two nodes that both think they are the active one write two journals. When
// they meet, what either has touched is known to both.
func TestTwoJournalsMeet(t *testing.T) {
	touched := func(ids ...string) rules.Kept {
		k := rules.Kept{Thermostats: map[string]rules.ThermostatRecord{}}
		for _, id := range ids {
			k.Thermostats[id] = rules.ThermostatRecord{Claim: &rules.Claim{Kind: rules.Setback, WrittenAt: now}}
		}
		return k
	}
	save := func(j *journal.Journal, k rules.Kept, generation uint64) journal.Entry {
		e, _, err := j.Save(k, generation)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	for _, c := range []struct {
		name string
		a, b []string // touched by the node of generation 1, and by that of generation 2
		knew bool     // b had a's journal before it wrote its own
		atA  []string // known in the end at the node that had a, and at the other
		news bool     // for the one with b
		atB  []string
	}{
		{name: "b went on from what a had left", a: []string{"up"}, knew: true, b: nil, atA: nil, atB: nil},
		{name: "b did not know", a: []string{"up"}, b: []string{"down"}, atA: []string{"down", "up"}, news: true, atB: []string{"down", "up"}},
		{name: "both did the same", a: []string{"up"}, b: []string{"up"}, atA: []string{"up"}, news: true, atB: []string{"up"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, b := open(filepath.Join(t.TempDir(), "a")), open(filepath.Join(t.TempDir(), "b"))
			a.Node, b.Node = "a", "b"
			theirs := save(a, touched(c.a...), 1)
			if c.knew {
				b.Adopt(theirs)
			}
			ours := save(b, touched(c.b...), 2)
			names := func(k rules.Kept) []string { return slices.Sorted(maps.Keys(k.Thermostats)) }
			got, _ := a.Adopt(ours)
			if !slices.Equal(names(got.Kept), c.atA) || got.Generation != 2 {
				t.Errorf("a goes on from %v of generation %d", names(got.Kept), got.Generation)
			}
			got, news := b.Adopt(theirs)
			if !slices.Equal(names(got.Kept), c.atB) || news != c.news || got.Generation != 2 {
				t.Errorf("b goes on from %v of generation %d, news %v", names(got.Kept), got.Generation, news)
			}
			if _, again := b.Adopt(theirs); again {
				t.Error("and takes it in again and again")
			}
		})
	}
}

// Of two nodes that did not see each other the one that has gone on longer
// knows more, even if the other was told later to be active.
func TestTheNodeThatHasGoneOnKnowsMore(t *testing.T) {
	a, b := open(filepath.Join(t.TempDir(), "a")), open(filepath.Join(t.TempDir(), "b"))
	a.Node, b.Node = "a", "b"
	taken := rules.Kept{Battery: rules.BatteryRecord{Taken: &rules.Taken{At: now.Add(3 * time.Hour), What: "reserve set to 60 %"}}}
	theirs, _, err := b.Save(kept(120), 2)
	if err != nil {
		t.Fatal(err)
	}
	a.Now = func() time.Time { return now.Add(3 * time.Hour) }
	ours, _, err := a.Save(taken, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		node  *journal.Journal
		other journal.Entry
		now   time.Duration // on the node's clock
		taken bool          // is known
	}{
		{"a, of b's", a, theirs, 4 * time.Hour, true},
		{"b, of a's", b, ours, 4 * time.Hour, true},
		{"b, of a's from a clock that is ahead", b, ours, 0, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			node := *c.node
			node.Now = func() time.Time { return now.Add(c.now) }
			got, news := node.Adopt(c.other)
			if !news || (got.Kept.Battery.Taken != nil) != c.taken || got.Kept.Thermostats["up"].Claim == nil || got.Generation != 2 {
				t.Errorf("goes on from %+v, news %v", got, news)
			}
		})
	}
}

// A change of node with a few seconds of overlap: b knows what a saved, claims, and
// notes a person's choice; a, that has not heard of it, saves once more.
func TestAnOverlapOfSecondsForgetsNoChoice(t *testing.T) {
	a, b := open(filepath.Join(t.TempDir(), "a")), open(filepath.Join(t.TempDir(), "b"))
	a.Node, b.Node = "a", "b"
	at := func(j *journal.Journal, d time.Duration) { j.Now = func() time.Time { return now.Add(d) } }
	at(a, 0)
	first, _, _ := a.Save(rules.Kept{Battery: rules.BatteryRecord{AtPeak: true}}, 1)
	b.Adopt(first)
	at(b, 2*time.Second)
	k := first.Kept
	k.Latched = []int{120}
	k.Thermostats = map[string]rules.ThermostatRecord{"up": {Taken: &rules.Taken{At: now.Add(2 * time.Second), What: "by command: cool_setpoint"}}}
	b.Save(k, 2)
	at(a, 3*time.Second)
	k = first.Kept
	k.Battery.Confirmed = true
	late, _, _ := a.Save(k, 1)
	at(b, 4*time.Second)
	got, news := b.Adopt(late)
	if !news || got.Kept.Thermostats["up"].Taken == nil || len(got.Kept.Latched) != 1 {
		t.Errorf("news %v, goes on from node %s gen %d: %+v", news, got.Node, got.Generation, got.Kept)
	}
}

type brokenDisk struct{ journal.File }

func (brokenDisk) Write([]byte) error { return errors.New("no space left on device") }

func TestAFullDiskIsSaid(t *testing.T) {
	j := &journal.Journal{Disk: brokenDisk{journal.File{Path: filepath.Join(t.TempDir(), "j")}}, Now: func() time.Time { return now }}
	e, fresh, err := j.Save(kept(1), 1)
	if err == nil || !strings.Contains(err.Error(), "no space") || j.Writes() != 0 {
		t.Errorf("%d writes, %v", j.Writes(), err)
	}
	if !fresh || e.Sequence != 1 || len(e.Kept.Latched) == 0 {
		t.Errorf("it is not there for the topic: %+v, fresh %v", e, fresh)
	}
	if _, fresh, err := j.Save(kept(1), 1); err == nil || fresh {
		t.Errorf("the second time: fresh %v, %v", fresh, err)
	}
}

func FuzzDecode(f *testing.F) {
	good, _ := journal.Encode(journal.Entry{Node: "a", Sequence: 4, Kept: kept(120)})
	f.Add(good)
	f.Add([]byte(`{"version":1,"kept":{"override":{"kind":"peak","until":"9999-12-31T23:59:59Z"},"thermostats":{"up":{"last_write":"0001-01-01T00:00:00+14:00"}}}}`))
	f.Add([]byte(`{"version":1,"generation":18446744073709551615}`))
	f.Add([]byte(`{"version":1}`))
	f.Add([]byte(`{"version":1,"kept":{"event":null,"thermostats":{"x":null}}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := journal.Decode(b)
		if err != nil {
			return
		}
		// Whatever was accepted can be acted on, and written again.
		s := rules.State{Settings: rules.Settings{Calendar: rules.Calendar{Location: time.UTC}}}
		s, _ = rules.Step(s, rules.Recovered{Kept: e.Kept}, now)
		rules.Step(s, rules.Tick{}, now.Add(time.Hour))
		if _, err := journal.Encode(e); err != nil {
			t.Fatal(err)
		}
	})
}
