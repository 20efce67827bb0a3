package journal_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
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

func kept(minutes ...int) rules.Persisted {
	cool := 76.0
	return rules.Persisted{HomeRecord: rules.HomeRecord{Latched: minutes, PeakEnd: now.Add(3 * time.Hour)}, Thermostats: map[string]rules.ThermostatRecord{
		"up": {Claim: &rules.Claim{Baseline: rules.Baseline{Setting: devices.Setting{Cool: &cool, Hold: devices.HoldSchedule}, Mode: "cool"}, Kind: rules.Setback, Writes: rules.Writes{WrittenAt: now}}},
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
	if err != nil || !found || len(got.Persisted().Latched) != 1 || *got.Persisted().Thermostats["up"].Claim.Baseline.Cool != 76 {
		t.Fatalf("%+v, %v, %v", got, found, err)
	}
	if _, saved, _ = again.Save(got.Persisted(), 3); saved {
		t.Error("what was read was written again")
	}
	if e, _, _ = again.Save(kept(), 3); e.Sequence != 2 {
		t.Errorf("sequence %d, want 2", e.Sequence)
	}
}

func TestUnusableFiles(t *testing.T) {
	good := saved(t, kept(120))
	for _, c := range []struct{ name, content, why string }{
		{"empty", "", "empty"},
		{"blank", " \n", "empty"},
		{"truncated", string(good[:len(good)/2]), "not a journal"},
		{"noise", "\x00\x01\xff", "not a journal"},
		{"another file", "[1,2,3]", "not a journal"},
		{"a write of the reserve that asks for none", `{"version":1,"kept":{"battery":{"wanted":0,"flights":[{"at":"2026-07-15T16:10:00-07:00"}]}}}`, "asks for none"},
		{"of the future", `{"version":99,"kept":{}}`, "version 99"},
		{"without a version", `{"kept":{}}`, "version 0"},
		{"a record of nobody", `{"version":2,"home":[{"version":{"generation":1,"sequence":2}}]}`, "cannot be"},
		{"a record that it does not know", `{"version":2,"knows":{"a/1":1},"home":[{"version":{"generation":1,"sequence":2,"writer":"a/1"}}]}`, "does not know"},
		{"one change twice", `{"version":2,"knows":{"a/1":2},"home":[{"version":{"generation":1,"sequence":2,"writer":"a/1"}},{"version":{"generation":1,"sequence":2,"writer":"a/1"}}]}`, "order"},
		{"an impossible reserve in a record that is not the newest", `{"version":2,"knows":{"a/1":2},"battery":[{"version":{"generation":1,"sequence":2,"writer":"a/1"}},{"version":{"generation":1,"sequence":1,"writer":"a/1"},"value":{"wanted":950}}]}`, "reserve of 950"},
		{"wrong types", `{"version":1,"kept":{"latched":"x"}}`, "not a journal"},
		{"an impossible reserve", `{"version":1,"kept":{"battery":{"wanted":950}}}`, "reserve of 950"},
		{"an impossible reserve of a person", `{"version":1,"kept":{"battery":{"taken":{"reserve":600}}}}`, "reserve of 600"},
		{"a claim of no kind", `{"version":1,"kept":{"thermostats":{"up":{"touch":{"kind":"x"}}}}}`, `claim for "x"`},
		{"a reserve seen that was not asked for", `{"version":1,"kept":{"battery":{"confirmed":true}}}`, "not asked for"},
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

// locked is a file that this process may not read.
type locked struct{ journal.File }

func (locked) Read() ([]byte, error) { return nil, fs.ErrPermission }

// Nothing replaces a journal that can be read by one that a start would refuse: it would
// lose everything that is to be restored.
func TestWhatAStartWouldRefuseIsNotSaved(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.json")
	j := open(path)
	if _, _, err := j.Save(kept(120), 3); err != nil {
		t.Fatal(err)
	}
	impossible := kept(120, 60)
	impossible.Battery.Confirmed = true
	e, fresh, err := j.Save(impossible, 3)
	if err == nil || fresh || e.Sequence != 1 {
		t.Errorf("%+v, fresh %v, %v", e, fresh, err)
	}
	if got, found, err := open(path).Load(); err != nil || !found || len(got.Persisted().Latched) != 1 {
		t.Errorf("%+v, %v, %v", got, found, err)
	}
	if e, fresh, err = j.Save(kept(120, 60), 3); err != nil || !fresh || e.Sequence != 2 {
		t.Errorf("%+v, fresh %v, %v", e, fresh, err)
	}
}

// A journal that could not be read was replaced by the next save, and what had to be
// restored was lost with it.
func TestAJournalOfAnotherOwnerIsSetAside(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.json")
	if err := os.WriteFile(path, []byte("another owner's"), 0o600); err != nil {
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
	if b, err := os.ReadFile(path + ".unusable"); string(b) != "another owner's" {
		t.Errorf("%q, %v", b, err)
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
	if !fresh || e.Sequence != 1 || len(e.Persisted().Latched) == 0 {
		t.Errorf("it is not there for the topic: %+v, fresh %v", e, fresh)
	}
	if _, fresh, err := j.Save(kept(1), 1); err == nil || fresh {
		t.Errorf("the second time: fresh %v, %v", fresh, err)
	}
}

// saved returns a file with k.
func saved(t testing.TB, k rules.Persisted) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "journal.json")
	if _, _, err := open(path).Save(k, 1); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func FuzzDecode(f *testing.F) {
	f.Add(saved(f, kept(120)), saved(f, kept(60)))
	for _, seed := range []string{
		`{"version":2,"knows":{"a/1":2,"b/1":1},"battery":[{"version":{"generation":1,"sequence":2,"writer":"a/1"},"value":{"wanted":0,"at_peak":true}},{"version":{"generation":1,"sequence":1,"writer":"b/1"},"value":{"taken":{"at":"2026-07-15T22:30:00Z","what":"x","reserve":50}}}]}`,
		`{"version":1,"kept":{"override":{"kind":"peak","until":"9999-12-31T23:59:59Z"},"thermostats":{"up":{"last_write":"0001-01-01T00:00:00+14:00"}}}}`,
		`{"version":1,"generation":18446744073709551615}`,
		`{"version":1}`,
		`{"version":2}`,
		`{"version":1,"kept":{"event":null,"thermostats":{"x":null}}}`,
	} {
		f.Add([]byte(seed), saved(f, kept(60)))
	}
	f.Fuzz(func(t *testing.T, b, other []byte) {
		e, err := journal.Decode(b)
		if err != nil {
			return
		}
		// Any journal that was accepted can be acted on, written, and read again.
		s := rules.State{Settings: rules.Settings{Calendar: rules.Calendar{Location: time.UTC}}}
		s, _ = rules.Step(s, rules.Recovered{Persisted: e.Persisted()}, now)
		rules.Step(s, rules.Tick{}, now.Add(time.Hour))
		readAgain(t, e)
		if o, err := journal.Decode(other); err == nil {
			readAgain(t, e.Join(o))
			rules.Step(s, rules.Recovered{Persisted: e.Join(o).Persisted()}, now)
		}
	})
}

func readAgain(t *testing.T, e journal.Entry) {
	t.Helper()
	b, err := journal.Encode(e)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := journal.Decode(b); err != nil {
		t.Fatalf("%v: %s", err, b)
	}
}

// Each step of the rules asks for a save, and almost none has anything new.
func TestASaveOfNothingNewAllocatesNothing(t *testing.T) {
	j := &journal.Journal{Disk: journal.File{Path: filepath.Join(t.TempDir(), "journal.json")}, Node: "a", Now: time.Now}
	k := rules.Persisted{HomeRecord: rules.HomeRecord{Latched: []int{60}}, Battery: rules.BatteryRecord{Mode: "autonomous"}}
	save := func() {
		if _, _, err := j.Save(k, 1); err != nil {
			t.Fatal(err)
		}
	}
	save()
	if n := testing.AllocsPerRun(100, save); n > 0 || j.Writes() != 1 {
		t.Errorf("%g allocations, %d writes", n, j.Writes())
	}
}
