// Package devicetest is the suite that every adapter passes. It opens the
// adapter on an emulated vendor, over real HTTP and on a clock of its own, and
// holds it to what the rest of the program relies on:
//
//   - a reading is what the house truly is, and what is unknown is nil;
//   - a command is absolute, shows in a later reading, and touches nothing else;
//   - what cannot be is Refused before anything is sent;
//   - every failure is a *devices.Error of the right kind, without a secret, and
//     MaybeDone whenever the house may have been changed;
//   - no call asks a vendor more than a few times, and when the trouble is over
//     the next call is good again.
//
// It will not look inside an adapter: what only one vendor has is tested beside
// that vendor's adapter.
package devicetest

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"powermgr/devices"
	"powermgr/devices/emulator/vendors"
)

// A PowerwallDevice is an adapter for a battery.
type PowerwallDevice interface {
	Read(context.Context) (devices.PowerwallReading, error)
	Apply(context.Context, devices.PowerwallCommand) error
}

// A ThermostatDevice is an adapter for the thermostats of an account.
type ThermostatDevice interface {
	Read(context.Context) ([]devices.ThermostatReading, error)
	Apply(ctx context.Context, id string, cmd devices.ThermostatCommand) error
}

// A Forecaster is an adapter for the weather.
type Forecaster interface {
	Read(context.Context) (devices.Forecast, error)
}

// House is where an adapter is to be opened. Everything in it is set.
type House struct {
	URL      string       // of the emulated vendor
	HTTP     *http.Client // the adapter may use no other
	Now      func() time.Time
	Sleep    func(context.Context, time.Duration) error // lets the clock jump
	Location *time.Location                             // of the home
	Log      *slog.Logger                               // is searched for secrets
	Dir      string                                     // for files; one that is there already is from before a restart
}

// Vendor is what the suite has to know of one vendor.
type Vendor struct {
	Name string // as errors have it: "tesla"

	// Endpoints are all that the adapter asks, each once for every kind of call
	// that asks it. The first is one that a fresh adapter asks.
	Endpoints []Endpoint
	// Differs lists where a fault does not come to what it usually does. The
	// first that fits counts.
	Differs []Difference
	// Unknown says, by a field that the vendor may leave out, which pointer of
	// the reading is nil then: "solar_power": "SolarPower". All others stay.
	Unknown map[string]string

	// Numbers says that a thermostat's vendor id is its number and not its LCC id.
	Numbers bool

	// Settle is the longest that an accepted command takes to show. 0: it
	// shows at once.
	Settle time.Duration
	// Rest is how long after one log-in the next may be. 0: at once.
	Rest time.Duration
	// SignIn is the endpoint that a dead token or session leads to; empty: the
	// vendor knows neither.
	SignIn string
	// Kill ends all tokens or sessions; nil if SignIn is empty.
	Kill func(*vendors.Cloud)
	// Revoke ends the authorization for good; nil: that cannot be.
	Revoke func(*vendors.Cloud)

	// Secrets must not be in an error or a log. What the adapter sends as a
	// token, a cookie or a query is among them without being listed.
	Secrets []string
}

// An Endpoint is something that the adapter asks of the vendor.
type Endpoint struct {
	Name string // as the emulator has it: "tesla.backup"
	// Vital is a field without which the answer is none; empty: there is none.
	Vital string
	// Command names the command that asks it; empty: Read does.
	Command string
	// Cold says that only the first call of a fresh adapter asks it.
	Cold bool
	// Writes says that the request itself changes the device.
	Writes bool
}

func (e Endpoint) String() string {
	if e.Command == "" {
		return e.Name
	}
	return e.Name + " for " + e.Command
}

// A Difference says what a fault comes to at an endpoint.
type Difference struct {
	Endpoint string // a pattern as of path.Match: "tcc.*"
	Fault    string // a pattern: "40[13]", "web page"
	Kind     devices.Kind
}

// Good is the Kind of a call that succeeds in spite of a fault.
const Good devices.Kind = -1
