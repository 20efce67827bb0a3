// Package tcc is the dialect of the Total Connect Comfort portal, with its quirks.
package tcc

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"powermgr/devices/emulator"
)

// Options say how the emulated Total Connect Comfort portal behaves; zero fields have
// the usual values.
type Options struct {
	Username string // "owner@example.com"
	Password string // "emulator-password"

	// LogIns are the outcomes of the first log-ins with the right credentials: LogInGood,
	// LogInNull or LogInMishap. Those after them are good.
	LogIns []string
	// MostLogIns is how many log-ins within LogInWindow are answered; the next one locks
	// the account for Lock. 5, 10 min and 1 h.
	MostLogIns  int
	LogInWindow time.Duration
	Lock        time.Duration

	SessionLife time.Duration // of an unused session: 30 min
	Gone        int           // the status for an ended session, 401 or 403; 0: 200 with a web page
	Delay       time.Duration // about how long a write takes to land: 8 s
	PerPage     int           // thermostats on a page of the list: 10

	NoEquipmentStatus bool // EquipmentOutputStatus is null, as on some models
	OutdoorSensor     bool // OutdoorTemperature is a temperature
}

// Outcomes of a log-in with the right credentials.
const (
	LogInGood   = "good"
	LogInNull   = "null"   // an empty cookie
	LogInMishap = "mishap" // a redirect to the page for errors
)

func (o Options) defaults() Options {
	if o.Username == "" {
		o.Username = "owner@example.com"
	}
	if o.Password == "" {
		o.Password = "emulator-password"
	}
	if o.MostLogIns == 0 {
		o.MostLogIns = 5
	}
	if o.LogInWindow == 0 {
		o.LogInWindow = 10 * time.Minute
	}
	if o.Lock == 0 {
		o.Lock = time.Hour
	}
	if o.SessionLife == 0 {
		o.SessionLife = 30 * time.Minute
	}
	if o.Delay == 0 {
		o.Delay = 8 * time.Second
	}
	if o.PerPage == 0 {
		o.PerPage = 10
	}
	return o
}

// Portal is the emulated portal. The cloud's lock guards it.
type Portal struct {
	cloud    *emulator.Cloud
	options  Options
	sessions map[string]time.Time // when each session was last used
	tried    []time.Time          // log-ins within the window
	locked   time.Time            // until when the account is locked
	entered  int                  // log-ins with the right credentials so far
	writes   uint64
}

const cookieName = ".ASPXAUTH_TRUEHOME"

// Kinds are the kinds of the endpoints; those that are not listed are reads.
var Kinds = map[string]emulator.Kind{
	"tcc.submit": emulator.KindWrite,
	"tcc.login":  emulator.KindLogIn,
	"tcc.home":   emulator.KindLogIn,
	"tcc.logoff": emulator.KindLogIn,
	"tcc.page":   emulator.KindLogIn,
}

// Serve puts the portal on a cloud.
func Serve(c *emulator.Cloud, o Options) *Portal {
	p := &Portal{cloud: c, options: o.defaults(), sessions: map[string]time.Time{}}
	c.Add(emulator.Vendor{Name: "tcc", Kinds: Kinds, Expire: p.end})
	for _, root := range []string{"/portal", "/portal/{$}"} {
		c.Handle("POST "+root, "tcc.login", p.logIn)
		c.Handle("GET "+root, "tcc.home", p.home)
	}
	c.Handle("POST /portal/Account/LogOff", "tcc.logoff", p.logOff)
	c.Handle("GET /portal/{page...}", "tcc.page", func(w http.ResponseWriter, _ *http.Request, _ *emulator.House) { webPage(w, "Total Connect Comfort") })
	for _, path := range []string{"/portal/Location/GetLocationListData", "/portal/Location/GetLocationListData/{$}"} {
		c.Handle("POST "+path, "tcc.locations", p.session(p.locations))
	}
	c.Handle("POST /portal/Device/GetZoneListData", "tcc.zones", p.session(p.zones))
	c.Handle("GET /portal/Device/CheckDataSession/{id}", "tcc.check", p.session(p.check))
	c.Handle("POST /portal/Device/SubmitControlScreenChanges", "tcc.submit", p.session(p.submit))
	return p
}

// EndSessions ends all sessions, as the portal does after an update.
func (p *Portal) EndSessions() { p.cloud.Locked(p.end) }

func (p *Portal) end() { clear(p.sessions) }

