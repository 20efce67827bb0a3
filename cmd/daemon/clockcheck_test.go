package daemon

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"powermgr/control/health"
)

// The clock of a Pi that had no power is behind, and so are its peaks.
func TestAClockThatIsWrong(t *testing.T) {
	now := time.Date(2026, 7, 1, 16, 0, 0, 0, time.UTC)
	type answer struct {
		host string
		off  time.Duration
		age  string
	}
	times := func(n int, a ...answer) (all []answer) {
		for range n {
			all = append(all, a...)
		}
		return all
	}
	for _, c := range []struct {
		name    string
		answers []answer
		want    []string // of each report; empty: all is well
	}{
		{"right", times(9, answer{"tesla", time.Second, ""}, answer{"honeywell", -time.Second, ""}), nil},
		{"behind", times(9, answer{"tesla", 3 * time.Hour, ""}), []string{"about 3 h behind"}},
		{"ahead", times(9, answer{"tesla", -20 * time.Minute, ""}), []string{"ahead of"}},
		{"by one answer", append(times(2, answer{"tesla", time.Hour, ""}), times(9, answer{"tesla", 0, ""})...), nil},
		{"by one vendor of two", times(9, answer{"tesla", time.Hour, ""}, answer{"honeywell", 0, ""}), nil},
		{"by two vendors who disagree", times(9, answer{"tesla", time.Hour, ""}, answer{"honeywell", -time.Hour, ""}), nil},
		{"by answers from a cache", times(9, answer{"tesla", -time.Hour, "3600"}), nil},
		{"until it is set", append(times(9, answer{"tesla", time.Hour, ""}), times(9, answer{"tesla", 0, ""})...), []string{"behind", ""}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []string
			check := clockCheck{offsets: map[string]time.Duration{}, report: func(r health.Report) { got = append(got, r.Problem) }}
			for _, a := range c.answers {
				h := http.Header{"Date": {now.Add(a.off).Format(http.TimeFormat)}}
				if a.age != "" {
					h.Set("Age", a.age)
				}
				check.observe(a.host, h, now, now)
			}
			if len(got) != len(c.want) {
				t.Fatalf("said %q, want %q", got, c.want)
			}
			for i, want := range c.want {
				if !strings.Contains(got[i], want) || (want == "") != (got[i] == "") {
					t.Errorf("said %q, want %q", got[i], want)
				}
			}
		})
	}
}
