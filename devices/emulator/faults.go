package emulator

// Faults of a vendor that can be injected: where, which and how often.

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Class is a kind of fault.
type Class string

// The fault classes.
const (
	Status  Class = "status"  // answers with Fault.Status, Body and RetryAfter; nothing is carried out
	Latency Class = "latency" // is carried out at once and answered Fault.Seconds later
	Hang    Class = "hang"    // is not carried out and never answered (504 after an hour)
	HTML    Class = "html"    // answers 200 with a web page; nothing is carried out
	Garbage Class = "garbage" // is carried out and answered with half of the body, followed by noise
	Missing Class = "missing" // is carried out; Fault.Fields are left out of the answer, at any depth
	Replace Class = "replace" // is carried out; Fault.Values replace the fields of these names in the answer, at any depth
	Ignore  Class = "ignore"  // says yes to a write and does nothing
	Idle    Class = "idle"    // carries a write out and shows it, but the Powerwall does nothing at all until the next one
	Lag     Class = "lag"     // shows the devices as they were Fault.Seconds ago
	Freeze  Class = "freeze"  // shows the devices as they were when the fault was injected
	Expire  Class = "expire"  // ends all access tokens or sessions of the vendor before the request is processed
)

func classes() []Class {
	return []Class{Status, Latency, Hang, HTML, Garbage, Missing, Replace, Ignore, Idle, Lag, Freeze, Expire}
}

// Kind is what a request is about; a fault can be limited to one.
type Kind string

// The kinds.
const (
	KindRead  Kind = "read"  // reads something
	KindWrite Kind = "write" // changes a device
	KindLogIn Kind = "login" // is about tokens or sessions
)

// A Fault says what goes wrong, where and how often. Its JSON is the body of
// POST /emulator/faults, alone or in a list.
type Fault struct {
	Endpoint   string         `json:"endpoint"`       // "tesla.backup", "tesla.*", "*"
	Only       Kind           `json:"only,omitempty"` // the only kind of request that it hits; empty: all
	Class      Class          `json:"class"`
	Count      int            `json:"count"`                 // of requests; 0: one; -1: until it is cleared, or expires
	Lasts      float64        `json:"lasts,omitempty"`       // seconds after which it expires; 0: never
	Status     int            `json:"status,omitempty"`      // of Status: 200–599
	Body       string         `json:"body,omitempty"`        // of Status
	RetryAfter int            `json:"retry_after,omitempty"` // of Status: seconds; 0: no such header
	Seconds    float64        `json:"seconds,omitempty"`     // of Latency: up to 3600; of Lag: up to 86,400
	Fields     []string       `json:"fields,omitempty"`      // of Missing
	Values     map[string]any `json:"values,omitempty"`      // of Replace
}

const (
	longestHang = time.Hour
	maxFaults   = 1000
)

// injected is a fault, and when it was added.
type injected struct {
	Fault
	at time.Time
}

func (f injected) over(now time.Time) bool {
	return f.Lasts > 0 && now.Sub(f.at).Seconds() >= f.Lasts
}

// ParseFaults parses one fault, or a list of them. The errors say what to send.
func ParseFaults(b []byte) ([]Fault, error) {
	b = bytes.TrimSpace(b)
	if len(b) == 0 {
		return nil, errors.New(`the body is empty: send {"endpoint": "tesla.backup", "class": "status", "status": 503, "count": 2}, or a list of such`)
	}
	var faults []Fault
	if b[0] != '[' {
		faults = make([]Fault, 1)
		if err := Decode(b, &faults[0]); err != nil {
			return nil, err
		}
	} else if err := Decode(b, &faults); err != nil {
		return nil, err
	}
	for i, f := range faults {
		if err := f.check(); err != nil {
			return nil, fmt.Errorf("fault %d: %w", i, err)
		}
	}
	return faults, nil
}

func (f Fault) check() error {
	switch {
	case f.Endpoint == "":
		return errors.New("no endpoint: send one such as tesla.backup, resideo.* or *")
	case !slices.Contains(classes(), f.Class):
		return fmt.Errorf("the class %.40q is none of %v", f.Class, classes())
	case f.Count < -1:
		return fmt.Errorf("a count of %d: send how many requests it hits, or -1 for until it is cleared", f.Count)
	case f.Class == Status && (f.Status < 200 || f.Status > 599):
		return fmt.Errorf("the status %d is outside 200–599", f.Status)
	case f.RetryAfter < 0:
		return fmt.Errorf("retry_after is %d seconds", f.RetryAfter)
	case f.Class == Latency && !(f.Seconds > 0 && f.Seconds <= longestHang.Seconds()):
		return fmt.Errorf("a latency of %g seconds is outside 0–%g", f.Seconds, longestHang.Seconds())
	case f.Class == Missing && len(f.Fields) == 0:
		return errors.New("no fields to leave out")
	case f.Class == Replace && len(f.Values) == 0:
		return errors.New("no values to put in")
	case f.Class == Lag && !(f.Seconds > 0 && f.Seconds <= longestLag.Seconds()):
		return fmt.Errorf("a lag of %g seconds is outside 0–%g", f.Seconds, longestLag.Seconds())
	case !(f.Lasts >= 0):
		return fmt.Errorf("a fault cannot last %g seconds", f.Lasts)
	case f.Only != "" && f.Only != KindRead && f.Only != KindWrite && f.Only != KindLogIn:
		return fmt.Errorf("only %.20q is none of %s, %s and %s", f.Only, KindRead, KindWrite, KindLogIn)
	}
	return nil
}

