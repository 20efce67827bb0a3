package page

import (
	"io/fs"
	"net/http"
	"strings"
	"testing"

	"powermgr/control"
)

// oneWeek is a past with nothing but a dry run; empty: there is none.
type oneWeek string

func (oneWeek) Days(int) []Day                { return nil }
func (oneWeek) Report(string) ([]byte, error) { return nil, fs.ErrNotExist }
func (w oneWeek) FirstWeek() ([]byte, error) {
	if w == "" {
		return nil, fs.ErrNotExist
	}
	return []byte(w), nil
}

func TestADryRunLeadsToItsPage(t *testing.T) {
	for _, dry := range []bool{true, false} {
		past, code := oneWeek("<p>7 days of dry run</p>"), http.StatusOK
		if !dry {
			past, code = "", http.StatusNotFound
		}
		h := newHouse(t, func(o *Options) { o.Past = past })
		h.publish(topics.Control("state"), control.State{DryRun: dry, Enabled: true, Override: "auto"})
		for _, path := range []string{"/", "/days"} {
			if page := h.ask("GET", path, "", nil).Body.String(); strings.Contains(page, `href="first-week"`) != dry {
				t.Errorf("dry run %v: %s\n%s", dry, path, page)
			}
		}
		if r := h.ask("GET", "/first-week", "", nil); r.Code != code || dry && !strings.Contains(r.Body.String(), "7 days") {
			t.Errorf("dry run %v: %d %s", dry, r.Code, r.Body)
		}
	}
}
