package discovery

import (
	"slices"
	"strings"

	"powermgr/devices"
)

// AnyPrefix returns topic filters that match discovery messages below any prefix of up
// to three levels.
func AnyPrefix() []string {
	return []string{"+/+/+/config", "+/+/+/+/config", "+/+/+/+/+/config"}
}

// A Stale message was announced by this program under names that the current
// configuration does not use.
type Stale struct {
	Topic string
	Base  string // the base topic that it was announced for
}

// FindStale lists what this program has announced and the current configuration does
// not remove by itself: messages below another prefix, or for another base topic. A
// second home with a base topic of its own may use the same broker; Lives tells the two
// cases apart.
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

// Lives reports whether the retained status of a home says that a powermgr is running
// for it.
func Lives(status []byte) bool { return string(status) == devices.Online }
