package emulator

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// TCCOptions say how the emulated Total Connect Comfort portal behaves; zero fields have
// the usual values.
type TCCOptions struct {
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

func (o TCCOptions) defaults() TCCOptions {
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

// portalState is the state of the portal.
type portalState struct {
	sessions map[string]time.Time // when each session was last used
	tried    []time.Time          // log-ins within the window
	locked   time.Time            // until when the account is locked
	entered  int                  // log-ins with the right credentials so far
	writes   uint64
}

const portalCookie = ".ASPXAUTH_TRUEHOME"

func (c *Cloud) tcc(mux *http.ServeMux) {
	c.options.TCC = c.options.TCC.defaults()
	c.portal.sessions = map[string]time.Time{}
	for _, root := range []string{"/portal", "/portal/{$}"} {
		c.handle(mux, "POST "+root, "tcc.login", c.portalLogIn)
		c.handle(mux, "GET "+root, "tcc.home", c.portalHome)
	}
	c.handle(mux, "POST /portal/Account/LogOff", "tcc.logoff", c.portalLogOff)
	c.handle(mux, "GET /portal/{page...}", "tcc.page", func(w http.ResponseWriter, _ *http.Request, _ *House) { webPage(w, "Total Connect Comfort") })
	for _, path := range []string{"/portal/Location/GetLocationListData", "/portal/Location/GetLocationListData/{$}"} {
		c.handle(mux, "POST "+path, "tcc.locations", c.portalSession(c.portalLocations))
	}
	c.handle(mux, "POST /portal/Device/GetZoneListData", "tcc.zones", c.portalSession(c.portalZones))
	c.handle(mux, "GET /portal/Device/CheckDataSession/{id}", "tcc.check", c.portalSession(c.portalCheck))
	c.handle(mux, "POST /portal/Device/SubmitControlScreenChanges", "tcc.submit", c.portalSession(c.portalSubmit))
}

// EndPortalSessions ends all sessions, as the portal does after an update.
func (c *Cloud) EndPortalSessions() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.portal.sessions)
}

// portalLogIn handles the form of the log-in page; it ignores credentials in the
// address.
func (c *Cloud) portalLogIn(w http.ResponseWriter, r *http.Request, h *House) {
	o, p := c.options.TCC, &c.portal
	p.tried = slices.DeleteFunc(p.tried, func(at time.Time) bool { return h.at.Sub(at) >= o.LogInWindow })
	p.tried = append(p.tried, h.at)
	if len(p.tried) > o.MostLogIns {
		p.locked, p.tried = h.at.Add(o.Lock), nil
	}
	if h.at.Before(p.locked) {
		redirect(w, "/portal/TooManyAttempts")
		return
	}
	if !c.portalKnows(r) {
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
		if h.at.Sub(used) >= o.SessionLife {
			delete(p.sessions, id)
		}
	}
	id := fmt.Sprintf("%016X%04X", uint64(noise(c.options.Seed, uint64(p.entered))*(1<<53)), p.entered)
	p.sessions[id] = h.at
	giveCookie(w, id)
	w.Header().Add("Set-Cookie", "TrueHomeAffinity=node7; path=/")
	webPage(w, "Logged in.")
}

func (c *Cloud) portalKnows(r *http.Request) bool {
	if !strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		return false
	}
	body, err := io.ReadAll(r.Body)
	form, bad := url.ParseQuery(string(body))
	return err == nil && bad == nil && form.Get("UserName") == c.options.TCC.Username && form.Get("Password") == c.options.TCC.Password
}

// portalHome redirects to the next page if the caller is logged in, and otherwise shows
// the form.
func (c *Cloud) portalHome(w http.ResponseWriter, r *http.Request, h *House) {
	if c.portalAlive(r, h.at) {
		redirect(w, fmt.Sprintf("/portal/%d/Zones", portalLocation))
		return
	}
	if _, err := r.Cookie(portalCookie); err == nil {
		giveCookie(w, "")
	}
	webPage(w, logInForm)
}

func (c *Cloud) portalLogOff(w http.ResponseWriter, r *http.Request, _ *House) {
	if ck, err := r.Cookie(portalCookie); err == nil {
		delete(c.portal.sessions, ck.Value)
	}
	giveCookie(w, "")
	redirect(w, "/portal")
}

// portalAlive reports whether r belongs to a valid session, and extends that.
func (c *Cloud) portalAlive(r *http.Request, now time.Time) bool {
	ck, err := r.Cookie(portalCookie)
	if err != nil {
		return false
	}
	used, ok := c.portal.sessions[ck.Value]
	if !ok || now.Sub(used) >= c.options.TCC.SessionLife {
		return false
	}
	c.portal.sessions[ck.Value] = now
	return true
}

// portalSession passes only requests of a valid session on to f. For an ended one the
// answer is a web page with a successful status, unless Gone says otherwise.
func (c *Cloud) portalSession(f answerer) answerer {
	return func(w http.ResponseWriter, r *http.Request, h *House) {
		switch {
		case c.portalAlive(r, h.at):
			f(w, r, h)
		case r.Header.Get("X-Requested-With") != "XMLHttpRequest":
			redirect(w, "/portal/Account/LogOn?ReturnUrl="+url.QueryEscape(r.URL.Path))
		case c.options.TCC.Gone != 0:
			w.WriteHeader(c.options.TCC.Gone)
		default:
			giveCookie(w, "")
			webPage(w, logInForm)
		}
	}
}

const logInForm = `<form action="/portal" method="post"><input name="UserName"><input name="Password" type="password"></form>`

// giveCookie sets the session's cookie, with an invalid expiry.
func giveCookie(w http.ResponseWriter, value string) {
	w.Header().Add("Set-Cookie", portalCookie+"="+value+"; expires=Thu, 01-Jan-0001 00:00:00 GM; path=/; HttpOnly")
}

func redirect(w http.ResponseWriter, to string) {
	w.Header().Set("Location", to)
	w.WriteHeader(http.StatusFound)
}

func webPage(w http.ResponseWriter, body string) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = io.WriteString(w, "<!DOCTYPE html><html><body>"+body+"</body></html>")
}
