package bridge

import (
	"fmt"
	"slices"
	"strings"

	"powermgr/devices"
)

// goneAfter is how many good polls in a row have to lack a thermostat before that is a
// fault: a vendor leaves one out now and then.
const goneAfter = 2

// findMissing reports controlled thermostats that are not on the account, and those
// that have never had a reading: otherwise nothing would be read, decided or said about
// them.
func (t *Thermostats) findMissing() {
	if t.Missing == nil {
		return
	}
	has, sure := t.Listed()
	var gone, unread []string
	for _, id := range t.Controlled {
		h := t.byID[devices.TopicID(id)]
		if h != nil && h.missing == 0 {
			delete(t.missedPolls, id)
			continue
		}
		t.missedPolls[id]++
		listed := slices.ContainsFunc(has, func(v string) bool { return devices.TopicID(v) == devices.TopicID(id) })
		switch {
		case t.missedPolls[id] < goneAfter:
		case sure && !listed:
			gone = append(gone, id)
		case h == nil: // what was read once grows old, and that is reported
			unread = append(unread, id)
		}
	}
	t.Missing(missingText(gone, unread, has))
}

// missingText returns the report as text; empty if none is missing.
func missingText(gone, unread, has []string) string {
	var parts []string
	if len(gone) > 0 {
		there := "none"
		if len(has) > 0 {
			there = inWords(slices.Sorted(slices.Values(has)))
		}
		parts = append(parts, fmt.Sprintf("%s %s in settings.thermostat_ids and not on the account, which has %s", inWords(gone), are(gone), there))
	}
	if len(unread) > 0 {
		parts = append(parts, fmt.Sprintf("%s %s in settings.thermostat_ids, but the vendor's data cannot be used; the log says why", inWords(unread), are(unread)))
	}
	return strings.Join(parts, "; ")
}

func are(all []string) string {
	if len(all) > 1 {
		return "are"
	}
	return "is"
}

// inWords lists ids in words; it counts those after the tenth.
func inWords(all []string) string {
	const maxListed = 10
	if len(all) > maxListed {
		return fmt.Sprintf("%s and %d more", strings.Join(all[:maxListed], ", "), len(all)-maxListed)
	}
	if n := len(all) - 1; n > 0 {
		return strings.Join(all[:n], ", ") + " and " + all[n]
	}
	return all[0]
}
