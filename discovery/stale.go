package discovery

import (
	"slices"
	"strings"

	"powermgr/devices"
)

// AnyPrefix are topic filters that match discovery messages below prefixes of up
// to three levels, whatever they are called.
func AnyPrefix() []string {
	return []string{"+/+/+/config", "+/+/+/+/config", "+/+/+/+/+/config"}
}

// A Stale message was announced by this program under names that the present
// configuration does not use.
type Stale struct {
	Topic string
	Base  string // the base topic that it was announced for
}

// FindStale lists what this program has announced and the present configuration
// does not take back by itself: below another prefix, or for another base
// topic. A home with another base topic may live on the same broker; Lives
// tells the two apart.
func FindStale(retained []Message, prefix string, topics devices.Topics) []Stale {
	var out []Stale
	for _, m := range retained {
		if in, base, ok := announcedBy(m); ok && (in != prefix || base != topics.Base) {
			out = append(out, Stale{m.Topic, base})
		}
	}
	slices.SortFunc(out, func(a, b Stale) int { return strings.Compare(a.Topic, b.Topic) })
	return slices.CompactFunc(out, func(a, b Stale) bool { return a.Topic == b.Topic })
}

// Lives reports whether what a home has retained on its status says that a
// powermgr runs for it.
func Lives(status []byte) bool { return string(status) == devices.Online }
