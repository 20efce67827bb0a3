package demo

import (
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// Tells people where to watch a demo while it runs.

// RuntimeDir returns where the daemon of this user's demo has its socket, for a powermgr
// status next to it. ErrNotExist: no demo has run here.
func RuntimeDir() (string, error) {
	dir := filepath.Join(os.TempDir(), fmt.Sprintf("powermgr-demo-of-%d", os.Getuid()))
	info, err := os.Lstat(dir)
	if err != nil {
		return dir, err
	}
	// Everybody may create folders there.
	if s, ok := info.Sys().(*syscall.Stat_t); !info.IsDir() || info.Mode().Perm() != 0o700 || ok && int(s.Uid) != os.Getuid() {
		return dir, fmt.Errorf("%s: %w: it is not this user's alone", dir, fs.ErrPermission)
	}
	return dir, nil
}

// makeRuntimeDir creates RuntimeDir. Empty: this demo has no status.
func makeRuntimeDir() string {
	if dir, err := RuntimeDir(); err == nil {
		return dir
	} else if os.Mkdir(dir, 0o700) == nil {
		return dir
	}
	return ""
}

func greet(o Options) {
	host, port, _ := net.SplitHostPort(nearby(o.Listen))
	say := func(format string, args ...any) { fmt.Fprintf(o.Story, format+"\n", args...) }
	say("%s, a day in the emulated house, at most %g times as fast as in life. Its decisions, and a line each hour:", o.Day, o.Speed)
	look := "Look in: "
	if o.Page != "" {
		say("Look in:  http://%s in a browser", o.Page)
		look = "         "
	}
	say("%s %s status", look, o.Command)
	say("          mosquitto_sub -V 5 -h %s -p %s -v -t 'powermgr/#'", host, port)
	say("Meddle:   mosquitto_pub -V 5 -h %s -p %s -t powermgr/control/override/set -m 'pause 30m'", host, port)
	if at := addresses(o.Listen); len(at) > 0 {
		say("Home Assistant: add the MQTT integration with broker %s, port %s.", strings.Join(at, " or "), port)
		say("This broker asks for no password: while the demo runs, it is open to everybody on your network.\n")
		return
	}
	say("Home Assistant on this machine: add the MQTT integration with broker %s, port %s.", host, port)
	say("On another machine or in a container: run the demo with --listen 0.0.0.0:%s (make demo LISTEN=0.0.0.0:%s).\n", port, port)
}

// nearby returns the address at which this machine reaches what listens on addr.
func nearby(addr string) string {
	at, err := netip.ParseAddrPort(addr)
	if err != nil || !at.Addr().IsUnspecified() {
		return addr
	}
	return netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), at.Port()).String()
}

// addresses returns the addresses at which others reach what listens on addr; none if it
// is only for this machine.
func addresses(addr string) (all []string) {
	at, err := netip.ParseAddrPort(addr)
	switch {
	case err != nil || at.Addr().IsLoopback():
		return nil
	case !at.Addr().IsUnspecified():
		return []string{at.Addr().String()}
	}
	own, _ := net.InterfaceAddrs() // without them, the host's name has to suffice
	for _, a := range own {
		if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().Is4() && p.Addr().IsGlobalUnicast() {
			all = append(all, p.Addr().String())
		}
	}
	if name, err := os.Hostname(); err == nil && len(all) == 0 {
		all = []string{name}
	}
	return all
}
