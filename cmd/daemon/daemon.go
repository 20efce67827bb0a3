// Package daemon wires the program together: which parts there are, in which order they
// start, and what each is given. powermgr run, the demo, the simulator and the tests
// all start the same thing.
package daemon

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"powermgr/bridge"
	"powermgr/bridge/bus"
	"powermgr/cmd/config"
	"powermgr/cmd/local"
	"powermgr/cmd/pair"
	"powermgr/control"
	"powermgr/control/forecast"
	"powermgr/control/health"
	"powermgr/control/journal"
	"powermgr/control/notify"
	"powermgr/control/planner"
	"powermgr/control/rules"
	"powermgr/devices"
)

// Parts says which half of the program a process is.
type Parts int

// The halves. Both can also be processes of their own at the same broker.
const (
	Whole Parts = iota
	BridgeAlone
	ControlAlone
)

// Options are what differs between the daemon of an installation, the demo, the
// simulator and a test.
type Options struct {
	Config  config.Config
	Version string // as shown to people; empty: unknown
	Parts   Parts
	Clock   bus.Clock    // nil: the machine's
	Log     *slog.Logger // required
	// Transport carries the requests to the vendors. Nil: the network.
	Transport http.RoundTripper
	// Link makes the connection of the bus to a broker. Nil: bridge.NewLink.
	Link func(bridge.LinkOptions) (func(context.Context) error, error)
	// Journal is where the journal is stored. Nil: paths.journal_file.
	Journal journal.Disk
	// Peer is where the other node's journal is copied to, if Journal is given.
	Peer journal.Disk
	// Past returns the home's past up to now, oldest first. Nil: the history and the
	// records of days, unless Journal is given: then there is none.
	Past func(now time.Time) []forecast.Sample
	// Rooms returns the past of the thermostats' zones up to now. Nil: it is learned
	// while the daemon runs.
	Rooms func(now time.Time) []planner.RoomHistory
	// Counters store the energy counters: the first often, on the ramdisk, the second
	// safely, on the disk. The first also stores a forecast set by hand, the second how
	// long vendors want to be left alone. Nil: paths.ramdisk_state_file, and a file
	// beside the journal.
	Counters [2]bridge.Store
	// RuntimeDir is where the socket, the health file and the role from keepalived are.
	// It should outlive the daemon, but not a reboot. Empty: there are none of these.
	RuntimeDir string
	// Role stores the role that keepalived last set. Nil: in RuntimeDir, if there is
	// one.
	Role pair.RoleStore
	// HeldBack makes this a dry run although the configuration does not ask for one;
	// see BeginDry.
	HeldBack bool
	// Reload replaces this daemon by another with the configuration as it then is. Nil:
	// it cannot be replaced.
	Reload func()
	// Check reads the configuration as it then is, and describes in plain words what
	// would happen with it. Nil: it describes Config.
	Check func() string
	// Last is the daemon before this one in the same process: this one runs when that
	// one has ended, and continues from it. Nil: there is none.
	Last *Daemon
	// Drawn is called after each picture of the day, which is much work for a small
	// machine. Nil: nothing is called.
	Drawn func()
	// Began and Ended are called for each part's goroutine, for a clock that waits
	// until no work is left. Nil: nothing is called.
	Began, Ended func()
	// Chance randomizes retries, from 0 to 1. Nil: at random.
	Chance func() float64
}

// A Daemon is the whole program, or a half of it, ready to run.
type Daemon struct {
	Bus *bus.Bus

	options        Options
	clockCheck     *clockCheck
	calendar       rules.Calendar // when power is expensive
	coming         coming
	parts          []part
	accounts       []account           // with the vendors
	closed         chan struct{}       // when the accounts are
	controller     *control.Controller // nil: in another process
	planner        *planner.Planner    // nil: in another process
	watcher        *health.Watcher     // nil: in another process
	mail           *notify.Notifier    // nil: in another process
	node           pair.Node
	linked         *bridge.Link        // nil: none, or another kind of link
	thermostatPart *bridge.Thermostats // nil: there are none, or they are in another process

	last              *Daemon         // that this one follows, until it runs; nil: none
	lastStep          time.Time       // when the control loop last turned there
	predecessorClosed <-chan struct{} // closed when that one's accounts are; nil: it follows none
}

// coming is what comes next by the calendar; several parts ask for it.
type coming struct {
	mu sync.Mutex
	rules.Coming
}

// An account is an adapter that has something to save at its end: Close waits, until
// ctx ends, for an answer that may still come.
type account interface {
	Close(ctx context.Context) error
}

// A part is one goroutine: a loop that ends with its context.
type part struct {
	name string
	run  func(context.Context) error
}

