package emulator_test

// Requests to the house's cloud as the adapters make them.

import (
	"testing"
	"time"

	"powermgr/devices/devicetest"
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
	devicetest.Visit

	cloud *vendors.Cloud
	now   time.Time
	seen  []emulator.Request
}

func newVisit(t *testing.T, o emulator.Options) *visit {
	t.Helper()
	v := &visit{Visit: devicetest.Visit{T: t, Token: "emulator-access"}, now: time.Date(2026, 7, 15, 12, 0, 0, 0, pacific)}
	o.Now = func() time.Time { return v.now }
	o.OnRequest = func(r emulator.Request) { v.seen = append(v.seen, r) }
	v.cloud = vendors.New(o, vendors.Options{})
	v.Cloud = v.cloud.Handler()
	return v
}

const site = "/api/1/energy_sites/1234567890123/"
