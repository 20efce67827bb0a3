package simulation

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"powermgr/bridge"
	"powermgr/cmd/config"
	"powermgr/cmd/daemon"
	"powermgr/cmd/pair"
	"powermgr/control/journal"
)

// A node is a Raspberry Pi: the daemon runs on it, dies and is started again.
type node struct {
	home       *home
	name       string
	own        string // a suffix of its tokens: each node has separate authorizations
	stranger   bool   // it does not belong to the home
	dry        bool
	configFile string
	config     *config.Config // the content of configFile; nil: not read yet
	role       *role          // lost with the power
	clock      *clock
	disk       *disk
	peer       *disk   // the copy of the other node's journal that rsync makes
	ram        *memory // lost with the power
	card       *memory // on the same disk as the journal

	mu     sync.Mutex
	life   *life          // the process that runs; nil: none does
	daemon *daemon.Daemon // of life
	next   *daemon.Daemon // takes over from daemon
	off    time.Duration  // how long the daemon stays down after its end
	empty  bool           // the ramdisk is empty after that

	cut bool // it has lost the broker; belongs to the broker
}

// prepare gives a node what it needs, including separate configuration and token files.
func (n *node) prepare(h *home, dir string) error {
	n.home, n.clock, n.disk, n.peer, n.role = h, &clock{scheduler: h.scheduler}, &disk{}, &disk{}, &role{}
	n.ram, n.card = &memory{all: map[string][]byte{}}, &memory{all: map[string][]byte{}}
	dir = filepath.Join(dir, n.name)
	n.configFile = filepath.Join(dir, "config.yaml")
	return errors.Join(
		os.Mkdir(dir, 0o700),
		os.WriteFile(n.configFile, []byte(h.world.config(dir, n)), 0o600),
		token(dir, "tesla.json", "emulator-refresh"+n.own),
		token(dir, "resideo.json", "emulator-resideo-refresh"+n.own))
}

// active reports whether the daemon believes that it is the active one.
func (n *node) active() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.daemon != nil && n.daemon.Active()
}

// tell does what keepalived's script does.
func (n *node) tell(r pair.Role) {
	n.mu.Lock()
	d := n.daemon
	n.mu.Unlock()
	if d != nil {
		_ = d.SetRole(r) // a node that cannot store its role continues
		return
	}
	_ = n.role.Save(r)
}

// transport carries requests to the emulated vendors without a socket.
type transport struct {
	*node
	*life
}

func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	writes := r.Method == http.MethodPost && (strings.Contains(r.URL.Path, "/energy_sites/") || strings.Contains(r.URL.Path, "/thermostats/") ||
		strings.HasSuffix(r.URL.Path, "/SubmitControlScreenChanges"))
	if t.dead.Load() || writes && !t.pass(t.life, writeBefore) {
		return nil, errDead
	}
	if vendor := tokensOf(r.URL.Path); vendor != "" {
		if !t.pass(t.life, tokenAsked) {
			return nil, errDead
		}
		t.asking(vendor, 1)
		defer t.asking(vendor, -1)
	}
	in := r.WithContext(r.Context()) // the server changes its copy
	if in.Body == nil {
		in.Body = http.NoBody
	}
	in.RequestURI = r.URL.RequestURI()
	if writes {
		t.home.oracle.wrote(t.node, t.active(), r.URL.Path)
	}
	a := &answer{header: http.Header{}, status: http.StatusOK}
	t.home.cloud.Handler().ServeHTTP(a, in)
	if writes && !t.pass(t.life, writeAfter) || t.dead.Load() {
		return nil, errDead
	}
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	return &http.Response{
		StatusCode: a.status, Header: a.header, Body: io.NopCloser(&a.body), ContentLength: int64(a.body.Len()),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
	}, nil
}

// answer is a vendor's answer on its way. It implements http.ResponseWriter.
type answer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (a *answer) Header() http.Header         { return a.header }
func (a *answer) WriteHeader(status int)      { a.status = status }
func (a *answer) Write(b []byte) (int, error) { return a.body.Write(b) }

// clock is the node's wall clock, which can be wrong. What waits does not notice when
// it jumps, as on a real machine.
type clock struct {
	scheduler *scheduler
	off       atomic.Int64
}

func (c *clock) jump(off time.Duration) { c.off.Store(int64(off)) }

func (c *clock) Now() time.Time { return time.Now().Add(time.Duration(c.off.Load())) }

func (c *clock) Wait(ctx context.Context, at time.Time, ready <-chan struct{}) (bool, error) {
	if !at.IsZero() {
		at = at.Add(-time.Duration(c.off.Load()))
	}
	return c.scheduler.wait(ctx, at, ready)
}

// disk is where the journal is stored.
type disk struct {
	mu      sync.Mutex
	b       []byte
	full    bool
	saves   int
	forgets bool // sabotage: it reports success and stores nothing

	hour      time.Time // of these saves
	inTheHour int
}

