// Package emulator emulates a house, and what the clouds of all vendors have in common:
// one handler, the time, the faults that can be injected, and the log of requests. It
// knows no vendor: the folders below it have a dialect each, and package vendors puts all
// of them on one cloud. Energy is conserved.
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
	"net/http"
	"strings"
	"sync"
	"time"
	_ "time/tzdata" // so that the home has its time zone on every machine
)

// Options configure an emulated house and its cloud.
type Options struct {
	Now      func() time.Time                                 // required
	Location *time.Location                                   // of the home; nil: America/Los_Angeles
	Seed     uint64                                           // of all randomness
	Sleep    func(ctx context.Context, d time.Duration) error // for injected latency and hangs; nil: real time
	House    HouseOptions                                     // zero fields: the default house
	Weather  Weather                                          // nil: hot in May–October, cold otherwise
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

// Cloud serves the vendors that were put on it. Its methods may be called from any
// goroutine, except for Add, Handle and Control, which come before the first request.
type Cloud struct {
	options   Options
	mux       *http.ServeMux
	vendors   map[string]Vendor // by name
	endpoints []string

	mu     sync.Mutex // guards the fields below, and the state of the vendors
	house  *House
	faults []injected
}

// A Vendor is what the cloud has to know of one.
type Vendor struct {
	Name   string          // the first part of its endpoints' names: "tesla"
	Kinds  map[string]Kind // of its endpoints; those that are not listed are reads
	Expire func()          // ends its access tokens or sessions, under the lock; nil: it has none
}

// New returns a cloud with a new house, and without vendors.
func New(o Options) *Cloud {
	if o.Location == nil {
		o.Location = losAngeles()
	}
	if o.Sleep == nil {
		o.Sleep = realSleep
	}
	c := &Cloud{options: o, mux: http.NewServeMux(), vendors: map[string]Vendor{}}
	c.house = newHouse(o)
	c.controls()
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

// Now returns the present time.
func (c *Cloud) Now() time.Time { return c.options.Now() }

// Seed returns the seed of all randomness.
func (c *Cloud) Seed() uint64 { return c.options.Seed }

// Locked calls do while no request is answered; the house does not advance. This is how
// a vendor's state is changed from outside.
func (c *Cloud) Locked(do func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	do()
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

// An Answerer answers one request; it runs under the cloud's lock, after the house has
// been advanced to the present. A fault may show it the house as it was.
type Answerer func(w http.ResponseWriter, r *http.Request, h *House)

// longestBody is the longest request body that is read.
const longestBody = 1 << 20

// Add puts a vendor on the cloud; Handle serves its endpoints.
func (c *Cloud) Add(v Vendor) { c.vendors[v.Name] = v }

// vendor returns the vendor of an endpoint.
func (c *Cloud) vendor(endpoint string) Vendor {
	name, _, _ := strings.Cut(endpoint, ".")
	return c.vendors[name]
}

// kind returns the kind of the requests to an endpoint.
func (c *Cloud) kind(endpoint string) Kind {
	if k, ok := c.vendor(endpoint).Kinds[endpoint]; ok {
		return k
	}
	return KindRead
}

// Handle serves pattern. endpoint is the name by which faults select it: "tesla.backup".
func (c *Cloud) Handle(pattern, endpoint string, f Answerer) {
	c.endpoints = append(c.endpoints, endpoint)
	c.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
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
func (c *Cloud) serve(w http.ResponseWriter, r *http.Request, endpoint string, f Answerer) {
	vendor := c.vendor(endpoint)
	answer := &recorder{header: http.Header{}, status: http.StatusOK}

	c.mu.Lock()
	fault := c.take(endpoint)
	now := c.options.Now()
	c.house.Step(now)
	req := Request{At: now, Vendor: vendor.Name, Endpoint: endpoint, Method: r.Method, Fault: fault.Class, Injected: fault.Fault}
	if fault.Class == Expire && vendor.Expire != nil {
		vendor.Expire()
	}
	if fault.Class != Hang && !fault.answer(answer) {
		c.house.hit, c.house.asked = fault.Class, nil
		f(answer, r, fault.shows(c.house, c.kind(endpoint)))
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

// Reply answers with JSON.
func Reply(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(b)
}

// Control serves something that no vendor has, but an emulator: faults do not hit it, and
// it is not a request to a vendor. An answer of nil is empty; an error answers 400.
func (c *Cloud) Control(pattern string, f func(body []byte) (answer any, err error)) {
	c.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, longestBody))
		var answer any
		if err == nil {
			answer, err = f(b)
		}
		switch {
		case err != nil:
			Reply(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
		case answer == nil:
			w.WriteHeader(http.StatusNoContent)
		default:
			Reply(w, http.StatusOK, answer)
		}
	})
}

// controls serves what everybody may see and change of the house and its cloud.
func (c *Cloud) controls() {
	c.Control("GET /emulator/state", func([]byte) (any, error) { return c.Truth(), nil })
	c.Control("GET /emulator/faults", func([]byte) (any, error) { return c.ActiveFaults(), nil })
	c.Control("DELETE /emulator/faults", func([]byte) (any, error) {
		c.ClearFaults()
		return nil, nil
	})
	c.Control("POST /emulator/faults", func(b []byte) (any, error) {
		faults, err := ParseFaults(b)
		if err == nil {
			err = c.AddFaults(faults...)
		}
		if err != nil {
			return nil, err
		}
		return c.ActiveFaults(), nil
	})
	c.Control("POST /emulator/people", func(b []byte) (any, error) {
		if err := c.people(b); err != nil {
			return nil, err
		}
		return c.Truth(), nil
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
