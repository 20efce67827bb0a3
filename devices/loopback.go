package devices

import "net/netip"

// Loopback reports whether a host, a name or an address, is this machine by what it
// is called. What listens there takes secrets without TLS, as the emulator does.
func Loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}