// living is the disk as a daemon sees it while it lives. It implements journal.Disk.
type living struct {
	*node
	*life
	disk *disk
}

func (d *living) Read() ([]byte, error) {
	d.disk.mu.Lock()
	defer d.disk.mu.Unlock()
	if d.disk.b == nil {
		return nil, fs.ErrNotExist
	}
	return append([]byte(nil), d.disk.b...), nil
}

func (d *living) Write(b []byte) error {
	if !d.pass(d.life, journalBefore) {
		return errDead
	}
	d.disk.mu.Lock()
	if d.disk.full {
		d.disk.mu.Unlock()
		return errors.New("no space left on device")
	}
	d.disk.saves++
	if d.disk.often(time.Now()) {
		defer d.home.oracle.savesTooOften(d.name)
	}
	if !d.disk.forgets {
		d.disk.b = append([]byte(nil), b...)
	}
	d.disk.mu.Unlock()
	d.home.oracle.file("journal", b)
	e, err := journal.Decode(b)
	d.home.oracle.judgeJournal(d.name, err)
	if !d.stranger {
		d.home.oracle.lists(e)
	}
	d.rsync(b)
	if !d.pass(d.life, journalSaved) {
		return errDead
	}
	return nil
}

func (d *living) SetAside() (string, error) {
	d.disk.mu.Lock()
	defer d.disk.mu.Unlock()
	d.disk.b = nil
	return "aside", nil
}

// spoil replaces the journal with other content, and kills the daemon. It does so only
// while the broker has the journal too: if there is no other copy, the journal is lost,
// and no one could know what to restore.
func (n *node) spoil(b []byte) {
	if !n.home.broker.reaches(n) {
		n.home.tell("  but there is no other copy")
		return
	}
	n.disk.mu.Lock()
	full := n.disk.full
	if !full {
		n.disk.b = b
	}
	n.disk.mu.Unlock()
	if !full {
		n.end(ending{off: 5 * time.Second})
	}
}

// saves returns how often something was written to the disk of the journal.
func (n *node) saves() int {
	n.disk.mu.Lock()
	defer n.disk.mu.Unlock()
	n.card.mu.Lock()
	defer n.card.mu.Unlock()
	return n.disk.saves + n.card.saves
}

// catchUp does the first rsync after a node has come up.
func (n *node) catchUp() {
	for _, o := range n.home.nodes {
		if o != n && o.up() {
			o.disk.mu.Lock()
			b := o.disk.b
			o.disk.mu.Unlock()
			if b != nil {
				o.rsync(b)
			}
		}
	}
}

// rsync copies a journal to the other node, if that one is up.
func (n *node) rsync(b []byte) {
	if !n.home.world.Rsync || n.stranger {
		return
	}
	for _, o := range n.home.nodes {
		if o != n && o.well() {
			o.peer.mu.Lock()
			o.peer.b = append([]byte(nil), b...)
			o.peer.mu.Unlock()
		}
	}
}

// role implements daemon.RoleStore.
type role struct {
	mu   sync.Mutex
	kept pair.Role // empty: none
}

func (r *role) Load() (pair.Role, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.kept == "" {
		return "", fs.ErrNotExist
	}
	return r.kept, nil
}

func (r *role) Save(to pair.Role) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.kept = to
	return nil
}

func (r *role) clear() { _ = r.Save("") }

// memory holds the values of a bridge.Store.
type memory struct {
	mu    sync.Mutex
	all   map[string][]byte
	saves int
}

func (m *memory) clear() {
	m.mu.Lock()
	defer m.mu.Unlock()
	clear(m.all)
}

func (m *memory) of(l *life) bridge.Store { return &livingMemory{m, l} }

type livingMemory struct {
	*memory
	*life
}

func (m *livingMemory) Load(key string, v any) error {
	m.memory.mu.Lock()
	defer m.memory.mu.Unlock()
	b, ok := m.all[key]
	if !ok {
		return fmt.Errorf("%q: %w", key, fs.ErrNotExist)
	}
	return json.Unmarshal(b, v)
}

func (m *livingMemory) Save(key string, v any) error {
	if m.dead.Load() {
		return errDead
	}
	b, err := json.Marshal(v)
	m.memory.mu.Lock()
	defer m.memory.mu.Unlock()
	m.all[key] = b
	m.saves++
	return err
}

// newDir creates a folder for the files of the nodes.
func newDir() (string, func(), error) {
	base := ""
	if _, err := os.Stat("/dev/shm"); err == nil {
		base = "/dev/shm"
	}
	dir, err := os.MkdirTemp(base, "powermgr-simulation-")
	return dir, func() { _ = os.RemoveAll(dir) }, err
}

// token writes a token file like that of powermgr auth.
func token(dir, name, refresh string) error {
	b, err := json.Marshal(map[string]any{"access_token": "", "refresh_token": refresh, "token_type": "Bearer", "expires_in": 1})
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, name), b, 0o600)
}
