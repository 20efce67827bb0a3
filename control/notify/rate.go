package notify

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"powermgr/control/health"
	"powermgr/devices"
)

// The rule for bursts of mail. In each hour, the first PerHour mails of a level are
// sent as they come. The rest are held and sent as one digest: when the hour allows
// it, or, if they are critical, after joinWithin at the latest.
const (
	defaultPerHour = 10
	joinWithin     = 5 * time.Minute
)

// maxHeld is how many different messages one digest lists. A critical digest is sent at
// once when it has that many; in others, the rest are counted.
const maxHeld = 100

// Rate tracks the mail of one level.
type Rate struct {
	Sent []time.Time `json:"sent,omitempty"` // within the last hour
	Held []Held      `json:"held,omitempty"`
	More int         `json:"more,omitempty"` // held as well, but only counted
	// Since is when the first of Held came.
	Since time.Time `json:"since,omitzero"`
}

// Held is a mail that waits for a digest, shortened to what the digest says about it.
type Held struct {
	Keys    []string  `json:"keys"` // several if the same message came again
	Subject string    `json:"subject"`
	Gist    string    `json:"gist"`
	At      time.Time `json:"at"`
}

// mail sends m, or holds it for a digest, with gist as its text.
func (st *step) mail(m Mail, gist string) {
	r := st.rate(m.Level)
	if len(r.Held) == 0 && len(r.Sent) < st.perHour() {
		r.Sent = append(r.Sent, st.now)
		st.Rates[m.Level] = r
		st.out = append(st.out, m)
		return
	}
	st.Rates[m.Level] = r.hold(Held{Keys: []string{m.Key}, Subject: bare(m.Subject), Gist: cut(gist, longestText), At: m.At}, m.Level, st.now)
	if m.Level == health.Critical && len(st.Rates[m.Level].Held) >= maxHeld {
		st.sendDigest(m.Level)
	}
}

func (st *step) perHour() int {
	if st.PerHour > 0 {
		return st.PerHour
	}
	return defaultPerHour
}

// rate returns the rate of a level as of now; the caller may change it.
func (st *step) rate(l health.Level) Rate {
	r := st.Rates[l]
	var recent []time.Time
	for _, t := range r.Sent {
		if age := st.now.Sub(t); age >= 0 && age < time.Hour { // a clock can be set back
			recent = append(recent, t)
		}
	}
	r.Sent, r.Held = recent, slices.Clone(r.Held)
	return r
}

func (r Rate) hold(h Held, l health.Level, now time.Time) Rate {
	if len(r.Held) == 0 {
		r.Since = now
	}
	for i, o := range r.Held {
		switch {
		case slices.Contains(o.Keys, h.Keys[0]):
			return r
		case o.Subject == h.Subject:
			r.Held[i].Keys = append(slices.Clone(o.Keys), h.Keys...)
			return r
		}
	}
	if len(r.Held) >= maxHeld && l != health.Critical {
		r.More++
		return r
	}
	r.Held = append(r.Held, h)
	return r
}

// sendDigests sends the digests that are due.
func (st *step) sendDigests() {
	for _, l := range slices.Backward(health.Levels()) {
		if len(st.Rates[l].Held) == 0 {
			continue
		}
		r := st.rate(l)
		at := st.now
		if over := len(r.Sent) - st.perHour(); over >= 0 {
			at = r.Sent[over].Add(time.Hour)
		}
		if l == health.Critical {
			at = devices.Earliest(at, r.Since.Add(joinWithin))
		}
		if st.due(at) {
			st.sendDigest(l)
		}
	}
}

// sendDigest sends what is held of a level as one mail. Its key is made from all the
// keys in it: if the same messages are held again after a crash, with one more, nothing
// counts as sent that was not.
func (st *step) sendDigest(level health.Level) {
	r := st.rate(level)
	var keys []string
	var facts []Fact
	for _, h := range r.Held {
		keys = append(keys, h.Keys...)
		text := h.Subject
		if len(h.Keys) > 1 {
			text += fmt.Sprintf(" (%d times)", len(h.Keys))
		}
		if gist := strings.TrimSuffix(h.Gist, "."); gist != "" && !strings.EqualFold(gist, h.Subject) {
			text += "\n" + h.Gist
		}
		facts = append(facts, Fact{st.clock(h.At, st.now), text})
	}
	n := len(keys) + r.More
	l := Message{
		Key: fmt.Sprintf("digest/%s/%s", level, hash(strings.Join(keys, "\n"))), Level: level, At: st.now, Facts: facts,
		Subject: fmt.Sprintf("%d more: %s", n, r.Held[0].Subject),
		Text:    fmt.Sprintf("there were more than %d mails of this level within an hour. This mail combines the rest", st.perHour()),
	}
	if n == 1 {
		l.Subject = r.Held[0].Subject
	}
	if r.More > 0 {
		l.Text += fmt.Sprintf(", except for %d that did not fit", r.More)
	}
	m := st.Compose(l)
	m.Joined = keys
	st.out = append(st.out, m)
	st.Rates[level] = Rate{Sent: append(r.Sent, st.now)}
}
