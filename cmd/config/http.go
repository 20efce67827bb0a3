package config

import (
	"net"
	"net/netip"
	"strconv"
	"strings"

	"powermgr/control/page"
	"powermgr/devices"
)

// HTTP configures the page, metrics and health.
type HTTP struct {
	// Listen is host:port; Load uses 127.0.0.1 if there is no host. Empty, the default:
	// HTTP is off.
	Listen string `koanf:"listen"`
	// Password is required by the page. Empty, the default: the page is only for this
	// machine and TrustedProxies.
	Password devices.Secret `koanf:"password"`
	// TrustedProxies are addresses, or networks such as 172.30.32.0/23, of proxies that
	// require people to log in: whoever comes through one sees the page. Each passes on
	// the browser's Host, with the port, as Host or as X-Forwarded-Host.
	TrustedProxies []string `koanf:"trusted_proxies"`
	// ReadOnly makes the page refuse commands. Default false.
	ReadOnly bool `koanf:"read_only"`
}

// MinPasswordLength is the minimum length of the page's password: somebody can try a few
// dozen a minute.
const MinPasswordLength = 8

func (l *loader) checkHTTP(h *HTTP) {
	for i, text := range h.TrustedProxies {
		if _, err := proxy(text); err != nil {
			l.problem("http.trusted_proxies["+strconv.Itoa(i)+"]", "%s is neither an address such as 192.168.1.5 nor a network such as 172.30.32.0/23", quoted(text))
		}
	}
	if p := h.Password.Reveal(); p != "" && len(p) < MinPasswordLength {
		l.problem("http.password", "it is too short: take at least %d characters", MinPasswordLength)
	}
	if h.Listen == "" {
		if h.Password != "" || len(h.TrustedProxies) > 0 || h.ReadOnly {
			l.notice("http.listen", "it is empty, so there is no page")
		}
		return
	}
	host, port, err := net.SplitHostPort(h.Listen)
	if _, perr := strconv.ParseUint(port, 10, 16); err != nil || perr != nil {
		l.problem("http.listen", "%s must read like 127.0.0.1:9469, or be empty", quoted(h.Listen))
		return
	}
	if host == "" {
		h.Listen = net.JoinHostPort("127.0.0.1", port)
		return
	}
	if devices.Loopback(host) {
		return
	}
	if !l.isAddon() { // only add-ons are in an add-on's network
		l.notice("http.listen", "everybody on the network can read the metrics")
	}
	switch {
	case h.Password == "" && len(h.TrustedProxies) == 0:
		l.notice("http.password", "there is none, and no http.trusted_proxies: the page is shown on this machine alone, at localhost")
	case h.Password != "":
		l.notice("http.password", "it goes over the network in plain text: put a proxy with TLS in front of the page if you do not trust everybody on it")
	}
}

// Access returns who may see the page. check has validated the proxies.
func (h HTTP) Access() page.Access {
	a := page.Access{Password: h.Password, ReadOnly: h.ReadOnly}
	for _, text := range h.TrustedProxies {
		if p, err := proxy(text); err == nil {
			a.Proxies = append(a.Proxies, p)
		}
	}
	return a
}

// proxy parses an address or a network.
func proxy(text string) (netip.Prefix, error) {
	text = strings.TrimSpace(text)
	if at, err := netip.ParseAddr(text); err == nil {
		at = at.Unmap()
		return netip.PrefixFrom(at, at.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	return p.Masked(), err
}

// audience says who may see the page, and what they may do.
func (h HTTP) audience() string {
	who := "the page is for this machine alone"
	switch proxies := enumerate(h.TrustedProxies); {
	case h.Password != "" && proxies != "":
		who = "the page asks for http.password, except for those who come through " + proxies
	case h.Password != "":
		who = "the page asks for http.password"
	case proxies != "":
		who = "the page is for this machine, and for those who come through " + proxies
	}
	if h.ReadOnly {
		who += "; it takes no commands"
	}
	return who
}
