package daemon

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"powermgr/bridge/bus"
	"powermgr/control"
)

// A daemon whose control loop has never run, or no longer runs, is not healthy.
func TestHealthz(t *testing.T) {
	for _, c := range []struct {
		name   string
		turned time.Time
		want   int
	}{
		{"it runs", time.Now(), http.StatusOK},
		{"it ran long ago", time.Now().Add(-time.Hour), http.StatusServiceUnavailable},
		{"it has never run", time.Time{}, http.StatusServiceUnavailable},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := &Daemon{Bus: bus.New(bus.Wall{}), lastStep: c.turned, controller: &control.Controller{}}
			res := httptest.NewRecorder()
			web{d: d}.handler().ServeHTTP(res, httptest.NewRequest(http.MethodGet, "/healthz", nil))
			if res.Code != c.want {
				t.Errorf("%d: %s", res.Code, res.Body)
			}
		})
	}
}
