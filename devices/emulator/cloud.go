// Package emulator emulates the vendors' clouds over HTTP, on top of a physical model
// of a house: Tesla, Honeywell Home (Resideo), Total Connect Comfort and Open-Meteo on
// one handler, with the quirks of the real ones. Energy is conserved.
//
// Every request first applies the faults that were requested, then advances the house
// to the present, and then is answered. The time is that of Options.Now.
package emulator

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"
	_ "time/tzdata" // so that the home has its time zone on every machine
)

// Options configure an emulated cloud.
type Options struct {
	Now      func() time.Time                                 // required
	Location *time.Location                                   // of the home; nil: America/Los_Angeles
	Seed     uint64                                           // of all randomness
	Sleep    func(ctx context.Context, d time.Duration) error // for injected latency and hangs; nil: real time
	House    HouseOptions                                     // zero fields: the default house
	Weather  Weather                                          // nil: hot in May–October, cold otherwise
	Tesla    TeslaOptions
	Resideo  ResideoOptions
	TCC      TCCOptions
	// ForecastErrorF is added to the temperatures that Open-Meteo forecasts, in °F.
	ForecastErrorF float64
	// ForecastSky is the relative error of the sun that Open-Meteo forecasts, up or down,
	// different for each day: 0.25 is a quarter.
	ForecastSky float64
	// OnRequest is called for every request after it was answered; may be nil. It runs
	// under the cloud's lock and must not call the cloud.
	OnRequest func(Request)
}

// A Request is one request and its outcome.
type Request struct {
	At       time.Time
	Vendor   string // "tesla", "resideo", "tcc", "openmeteo"
	Endpoint string // such as "tesla.backup", the name by which faults select it
	Method   string
	Status   int    // 0: it was left hanging
	Fault    Class  // the class of the injected fault; "": none
	Injected Fault  // the fault in full
	Write    *Write // the command to a device; nil: it was a read, or not understood
}

// A Write is a command as an adapter sent it.
type Write struct {
	Device  string // "powerwall", or a thermostat's LCC id
	Values  map[string]any
	Carried bool // it was carried out, or is on its way to the device
}

// Cloud is the emulated vendors. Its methods may be called from any goroutine.
type Cloud struct {
	options   Options
	mux       *http.ServeMux
	endpoints []string          // set by New only
	expiries  map[string]func() // by vendor: ends its access tokens or sessions, under the lock; set by New only

	mu     sync.Mutex // guards the fields below
	house  *House
	rand   *rand.Rand
	faults []injected
	tesla  teslaState
	rest   restState
	portal portalState
	told   told // by Open-Meteo
}

// New returns a cloud with a new house.
func New(o Options) *Cloud {
	if o.Location == nil {
		o.Location = losAngeles()
	}
	if o.Sleep == nil {
		o.Sleep = realSleep
	}
	c := &Cloud{options: o, mux: http.NewServeMux(), expiries: map[string]func(){}, rand: rand.New(rand.NewPCG(o.Seed, 0x706f776572))}
	c.house = newHouse(o)
	c.teslaRoutes(c.mux)
	c.resideo(c.mux)
	c.tcc(c.mux)
	c.expiries["tcc"] = func() { clear(c.portal.sessions) }
	c.openMeteo(c.mux)
	c.controls(c.mux)
	return c
}

// Handler serves all vendors; their paths do not collide.
func (c *Cloud) Handler() http.Handler { return c.mux }

// Truth returns the true state of the house now.
func (c *Cloud) Truth() Truth {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.house.Step(c.options.Now())
	return c.house.Truth()
}

// Refreshes reports whether vendor, tesla or resideo, still issues new tokens for a
// refresh token.
func (c *Cloud) Refreshes(vendor, token string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := map[string]*tokens{"tesla": &c.tesla.tokens, "resideo": &c.rest.tokens}[vendor]
	return t != nil && good(t.refresh, token, c.options.Now())
}

// Look calls see with the house as it was at the last full minute, or at the last
// request since. The house advances minute by minute anyway, so its day is the same
// whether or not anybody looks.
func (c *Cloud) Look(see func(h *House)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.house.Step(c.options.Now().Truncate(time.Minute))
	see(c.house)
}

// Person lets somebody in the house, or in a vendor's app, change something now.
func (c *Cloud) Person(change func(h *House)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.house.Step(c.options.Now())
	change(c.house)
}

