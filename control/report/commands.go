package report

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"powermgr/bridge/bus"
	"powermgr/devices"
)

// A Command is a command that somebody sent, and its outcome.
type Command struct {
	ID        string    `json:"id"`
	At        time.Time `json:"at"`
	Target    string    `json:"target"`  // powerwall, a thermostat's id, weather, control
	Setting   string    `json:"setting"` // reserve, hold, cool_setpoint, override, …
	Source    string    `json:"source"`  // control or person
	Requested any       `json:"requested"`
	Applied   any       `json:"applied"`  // what the device showed in the end
	Accepted  *bool     `json:"accepted"` // nil: nobody answered
	Final     bool      `json:"final"`
	Reason    string    `json:"reason"` // why it was not carried out; empty: it was
	// ConfirmedAfter is how many seconds after the command the device showed it.
	ConfirmedAfter *int `json:"confirmed_after_seconds"`
}

// superseded begins the reason of a command that was replaced by a newer one.
const superseded = "superseded"

// failed reports whether a command did not have the effect that was asked for.
func (c Command) failed() bool {
	return c.ConfirmedAfter == nil && !strings.HasPrefix(c.Reason, superseded)
}

// unansweredFor is how long after a command its answer may still come.
const unansweredFor = 15 * time.Minute

// pending reports whether the answer may still come at t.
func (c Command) pending(t time.Time) bool { return !c.Final && t.Sub(c.At) < unansweredFor }

// mistaken reports whether a person's command was refused outright, such as one with a
// typo.
func (c Command) mistaken() bool {
	return c.Source == sourcePerson && c.Accepted != nil && !*c.Accepted
}

// sourcePerson is the source of every command that is not the controller's.
const sourcePerson = "person"

// place is what a command's topic is about.
func (m message) place() (target, setting string) {
	target, setting = m.levels[0], m.levels[len(m.levels)-2]
	if target == "thermostat" && len(m.levels) == 4 {
		target = m.levels[1]
	}
	return clip(target, longestName), clip(setting, longestName)
}

// asked folds a command that somebody sent.
func (r *Record) asked(m message) {
	req, _ := devices.ParseRequest(m.Payload) // one that cannot be read is refused, and told
	if req.ID == "" {
		req.ID = m.ID
	}
	c := Command{ID: clip(req.ID, longestName), At: r.local(m.now), Source: sourcePerson}
	if m.Source == devices.SourceControl {
		c.Source = devices.SourceControl
	}
	if req.Value != "" {
		c.Requested = clip(req.Value, longestName)
	}
	c.Target, c.Setting = m.place()
	keep(r, "commands", &r.Commands, c, maxCommands)
}

// answered folds an answer to a command.
func (r *Record) answered(m message) error {
	a, err := bus.Decode[devices.Result](m.Message)
	if err != nil {
		return err
	}
	at, id := r.local(m.now), clip(a.ID, longestName)
	target, setting := m.place()
	i := slices.IndexFunc(r.Commands, func(c Command) bool {
		return c.pending(at) && c.ID == id && c.Target == target && c.Setting == setting
	})
	if i < 0 { // the command itself came by another way, such as to another process
		c := Command{ID: id, At: at, Target: target, Setting: setting, Source: sourcePerson}
		if strings.HasPrefix(id, devices.SourceControl+"-") {
			c.Source = devices.SourceControl
		}
		if i = len(r.Commands); i == maxCommands {
			return nil // it was counted when it was sent
		}
		r.Commands = append(r.Commands, c)
	}
	c := &r.Commands[i]
	if a.Requested != nil {
		c.Requested = scalar(a.Requested)
	}
	c.Accepted, c.Final, c.Applied = &a.Accepted, a.Final, scalar(a.Applied)
	if !a.Final {
		return nil
	}
	c.Reason = clip(a.Reason, longestText)
	// The controller and the weather repeat the sender's own reason.
	if a.Accepted && a.Applied != nil && (a.Reason == "" || target == "control" || target == "weather") {
		c.Reason, c.ConfirmedAfter = "", new(int(at.Sub(c.At).Seconds()))
	}
	return nil
}

// scalar is a value of a result, bounded.
func scalar(v any) any {
	switch v := v.(type) {
	case string:
		return clip(v, longestName)
	case float64, bool, nil:
		return v
	}
	b, _ := json.Marshal(v)
	return clip(string(b), longestName)
}
