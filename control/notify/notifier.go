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

// Role says what this node is in the pair.
type Role interface {
	Active() bool // false: another node speaks for the home
}

// Options are what a Notifier needs. Those without a word on it are required.
type Options struct {
	Bus      *bus.Bus
	Topics   devices.Topics
	Settings Settings
	SMTP     SMTP // without a server there is no mail, and nothing is spooled
	Spool    *Spool
	// StateFile is where the State is kept, on the ramdisk: it changes with
	// each decision. Empty: a restart tells every fault again.
	StateFile string
	// LastingFile is where that part of it is kept that has to outlive a reboot,
	// on the disk. Empty: a reboot tells every fault again.
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
	saved       []byte    // state as it is in its file
	lastingMark string    // of what is in LastingFile
	wake        time.Time // when the state has to be stepped
	wasActive   bool      // this node was the active one at the last step

	flushRequests chan struct{} // to the goroutine that sends: look into the spool
	done          chan outcome  // and back
	delivery

	spoolProblem string // why the last mail could not be spooled; empty: it was
	published    []byte // the last Report
	unsaved      bool   // StateFile could not be written, and that was said
}

// doneTopic wakes the loop when there is an outcome.
const doneTopic = Topic + "/done"

// spoolInterval is how often the spool is looked at for mails of other processes.
const spoolInterval = 10 * time.Minute

// New returns a notifier that has subscribed already.
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

// Resume has n say how mail fares as last did, which has run in this process with
// the same settings of mail and has ended, until an attempt of its own says
// otherwise. With other settings nothing is known yet. Call it before Run.
func (n *Notifier) Resume(last *Notifier) {
	if reflect.DeepEqual(last.SMTP, n.SMTP) && last.Spool.Dir == n.Spool.Dir {
		n.problem, n.refused, n.spoolProblem = last.problem, last.refused, last.spoolProblem
	}
}

// Run mails until ctx ends; its error is ctx's. Sending has a goroutine of its
// own: a server may take its time, the bus does not wait.
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

// followRole sees whether this node speaks for the home. What the other one has told
// is in the file by then.
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

// handle folds one message. A standby decides nothing, but what a part asks for
// is sent, as is what waits.
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

// event reads a message of another part.
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

// step folds ev and spools what there is to tell. Only then is it written down
// that it was told: a crash between the two tells it again with the same key,
// which the spool knows.
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

// load reads the state of before a restart, or what of it has outlived a
// reboot. Without either, faults that last are told again.
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
