package daemon

import (
	"powermgr/bridge"
	"powermgr/cmd/records"
	"powermgr/control/forecast"
	"powermgr/control/planner"
	"time"
)

// planner is the part that keeps a plan.
func (d *Daemon) newPlanner(s bridge.Shared) *planner.Planner {
	c := d.options.Config
	return planner.New(planner.Options{
		Settings: c.Planning(), Bus: s.Bus, Topics: s.Topics, Role: s.Role, Log: s.Log.With("part", "plan"),
		Past: d.past, Rooms: d.options.Rooms, Store: d.options.Counters[0], Learned: d.options.Counters[1],
	})
}

// past is what the home lived through, for the forecasts. A daemon whose files are
// somewhere else has none in them.
func (d *Daemon) past(now time.Time) ([]forecast.Sample, error) {
	if d.options.Past != nil {
		return d.options.Past(now), nil
	}
	if d.options.Journal != nil {
		return nil, nil
	}
	return records.Past(d.options.Config, now)
}
