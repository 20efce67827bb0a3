package report

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"powermgr/bridge/bus"
	"powermgr/control/rules"
)

var update = flag.Bool("update", false, "write the golden files again")

// worst is a day with everything in it that a report can have.
func worst(t testing.TB) Record {
	h := hotDay(t, false)
	h.r.DryRun, h.r.Disabled = true, true
	up := h.r.Thermostats["up"]
	up.Name = `<script>alert("up")</script>`
	h.r.Thermostats["up"] = up
	h.r.LeftOut["messages"], h.r.LeftOut["decisions"] = 3, 12
	h.r.Counterfactual.PeakMinutes -= 40
	h.r.From = h.at("2026-07-15 03:00")
	return *h.r
}

func TestGolden(t *testing.T) {
	for name, r := range map[string]Record{
		"day": hotDay(t, false).midnight(), "worst": worst(t), "empty": *newHome(t, "2026-07-15 00:00").r,
	} {
		html, err := HTML(r, "cid:chart")
		if err != nil {
			t.Fatal(err)
		}
		for ext, got := range map[string]string{".txt": Text(r), ".html": string(html)} {
			path := filepath.Join("testdata", name+ext)
			if *update {
				if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("%s has changed; look at it and run go test -update:\n%s", path, got)
			}
		}
	}
}

// The text and the page have the same content, and neither lets a name break
// out of it.
func TestTextAndPage(t *testing.T) {
	for name, r := range map[string]Record{"day": hotDay(t, false).midnight(), "worst": worst(t)} {
		html, err := HTML(r, "cid:chart")
		if err != nil {
			t.Fatal(err)
		}
		page, text := string(html), Text(r)
		p := paged(r)
		for _, s := range p.Sections {
			if !strings.Contains(page, ">"+s.Title+"<") || !strings.Contains(text, "\n"+s.Title+"\n") {
				t.Errorf("%s: no section %s", name, s.Title)
			}
		}
		for line := range strings.Lines(text) {
			if utf8.RuneCountInString(strings.TrimRight(line, "\n")) > width {
				t.Errorf("%s: too long: %s", name, line)
			}
		}
		for _, bad := range []string{"<script", "http://", "https://", "url(", "<link", "NaN", "<nil>", "%!"} {
			if strings.Contains(page, bad) || bad != "<script" && strings.Contains(text, bad) {
				t.Errorf("%s: it has %s", name, bad)
			}
		}
		if !strings.Contains(page, `src="cid:chart"`) {
			t.Errorf("%s: the picture is not there", name)
		}
	}
	without, err := HTML(hotDay(t, false).midnight(), "")
	if err != nil || strings.Contains(string(without), "<img") {
		t.Errorf("a picture that is not there: %v", err)
	}
}

