// Package local is the socket on which a running daemon answers commands on the same
// machine, and the health file that keepalived watches.
package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"powermgr/bridge/bus"
	"powermgr/cmd/config"
	"powermgr/cmd/pair"
	"powermgr/control"
	"powermgr/control/journal"
	"powermgr/devices"
)

// What a running daemon has in its runtime directory.
const (
	socketName = "powermgr.sock" // whoever may use it may set this node's role
	healthName = "health"        // 0: this node is well; 1: it is not
)

// ErrReloading is the cause with which a daemon's context ends when another daemon
// follows at once: this node stays healthy.
var ErrReloading = errors.New("the configuration is being read again")

// healthBeat is how often the health file is updated. Health is about this node alone:
// whether its loops run, not whether vendors or the broker answer.
const healthBeat = 5 * time.Second

// What the health file says.
const (
	well   = "0"
	unwell = "1"
)

// HealthIsOld is the age at which a health file no longer means anything.
const HealthIsOld = 6 * healthBeat

// HealthFile returns the file in a runtime directory that keepalived watches.
func HealthFile(dir string) string { return filepath.Join(dir, healthName) }

// Status is what a running daemon reports about itself on its socket.
type Status struct {
	Node    string     `json:"node"`
	Version string     `json:"version"`
	State   pair.State `json:"state"`
	DryRun  bool       `json:"dry_run"`
	// Unit is what the owner reads temperatures in; empty: °F, and each thermostat's
	// own unit.
	Unit devices.Unit `json:"unit,omitempty"`
	// HeldBack says that it is a dry run only because this configuration has not
	// commanded devices on this machine before.
	HeldBack bool      `json:"held_back"`
	Now      time.Time `json:"now"`
	// Base is the base topic; Topics is what is retained below it, by the rest of the
	// topic; Link is the condition of the link to the broker.
	Base   string                     `json:"base_topic"`
	Topics map[string]json.RawMessage `json:"topics"`
	Link   json.RawMessage            `json:"link,omitempty"`
	Peaks  []Window                   `json:"peaks"`  // of the next 24 hours
	Events []control.Event            `json:"events"` // the last ones, the newest last
}

// Window is an upcoming peak, and what is planned for it.
type Window struct {
	Season   string    `json:"season"`
	Lead     time.Time `json:"lead"` // when precooling may begin
	Start    time.Time `json:"start"`
	End      time.Time `json:"end"`
	Reserve  int       `json:"reserve_percent"`       // in it
	After    int       `json:"reserve_after_percent"` // from its end on
	PrecoolF *float64  `json:"precool_from_f"`        // the forecast high from which it is preceded by precooling; null: it never is
}

// maxEvents is how many decisions are kept for Status.
const maxEvents = 20

// Options are what a Server needs. All are required.
type Options struct {
	Dir     string // the runtime directory
	Log     *slog.Logger
	Bus     *bus.Bus
	Config  config.Config
	Version string // as shown to people; empty: unknown
	// HeldBack says that this is a dry run although the configuration does not ask for
	// one.
	HeldBack bool
	Node     func() pair.State     // the state of this node
	Alive    func() bool           // whether this node's loops run
	SetRole  func(pair.Role) error // applies a role from keepalived
	GoLive   func() error          // lets the configuration command devices
}

// Server answers on the socket, and updates the health file.
type Server struct {
	Options
	sub *bus.Subscription

	unwritable bool // the health file could not be written, and that was logged

	mu     sync.Mutex
	events []control.Event
}

// New returns a server that is already subscribed.
func New(o Options) *Server {
	t := devices.Topics{Base: o.Config.MQTT.BaseTopic}
	return &Server{Options: o, sub: o.Bus.Subscribe("local", t.Control(devices.EventLeaf))}
}

