package health

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"powermgr/control/rules"
	"powermgr/devices"
)

// How long a vendor may fail to answer before it is a fault and mail is sent. During
// a peak and the lead before it, Home Assistant shows it earlier: when two polls in
// a row have failed, or the last good answer is almost five minutes old.
const (
	vendorOutageDelay  = 15 * time.Minute // three polls
	weatherOutageDelay = 3 * time.Hour    // a forecast is good for as long
)

// vendors has each vendor's name for people and the command that authorizes powermgr again.
var vendors = map[string]struct{ name, command string }{
	Powerwall:   {"Tesla", "powermgr auth tesla"},
	Thermostats: {"Honeywell", "powermgr auth honeywell"},
	Weather:     {"the weather service", ""},
}

// early lists the conditions that are not faults yet but that their parts already
// show, because a peak is under way.
func (w *Watcher) early(now time.Time) (all []Fault) {
	if !w.peak {
		return nil
	}
	for _, g := range w.signs {
		if !g.earlyAt.IsZero() && !now.Before(g.earlyAt) && now.Before(g.faultAt) {
			all = append(all, g.Fault)
		}
	}
	slices.SortFunc(all, func(a, b Fault) int { return strings.Compare(a.Key, b.Key) })
	return all
}

func (w *Watcher) vendor(part string, a devices.API, now time.Time) {
	s := w.signs
	authorization, answers := authorizationKey(part), part+"/answers"
	v := vendors[part]
	s.calls(part, a, now)
	reason := ""
	if a.Reason != nil {
		reason = ": " + *a.Reason
	}
	if a.Reauthorise {
		// The reason says what to do: it is not the same for a token file, an
		// access token and a password.
		if reason == "" {
			reason = ": run " + v.command
		}
		s.observe(Fault{Key: authorization, Part: part, Level: Critical, Text: fmt.Sprintf("%s has to be authorized on this node%s", v.name, reason)}, 0, now)
		s.clear(answers)
		s.refusedAlike(part)
		return
	}
	s.clear(authorization)
	delay := vendorOutageDelay
	if part == Weather {
		delay = weatherOutageDelay
	}
	if a.Problem == nil {
		w.answered[part] = now
		s.clear(answers)
		s.age(part, a, delay, now)
		return
	}
	s.observe(Fault{Key: answers, Part: part, Level: Warning, Text: fmt.Sprintf("%s is not responding properly (%s); powermgr keeps the last readings and keeps trying%s", v.name, *a.Problem, reason)}, delay, now)
	if part == Weather {
		return // a peak does without it
	}
	g := s[answers]
	g.earlyAt = g.Since.Add(devices.SilenceShown)
	if good, known := w.answered[part]; known {
		g.earlyAt = good.Add(devices.SilenceShown)
	}
	if a.Failed >= 2 {
		g.earlyAt = g.Since
	}
	s[answers] = g
}

func authorizationKey(part string) string { return part + "/authorisation" }

// refusedAlike forgets the failed commands to part: a vendor that has to authorize
// powermgr again refuses all of them, and one fault says so.
func (s signs) refusedAlike(part string) {
	for key, g := range s {
		if g.Part == part && strings.HasPrefix(key, commandKey("")) {
			s.clear(key)
		}
	}
}

// Calls are spent faster than they should be when so much of a month's is gone,
// and that is so much more than of the month.
const (
	callsGone  = 0.8
	callsAhead = 0.1
)

// calls records how many of a month's calls are used. The text stays the same as long
// as the fault lasts, so that it is reported once.
func (s signs) calls(part string, a devices.API, now time.Time) {
	key := part + "/calls"
	if a.CallsMonth == nil || a.CallsPerMonth == nil || *a.CallsPerMonth == 0 {
		s.clear(key)
		return
	}
	begin := time.Date(now.Year(), now.Month(), 1, 0, 0, 0, 0, now.Location())
	gone := float64(*a.CallsMonth) / float64(*a.CallsPerMonth)
	if gone < callsGone || gone-now.Sub(begin).Hours()/begin.AddDate(0, 1, 0).Sub(begin).Hours() <= callsAhead {
		s.clear(key)
		return
	}
	s.observe(Fault{Key: key, Part: part, Level: Warning, Text: fmt.Sprintf(
		"%s's calls for this month are nearly used up, well before its end: powermgr reads it less often from now on, but still sends commands; if you can afford more calls, raise tesla.calls_per_month", vendors[part].name)}, 0, now)
}

// age records how old the figures were in a vendor's latest answer.
func (s signs) age(part string, a devices.API, limit time.Duration, now time.Time) {
	key := part + "/age"
	if a.AgeSeconds == nil || *a.AgeSeconds < limit.Seconds() {
		s.clear(key)
		return
	}
	old := rules.Roughly(time.Duration(min(*a.AgeSeconds, 1e9)) * time.Second)
	s.observe(Fault{Key: key, Part: part, Level: Warning, Text: fmt.Sprintf(
		"%s's data is %s old, although it answers: the device may have lost its connection, or this machine's clock is wrong; powermgr makes no new decisions from it", vendors[part].name, old)}, 0, now)
}
