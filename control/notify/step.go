package notify

import (
	"maps"
	"slices"
	"strings"
	"time"

	"powermgr/control"
	"powermgr/control/health"
	"powermgr/devices"
)

// State is what has to be remembered from one step to the next. The zero value is that
// of a first start.
type State struct {
	Faults map[string]FaultRecord `json:"faults,omitempty"` // by their keys
	Peak   Peak                   `json:"peak"`
	Rates  map[health.Level]Rate  `json:"rates,omitempty"`
	Charge ChargeRead             `json:"-"` // the last one; it is soon read again
}

// An Event is something that people may have to be told about.
type Event interface{ event() }

// FaultsReported carries all present faults.
type FaultsReported struct{ Faults []health.Fault }

// ControllerState carries what the controller publishes.
type ControllerState struct{ control.State }

// DecisionMade carries a decision of the controller.
type DecisionMade struct{ control.Event }

// ChargeRead carries the charge of the battery.
type ChargeRead struct {
	Percent *float64 // nil: unknown
	AsOf    time.Time
}

// MailRequested carries a mail that another part wants sent.
type MailRequested struct{ Mail }

// StoodDown says that another node is active now.
type StoodDown struct{}

// Tick is the passing of time.
type Tick struct{}

func (FaultsReported) event()  {}
func (ControllerState) event() {}
func (DecisionMade) event()    {}
func (ChargeRead) event()      {}
func (MailRequested) event()   {}
func (StoodDown) event()       {}
func (Tick) event()            {}

// Step applies ev to s as of now. It returns the next state, the mails to send, in
// order, and when to step again at the latest; zero: there is nothing to wait for. It
// never changes s and never blocks. The same step repeated after a crash gives mails
// with the same keys.
func (o Settings) Step(s State, ev Event, now time.Time) (State, []Mail, time.Time) {
	st := step{Settings: o, State: s.clone(), now: now}
	switch ev := ev.(type) {
	case FaultsReported:
		st.updateFaults(ev.Faults)
	case ControllerState:
		st.phase(ev.State)
	case DecisionMade:
		st.decided(ev.Event)
	case ChargeRead:
		st.Charge = ev
	case MailRequested:
		st.mailRequested(ev.Mail)
	case StoodDown:
		st.standDown()
	}
	st.mailFaults()
	st.mailFinishedPeak()
	st.sendDigests()
	return st.State, st.out, st.wake
}

// step is one Step under way.
type step struct {
	Settings
	State
	now  time.Time
	out  []Mail
	wake time.Time
}

// clone copies what a step changes in place.
func (s State) clone() State {
	s.Faults, s.Rates = maps.Clone(s.Faults), maps.Clone(s.Rates)
	if s.Faults == nil {
		s.Faults = map[string]FaultRecord{}
	}
	if s.Rates == nil {
		s.Rates = map[health.Level]Rate{}
	}
	s.Peak.Decisions = slices.Clone(s.Peak.Decisions)
	return s
}

// due reports whether at has come, and otherwise makes sure that there is a step when
// it does.
func (st *step) due(at time.Time) bool {
	if !st.now.Before(at) {
		return true
	}
	st.wake = devices.Earliest(st.wake, at)
	return false
}

// mailRequested passes on another part's mail. If it has no form of its own, it gets
// the usual one.
func (st *step) mailRequested(m Mail) {
	if m.At.IsZero() {
		m.At = st.now
	}
	if m.HTML != "" {
		m.Subject = oneLine(m.Subject, longestSubject)
		st.mail(m, m.Text)
		return
	}
	st.send(Message{Key: m.Key, Level: m.Level, Subject: m.Subject, Text: m.Text, At: m.At})
}

func (st *step) send(l Message) {
	gist := l.Text
	for _, row := range rows(l.Facts) {
		gist = strings.TrimSpace(gist + "\n" + row)
	}
	st.mail(st.Compose(l), gist)
}

// standDown forgets what is up to the other node from now on. A fault that was mailed
// stays, so that its end is mailed too.
func (st *step) standDown() {
	maps.DeleteFunc(st.Faults, func(_ string, t FaultRecord) bool { return t.Level == "" })
	if !st.Peak.Ended.IsZero() {
		st.mailPeak()
	}
	st.Peak, st.Charge = Peak{}, ChargeRead{}
}
