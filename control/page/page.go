// Package page shows the home in a browser, and lets people override the controller
// there. It is a client of the bus like any other: it reads the topics that everybody
// reads, and publishes what a person presses on the topics that a person would use.
//
// It decides nothing, calls no vendor, and loads nothing from anywhere else. What it
// remembers is limited: the last decisions, the last refused commands, and one
// rendering that all browsers share.
package page

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"html/template"
	"log/slog"
	"slices"
	"sync"
	"time"

	"powermgr/bridge/bus"
	"powermgr/control"
	"powermgr/control/rules"
	"powermgr/devices"
)

// Options are what a Page needs.
type Options struct {
	Bus      *bus.Bus       // required
	Topics   devices.Topics // required
	Settings rules.Settings // the configured rules; required
	Node     string         // this node's name on topics
	Version  string         // of powermgr
	Active   func() bool    // whether this node is the active one; required
	Access   Access         // who may use the page
	Past     Past           // past days; nil: there are none
	// Before are today's decisions of an earlier daemon, the oldest first. Empty: none
	// are known.
	Before []control.Event
	// Check reads the configuration as it is now, and describes in plain words what
	// would happen with it, or what is wrong. Nil: it cannot be checked here.
	Check func() string
	Log   *slog.Logger // required
}

// Past provides the reports of days, including today's so far.
type Past interface {
	// Days returns the newest days with a report, the newest first, at most most of
	// them.
	Days(most int) []Day
	// Report returns the report of a day as a self-contained page. The error says that
	// there is none.
	Report(date string) ([]byte, error)
	// FirstWeek returns what the current dry run would have done, as a self-contained
	// page. The error says that there is no dry run.
	FirstWeek() ([]byte, error)
}

// A Day is a day with a report.
type Day struct {
	Date     string // 2026-07-15
	Headline string // the result of the day in one line
}

// The most that is remembered.
const (
	maxEvents   = 30
	maxRefused  = 5
	maxAwaiting = 32  // commands that wait for an answer
	maxReason   = 300 // characters of a decision: somebody else's words may be in it
)

// A Page is the page, for all browsers.
type Page struct {
	Options
	sub       *bus.Subscription
	templates *template.Template
	build     string // changes with the program; a browser with another one reloads the page

	mu       sync.Mutex
	events   []control.Event // the newest last
	refused  []control.Event // the newest last
	awaiting map[string]chan devices.Result
	changed  chan struct{} // closed when something has changed
	rendered rendering

	streams chan struct{} // holds a token for each browser that listens for changes
	logins  attempts
	drawMu  sync.Mutex // one report is drawn at a time
}

// New returns a page that is already subscribed. The error is about its templates,
// which are part of the program.
func New(o Options) (*Page, error) {
	sum := sha256.Sum256([]byte(o.Version + style + script))
	p := &Page{
		Options: o, build: hex.EncodeToString(sum[:6]),
		awaiting: map[string]chan devices.Result{}, changed: make(chan struct{}), streams: make(chan struct{}, maxStreams),
	}
	t, err := p.parse()
	if err != nil {
		return nil, err
	}
	p.templates = t
	for _, e := range o.Before {
		p.remember(e)
	}
	topics, each := o.Topics, "+"
	p.sub = o.Bus.Subscribe("page",
		topics.Powerwall(devices.StateLeaf), topics.Powerwall(devices.AvailLeaf), topics.Powerwall(devices.APILeaf),
		topics.Thermostat(each, devices.StateLeaf), topics.Thermostat(each, devices.AvailLeaf), topics.Thermostats(devices.APILeaf),
		topics.Weather(devices.StateLeaf), topics.Control(each), topics.Control(each+devices.ResultSuffix),
		topics.NodeState(each), bus.LinkHealth, bus.Role)
	return p, nil
}

// Run follows the bus until ctx ends, and returns ctx's error.
func (p *Page) Run(ctx context.Context) error {
	defer p.sub.Close()
	for {
		m, _, err := p.sub.Next(ctx, time.Time{})
		if err != nil {
			return err
		}
		levels, _ := p.Topics.Split(m.Topic)
		p.mu.Lock()
		switch {
		case len(levels) == 3 && "/"+levels[2] == devices.ResultSuffix:
			p.deliverAnswer(m)
		case m.Topic == p.Topics.Control(devices.EventLeaf):
			if e, err := bus.Decode[control.Event](m); err == nil {
				p.remember(e)
			}
		}
		close(p.changed)
		p.changed = make(chan struct{})
		p.mu.Unlock()
	}
}

// remember keeps the last decisions, and separately the last refusals: a busy day must
// not push those out. The caller holds the lock, or has the only reference to p.
func (p *Page) remember(e control.Event) {
	if text := []rune(e.Reason); len(text) > maxReason {
		e.Reason = string(text[:maxReason]) + "…"
	}
	p.events = newest(append(p.events, e), maxEvents)
	if e.Type == rules.NoteRefused {
		p.refused = newest(append(p.refused, e), maxRefused)
	}
}

// newest returns the last most elements of a list, without holding on to the others.
func newest[T any](list []T, most int) []T {
	if len(list) <= most {
		return list
	}
	return slices.Clone(list[len(list)-most:])
}

// deliverAnswer passes an answer to whoever sent the command. The caller holds the
// lock.
func (p *Page) deliverAnswer(m bus.Message) {
	r, err := bus.Decode[devices.Result](m)
	if err != nil {
		return
	}
	if waiting, ok := p.awaiting[r.ID]; ok {
		delete(p.awaiting, r.ID)
		waiting <- r // it has room for one
	}
}

// changes returns a channel that is closed when something changes after this call.
func (p *Page) changes() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.changed
}
