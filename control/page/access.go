package page

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"net"
	"net/http"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"powermgr/devices"
)

// Access says who may use the page. The zero value admits only this machine.
type Access struct {
	// Password is asked for. Empty: nobody is asked, and only this machine and
	// Proxies get in.
	Password devices.Secret
	// Proxies ask people to log in themselves: who comes through one is let in.
	Proxies []netip.Prefix
	// ReadOnly shows everything and takes no commands.
	ReadOnly bool
}

// session is how long a log-in lasts.
const session = 30 * 24 * time.Hour

const cookieName = "powermgr"

// policy is the page's content security policy: it allows what comes from the page's
// own address, and nothing inline. Only pages of the same address may frame it, as Home
// Assistant does through its ingress.
const policy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; frame-ancestors 'self'; base-uri 'none'"

// guard passes requests that are allowed on to next, and tells the others what to do.
func (p *Page) guard(next http.Handler) http.Handler {
	protection := http.NewCrossOriginProtection()
	protection.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "this request did not come from powermgr's page, so nothing was done. If it did, a proxy in between changes the Host header: "+
			"make it pass on the browser's, with the port (in nginx: proxy_set_header Host $http_host)", http.StatusForbidden)
	}))
	checked := protection.Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		switch {
		case p.Access.proxied(r):
			checked.ServeHTTP(w, forwarded(r))
		case p.Access.Password == "" && local(r):
			checked.ServeHTTP(w, r)
		case p.Access.Password == "":
			http.Error(w, p.Access.refusal(r), http.StatusForbidden)
		case r.URL.Path == "/login" || r.URL.Path == "/page.css" || p.Access.known(r, p.now()):
			checked.ServeHTTP(w, r)
		case r.Method == http.MethodGet && strings.Contains(r.Header.Get("Accept"), "text/html"):
			p.login(w, http.StatusUnauthorized, "")
		default:
			http.Error(w, "log in first", http.StatusUnauthorized)
		}
	})
}

// now returns the time for sessions and attempts, which use real time.
func (p *Page) now() time.Time { return time.Now() }

func (a Access) refusal(r *http.Request) string {
	if viaProxy(r) && clientAddr(r).IsLoopback() {
		return "this request comes through a proxy on this machine, so it could be from anyone: set http.password, or http.trusted_proxies if the proxy asks people to log in"
	}
	if len(a.Proxies) > 0 {
		return "this page is open only to the addresses in http.trusted_proxies, or with a password: set http.password"
	}
	return "without http.password this page is open only at http://localhost and the loopback address, not at " + strconv.Quote(r.Host) +
		": set http.password, or http.trusted_proxies for a proxy on this machine"
}

// clientAddr returns the address of the client, as far as it can be known.
func clientAddr(r *http.Request) netip.Addr {
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return at.Addr().Unmap()
}

// proxied reports whether a request comes through a trusted proxy.
func (a Access) proxied(r *http.Request) bool {
	at := clientAddr(r)
	return at.IsValid() && slices.ContainsFunc(a.Proxies, func(p netip.Prefix) bool { return p.Contains(at) })
}

// forwarded returns the request as a trusted proxy received it: the origin of a page is
// compared with the name that the browser knows, which many proxies pass on in a header
// of its own. A page elsewhere cannot set that header.
func forwarded(r *http.Request) *http.Request {
	host, _, _ := strings.Cut(r.Header.Get("X-Forwarded-Host"), ",") // of several proxies the first
	if host = strings.TrimSpace(host); host == "" {
		return r
	}
	received := *r
	received.Host = host
	return &received
}

// viaProxy reports whether a proxy says that the request is somebody else's.
func viaProxy(r *http.Request) bool {
	return r.Header.Get("X-Forwarded-For") != "" || r.Header.Get("Forwarded") != ""
}

// local reports whether the request is from this machine and for this machine. A name
// that merely resolves to this machine belongs to another site, which could make
// browsers hand out this home's data, and a proxy on this machine may act for anybody.
func local(r *http.Request) bool {
	if viaProxy(r) {
		return false
	}
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = r.Host
	}
	return clientAddr(r).IsLoopback() && devices.Loopback(strings.Trim(host, "[]"))
}

