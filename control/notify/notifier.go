package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"reflect"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v4"

	"powermgr/bridge/bus"
	"powermgr/control"
	"powermgr/control/health"
	"powermgr/devices"
	"powermgr/devices/durable"
)

// Role reports what this node is in the pair.
type Role interface {
	Active() bool // false: another node speaks for the home
}

// Options are what a Notifier needs. Fields without a comment are required.
type Options struct {
	Bus      *bus.Bus
	Topics   devices.Topics
	Settings Settings
	SMTP     SMTP // without a server there is no mail, and nothing is spooled
	Spool    *Spool
	// StateFile stores the State, on the ramdisk: it changes with each decision. Empty:
	// a restart mails every fault again.
	StateFile string
	// LastingFile stores the part of the state that has to survive a reboot, on the
	// disk. Empty: a reboot mails every fault again.
	LastingFile string
	Role        Role // nil: this node is alone
	Log         *slog.Logger
	Send        func(context.Context, Mail) error // nil: a Sender with SMTP
}

// A Notifier is the part of the daemon that sends mail; see Run.
type Notifier struct {
	Options
	sub         *bus.Subscription
	state       State
	saved       []byte    // the state as it is in its file
	lastingMark string    // identifies what is in LastingFile
	wake        time.Time // when the state has to be stepped next
	wasActive   bool      // this node was the active one at the last step

	flushRequests chan struct{} // asks the sending goroutine to flush the spool
	done          chan outcome  // outcomes from the sending goroutine
	delivery

	spoolProblem string // why the last mail could not be spooled; empty: it could
	published    []byte // the last Report
	unsaved      bool   // StateFile could not be written, and that was logged
}

// doneTopic wakes the loop when there is an outcome.
const doneTopic = Topic + "/done"

// spoolInterval is how often to check the spool for mail of other processes.
const spoolInterval = 10 * time.Minute

// New returns a notifier that is already subscribed.
func New(o Options) *Notifier {
	n := &Notifier{Options: o, flushRequests: make(chan struct{}, 1), done: make(chan outcome, 1)}
	if n.Send == nil {
		n.Send = NewSender(o.SMTP).Send
	}
	n.backoff = backoff.NewExponentialBackOff(backoff.WithInitialInterval(time.Minute), backoff.WithMultiplier(2),
		backoff.WithRandomizationFactor(0.2), backoff.WithMaxInterval(30*time.Minute), backoff.WithMaxElapsedTime(0))
	t := o.Topics
	n.sub = o.Bus.Subscribe("mail", Topic, doneTopic, bus.Role, t.Control(devices.HealthLeaf),
		t.Control(devices.StateLeaf), t.Control(devices.EventLeaf), t.Powerwall(devices.StateLeaf))
	return n
}

// Resume makes n report the condition of mail that last reported, until an attempt of
// its own shows otherwise. last ran in this process and has ended. If its settings for
// mail were different, nothing is known yet. Call Resume before Run.
func (n *Notifier) Resume(last *Notifier) {
	if reflect.DeepEqual(last.SMTP, n.SMTP) && last.Spool.Dir == n.Spool.Dir {
		n.problem, n.refused, n.spoolProblem = last.problem, last.refused, last.spoolProblem
	}
}

// Run sends mail until ctx ends, and returns ctx's error. Sending runs in a goroutine
// of its own, so a slow server does not hold up the bus.
func (n *Notifier) Run(ctx context.Context) error {
	defer n.sub.Close()
	if n.SMTP.Server == "" {
		for {
			if _, _, err := n.sub.Next(ctx, time.Time{}); err != nil {
				return err
			}
		}
	}
	var sending sync.WaitGroup
	sending.Go(func() { n.runFlushes(ctx) })
	defer sending.Wait()
	defer close(n.flushRequests)
	for {
		n.followRole()
		n.deliver()
		m, ok, err := n.sub.Next(ctx, devices.Earliest(n.wake, n.attemptAt()))
		if err != nil {
			return err
		}
		n.collect()
		if ok {
			n.handle(m)
		}
		if now := n.Bus.Now(); n.wasActive && !n.wake.IsZero() && !now.Before(n.wake) {
			n.step(Tick{})
		}
	}
}

