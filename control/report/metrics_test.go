package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// ramdisk is a folder with records of days, as the recorder leaves them.
type ramdisk struct {
	t    *testing.T
	live string
	Metrics
}

func newRamdisk(t *testing.T) ramdisk {
	dir := t.TempDir()
	return ramdisk{t: t, live: filepath.Join(dir, "day.json"), Metrics: Metrics{Dir: filepath.Join(dir, "metrics"), KeepDays: 400}}
}

// has puts a record of a day up to a time there; "24:00" is a finished one.
func (d ramdisk) has(date, until string) {
	d.t.Helper()
	d.hasFrom(date, "00:00", until)
}

// hasFrom is has for a record that begins late.
func (d ramdisk) hasFrom(date, from, until string) {
	d.t.Helper()
	h := newHome(d.t, date+" "+from)
	r, path := *h.r, d.live
	if until == "24:00" {
		path = beside(d.live, date)
		r.finish()
	} else {
		r.Until = h.at(date + " " + until)
	}
	b, err := Encode(r)
	if err == nil {
		err = os.WriteFile(path, b, 0o640)
	}
	if err != nil {
		d.t.Fatal(err)
	}
}

// run is powermgr report at that time, of that day; it says what was written.
func (d ramdisk) run(at string) string {
	d.t.Helper()
	written, err := d.Close(d.live, at[:len(time.DateOnly)], newHome(d.t, at).now)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprint(written)
}

func TestTheEveningRun(t *testing.T) {
	d := newRamdisk(t)
	for _, step := range []struct {
		name  string
		given func()
		at    string
		want  string
	}{
		{"there is nothing yet", func() {}, "2026-07-14 23:30", "[]"},
		{"today, as far as it goes", func() { d.has("2026-07-14", "23:30") }, "2026-07-14 23:30", "[2026-07-14]"},
		{"run twice", func() {}, "2026-07-14 23:30", "[]"},
		{"run twice, while the day goes on", func() { d.has("2026-07-14", "23:31") }, "2026-07-14 23:31", "[]"},
		{"the next day completes it", func() { d.has("2026-07-14", "24:00"); d.has("2026-07-15", "23:30") }, "2026-07-15 23:30", "[2026-07-14 2026-07-15]"},
		{"run twice", func() {}, "2026-07-15 23:30", "[]"},
		{"two runs were missed", func() {
			d.has("2026-07-15", "24:00")
			d.has("2026-07-16", "24:00")
			d.has("2026-07-17", "24:00")
			d.has("2026-07-18", "08:00")
		}, "2026-07-18 08:00", "[2026-07-15 2026-07-16 2026-07-17 2026-07-18]"},
		{"the same day in the evening", func() { d.has("2026-07-18", "23:30") }, "2026-07-18 23:30", "[2026-07-18]"},
		{"the ramdisk was lost", func() { _ = os.RemoveAll(d.live) }, "2026-07-18 23:45", "[]"},
		{"and the record that began then is short", func() { d.hasFrom("2026-07-18", "23:46", "24:00") }, "2026-07-18 23:59", "[]"},
		{"a day that is not due", func() { d.has("2026-07-20", "07:10"); d.has("2026-07-19", "24:00") }, "2026-07-19 23:59", "[2026-07-19]"},
	} {
		step.given()
		if got := d.run(step.at); got != step.want {
			t.Errorf("%s: %s, want %s", step.name, got, step.want)
		}
	}
	for date, complete := range map[string]bool{"2026-07-14": true, "2026-07-16": true, "2026-07-18": false} {
		if r, err := d.Read(date); err != nil || r.Date != date || r.Complete != complete {
			t.Errorf("%s: %v, complete %v", date, err, r.Complete)
		}
	}
}

func TestFilesOfOthersAreLeftAlone(t *testing.T) {
	d := newRamdisk(t)
	if err := os.MkdirAll(d.Dir, 0o750); err != nil {
		t.Fatal(err)
	}
	v2 := `{"date": "2026-07-14", "peak_import": 3.2}`
	files := map[string]string{"2026-07-14.json": v2, "2024-07-14.json": v2, "notes.json": "x", "2024-01-01.json.bak": "x", "2024-01-01.txt": "x"}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(d.Dir, name), []byte(content), 0o640); err != nil {
			t.Fatal(err)
		}
	}
	d.has("2026-07-14", "23:30")
	if got := d.run("2026-07-14 23:30"); got != "[]" {
		t.Errorf("a file of Power Manager v2.0 was written over: %s", got)
	}
	if _, err := d.Read("2026-07-14"); err == nil || !strings.Contains(err.Error(), "v2.0") {
		t.Errorf("read: %v", err)
	}
	delete(files, "2024-07-14.json") // too old
	for name, content := range files {
		if b, err := os.ReadFile(filepath.Join(d.Dir, name)); err != nil || string(b) != content {
			t.Errorf("%s: %q, %v", name, b, err)
		}
	}
	if entries, _ := os.ReadDir(d.Dir); len(entries) != len(files) {
		t.Errorf("%v", entries)
	}
}