// complete fills in defaults.
func (o Options) complete() Options {
	if o.Clock == nil {
		o.Clock = bus.Wall{}
	}
	if o.Began == nil {
		o.Began, o.Ended = func() {}, func() {}
	}
	if o.Role == nil && o.RuntimeDir != "" {
		o.Role = pair.RoleFile(o.RuntimeDir)
	}
	if o.HeldBack {
		o.Config.Settings.DryRun = true
	}
	if o.Counters[0] == nil {
		o.Counters = [2]bridge.Store{bridge.NewFileStore(o.Config.Paths.RamdiskStateFile), bridge.NewFileStore(o.Config.Beside("energy.json"))}
	}
	return o
}

// New builds a daemon. It reads token files and certificates, and starts nothing; its
// errors are about the configuration.
func New(o Options) (*Daemon, error) {
	o = o.complete()
	c := o.Config
	d := &Daemon{Bus: bus.New(o.Clock), options: o, calendar: c.Calendar(), closed: make(chan struct{}), last: o.Last}
	d.options.Last = nil // one that has ended is kept no longer than it is needed
	if o.Last != nil {
		d.lastStep, d.predecessorClosed = o.Last.LastStep(), o.Last.closed
	}
	d.clockCheck = &clockCheck{offsets: map[string]time.Duration{}, report: func(r health.Report) { d.Report(health.Clock, r) }}
	shared := bridge.Shared{Bus: d.Bus, Topics: devices.Topics{Base: c.MQTT.BaseTopic}, Log: o.Log, Chance: o.Chance, Limits: o.Counters[1]}
	d.node = pair.New(pair.Options{
		Shared: shared, Name: c.HA.Node, Version: o.Version, DryRun: c.Settings.DryRun, Paired: c.HA.Enabled, Store: o.Role, Health: d.health,
		Share: map[Parts]pair.Share{Whole: pair.Whole, BridgeAlone: pair.Half, ControlAlone: pair.SilentHalf}[o.Parts],
	})
	shared.Role = d.node

	var problems []error
	add := func(name string, run func(context.Context) error, err error) {
		if err != nil {
			problems = append(problems, err)
			return
		}
		d.parts = append(d.parts, part{name, run})
	}
	// The controller subscribes first, so that it hears every first reading.
	if o.Parts != BridgeAlone {
		d.addControl(shared)
	}
	if o.Parts != ControlAlone {
		for _, p := range []func(bridge.Shared) (string, func(context.Context) error, error){d.powerwall, d.thermostats, d.weather, d.announcer} {
			if name, run, err := p(shared); name != "" {
				add(name, run, err)
			}
		}
	}
	add("node", d.node.Run, nil)
	run, err := d.link(shared)
	add("link", run, err)
	if o.RuntimeDir != "" {
		add("local", local.New(local.Options{
			Dir: o.RuntimeDir, Log: o.Log.With("part", "local"), Bus: d.Bus, Config: c, Version: o.Version, HeldBack: o.HeldBack,
			Node: d.node.State, Alive: d.Alive, SetRole: d.SetRole, GoLive: d.goLive,
		}).Run, nil)
	}
	if c.HTTP.Listen != "" {
		w := web{d: d, listen: c.HTTP.Listen, log: o.Log.With("part", "http")}
		if o.Parts != BridgeAlone {
			p, err := d.newPage(shared)
			if w.page = p; err == nil {
				add("page", p.Run, nil)
			} else {
				problems = append(problems, err)
			}
		}
		add("http", w.Run, nil)
	}
	if len(problems) == 0 && d.last != nil && d.linked != nil {
		d.linked.Follow(d.last.linked)
	}
	return d, errors.Join(problems...)
}

// addControl adds the controller and the parts that go with it.
func (d *Daemon) addControl(shared bridge.Shared) {
	c := d.options.Config
	d.controller = d.newController(shared)
	d.planner = d.newPlanner(shared)
	d.watcher = health.NewWatcher(health.Options{Bus: d.Bus, Topics: shared.Topics, Active: d.node.Active, Node: c.HA.Node, Log: d.options.Log.With("part", "health"), Calendar: c.Calendar(), Expiring: c.ExpiringHourly()})
	d.parts = append(d.parts,
		part{"controller", d.controller.Run},
		part{"last command", control.NewCommandReporter(d.controller.Options).Run},
		part{"plan", d.planner.Run},
		part{"health", d.watcher.Run},
	)
	recorder, painter := d.recorder(shared)
	d.parts = append(d.parts, part{"report", recorder.Run})
	if painter != nil {
		d.parts = append(d.parts, part{"picture", painter.Run})
	}
	d.mail = d.notifier(shared)
	d.parts = append(d.parts, part{"mail", d.mail.Run})
}

