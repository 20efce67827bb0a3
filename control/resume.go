package control

import (
	"reflect"
	"slices"
	"time"

	"powermgr/control/rules"
)

// resumeTimeout is how long a controller that replaces another shows the other's last
// state while the devices are read again.
const resumeTimeout = 30 * time.Second

// knownHome is what a controller knew of the home.
type knownHome struct {
	battery, forecast bool
	thermostats       []string
	until             time.Time // stop waiting then: some of it may not be known again for a long time
}

// Resume makes c continue where last stopped. last ran in this process with other
// settings and has ended. Call Resume before Run.
func (c *Controller) Resume(last *Controller) {
	c.state = last.state.Resumed(c.Settings)
	if last.shown == nil || last.state.Standby || last.Topics != c.Topics {
		return
	}
	c.shown = last.shown
	c.unread = &knownHome{battery: last.state.Battery != nil, forecast: last.shown.ForecastF != nil, until: c.Bus.Now().Add(resumeTimeout)}
	for _, id := range c.Settings.Thermostats {
		if _, read := last.state.Thermostats[id]; read {
			c.unread.thermostats = append(c.unread.thermostats, id)
		}
	}
	c.publishState()
}

// onlyUnread reports whether next differs from the state that is shown only because the
// devices have not been read since the controller was replaced.
func (c *Controller) onlyUnread(next *State, now time.Time) bool {
	switch b, shown := c.unread, c.shown; {
	case b == nil:
		return false
	case !now.Before(b.until), next.Phase != shown.Phase, next.Override != shown.Override, !reflect.DeepEqual(next.Until, shown.Until),
		next.Enabled != shown.Enabled, next.DryRun != shown.DryRun, hasNewProblem(next, shown, Contested), hasNewProblem(next, shown, rules.NoJournal), c.allRead(*b, next):
		c.unread = nil
		return false
	}
	return true
}

// hasNewProblem reports whether next has a problem of a kind that shown does not have.
func hasNewProblem(next, shown *State, kind rules.ProblemKind) bool {
	of := func(p rules.Problem) bool { return p.Kind == kind }
	return slices.ContainsFunc(next.Problems, of) && !slices.ContainsFunc(shown.Problems, of)
}

// allRead reports whether everything in b is known again.
func (c *Controller) allRead(b knownHome, next *State) bool {
	for _, id := range b.thermostats {
		if _, read := c.state.Thermostats[id]; !read {
			return false
		}
	}
	return (c.state.Battery != nil || !b.battery) && (next.ForecastF != nil || !b.forecast)
}