// An answerer answers one request; it runs under the cloud's lock, after the house has
// been advanced to the present.
type answerer func(w http.ResponseWriter, r *http.Request, h *House)

// longestBody is the longest request body that is read.
const longestBody = 1 << 20

// handle serves pattern. endpoint is the name by which faults select it.
func (c *Cloud) handle(mux *http.ServeMux, pattern, endpoint string, f answerer) {
	c.endpoints = append(c.endpoints, endpoint)
	mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, longestBody))
		if err != nil {
			http.Error(w, "the body is too long", http.StatusRequestEntityTooLarge)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		c.serve(w, r, endpoint, f)
	})
}

// serve applies faults to one request, and then answers it.
func (c *Cloud) serve(w http.ResponseWriter, r *http.Request, endpoint string, f answerer) {
	vendor, _, _ := strings.Cut(endpoint, ".")
	answer := &recorder{header: http.Header{}, status: http.StatusOK}

	c.mu.Lock()
	fault := c.take(endpoint)
	now := c.options.Now()
	c.house.Step(now)
	req := Request{At: now, Vendor: vendor, Endpoint: endpoint, Method: r.Method, Fault: fault.Class, Injected: fault.Fault}
	if expire := c.expiries[vendor]; fault.Class == Expire && expire != nil {
		expire()
	}
	if fault.Class != Hang && !fault.answer(answer) {
		c.house.hit, c.house.asked = fault.Class, nil
		f(answer, r, fault.shows(c.house, endpoint))
		req.Write, c.house.asked, c.house.hit = c.house.asked, nil, ""
		fault.spoil(answer)
	}
	if fault.Class != Hang {
		req.Status = answer.status
	}
	if c.options.OnRequest != nil {
		c.options.OnRequest(req)
	}
	c.mu.Unlock()

	if wait := fault.wait(); wait > 0 && c.options.Sleep(r.Context(), wait) != nil {
		return // the caller has gone
	}
	if fault.Class == Hang {
		w.WriteHeader(http.StatusGatewayTimeout)
		return
	}
	answer.send(w)
}

// recorder holds back an answer until the lock is free.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) WriteHeader(status int)      { r.status = status }
func (r *recorder) Write(b []byte) (int, error) { return r.body.Write(b) }

func (r *recorder) send(w http.ResponseWriter) {
	maps.Copy(w.Header(), r.header)
	w.WriteHeader(r.status)
	_, _ = w.Write(r.body.Bytes()) // it does not matter if the caller has gone
}

// reply answers with JSON.
func reply(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	answer(w, status, b, err)
}

// answer is reply with what Marshal returned.
func answer(w http.ResponseWriter, status int, b []byte, err error) {
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(b)
}

// controls serves the endpoints that only an emulator has.
func (c *Cloud) controls(mux *http.ServeMux) {
	mux.HandleFunc("GET /emulator/state", func(w http.ResponseWriter, _ *http.Request) { reply(w, http.StatusOK, c.Truth()) })
	mux.HandleFunc("GET /emulator/faults", func(w http.ResponseWriter, _ *http.Request) { reply(w, http.StatusOK, c.ActiveFaults()) })
	mux.HandleFunc("DELETE /emulator/faults", func(w http.ResponseWriter, _ *http.Request) {
		c.ClearFaults()
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("POST /emulator/faults", func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, longestBody))
		var faults []Fault
		if err == nil {
			faults, err = ParseFaults(b)
		}
		if err == nil {
			err = c.AddFaults(faults...)
		}
		if err != nil {
			reply(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
			return
		}
		reply(w, http.StatusOK, c.ActiveFaults())
	})
	mux.HandleFunc("POST /emulator/history", func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, longestBody))
		var q HistoryQuirks
		if err == nil {
			err = decode(b, &q)
		}
		if err != nil {
			reply(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
			return
		}
		c.SetHistory(q)
		reply(w, http.StatusOK, q)
	})
	mux.HandleFunc("POST /emulator/people", func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, longestBody))
		if err == nil {
			err = c.people(b)
		}
		if err != nil {
			reply(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
			return
		}
		reply(w, http.StatusOK, c.Truth())
	})
}

func realSleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func losAngeles() *time.Location {
	home, err := time.LoadLocation("America/Los_Angeles")
	if err != nil { // impossible with the built-in time zones
		return time.UTC
	}
	return home
}
