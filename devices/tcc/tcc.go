// Package tcc reads and sets thermostats through the Total Connect Comfort portal of
// the United States, mytotalconnectcomfort.com.
//
// The portal is a web site, not an API: it is undocumented, keeps the session in a
// cookie, and locks out anyone who logs in too often, along with the owner's own app.
// So the package's first promise is to log in rarely: never twice within ten minutes,
// not even in a crash loop, never with credentials that the portal has refused, and not
// at all while the session of an earlier run is alive.
//
// Facts about the portal come from the public clients AIOSomecomfort and pyhtcc, and
// from what their users report.
package tcc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"powermgr/devices"
	"powermgr/devices/cloud"
)

// DefaultBaseURL is the portal. It has no "www.": that name is being retired.
const DefaultBaseURL = "https://mytotalconnectcomfort.com"

const (
	vendor = "tcc"
	opRead = "read the thermostat"
	opSet  = "set the thermostat"

	timeout         = 30 * time.Second // of one request
	listEvery       = 24 * time.Hour   // thermostats are seldom added
	listAgain       = time.Hour        // after a new list could not be read
	minListInterval = 10 * time.Minute // between lists, when a name is not in the list
	pages           = 4                // of the device list, as many as the public clients request
	maxDevices      = 64
)

// Options describe the account to use.
type Options struct {
	BaseURL  string         // empty: DefaultBaseURL. Without TLS only on loopback
	Username string         // the e-mail address of the account; required
	Password devices.Secret // required

	// SessionFile stores the cookie and the times of log-ins, mode 0600, across
	// restarts and reboots. Empty: nothing is stored, and every start logs in.
	SessionFile string

	Location *time.Location   // of the home, because holds end at a time of day; nil: time.Local
	HTTP     *http.Client     // nil: the client makes its own. Its cookie jar and its redirect policy are not used
	Now      func() time.Time // nil: time.Now
	Log      *slog.Logger     // nil: no logging
}

// Client is a client for one account. Its methods may be called from several
// goroutines; it sends one request at a time to the portal.
type Client struct {
	base     *url.URL
	username string
	password devices.Secret
	location *time.Location
	http     *http.Client
	now      func() time.Time
	log      *slog.Logger
	file     string
	started  time.Time

	mutex chan struct{} // of capacity 1; whoever fills it may use the fields below

	after    <-chan struct{} // closed at the end of a log-in whose caller is gone; the next caller waits for it; nil: there is none
	recalled bool            // the session file has been read
	renewed  bool            // the cookies are newer than those in the file
	session  sessionFile
	denied   bool // session.Refused applies to the current credentials
	unsaved  bool // the last attempt to write the file failed
	savedAt  time.Time
	unclear  int // consecutive answers that were neither data nor a clear refusal
	counter  int64
	devices  []device
	listedAt time.Time
	listed   atomic.Pointer[[]string] // the ids of devices, for readers that do not hold mutex
	sent     map[int64]sending
	seen     map[int64]*cloud.Known[checkData] // the portal's last answer about each
	limit    cloud.ReadLimit                   // on reads, for commands that did without one
	problems devices.KnownProblems             // of the thermostats that are currently left out
}

type device struct {
	id   int64
	name string
	unit devices.Unit // as last read; empty: not read yet
}

func (d device) vendorID() string { return strconv.FormatInt(d.id, 10) }