// sign returns the signature of a session with that end. It changes with the password.
func (a Access) sign(end uint64) []byte {
	key := sha256.Sum256([]byte("powermgr session\x00" + a.Password.Reveal()))
	mac := hmac.New(sha256.New, key[:])
	_ = binary.Write(mac, binary.BigEndian, end) // a hash takes everything
	return mac.Sum(nil)
}

// token returns the cookie value of a new session.
func (a Access) token(now time.Time) string {
	end := uint64(now.Add(session).Unix())
	return base64.RawURLEncoding.EncodeToString(append(binary.BigEndian.AppendUint64(nil, end), a.sign(end)...))
}

// known reports whether a request belongs to a session that has not ended.
func (a Access) known(r *http.Request, now time.Time) bool {
	c, err := r.Cookie(cookieName)
	if err != nil {
		return false
	}
	b, err := base64.RawURLEncoding.DecodeString(c.Value)
	if err != nil || len(b) != 8+sha256.Size {
		return false
	}
	end := binary.BigEndian.Uint64(b)
	return hmac.Equal(b[8:], a.sign(end)) && uint64(now.Unix()) < end
}

// is compares the password in constant time.
func (a Access) is(password string) bool {
	x, y := sha256.Sum256([]byte(password)), sha256.Sum256([]byte(a.Password.Reveal()))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

// ingressPath matches the path prefixes that proxies may add.
var ingressPath = regexp.MustCompile(`^(/[A-Za-z0-9_.~-]+)+/?$`)

// handleLogin checks the password.
func (p *Page) handleLogin(w http.ResponseWriter, r *http.Request) {
	if p.Access.Password == "" {
		http.NotFound(w, r)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, devices.MaxRequest)
	if wait := p.logins.wait(clientAddr(r), p.now()); wait > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(wait.Seconds())+1))
		p.login(w, http.StatusTooManyRequests, "Too many attempts. Try again in a minute.")
		return
	}
	if !p.Access.is(r.PostFormValue("password")) {
		p.logins.failed(clientAddr(r), p.now())
		p.Log.Warn("someone tried to log in to the page with a wrong password", "from", clientAddr(r))
		p.login(w, http.StatusUnauthorized, "Wrong password.")
		return
	}
	path := "/"
	if below := r.Header.Get("X-Ingress-Path"); ingressPath.MatchString(below) {
		path = below
	}
	http.SetCookie(w, &http.Cookie{
		Name: cookieName, Value: p.Access.token(p.now()), Path: path, MaxAge: int(session.Seconds()), HttpOnly: true,
		Secure: r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https", SameSite: http.SameSiteStrictMode,
	})
	w.Header().Set("Location", "./")
	w.WriteHeader(http.StatusSeeOther)
}

// How often a password may be wrong: so many times in a minute, from one address and
// from all together. The second keeps a whole network from guessing.
const (
	wrongFromOne = 5
	wrongFromAll = 30
)

// attempts counts the wrong passwords of the last minute. The zero value is ready to
// use.
type attempts struct {
	mu  sync.Mutex
	all []attempt // the oldest first, at most wrongFromAll
}

type attempt struct {
	at   time.Time
	from netip.Addr
}

// wait returns how long an address has to wait before the next attempt; 0: not at all.
func (a *attempts) wait(who netip.Addr, now time.Time) time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.all = slices.DeleteFunc(a.all, func(t attempt) bool { return now.Sub(t.at) >= time.Minute })
	n := 0
	for _, t := range a.all {
		if t.from == who {
			n++
		}
	}
	if n < wrongFromOne && len(a.all) < wrongFromAll {
		return 0
	}
	return time.Minute - now.Sub(a.all[0].at)
}

func (a *attempts) failed(who netip.Addr, now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.all = newest(append(a.all, attempt{now, who}), wrongFromAll)
}