// followRole checks whether this node is the active one. When it becomes so, the file
// already has what the other node has mailed.
func (n *Notifier) followRole() {
	switch active := n.Role == nil || n.Role.Active(); {
	case active && !n.wasActive:
		n.wasActive = true
		n.load()
		n.step(Tick{})
	case !active && n.wasActive:
		n.step(StoodDown{})
		n.wasActive = false
		n.forgetLasting()
		n.wake = time.Time{}
	}
}

// handle processes one message. A standby decides nothing, but it sends what parts
// request, and what is waiting.
func (n *Notifier) handle(m bus.Message) {
	n.followRole()
	if m.Topic == Topic {
		if m.Origin != bus.Local {
			return
		}
		mail, err := Decode(m.Payload)
		if err != nil {
			n.Log.Error("a part asked for a mail that cannot be sent", "reason", err)
			return
		}
		n.step(MailRequested{mail})
		return
	}
	if !n.wasActive || bus.Private(m.Topic) || len(m.Payload) == 0 {
		return
	}
	ev, err := event(n.Topics, m)
	if err != nil {
		n.Log.Warn("a message was not understood", "topic", m.Topic, "reason", err)
		return
	}
	n.step(ev)
}

// event converts a message of another part.
func event(topics devices.Topics, m bus.Message) (Event, error) {
	switch m.Topic {
	case topics.Control(devices.HealthLeaf):
		h, err := bus.Decode[health.Health](m)
		return FaultsReported{h.Faults}, err
	case topics.Control(devices.StateLeaf):
		s, err := bus.Decode[control.State](m)
		return ControllerState{s}, err
	case topics.Control(devices.EventLeaf):
		e, err := bus.Decode[control.Event](m)
		return DecisionMade{e}, err
	}
	r, err := bus.Decode[devices.PowerwallReading](m)
	return ChargeRead{(*float64)(r.ChargePercent), r.AsOf()}, err
}

// step applies ev and spools the resulting mails. Only then does it save that they were
// sent: after a crash between the two, they are sent again with the same keys, which
// the spool recognizes.
func (n *Notifier) step(ev Event) {
	var mails []Mail
	n.state, mails, n.wake = n.Settings.Step(n.state, ev, n.Bus.Now())
	for _, m := range mails {
		if !n.SMTP.Wants(m.Level) {
			continue
		}
		n.spoolProblem = ""
		if err := n.Spool.Add(m); err != nil {
			n.Log.Error("a mail cannot be spooled", "subject", m.Subject, "reason", err)
			n.spoolProblem = err.Error()
		}
	}
	if n.wasActive {
		n.save()
	}
}

// load restores the state from before a restart, or what survived a reboot. Without
// either, faults that still last are mailed again.
func (n *Notifier) load() {
	for _, file := range []string{n.StateFile, n.LastingFile} {
		if file == "" {
			continue
		}
		b, err := os.ReadFile(file)
		if err == nil {
			n.state = State{}
			err = json.Unmarshal(b, &n.state)
		}
		switch {
		case err == nil:
			_, n.lastingMark = n.state.lasting()
			if file == n.StateFile {
				n.saved, n.lastingMark = b, "" // that of the other node perhaps
			}
			return
		case !errors.Is(err, fs.ErrNotExist):
			n.Log.Warn("what was mailed before is not known", "file", file, "reason", err)
			n.state = State{}
		}
	}
}

func (n *Notifier) save() {
	err := errors.Join(n.saveState(), n.saveLasting())
	if err != nil && !n.unsaved {
		n.Log.Warn("what was mailed cannot be kept for a restart", "reason", err)
	}
	n.unsaved = err != nil
}

func (n *Notifier) saveState() error {
	b, err := json.Marshal(n.state)
	if n.StateFile == "" || err == nil && bytes.Equal(b, n.saved) {
		return nil
	}
	if err == nil {
		err = durable.Replace(n.StateFile, b, 0o600)
	}
	if err == nil {
		n.saved = b
	}
	return err
}