// Run answers until ctx ends. It goes on even if the socket cannot be created.
func (l *Server) Run(ctx context.Context) error {
	defer l.sub.Close()
	defer func() {
		if !errors.Is(context.Cause(ctx), ErrReloading) {
			l.setHealth(unwell)
		}
	}()
	listener, err := l.listen()
	if err != nil {
		l.Log.Warn("there is no socket for powermgr status and powermgr role", "reason", err)
	} else {
		server := &http.Server{Handler: l.handler(), ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second, MaxHeaderBytes: 1 << 14}
		defer func() { // a caller whose request ends this daemon still gets an answer
			answered, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
			defer cancel()
			if server.Shutdown(answered) != nil {
				server.Close()
			}
		}()
		go func() { _ = server.Serve(listener) }()
	}
	next := time.Time{}
	for {
		if now := l.Bus.Now(); !now.Before(next) {
			next = now.Add(healthBeat)
			if !l.updateHealth() {
				next = now.Add(healthBeat / 20) // the other node waits for this one
			}
		}
		m, ok, err := l.sub.Next(ctx, next)
		if err != nil {
			return err
		}
		if ok {
			l.remember(m)
		}
	}
}

func (l *Server) remember(m bus.Message) {
	e, err := bus.Decode[control.Event](m)
	if err != nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.events = append(l.events, e)
	l.events = l.events[max(0, len(l.events)-maxEvents):]
}

// updateHealth writes to the health file whether this node is healthy, and returns
// that. It writes even if nothing has changed: keepalived creates a file of its own if
// it finds none when it starts, and moves it over what was written in that moment
// (strace of 2.2.7: stat, a temporary file, rename). If the file were written only
// once, that could leave the node in FAULT for as long as both programs run.
func (l *Server) updateHealth() bool {
	if !l.Alive() {
		l.setHealth(unwell)
		return false
	}
	l.setHealth(well)
	return true
}

func (l *Server) setHealth(text string) {
	err := writeHealth(HealthFile(l.Dir), text)
	if errors.Is(err, fs.ErrPermission) {
		// keepalived, which is root, has created it, but it is in our folder.
		err = errors.Join(os.Remove(HealthFile(l.Dir)), writeHealth(HealthFile(l.Dir), text))
	}
	switch {
	case err == nil:
		l.unwritable = false
	case !l.unwritable:
		l.unwritable = true
		l.Log.Warn("the health file cannot be written", "reason", err)
	}
}

// writeHealth writes the health file. It does not rename, because keepalived watches
// this very file, and never leaves it empty, because keepalived may look at any moment:
// both texts have the same length.
func writeHealth(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o644)
	if err == nil {
		_, err = f.WriteString(text + "\n")
		err = errors.Join(err, f.Close())
	}
	return err
}

func (l *Server) listen() (net.Listener, error) {
	path := filepath.Join(l.Dir, socketName)
	if c, err := net.DialTimeout("unix", path, time.Second); err == nil {
		_ = c.Close()
		return nil, fmt.Errorf("another powermgr answers at %s", path)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	listener, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	return listener, os.Chmod(path, 0o660)
}

func (l *Server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(l.status()) // it does not matter if the caller has gone
	})
	mux.HandleFunc("POST /role", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(io.LimitReader(r.Body, 64))
		var role pair.Role
		if err == nil {
			role, err = pair.ParseRole(string(body))
		}
		if err == nil {
			err = l.SetRole(role)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusConflict)
		}
	})
	mux.HandleFunc("POST /restore", func(http.ResponseWriter, *http.Request) {
		l.Bus.Publish(bus.Message{
			Topic: devices.Topics{Base: l.Config.MQTT.BaseTopic}.Control("restore" + devices.Set), Payload: []byte("PRESS"),
			Expires: l.Bus.Now().Add(time.Minute),
		})
	})
	mux.HandleFunc("POST /live", func(w http.ResponseWriter, r *http.Request) {
		if err := l.GoLive(); err != nil {
			http.Error(w, err.Error(), http.StatusConflict)
		}
	})
	return mux
}

