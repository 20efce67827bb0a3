package daemon

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"powermgr/bridge/bus"
	"powermgr/control"
)

// A daemon whose control loop has never turned, or no more, is not well.
func TestHealthz(t *testing.T) {
	for _, c := range []struct {
		name   string
		turned time.Time
		want   int
	}{
		{"it turns", time.Now(), http.StatusOK},
		{"it has turned long ago", time.Now().Add(-time.Hour), http.StatusServiceUnavailable},
		{"it has never turned", time.Time{}, http.StatusServiceUnavailable},
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
