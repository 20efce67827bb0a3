package setup

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"powermgr/cmd/config"
)

// A home whose gateway was temporarily unreachable was left out without notice.
func TestEachHomeIsOffered(t *testing.T) {
	const home, cabin, away = `{"energy_site_id":1,"site_name":"Home","resource_type":"battery","percentage_charged":50}`,
		`{"energy_site_id":2,"site_name":"Cabin","resource_type":"battery","percentage_charged":0}`, `{"energy_site_id":3,"site_name":"Away","resource_type":"battery"}`
	for _, c := range []struct {
		name, products, answers string
		site                    int64
		shown                   string
	}{
		{"one", home, "", 0, ""},
		{"one that does not report", away, "", 0, ""},
		{"the one that reports is the default", away + "," + home, "\n", 1, "1  Home (1)\n  2  Away (3), which reports nothing at the moment"},
		{"and the other can be chosen", away + "," + home, "2\n", 3, "Which home [1]: "},
		{"with two that report, none is the default", home + "," + cabin + "," + away, "\n2\n", 2, "This needs an answer"},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				_, _ = io.WriteString(w, `{"response":[`+c.products+`]}`)
			}))
			t.Cleanup(server.Close)
			var shown bytes.Buffer
			i := Interview{Console: &Console{In: bufio.NewReader(strings.NewReader(c.answers)), Out: &shown}, HTTP: server.Client(), Now: time.Now}
			site, err := i.site(t.Context(), config.Tesla{BaseURL: server.URL, APIToken: "token"})
			if err != nil || site != c.site || !strings.Contains(shown.String(), c.shown) {
				t.Errorf("site %d, %v\n%s", site, err, shown.String())
			}
		})
	}
}