func (l *Server) status() Status {
	c, now := l.Config, l.Bus.Now()
	s := Status{Node: c.HA.Node, Version: l.Version, State: l.Node(), DryRun: c.Settings.DryRun, Unit: c.Settings.Unit, HeldBack: l.HeldBack, Now: devices.WholeSecond(now).In(c.Zone()), Base: c.MQTT.BaseTopic, Topics: map[string]json.RawMessage{}}
	for _, m := range l.Bus.Snapshot() {
		switch name, under := strings.CutPrefix(m.Topic, s.Base+"/"); {
		case m.Topic == bus.LinkHealth:
			s.Link = m.Payload
		case name == "control/"+devices.ChartLeaf: // a picture
		case under && json.Valid(m.Payload):
			s.Topics[name] = m.Payload
		case under:
			s.Topics[name], _ = json.Marshal(string(m.Payload))
		}
	}
	plan := c.Rules()
	var said control.State
	if json.Unmarshal(s.Topics["control/"+devices.StateLeaf], &said) == nil {
		plan = said.InForce(plan)
	}
	for p := range plan.Calendar.From(now) {
		if p.Start.Sub(now) > 24*time.Hour || len(s.Peaks) == 8 {
			break
		}
		w := Window{Season: p.Season, Lead: p.Start.Add(-plan.Calendar.Lead), Start: p.Start, End: p.End, Reserve: plan.PeakReserve, After: plan.OffPeakReserve}
		if p.Precool {
			w.PrecoolF = &plan.PrecoolAtF
		}
		s.Peaks = append(s.Peaks, w)
	}
	l.mu.Lock()
	s.Events = slices.Clone(l.events)
	l.mu.Unlock()
	return s
}

// ErrNotRunning says that no daemon answers in a runtime directory.
var ErrNotRunning = errors.New("no powermgr answers")

// QueryStatus asks the daemon that runs in a runtime directory for its status. The
// error says what to do if none answers.
func QueryStatus(ctx context.Context, dir string) (Status, error) {
	var s Status
	body, err := call(ctx, dir, http.MethodGet, "/status", "")
	if err == nil {
		err = json.Unmarshal(body, &s)
	}
	return s, err
}

// TellRole gives a role to the daemon that runs in a runtime directory. If none runs
// there, the role is stored for the next one.
func TellRole(ctx context.Context, dir string, r pair.Role) error {
	_, err := call(ctx, dir, http.MethodPost, "/role", string(r))
	if errors.Is(err, ErrNotRunning) {
		return pair.RoleFile(dir).Save(r)
	}
	return err
}

// TellLive lets the daemon that runs in a runtime directory command devices. If none
// runs there, the next one with this configuration may.
func TellLive(ctx context.Context, dir string, c config.Config) error {
	_, err := call(ctx, dir, http.MethodPost, "/live", "")
	if errors.Is(err, ErrNotRunning) {
		return config.GoLive(c)
	}
	return err
}

// RequestRestore asks the daemon that runs in a runtime directory to restore everything
// that it has set. The error is ErrNotRunning if none runs there.
func RequestRestore(ctx context.Context, dir string) error {
	_, err := call(ctx, dir, http.MethodPost, "/restore", "")
	return err
}

// Unrestored lists, for people, what the journal has that is not restored yet. It is
// for when no daemon runs, and changes nothing.
func Unrestored(c config.Config) (all []string, err error) {
	b, err := journal.File{Path: c.Paths.JournalFile}.Read()
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	e, err := journal.Decode(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.Paths.JournalFile, err)
	}
	kept := e.Persisted()
	if kept.Battery.AtPeak {
		all = append(all, fmt.Sprintf("the Powerwall's reserve, which goes back to %d %%", c.Settings.OffPeakReservePercent))
	}
	for _, id := range slices.Sorted(maps.Keys(kept.Thermostats)) {
		if kept.Thermostats[id].Claim != nil {
			all = append(all, "thermostat "+id)
		}
	}
	return all, nil
}

// call makes one request on the socket, and returns the answer.
func call(ctx context.Context, dir, method, path, body string) ([]byte, error) {
	socket := filepath.Join(dir, socketName)
	var d net.Dialer
	client := http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return d.DialContext(ctx, "unix", socket)
	}}}
	defer client.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, "http://powermgr"+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	res, err := client.Do(req)
	switch {
	case errors.Is(err, os.ErrPermission):
		return nil, fmt.Errorf("%s is for root and the group powermgr alone: use sudo, or join the group", socket)
	case errors.Is(err, os.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return nil, fmt.Errorf("%w at %s: is the service running? systemctl status powermgr", ErrNotRunning, socket)
	case err != nil:
		return nil, err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, 16<<20))
	if err == nil && res.StatusCode != http.StatusOK {
		err = errors.New(strings.TrimSpace(string(answer)))
	}
	return answer, err
}