// logIn handles the form of the log-in page; it ignores credentials in the
// address.
func (p *Portal) logIn(w http.ResponseWriter, r *http.Request, h *emulator.House) {
	o := p.options
	p.tried = slices.DeleteFunc(p.tried, func(at time.Time) bool { return h.Now().Sub(at) >= o.LogInWindow })
	p.tried = append(p.tried, h.Now())
	if len(p.tried) > o.MostLogIns {
		p.locked, p.tried = h.Now().Add(o.Lock), nil
	}
	if h.Now().Before(p.locked) {
		redirect(w, "/portal/TooManyAttempts")
		return
	}
	if !p.knows(r) {
		webPage(w, "<ul><li>The email or password provided is incorrect.</li></ul>"+logInForm)
		return
	}
	outcome := LogInGood
	if p.entered < len(o.LogIns) {
		outcome = o.LogIns[p.entered]
	}
	p.entered++
	switch outcome {
	case LogInNull:
		giveCookie(w, "")
		webPage(w, logInForm)
		return
	case LogInMishap:
		redirect(w, "/portal/Error?aspxerrorpath=/portal")
		return
	}
	for id, used := range p.sessions {
		if h.Now().Sub(used) >= o.SessionLife {
			delete(p.sessions, id)
		}
	}
	id := fmt.Sprintf("%016X%04X", uint64(h.Noise(uint64(p.entered))*(1<<53)), p.entered)
	p.sessions[id] = h.Now()
	giveCookie(w, id)
	w.Header().Add("Set-Cookie", "TrueHomeAffinity=node7; path=/")
	webPage(w, "Logged in.")
}

func (p *Portal) knows(r *http.Request) bool {
	if !strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		return false
	}
	body, err := io.ReadAll(r.Body)
	form, bad := url.ParseQuery(string(body))
	return err == nil && bad == nil && form.Get("UserName") == p.options.Username && form.Get("Password") == p.options.Password
}

// home redirects to the next page if the caller is logged in, and otherwise shows
// the form.
func (p *Portal) home(w http.ResponseWriter, r *http.Request, h *emulator.House) {
	if p.alive(r, h.Now()) {
		redirect(w, fmt.Sprintf("/portal/%d/Zones", location))
		return
	}
	if _, err := r.Cookie(cookieName); err == nil {
		giveCookie(w, "")
	}
	webPage(w, logInForm)
}

func (p *Portal) logOff(w http.ResponseWriter, r *http.Request, _ *emulator.House) {
	if ck, err := r.Cookie(cookieName); err == nil {
		delete(p.sessions, ck.Value)
	}
	giveCookie(w, "")
	redirect(w, "/portal")
}

// alive reports whether r belongs to a valid session, and extends that.
func (p *Portal) alive(r *http.Request, now time.Time) bool {
	ck, err := r.Cookie(cookieName)
	if err != nil {
		return false
	}
	used, ok := p.sessions[ck.Value]
	if !ok || now.Sub(used) >= p.options.SessionLife {
		return false
	}
	p.sessions[ck.Value] = now
	return true
}

// session passes only requests of a valid session on to f. For an ended one the
// answer is a web page with a successful status, unless Gone says otherwise.
func (p *Portal) session(f emulator.Answerer) emulator.Answerer {
	return func(w http.ResponseWriter, r *http.Request, h *emulator.House) {
		switch {
		case p.alive(r, h.Now()):
			f(w, r, h)
		case r.Header.Get("X-Requested-With") != "XMLHttpRequest":
			redirect(w, "/portal/Account/LogOn?ReturnUrl="+url.QueryEscape(r.URL.Path))
		case p.options.Gone != 0:
			w.WriteHeader(p.options.Gone)
		default:
			giveCookie(w, "")
			webPage(w, logInForm)
		}
	}
}

const logInForm = `<form action="/portal" method="post"><input name="UserName"><input name="Password" type="password"></form>`

// giveCookie sets the session's cookie, with an invalid expiry.
func giveCookie(w http.ResponseWriter, value string) {
	w.Header().Add("Set-Cookie", cookieName+"="+value+"; expires=Thu, 01-Jan-0001 00:00:00 GM; path=/; HttpOnly")
}

func redirect(w http.ResponseWriter, to string) {
	w.Header().Set("Location", to)
	w.WriteHeader(http.StatusFound)
}

func webPage(w http.ResponseWriter, body string) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = io.WriteString(w, "<!DOCTYPE html><html><body>"+body+"</body></html>")
}
