package bridge

import (
	"maps"
	"slices"
	"strings"
	"time"

	"powermgr/bridge/bus"
	"powermgr/devices"
)

// Echoes are the commands that this process has sent to the broker. A broker that
// ignores No Local sends them back, and they would be carried out twice. The zero value
// is ready to use; it is not safe for concurrent use.
type Echoes struct {
	until map[string]time.Time // they may come back
}

// echoLife is how long a command of this process may take to come back.
const echoLife = 5 * time.Minute

// Expect records a command that leaves this process at now. Its id is in the payload,
// which makes it recognizable even if properties are lost.
func (e *Echoes) Expect(m bus.Message, now time.Time) {
	if m.ID == "" || !strings.HasSuffix(m.Topic, devices.Set) {
		return
	}
	maps.DeleteFunc(e.until, func(_ string, until time.Time) bool { return now.After(until) })
	if e.until == nil {
		e.until = map[string]time.Time{}
	}
	e.until[m.Topic+" "+string(m.Payload)] = now.Add(echoLife)
}

// Has reports whether m, from the broker, is a command that this process sent itself.
func (e *Echoes) Has(m bus.Message, now time.Time) bool {
	until, sent := e.until[m.Topic+" "+string(m.Payload)]
	return sent && now.Before(until)
}

// foreign reports whether m is a command from the controller of another node, which
// that node's own bridge carries out. Here it would be carried out a second time, and
// for real if the other node is a dry run.
func (o LinkOptions) foreign(m bus.Message) bool {
	return m.Source == devices.SourceControl && strings.HasSuffix(m.Topic, devices.Set) && (o.Controller || m.Node != o.Node)
}

// Wants reports whether a message from the broker is for this process.
func (o LinkOptions) Wants(m bus.Message) bool {
	return !o.foreign(m) && slices.ContainsFunc(o.Filters, func(f string) bool { return bus.Match(f, m.Topic) })
}
