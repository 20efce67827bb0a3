package config

import (
	"net/netip"
	"slices"
	"strings"
)

// This node, and the pair that it may be one of.

// HA configures the pair of nodes.
type HA struct {
	// Enabled lets keepalived decide which node is active. Default false: this is the
	// only node, and always active.
	Enabled bool `koanf:"enabled"`
	// Node is this node's name on topics, [a-zA-Z0-9_-], at most 64. Empty in
	// the file: the host name. Load fills it in.
	Node string `koanf:"node"`
	// PrimaryNodeIP, BackupNodeIP and VirtualIP are the addresses of the pair.
	// They are shown, and used by the files in deploy; empty: unknown.
	PrimaryNodeIP string `koanf:"primary_node_ip"`
	BackupNodeIP  string `koanf:"backup_node_ip"`
	VirtualIP     string `koanf:"virtual_ip"`
}

// nodeName returns the host name, with the characters that a topic does not allow
// replaced.
func (l *loader) nodeName() string {
	host, err := l.host()
	if err != nil || host == "" {
		host = "powermgr"
	}
	host, _, _ = strings.Cut(host, ".")
	name := []rune(strings.Map(func(r rune) rune {
		if nodeRune(r) {
			return r
		}
		return '-'
	}, host))
	return string(name[:min(len(name), 64)])
}

func nodeRune(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || slices.Contains([]rune("-_"), r)
}

func (l *loader) checkNode(h HA) {
	if node := h.Node; len(node) > 64 || strings.ContainsFunc(node, func(r rune) bool { return !nodeRune(r) }) {
		l.problem("ha.node", "%s has to be at most 64 letters, digits, - and _", quoted(node))
	}
	pair := false
	for _, a := range []struct{ key, value string }{
		{"ha.primary_node_ip", h.PrimaryNodeIP}, {"ha.backup_node_ip", h.BackupNodeIP}, {"ha.virtual_ip", h.VirtualIP},
	} {
		if a.value == "" {
			continue
		}
		pair = true
		_, err1 := netip.ParseAddr(a.value)
		_, err2 := netip.ParsePrefix(a.value)
		if err1 != nil && err2 != nil {
			l.problem(a.key, "%s is not an IP address", quoted(a.value))
		}
	}
	if pair && !h.Enabled {
		l.notice("ha.enabled", "it is false: this node acts alone, whatever keepalived says")
	}
}
