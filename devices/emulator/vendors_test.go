package emulator_test

// Requests to the house's cloud as the adapters make them.

import (
	"encoding/json"
	"io"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"powermgr/devices/emulator"
	"powermgr/devices/emulator/vendors"
)

var pacific = func() *time.Location {
	l, err := time.LoadLocation("America/Los_Angeles")
	if err != nil {
		panic(err)
	}
	return l
}()

// A visit is a cloud with a clock, and requests to it without a network.
type visit struct {
	t     *testing.T
	cloud *vendors.Cloud
	now   time.Time
	seen  []emulator.Request
	token string
}

func newVisit(t *testing.T, o emulator.Options) *visit {
	t.Helper()
	v := &visit{t: t, now: time.Date(2026, 7, 15, 12, 0, 0, 0, pacific), token: "emulator-access"}
	o.Now = func() time.Time { return v.now }
	o.OnRequest = func(r emulator.Request) { v.seen = append(v.seen, r) }
	v.cloud = vendors.New(o, vendors.Options{})
	return v
}

// do sends a request with a JSON body ("" none) and returns status and body.
func (v *visit) do(method, path, body string, header ...string) (int, string) {
	v.t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+v.token)
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	v.cloud.Handler().ServeHTTP(w, r)
	b, err := io.ReadAll(w.Result().Body)
	if err != nil {
		v.t.Fatal(err)
	}
	return w.Code, string(b)
}

// get reads the response of Tesla's envelope.
func (v *visit) get(path string) map[string]any {
	v.t.Helper()
	status, body := v.do("GET", path, "")
	var e struct{ Response map[string]any }
	if status != 200 || json.Unmarshal([]byte(body), &e) != nil {
		v.t.Fatalf("%s: %d %s", path, status, body)
	}
	return e.Response
}

const site = "/api/1/energy_sites/1234567890123/"