// resume continues from the daemon before this one, which has ended: reading the
// configuration again does not change what that one knew.
func (d *Daemon) resume() {
	last := d.last
	if d.last = nil; last == nil {
		return
	}
	d.node.Resume(last.node)
	if d.controller != nil && last.controller != nil {
		d.controller.Resume(last.controller)
	}
	if d.planner != nil && last.planner != nil {
		d.planner.Resume(last.planner)
	}
	if d.watcher != nil && last.watcher != nil {
		d.watcher.Resume(last.watcher)
	}
	if d.mail != nil && last.mail != nil {
		d.mail.Resume(last.mail)
	}
	if d.thermostatPart != nil && last.thermostatPart != nil {
		d.thermostatPart.Resume(last.thermostatPart)
		if m, said := last.Bus.Retained(bus.Missing); said && slices.Equal(d.thermostatPart.Controlled, last.thermostatPart.Controlled) {
			d.Bus.Publish(m) // until the first poll says it again, or that it is over
		}
	}
}

// DryRun reports whether nothing is sent to devices.
func (d *Daemon) DryRun() bool { return d.options.Config.Settings.DryRun }

// Active reports whether this node is the one that polls and commands.
func (d *Daemon) Active() bool { return d.node.Active() }

// SetRole applies a role from keepalived. The error says that this node is not one of a
// pair, or that the role will be lost in a restart.
func (d *Daemon) SetRole(r pair.Role) error {
	p, ok := d.node.(*pair.Pair)
	if !ok {
		return errors.New("this node is alone and always active: set ha.enabled to true for a pair")
	}
	return p.SetRole(r)
}

// Run runs all parts until ctx ends. It returns when they have ended and the last
// answers of the vendors are saved; if the cause is ErrReloading, the daemon that
// follows waits for those itself. An error means that a part could not go on. A Daemon
// runs once, and one that follows another runs after it.
func (d *Daemon) Run(ctx context.Context) error {
	d.resume()
	outer := ctx
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var all sync.WaitGroup
	failed := make(chan error, len(d.parts))
	for _, p := range d.parts {
		d.options.Began()
		all.Go(func() {
			defer d.options.Ended()
			if err := p.run(ctx); err != nil && ctx.Err() == nil {
				failed <- fmt.Errorf("%s: %w", p.name, err)
				cancel()
			}
		})
	}
	all.Wait()
	if errors.Is(context.Cause(outer), local.ErrReloading) {
		go d.close()
	} else {
		d.close()
	}
	select {
	case err := <-failed:
		return err
	default:
		return nil
	}
}

// close closes the accounts, after those of the daemon before this one.
func (d *Daemon) close() {
	defer close(d.closed)
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	if d.predecessorClosed != nil {
		select {
		case <-d.predecessorClosed:
		case <-ctx.Done():
		}
	}
	for _, a := range d.accounts {
		if err := a.Close(ctx); err != nil {
			d.options.Log.Error("an account with a vendor could not be closed", "reason", err)
		}
	}
}

// afterPredecessor delays a part that calls a vendor until the daemon before this one
// has closed its accounts.
func (d *Daemon) afterPredecessor(run func(context.Context) error) func(context.Context) error {
	if d.predecessorClosed == nil {
		return run
	}
	return func(ctx context.Context) error {
		if _, err := d.Bus.Clock().Wait(ctx, time.Time{}, d.predecessorClosed); err != nil {
			return err
		}
		return run(ctx)
	}
}

// Parts returns the names of the parts in the order in which they start.
func (d *Daemon) Parts() []string {
	var names []string
	for _, p := range d.parts {
		names = append(names, p.name)
	}
	return names
}

// maxStepAge is how long ago the controller's last step may be.
const maxStepAge = 2 * devices.StepInterval

// Alive reports whether the controller's loop runs, for a watchdog. A daemon that
// follows another uses that one's last step until its own first: a new configuration is
// no reason for a failover.
func (d *Daemon) Alive() bool {
	return d.controller == nil || d.Bus.Now().Sub(d.LastStep()).Abs() < maxStepAge
}

// Report publishes a part's condition, for the health of the home. That a part is well is
// said once. A problem is repeated, since a node forgets it while it stands by.
func (d *Daemon) Report(part string, r health.Report) {
	topic := health.Topic(part)
	payload, _ := json.Marshal(r) // plain data always can be
	if last, ok := d.Bus.Retained(topic); ok && r.Problem == "" && bytes.Equal(last.Payload, payload) {
		return
	}
	d.Bus.Publish(bus.Message{Topic: topic, Payload: payload, Retain: true})
}