func TestHeadline(t *testing.T) {
	kwh := func(v float64) *float64 { return &v }
	for _, tt := range []struct {
		name   string
		change func(r *Record)
		want   string
	}{
		{"saved", func(r *Record) {}, "0.4 kWh from the grid in the peak instead of 8.1: $4.47 saved"},
		{"the day cost more", func(r *Record) { r.Counterfactual.Actual.OtherIn = 20 }, "0.4 kWh from the grid in the peak instead of 8.1: cost $1.73 more"},
		{"the day cost the same", func(r *Record) { r.Counterfactual.Actual.PeakIn = 8.1 }, "8.1 kWh from the grid in the peak instead of 8.1"},
		{"there is no tariff", func(r *Record) { r.Tariff = Tariff{} }, "0.4 kWh from the grid in the peak instead of 8.1"},
		{"the currency is a word", func(r *Record) { r.Tariff.Currency = "EUR" }, "0.4 kWh from the grid in the peak instead of 8.1: 4.47 EUR saved"},
		{"next to nothing", func(r *Record) { r.Counterfactual.Actual.PeakIn = 0.012 }, "0.01 kWh from the grid in the peak instead of 8.1: $4.69 saved"},
		{"nothing is compared", func(r *Record) { r.Counterfactual = Counterfactual{} }, "0.6 kWh from the grid in the peak"},
		{"the peak is not measured", func(r *Record) { r.Counterfactual, r.Energy.Peak = Counterfactual{}, Measured{} }, "– kWh from the grid in the peak"},
		{"the peak has not begun", func(r *Record) { r.Until = r.Peaks[0].Lead }, "12.3 kWh from the grid before the peak"},
		{"two peaks", func(r *Record) { r.Peaks = append(r.Peaks, r.Peaks[0]) }, "0.4 kWh from the grid in the peaks instead of 8.1: $4.47 saved"},
		{"no peak", func(r *Record) { r.Peaks = nil }, "No peak: 12.3 kWh from the grid"},
		{"nothing is known", func(r *Record) { r.Energy = Energy{} }, "No energy data for this day"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := *newHome(t, "2026-07-15 00:00").r
			r.finish()
			r.Energy.Peak.GridIn, r.Energy.Day.GridIn = kwh(0.6), kwh(12.3)
			r.Counterfactual = Counterfactual{PeakMinutes: 180, Actual: Grid{PeakIn: 0.4}, Alone: Grid{PeakIn: 8.1}}
			tt.change(&r)
			if got := Headline(r); got != tt.want {
				t.Errorf("%s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestRemarks(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(r *Record)
		want   string
	}{
		{"nothing to say", func(r *Record) {}, ""},
		{"more is in the real battery", func(r *Record) { r.Charge.End.Value = 100 },
			"The real battery ended the day with 6.8 kWh more ($2.09, at the price outside peaks) than the one without powermgr: energy that is paid for, but not used yet."},
		{"less is in it", func(r *Record) { r.Charge.End.Value = 10 },
			"The real battery ended the day with 5.4 kWh less than the one without powermgr: that is not a saving, because it has to be replaced."},
		{"minutes were not measured", func(r *Record) { r.Counterfactual.PeakMinutes = 145 },
			"Not compared, because home, sun or grid was not measured: 35 minutes in peaks and 0 outside."},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := *newHome(t, "2026-07-15 00:00").r
			r.finish()
			r.Counterfactual.CapacityKWh, r.Counterfactual.StartKWh, r.Counterfactual.EndKWh = new(13.5), new(6.75), new(6.75)
			r.Counterfactual.PeakMinutes, r.Counterfactual.OtherMinutes = 180, 1260
			r.Charge.End = &Extreme{50, r.Until}
			tt.change(&r)
			if got := strings.Join(r.remarks(), " "); got != tt.want {
				t.Errorf("%s\nwant %s", got, tt.want)
			}
		})
	}
}

// A command whose answer is still to come has not failed.
func TestFailures(t *testing.T) {
	h := newHome(t, "2026-07-15 12:00")
	h.message(bus.Message{Topic: topics.Powerwall("reserve/set"), Payload: []byte("20")})
	if s := h.r.failures(); len(s.Rows) != 0 {
		t.Errorf("%v", s.Rows)
	}
	h.until("12:30")
	h.event(rules.NotePhase, "", "something else")
	if s := h.r.failures(); fmt.Sprint(s.Rows) != "[[12:00 Battery: reserve 20 (by a person) nobody answered]]" {
		t.Errorf("%v", s.Rows)
	}
}

// A command that a person had mistyped led the page as a command that failed.
func TestAMistypedCommandDoesNotLeadThePage(t *testing.T) {
	h := newHome(t, "2026-07-15 12:00")
	h.message(bus.Message{Topic: topics.Control("override/set"), Payload: []byte("paus"), ID: "a"})
	h.message(bus.Message{Topic: topics.Control("override/result"), Payload: []byte(`{"id": "a", "accepted": false, "final": true, "requested": "paus", "reason": "not an override"}`)})
	h.until("12:30")
	if s := h.r.failures(); len(s.Rows) != 0 {
		t.Errorf("it leads: %v", s.Rows)
	}
	if s := h.r.refused(); len(s.Rows) != 1 || !strings.Contains(fmt.Sprint(s.Rows), "paus") {
		t.Errorf("refused: %v", s.Rows)
	}
}

func TestWrap(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"short", "one two", "one two"},
		{"between words", "one two three four", "one two|three four"},
		{"a long word", "one twothreefourfive six", "one|twothreefo|urfive six"},
		{"where it has lines", "one\ntwo", "one|two"},
		{"nothing", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := strings.Join(wrap(tt.text, 10), "|"); got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
}