// New returns a client for the account. It reads no file and sends nothing, because
// another client of the same account may still be running. The error names the invalid
// option.
func New(o Options) (*Client, error) {
	if o.BaseURL == "" {
		o.BaseURL = DefaultBaseURL
	}
	base, err := url.Parse(strings.TrimSuffix(o.BaseURL, "/"))
	switch {
	case err != nil || base.Host == "" || base.RawQuery != "" || base.User != nil:
		return nil, errors.New("tcc: the base URL must read like " + DefaultBaseURL)
	case base.Scheme != "https" && !(base.Scheme == "http" && devices.Loopback(base.Hostname())):
		return nil, errors.New("tcc: the base URL must be https, or the password could be read on the way")
	case strings.TrimSpace(o.Username) == "" || o.Password == "":
		return nil, errors.New("tcc: the portal needs honeywell.username and honeywell.password")
	}
	c := &Client{
		base: base, username: strings.TrimSpace(o.Username), password: o.Password,
		location: o.Location, now: o.Now, log: o.Log, file: o.SessionFile,
		mutex: make(chan struct{}, 1), sent: map[int64]sending{}, seen: map[int64]*cloud.Known[checkData]{},
	}
	if c.location == nil {
		c.location = time.Local
	}
	if c.now == nil {
		c.now = time.Now
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	client := http.Client{Timeout: timeout}
	if o.HTTP != nil {
		client = *o.HTTP
	}
	client.Jar = nil // the portal's cookie is malformed; session.go handles it
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	c.http = &client
	c.started = c.now()
	c.counter = c.started.UnixMilli()
	return c, nil
}

// Close ends the use of the client. It waits, until ctx ends, for the answer to a
// log-in that has been sent, and saves the current session: without it the next start
// would have to log in, and might not be allowed to yet.
func (c *Client) Close(ctx context.Context) error {
	if err := c.enter(ctx); err != nil {
		return fmt.Errorf("tcc: the answer to a log-in is still to come: the next one has to wait %s", loginEvery)
	}
	// mutex is never released, so that nobody can use the client any more.
	if !c.renewed {
		return nil
	}
	if err := c.save(); err != nil {
		return fmt.Errorf("tcc: the session is lost with this process: %w", err)
	}
	return nil
}

// Read reads every thermostat of the account. A thermostat whose answer makes no sense
// is left out and logged once, and the others are still read; the error is Nonsense
// only when no other is left. Errors are *devices.Error.
func (c *Client) Read(ctx context.Context) ([]devices.ThermostatReading, error) {
	if err := c.limit.Err(c.now()); err != nil {
		return nil, err
	}
	all, err := c.all(ctx)
	if err != nil {
		return nil, err
	}
	var readings []devices.ThermostatReading
	var first error
	for _, d := range all {
		s, err := c.lookAt(ctx, d)
		switch {
		case err == nil:
			s.reading.Nameplate.Page = c.page(s.reading.VendorID)
			readings = append(readings, s.reading)
		case devices.KindOf(err) != devices.Nonsense:
			return readings, err // the cause is the portal, not this thermostat: the next one would fail too
		case first == nil:
			first = err
		}
	}
	if len(readings) > 0 {
		first = nil
	}
	return readings, first
}

// Apply carries out cmd on the thermostat whose ThermostatReading.ID is id: it reads
// the thermostat, completes the command from what it shows, and sends all of it. The
// portal queues the write; a reading shows it seconds to a minute later. Errors are
// *devices.Error: Refused says what could be sent instead, and MaybeDone means that
// only a reading can show the outcome.
func (c *Client) Apply(ctx context.Context, id string, cmd devices.ThermostatCommand) error {
	if err := c.enter(ctx); err != nil {
		return err
	}
	defer c.leave()
	d, err := c.find(ctx, id)
	if err != nil {
		return err
	}
	raw, err := c.checkFor(ctx, d, cmd)
	if err != nil {
		return err
	}
	var shown, built setting
	if raw.LatestData != nil && raw.LatestData.UI != nil {
		shown = raw.LatestData.setting()
		if last := c.sent[d.id]; last.pending(shown, c.now()) {
			raw.LatestData = last.after.over(*raw.LatestData)
		}
		built = raw.LatestData.setting()
	}
	s, err := raw.screen(d, c.now(), c.location)
	if err != nil {
		return senseless(opRead, d, err)
	}
	change, err := s.change(cmd, c.now(), c.location)
	if err != nil {
		return failure(opSet, devices.Refused, err)
	}
	if err := c.submit(ctx, change); err != nil {
		if devices.KindOf(err) != devices.Refused {
			delete(c.sent, d.id) // it is unknown whether the portal accepted it, so only readings count from here
		}
		return err
	}
	c.sent[d.id] = c.sent[d.id].next(shown, built, change, c.now())
	return nil
}

// all returns the thermostats of the account, from a list that is at most a day old.
func (c *Client) all(ctx context.Context) ([]device, error) {
	if err := c.enter(ctx); err != nil {
		return nil, err
	}
	defer c.leave()
	if c.now().Sub(c.listedAt) >= listEvery || len(c.devices) == 0 {
		if err := c.list(ctx); err != nil {
			if len(c.devices) == 0 {
				return nil, err
			}
			c.listedAt = c.now().Add(listAgain - listEvery)
		}
	}
	return slices.Clone(c.devices), nil
}

// Listed returns the ids of the thermostats in the portal's last list. sure is false
// before the first list, and for a list that was truncated.
func (c *Client) Listed() (ids []string, sure bool) {
	if last := c.listed.Load(); last != nil {
		return *last, len(*last) < maxDevices
	}
	return nil, false
}

// lookAt reads one thermostat and holds the mutex only for that, so that a command does
// not have to wait for a whole poll.
func (c *Client) lookAt(ctx context.Context, d device) (screen, error) {
	if err := c.enter(ctx); err != nil {
		return screen{}, err
	}
	defer c.leave()
	s, err := c.look(ctx, d)
	c.logProblem(d, err)
	return s, err
}

// logProblem logs once when a thermostat's answers stop making sense, and when they
// make sense again.
func (c *Client) logProblem(d device, err error) {
	wrong := ""
	if err != nil {
		if devices.KindOf(err) != devices.Nonsense {
			return
		}
		wrong = "nonsense" // the same text for every reason, so that it is logged once
	}
	if !c.problems.Changed(d.vendorID(), wrong) {
		return
	}
	if wrong != "" {
		c.log.Warn("left a thermostat out: its answer makes no sense", "thermostat", d.vendorID(), "reason", err.Error())
	} else {
		c.log.Info("the thermostat's answers make sense again", "thermostat", d.vendorID())
	}
}

// enter locks the client's mutex, and loads the session file the first time.
func (c *Client) enter(ctx context.Context) error {
	select {
	case c.mutex <- struct{}{}:
	case <-ctx.Done():
		return failure("wait for an earlier request", devices.Unreachable, ctx.Err())
	}
	if !c.recalled {
		c.recalled = true
		c.recall()
	}
	return nil
}

// leave unlocks the mutex, but not before a log-in that is still in progress has ended.
func (c *Client) leave() {
	after := c.after
	c.after = nil
	if after == nil {
		<-c.mutex
		return
	}
	go func() {
		<-after
		<-c.mutex
	}()
}

// find returns the thermostat with this id. If it is not in the list, find reads the
// list again, at most every ten minutes.
func (c *Client) find(ctx context.Context, id string) (device, error) {
	is := func(d device) bool { return devices.TopicID(d.vendorID()) == id }
	i := slices.IndexFunc(c.devices, is)
	if i < 0 && (c.now().Sub(c.listedAt) >= minListInterval || len(c.devices) == 0) {
		if err := c.list(ctx); err != nil {
			return device{}, err
		}
		i = slices.IndexFunc(c.devices, is)
	}
	if i < 0 {
		known := make([]string, len(c.devices))
		for i, d := range c.devices {
			known[i] = d.vendorID()
		}
		return device{}, failure(opSet, devices.Refused,
			fmt.Errorf("the account has no thermostat %.40q; it has %s", id, strings.Join(known, ", ")))
	}
	return c.devices[i], nil
}

// list reads the list of the thermostats at all locations. If that fails, the old list
// stays.
func (c *Client) list(ctx context.Context) error {
	const op = "list the thermostats"
	var found []device
	for page := 1; page <= pages; page++ {
		body, err := c.call(ctx, op, request{
			method: http.MethodPost, path: "/portal/Location/GetLocationListData/",
			query: url.Values{"page": {strconv.Itoa(page)}, "filter": {""}},
		})
		if err != nil {
			return err
		}
		more, err := parseList(body)
		if err != nil {
			return failure(op, devices.Nonsense, err)
		}
		before := len(found)
		for _, d := range more {
			is := func(f device) bool { return f.id == d.id }
			if i := slices.IndexFunc(c.devices, is); i >= 0 {
				d.unit = c.devices[i].unit
			}
			if !slices.ContainsFunc(found, is) && len(found) < maxDevices {
				found = append(found, d)
			}
		}
		if len(found) == before {
			break
		}
	}
	if len(found) == 0 {
		return failure(op, devices.Nonsense, errors.New("the account shows no thermostat: look at it on the web site"))
	}
	c.devices, c.listedAt = found, c.now()
	ids := make([]string, len(found))
	for i, d := range found {
		ids[i] = d.vendorID()
	}
	c.listed.Store(&ids)
	maps.DeleteFunc(c.seen, func(id int64, _ *cloud.Known[checkData]) bool {
		return !slices.ContainsFunc(found, func(d device) bool { return d.id == id })
	})
	return nil
}

// look reads one thermostat.
func (c *Client) look(ctx context.Context, d device) (screen, error) {
	raw, err := c.check(ctx, d)
	if err != nil {
		return screen{}, err
	}
	s, err := raw.screen(d, c.now(), c.location)
	if err != nil {
		return screen{}, senseless(opRead, d, err)
	}
	if i := slices.IndexFunc(c.devices, func(f device) bool { return f.id == d.id }); i >= 0 {
		c.devices[i].unit = s.reading.Unit
	}
	return s, nil
}

// checkFor reads the thermostat that a command is for. A command that restores a
// setting does not wait for hours until the portal accepts reads again: it uses the
// last answer instead.
func (c *Client) checkFor(ctx context.Context, d device, cmd devices.ThermostatCommand) (checkData, error) {
	var last checkData
	known := false
	if seen := c.seen[d.id]; seen != nil {
		last, known = seen.Last()
	}
	if !cmd.Restores || !known {
		return c.check(ctx, d)
	}
	if c.limit.Err(c.now()) != nil {
		return last, nil
	}
	raw, err := c.check(ctx, d)
	if devices.KindOf(err) == devices.Throttled {
		c.limit.Met(err, c.now())
		return last, nil
	}
	return raw, err
}

// check reads one thermostat and returns the answer in the portal's terms.
func (c *Client) check(ctx context.Context, d device) (checkData, error) {
	c.counter++
	body, err := c.call(ctx, opRead, request{
		method: http.MethodGet, path: "/portal/Device/CheckDataSession/" + d.vendorID(),
		query: url.Values{"_": {strconv.FormatInt(c.counter, 10)}},
	})
	if err != nil {
		return checkData{}, err
	}
	if c.seen[d.id] == nil {
		c.seen[d.id] = &cloud.Known[checkData]{}
	}
	raw, err := c.seen[d.id].Decode(body, parse)
	if err != nil {
		return checkData{}, senseless(opRead, d, err)
	}
	return raw, nil
}

// submit sends the change. The portal answers {"success":1}; any other value of success
// is a refusal, and an answer without the field leaves the outcome open.
func (c *Client) submit(ctx context.Context, change controlScreen) error {
	body, err := json.Marshal(change)
	if err != nil {
		return failure(opSet, devices.Refused, err)
	}
	answer, err := c.call(ctx, opSet, request{method: http.MethodPost, path: "/portal/Device/SubmitControlScreenChanges", body: body, write: true})
	if err != nil {
		return err
	}
	var said struct {
		Success json.RawMessage `json:"success"`
	}
	if json.Unmarshal(answer, &said) != nil || said.Success == nil {
		e := failure(opSet, devices.Nonsense, errors.New("the portal does not say whether it took the change"))
		e.MaybeDone = true
		return e
	}
	var took truth
	if json.Unmarshal(said.Success, &took) != nil || !bool(took) {
		return failure(opSet, devices.Refused, errors.New("the portal did not take the change: see what the thermostat allows on the web site"))
	}
	return nil
}

func senseless(op string, d device, err error) error {
	return failure(op, devices.Nonsense, fmt.Errorf("thermostat %d: %w", d.id, err))
}

func failure(op string, kind devices.Kind, err error) *devices.Error {
	return &devices.Error{Vendor: vendor, Op: op, Kind: kind, Err: err}
}

// page returns the address of the portal's page for a thermostat, where its owner sets
// it.
func (c *Client) page(id string) string {
	return c.base.JoinPath("portal", "Device", "Control", id).String()
}