// goLive lets this node's configuration command devices, starting shortly. A
// configuration that asks for a dry run itself has been changed in its file by then.
func (d *Daemon) goLive() error {
	c := d.options.Config
	switch {
	case !c.Settings.DryRun:
		return nil // it does already
	case d.options.Reload == nil:
		return errors.New("this daemon cannot be reloaded: start it again")
	}
	if err := config.GoLive(c); err != nil {
		return err
	}
	d.options.Reload()
	return nil
}

// LastStep returns when the control loop last took a step; a long time ago if it never
// has.
func (d *Daemon) LastStep() time.Time {
	if d.controller == nil {
		return time.Time{}
	}
	if t := d.controller.LastStep(); t.After(d.lastStep) {
		return t
	}
	return d.lastStep
}

// health returns the health of this node.
func (d *Daemon) health() string {
	if d.Alive() {
		return "ok"
	}
	return "the control loop does not turn"
}

func (d *Daemon) newController(s bridge.Shared) *control.Controller {
	disk := d.options.Journal
	if disk == nil {
		disk = journal.File{Path: d.options.Config.Paths.JournalFile}
		d.options.Peer = journal.File{Path: d.options.Config.Beside("peer-" + filepath.Base(d.options.Config.Paths.JournalFile))}
	}
	return control.New(control.Options{
		Bus: s.Bus, Topics: s.Topics, Settings: d.options.Config.Rules(), Role: d.node, Log: s.Log.With("part", "control"),
		Journal: &journal.Journal{Disk: disk, Peer: d.options.Peer, Node: d.options.Config.HA.Node, Now: s.Bus.Now},
	})
}

// link builds the connection to the broker, with the topics that this process receives.
func (d *Daemon) link(s bridge.Shared) (func(context.Context) error, error) {
	c, t := d.options.Config, s.Topics
	if c.MQTT.Off() {
		return unlinked(s.Bus), nil
	}
	var filters, stored []string
	if d.options.Parts != ControlAlone {
		filters = append(filters, t.Powerwall("+/set"), t.Thermostat("+", "+/set"), t.Weather("+/set"), c.Discovery.Prefix+"/+/+/config")
		stored = append(stored, t.Powerwall(devices.StateLeaf)) // for the energy counters alone
	}
	if d.options.Parts != BridgeAlone {
		filters = append(filters, t.Control("+/set"), t.Tariff("set"), t.NodeJournal("+"), t.NodeState("+"))
	}
	if d.options.Parts == ControlAlone {
		filters = append(filters, t.Powerwall("state"), t.Powerwall(devices.TariffLeaf), t.Powerwall("api"), t.Powerwall("+/result"), t.Thermostat("+", "state"),
			t.Thermostats("api"), t.Thermostat("+", "+/result"), t.Weather("state"), t.Weather("api"), t.Weather("+/result"))
	}
	o := bridge.LinkOptions{
		URL: c.MQTT.URL, Username: c.MQTT.Username, Password: c.MQTT.Password, ClientID: c.MQTT.ClientID,
		KeepAlive: config.Seconds(c.MQTT.KeepaliveSeconds), Topics: t, Node: c.HA.Node, Filters: filters, Stored: stored,
		StatusTopic: c.Discovery.StatusTopic, Controller: d.controller != nil, Role: s.Role, LastWill: d.node.LastWill, Bus: s.Bus, Log: s.Log.With("part", "link"),
	}
	if d.options.Parts == ControlAlone {
		o.SecondaryProcess, o.StatusTopic = true, ""
		o.ClientID += "-control"
	}
	var err error
	if o.TLS, err = brokerTLS(c.MQTT); err != nil {
		return nil, err
	}
	if d.options.Link != nil {
		return d.options.Link(o)
	}
	l, err := bridge.NewLink(o)
	if err != nil {
		return nil, err
	}
	d.linked = l
	return l.Run, nil
}

// unlinked stands in for the link in a home without a broker: nothing can come from
// there, so nothing waits for it.
func unlinked(b *bus.Bus) func(context.Context) error {
	return func(context.Context) error {
		b.Publish(bus.Message{Topic: bus.LinkState, Payload: []byte("up"), Retain: true})
		return nil
	}
}

// callTimeout bounds one request to a vendor, in real time.
const callTimeout = 20 * time.Second

// closeTimeout is how long to wait at the end for an answer that must not be lost, in
// real time: a log-in takes two requests. The service's TimeoutStopSec has to be
// longer.
const closeTimeout = 30 * time.Second