// Decode decodes exactly one JSON value without unknown fields.
func Decode(b []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return fmt.Errorf("the body is not as expected: %w", err)
	}
	if d.More() {
		return errors.New("the body goes on after its end")
	}
	return nil
}

// AddFaults injects faults, all or none of them. If several match a request, only the
// one that was added first happens. The error says what to send instead.
func (c *Cloud) AddFaults(faults ...Fault) error {
	for _, f := range faults {
		if err := f.check(); err != nil {
			return err
		}
		if !slices.ContainsFunc(c.endpoints, func(endpoint string) bool { return c.hits(f, endpoint) }) {
			return fmt.Errorf("there is no endpoint %.40q: send one of %s, a prefix of these with *, or *", f.Endpoint, strings.Join(c.endpoints, ", "))
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.faults)+len(faults) > maxFaults {
		return fmt.Errorf("there are %d faults already: clear them first", len(c.faults))
	}
	now := c.options.Now()
	for _, f := range faults {
		if f.Count == 0 {
			f.Count = 1
		}
		c.faults = append(c.faults, injected{f, now})
	}
	return nil
}

// ClearFaults ends all faults.
func (c *Cloud) ClearFaults() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.faults = nil
}

// ActiveFaults returns the faults that have not expired.
func (c *Cloud) ActiveFaults() []Fault {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.end()
	all := []Fault{}
	for _, f := range c.faults {
		all = append(all, f.Fault)
	}
	return all
}

// end removes the faults that have expired. The lock is held.
func (c *Cloud) end() {
	now := c.options.Now()
	c.faults = slices.DeleteFunc(c.faults, func(f injected) bool { return f.over(now) })
}

// hits reports whether a fault hits the requests to endpoint.
func (c *Cloud) hits(f Fault, endpoint string) bool {
	prefix, wild := strings.CutSuffix(f.Endpoint, "*")
	return (f.Endpoint == endpoint || wild && strings.HasPrefix(endpoint, prefix)) && (f.Only == "" || f.Only == c.kind(endpoint))
}

// take returns the fault that hits a request to endpoint, and counts it; the zero fault
// is none. The lock is held.
func (c *Cloud) take(endpoint string) injected {
	c.end()
	i := slices.IndexFunc(c.faults, func(f injected) bool { return c.hits(f.Fault, endpoint) })
	if i < 0 {
		return injected{}
	}
	hit := c.faults[i]
	if hit.Count > 0 {
		if c.faults[i].Count--; c.faults[i].Count == 0 {
			c.faults = slices.Delete(c.faults, i, i+1)
		}
	}
	return hit
}

// shows returns the house, as of the time that a request of that kind is shown.
func (f injected) shows(h *House, kind Kind) *House {
	switch {
	case kind != KindRead:
		return h
	case f.Class == Lag:
		return h.asOf(h.at.Add(-time.Duration(f.Seconds * float64(time.Second))))
	case f.Class == Freeze:
		return h.asOf(f.at)
	}
	return h
}

// wait returns how long the answer takes.
func (f Fault) wait() time.Duration {
	switch f.Class {
	case Latency:
		return time.Duration(f.Seconds * float64(time.Second))
	case Hang:
		return longestHang
	}
	return 0
}

const brokenPage = "<!DOCTYPE html>\r\n<html><head><title>Unexpected Error</title></head><body><h1>Unexpected Error</h1><p>Please try again later.</p></body></html>\r\n"

// answer answers in place of the vendor, if the fault requires that.
func (f Fault) answer(w http.ResponseWriter) bool {
	switch f.Class {
	case Status:
		if f.RetryAfter > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(f.RetryAfter))
		}
		if json.Valid([]byte(f.Body)) {
			w.Header().Set("Content-Type", "application/json")
		}
		w.WriteHeader(f.Status)
		_, _ = w.Write([]byte(f.Body))
	case HTML:
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write([]byte(brokenPage))
	default:
		return false
	}
	return true
}

// spoil damages the vendor's answer.
func (f Fault) spoil(r *recorder) {
	switch f.Class {
	case Garbage:
		r.body.Truncate(r.body.Len() / 2)
		r.body.WriteString("\x00\xff{{")
	case Missing, Replace:
		var v any
		d := json.NewDecoder(bytes.NewReader(r.body.Bytes()))
		d.UseNumber()
		if d.Decode(&v) != nil {
			return
		}
		if b, err := json.Marshal(changed(v, f.Fields, f.Values)); err == nil {
			r.body.Reset()
			r.body.Write(b)
		}
	}
}

// changed returns v without the fields named in without, and with the fields named in
// values replaced.
func changed(v any, without []string, values map[string]any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, inner := range v {
			if slices.Contains(without, k) {
				delete(v, k)
				continue
			}
			if value, ok := values[k]; ok {
				v[k] = value
				continue
			}
			v[k] = changed(inner, without, values)
		}
	case []any:
		for i := range v {
			v[i] = changed(v[i], without, values)
		}
	}
	return v
}