// What root writes has to be read and completed by the daemon's user.
func TestWhatRootWritesIsTheDaemons(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
	d := newRamdisk(t)
	if err := os.Chown(filepath.Dir(d.Dir), 1234, 2345); err != nil {
		t.Fatal(err)
	}
	d.has("2026-07-14", "23:30")
	d.run("2026-07-14 23:30")
	for _, path := range []string{d.Dir, d.path("2026-07-14")} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if owner := info.Sys().(*syscall.Stat_t); owner.Uid != 1234 || owner.Gid != 2345 {
			t.Errorf("%s is of %d:%d", path, owner.Uid, owner.Gid)
		}
	}
}

func TestPrune(t *testing.T) {
	for _, tt := range []struct {
		name string
		keep int
		want string
	}{
		{"forever", 0, "[2025-06-10 2026-07-12 2026-07-14 2026-07-15]"},
		{"the day itself and as many before it", 1, "[2026-07-14 2026-07-15]"},
		{"400 days", 400, "[2025-06-10 2026-07-12 2026-07-14 2026-07-15]"},
		{"399 days", 399, "[2026-07-12 2026-07-14 2026-07-15]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := Metrics{Dir: t.TempDir(), KeepDays: tt.keep}
			for _, date := range []string{"2025-06-10", "2026-07-12", "2026-07-14", "2026-07-15"} {
				if err := os.WriteFile(m.path(date), nil, 0o640); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := m.Prune(time.Date(2026, 7, 15, 23, 30, 0, 0, time.UTC)); err != nil {
				t.Fatal(err)
			}
			if dates, err := m.Dates(); err != nil || fmt.Sprint(dates) != tt.want {
				t.Errorf("%v, want %s: %v", dates, tt.want, err)
			}
		})
	}
}

func TestUnusableOnTheRamdisk(t *testing.T) {
	d := newRamdisk(t)
	d.has("2026-07-14", "24:00")
	if err := os.WriteFile(d.live, []byte("{"), 0o640); err != nil {
		t.Fatal(err)
	}
	if got := d.run("2026-07-15 23:30"); !strings.Contains(got, "no record of a day") {
		t.Errorf("%s", got)
	}
	if dates, _ := d.Dates(); fmt.Sprint(dates) != "[2026-07-14]" {
		t.Errorf("%v: one file kept another from being written", dates)
	}
}

func TestFind(t *testing.T) {
	d := newRamdisk(t)
	d.has("2026-07-13", "24:00")
	d.run("2026-07-13 23:30")
	_ = os.Remove(beside(d.live, "2026-07-13"))
	d.has("2026-07-14", "24:00")
	d.has("2026-07-15", "12:00")
	for date, want := range map[string]string{"2026-07-13": "2026-07-13", "2026-07-14": "2026-07-14", "2026-07-15": "2026-07-15"} {
		if r, err := d.Find(d.live, date); err != nil || r.Date != want {
			t.Errorf("%s: %s, %v", date, r.Date, err)
		}
	}
	if _, err := d.Find(d.live, "2026-07-01"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a day that nobody has: %v", err)
	}
}

// A metrics file is figures that anybody can read, and the record.
func TestMetricsFile(t *testing.T) {
	done := hotDay(t, false).midnight()
	b, err := JSON(done)
	if err != nil {
		t.Fatal(err)
	}
	var f map[string]any
	if err := json.Unmarshal(b, &f); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"version", "date", "home_kwh", "peak_grid_in_kwh", "saved", "battery_min_percent"} {
		if f[name] == nil {
			t.Errorf("it has no %s", name)
		}
	}
	if !strings.HasPrefix(string(b), "{\n  \"version\": 1,\n  \"date\": \"2026-07-15\",\n") || strings.Count(string(b), "\n") > 50 {
		t.Errorf("it is not easy to read: %.300s", b)
	}
	m := Metrics{Dir: t.TempDir()}
	if err := m.Write(done); err != nil {
		t.Fatal(err)
	}
	read, err := m.Read(done.Date)
	if err != nil || Text(read) != Text(done) {
		t.Errorf("its report is another one: %v", err)
	}
	info, err := os.Stat(m.path(done.Date))
	if err != nil || info.Mode().Perm() != 0o640 || info.Size() > 60_000 {
		t.Errorf("%v, %d bytes: %v", info.Mode(), info.Size(), err)
	}
}

// SCHEMA.md names every field.
func TestSchema(t *testing.T) {
	b, err := os.ReadFile("SCHEMA.md")
	if err != nil {
		t.Fatal(err)
	}
	var missing []string
	var look func(v reflect.Type)
	look = func(v reflect.Type) {
		switch v.Kind() {
		case reflect.Pointer, reflect.Slice, reflect.Map:
			look(v.Elem())
		case reflect.Struct:
			for f := range v.Fields() {
				name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
				if name != "" && !strings.Contains(string(b), "`"+name+"`") {
					missing = append(missing, name)
				}
				if f.IsExported() && f.Type != reflect.TypeFor[time.Time]() {
					look(f.Type)
				}
			}
		}
	}
	look(reflect.TypeFor[file]())
	look(reflect.TypeFor[Record]())
	slices.Sort(missing)
	// What the last reading is made of is for the fold alone.
	missing = slices.DeleteFunc(slices.Compact(missing), func(s string) bool { return s == "power_kw" || s == "estimated" })
	if len(missing) > 0 {
		t.Errorf("SCHEMA.md does not have %v", missing)
	}
}
