package notify_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"powermgr/bridge/bus"
	"powermgr/control"
	"powermgr/control/health"
	"powermgr/control/notify"
	"powermgr/control/rules"
	"powermgr/devices"
)

var topics = devices.Topics{Base: "powermgr"}

// delivered is one mail that a server was given, so long after the rig began.
type delivered struct {
	notify.Mail
	after time.Duration
	err   error
}

// rig is a notifier in a bubble, on a disk that outlives it.
type rig struct {
	t       *testing.T
	bus     *bus.Bus
	options notify.Options
	active  atomic.Bool
	began   time.Time
	log     *syncBuffer

	mu     sync.Mutex
	server func(context.Context, notify.Mail) error // nil: it takes everything
	all    []delivered
	stop   func()
	last   *notify.Notifier // that was started
}

// syncBuffer is a buffer that a logger and a test share.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(b)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func (r *rig) Active() bool { return r.active.Load() }

func newRig(t *testing.T) *rig {
	t.Helper()
	dir := folder(t)
	r := &rig{t: t, bus: bus.New(bus.Wall{}), began: time.Now(), log: &syncBuffer{}}
	r.active.Store(true)
	everybody := []string{"a@example.org"}
	r.options = notify.Options{
		Bus: r.bus, Topics: topics, Settings: notify.Settings{Location: time.UTC, Node: "pi-a"}, Role: r,
		SMTP:      notify.SMTP{Server: "mail.test", Recipients: map[health.Level][]string{health.Info: everybody, health.Warning: everybody, health.Critical: everybody}},
		Spool:     &notify.Spool{Dir: filepath.Join(dir, "mail")},
		StateFile: filepath.Join(dir, "state.json"), LastingFile: filepath.Join(dir, "told.json"),
		Log: slog.New(slog.NewTextHandler(r.log, nil)),
		Send: func(ctx context.Context, m notify.Mail) error {
			r.mu.Lock()
			server := r.server
			r.mu.Unlock()
			var err error
			if server != nil {
				err = server(ctx, m)
			}
			r.mu.Lock()
			defer r.mu.Unlock()
			r.all = append(r.all, delivered{m, time.Since(r.began), err})
			return err
		},
	}
	return r
}

// start starts the notifier as after a boot: with nothing but what is on disk.
func (r *rig) start() { r.follow(nil) }

// reload has another notifier go on where the one that runs is.
func (r *rig) reload() {
	r.stop()
	r.follow(r.last)
}

// follow starts the notifier that comes after last; nil: after a boot.
func (r *rig) follow(last *notify.Notifier) {
	o := r.options
	o.Spool = &notify.Spool{Dir: o.Spool.Dir, Log: o.Log}
	n := notify.New(o)
	if last != nil {
		n.Resume(last)
	}
	r.last = n
	ctx, cancel := context.WithCancel(r.t.Context())
	done := make(chan error)
	go func() { done <- n.Run(ctx) }()
	r.stop = func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			r.t.Errorf("Run ended with %v", err)
		}
	}
	synctest.Wait()
}

func (r *rig) publish(topic string, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		r.t.Fatal(err)
	}
	r.bus.Publish(bus.Message{Topic: topic, Payload: b, Retain: topic == topics.Control(devices.HealthLeaf)})
	synctest.Wait()
}

// faults publishes all there are: "c:key" as in the stories.
func (r *rig) faults(all ...string) {
	r.publish(topics.Control(devices.HealthLeaf), health.Health{Faults: faults(0, all...).ev.(notify.FaultsReported).Faults})
}

func (r *rig) ask(key string, level health.Level) { r.publish(notify.Topic, mail(key, level)) }

// serve says what the server does from now on; nil: it takes everything.
func (r *rig) serve(server func(context.Context, notify.Mail) error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.server = server
}

func (r *rig) wait(d time.Duration) { time.Sleep(d); synctest.Wait() }

// attempts is what the server was given, with whether it took it.
func (r *rig) attempts() []delivered {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.all)
}

// sent are the subjects of what the server has taken.
func (r *rig) sent() (subjects []string) {
	for _, d := range r.attempts() {
		if d.err == nil {
			subjects = append(subjects, strings.TrimPrefix(d.Subject, "[powermgr] "))
		}
	}
	return subjects
}

func (r *rig) expect(want ...string) {
	r.t.Helper()
	if got := r.sent(); !slices.Equal(got, want) {
		r.t.Errorf("sent %q\nwant %q\nlog:\n%s", got, want, r.log)
	}
}

// health is what is said of mail itself.
func (r *rig) health() (ok bool, problem string, waiting int) {
	m, _ := r.bus.Retained(health.Topic(health.Mail))
	var h notify.Report
	if err := json.Unmarshal(m.Payload, &h); err != nil {
		r.t.Fatalf("%s: %v", m.Payload, err)
	}
	return h.Problem == "", h.Problem, h.Waiting
}

func (r *rig) files() (names []string) {
	all, _ := os.ReadDir(r.options.Spool.Dir)
	for _, f := range all {
		names = append(names, f.Name())
	}
	return names
}

// bubble runs f with a rig whose notifier runs.
func bubble(t *testing.T, name string, f func(r *rig)) {
	t.Run(name, func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t)
			r.start()
			f(r)
			r.stop()
		})
	})
}

var errAway = errors.New("the server is away")

func away(context.Context, notify.Mail) error { return errAway }

func TestNotifier(t *testing.T) {
	bubble(t, "all that mails", func(r *rig) {
		r.options.Settings.LowPercent = 20
		r.stop()
		r.start()
		peak, next := time.Now().Add(-3*time.Hour), time.Now().Add(21*time.Hour)
		state := func(p rules.Phase, start, end time.Time) {
			r.publish(topics.Control(devices.StateLeaf), control.State{Phase: p, PeakStart: &start, PeakEnd: &end, Reserve: new(0)})
		}
		r.faults("c:powerwall/authorisation")
		state(rules.InPeak, peak, time.Now())
		r.publish(topics.Control(devices.EventLeaf), control.Event{Type: rules.NoteReserve, Reason: "reserve 0 %, was 100 %", At: time.Now()})
		r.publish(topics.Control(devices.EventLeaf), control.Event{Type: rules.NoteLatched, Reason: "40 %", At: time.Now()})
		r.publish(topics.Powerwall(devices.StateLeaf), devices.PowerwallReading{ChargePercent: new(devices.Percent(12)), PolledAt: time.Now()})
		state(rules.OffPeak, next, next.Add(time.Hour))
		r.ask("the configuration is not accepted", health.Critical)
		r.expect("CRITICAL: powerwall/authorisation is wrong", "WARNING: low battery: 40 %", "WARNING: battery at 12 % at the end of the day's last peak",
			"Peak on December 31, 21:00–00:00: reserve 0 %, everything restored", "CRITICAL: the configuration is not accepted")
		if ok, problem, waiting := r.health(); !ok || problem != "" || waiting != 0 {
			t.Errorf("health is %v %q %d", ok, problem, waiting)
		}
	})
	bubble(t, "a fault that lasts over a restart is told once, its end in between is told", func(r *rig) {
		r.faults("c:a", "c:b")
		r.wait(time.Minute)
		r.stop()
		r.faults("c:b")
		r.wait(time.Minute)
		r.start()
		r.faults("c:b")
		r.wait(time.Hour)
		r.expect("CRITICAL: a is wrong", "CRITICAL: b is wrong", "OVER: a is wrong")
	})
	bubble(t, "over a reboot, too", func(r *rig) {
		r.faults("c:a", "c:b")
		r.wait(time.Minute)
		r.stop()
		if err := os.Remove(r.options.StateFile); err != nil { // the ramdisk
			t.Fatal(err)
		}
		r.faults("c:b")
		r.wait(time.Minute)
		r.start()
		r.faults("c:b")
		r.wait(3 * time.Hour)
		r.expect("CRITICAL: a is wrong", "CRITICAL: b is wrong", "OVER: a is wrong")
	})
	bubble(t, "what is critical and waits for a digest outlives a reboot", func(r *rig) {
		r.options.Settings.PerHour = 1
		r.stop()
		r.start()
		r.ask("the first", health.Critical)
		r.ask("the second", health.Critical)
		r.stop()
		if err := os.Remove(r.options.StateFile); err != nil {
			t.Fatal(err)
		}
		r.start()
		r.wait(time.Hour)
		r.expect("CRITICAL: the first", "CRITICAL: the second")
	})
	bubble(t, "a node that has stood down leaves it to the other one", func(r *rig) {
		r.faults("c:a")
		r.active.Store(false)
		r.publish(bus.Role, "standby")
		if _, err := os.Stat(r.options.LastingFile); err == nil {
			t.Error("there is still what it has told")
		}
		r.expect("CRITICAL: a is wrong")
	})
	bubble(t, "a state that cannot be read is not fatal", func(r *rig) {
		r.stop()
		for _, content := range []string{"", "{", `{"faults":7}`, "null"} {
			if err := os.WriteFile(r.options.StateFile, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(r.options.LastingFile, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			r.start()
			r.stop()
		}
		r.start()
		r.faults("c:a")
		r.expect("CRITICAL: a is wrong")
	})
	bubble(t, "a state that cannot be written is said once", func(r *rig) {
		r.stop()
		r.options.StateFile = filepath.Join(r.options.Spool.Dir, "no", "such", "folder")
		r.start()
		r.faults("c:a")
		r.faults("c:a", "c:b")
		r.expect("CRITICAL: a is wrong", "CRITICAL: b is wrong")
		if n := strings.Count(r.log.String(), "cannot be kept"); n != 1 {
			t.Errorf("said %d times:\n%s", n, r.log)
		}
	})
	bubble(t, "a standby tells nothing of its own, and sends what it is asked to", func(r *rig) {
		r.ask("first", health.Info)
		r.active.Store(false)
		r.publish(bus.Role, "standby")
		r.faults("c:a")
		r.ask("second", health.Info)
		r.wait(time.Hour)
		r.expect("first", "second")
	})
	bubble(t, "what is no mail is refused", func(r *rig) {
		for _, payload := range []string{"", "{", "null", `{"key":"k","level":"loud"}`, `{"level":"info"}`} {
			r.bus.Publish(bus.Message{Topic: notify.Topic, Payload: []byte(payload)})
			r.bus.Publish(bus.Message{Topic: topics.Control(devices.HealthLeaf), Payload: []byte(payload[:min(len(payload), 1)])})
		}
		b, _ := json.Marshal(mail("from the broker", health.Critical))
		r.bus.Publish(bus.Message{Topic: notify.Topic, Payload: b, Origin: bus.Broker})
		synctest.Wait()
		r.expect()
	})
	bubble(t, "no server: nothing is written", func(r *rig) {
		r.stop()
		if err := os.Remove(r.options.StateFile); err != nil {
			t.Fatal(err)
		}
		r.options.SMTP.Server = ""
		r.start()
		r.faults("c:a")
		r.ask("k", health.Critical)
		r.wait(time.Hour)
		if _, err := os.Stat(r.options.StateFile); err == nil || r.files() != nil || len(r.attempts()) > 0 {
			t.Errorf("there is %q", r.files())
		}
	})
	bubble(t, "nobody is on a list: it is not sent, and no error", func(r *rig) {
		r.stop()
		r.options.SMTP.Recipients = map[health.Level][]string{health.Critical: {"a@example.org"}}
		r.start()
		r.ask("k", health.Info)
		r.ask("l", health.Critical)
		r.expect("CRITICAL: l")
	})
	bubble(t, "a mail of another process goes within minutes", func(r *rig) {
		add(t, &notify.Spool{Dir: r.options.Spool.Dir, Log: discard()}, mail("report", health.Info))
		r.wait(11 * time.Minute)
		r.expect("report")
	})
	bubble(t, "nothing is written in a quiet week", func(r *rig) {
		r.ask("k", health.Info)
		r.faults("c:a")
		r.wait(2 * time.Hour)
		stamp := func() (all []string) {
			for _, path := range append(r.files(), "../state.json", "../told.json") {
				info, err := os.Stat(filepath.Join(r.options.Spool.Dir, path))
				all = append(all, fmt.Sprint(path, info.ModTime(), err))
			}
			return all
		}
		before := stamp()
		for range 7 * 24 {
			r.faults("c:a")
			r.publish(topics.Powerwall(devices.StateLeaf), devices.PowerwallReading{ChargePercent: new(devices.Percent(50)), PolledAt: time.Now()})
			r.wait(time.Hour)
		}
		if after := stamp(); !slices.Equal(before, after) {
			t.Errorf("there was %q\nthere is  %q", before, after)
		}
	})
}

func TestDelivery(t *testing.T) {
	bubble(t, "the server is away: later and later, at least twice an hour, once it is back in order", func(r *rig) {
		r.serve(away)
		r.ask("a", health.Info)
		r.ask("b", health.Info)
		r.wait(24 * time.Hour)
		var last time.Duration
		all := r.attempts()
		for i, d := range all {
			if gap := d.after - last; i > 0 && (gap < 48*time.Second || gap > 37*time.Minute) {
				t.Errorf("attempt %d is %v after the one before", i, gap)
			}
			if last = d.after; d.Key != "a" {
				t.Errorf("%s was tried before a", d.Key)
			}
		}
		if len(all) < 40 || len(all) > 70 {
			t.Errorf("there were %d attempts", len(all))
		}
		if ok, problem, waiting := r.health(); ok || problem != errAway.Error() || waiting != 2 {
			t.Errorf("health is %v %q %d", ok, problem, waiting)
		}
		if n := strings.Count(r.log.String(), "level=WARN"); n != 1 {
			t.Errorf("it was said %d times:\n%s", n, r.log)
		}
		r.serve(nil)
		r.wait(time.Hour)
		r.expect("a", "b")
		if ok, _, waiting := r.health(); !ok || waiting != 0 {
			t.Error("health does not say that all is well again")
		}
	})
	bubble(t, "a new mail is tried at once, but once a minute", func(r *rig) {
		r.stop()
		r.options.Settings.PerHour = 60
		r.start()
		r.serve(away)
		r.ask("a", health.Info)
		r.wait(3 * time.Hour) // by now half an hour is between attempts
		before := len(r.attempts())
		for range 20 {
			r.ask(fmt.Sprint("k", time.Since(r.began)), health.Critical)
			r.wait(15 * time.Second)
		}
		if n := len(r.attempts()) - before; n < 5 || n > 6 {
			t.Errorf("there were %d attempts in five minutes", n)
		}
	})
	bubble(t, "the bus does not wait for a server that hangs", func(r *rig) {
		r.serve(func(ctx context.Context, _ notify.Mail) error { <-ctx.Done(); return ctx.Err() })
		r.ask("a", health.Info)
		r.faults("c:b")
		if _, _, waiting := r.health(); waiting != 2 {
			t.Errorf("%d are waiting", waiting)
		}
	}) // and it ends, though the server hangs
	bubble(t, "a refusal for good: said with what to do, and not asked again for hours", func(r *rig) {
		r.serve(func(context.Context, notify.Mail) error {
			return &notify.PermanentError{Fix: "correct notifications.smtp.password", Err: errors.New("535 no")}
		})
		r.ask("a", health.Info)
		r.ask("b", health.Critical)
		r.wait(5 * time.Hour)
		if n := len(r.attempts()); n != 1 {
			t.Errorf("there were %d attempts", n)
		}
		if ok, problem, waiting := r.health(); ok || !strings.Contains(problem, "correct notifications.smtp.password") || waiting != 2 {
			t.Errorf("health is %v %q %d", ok, problem, waiting)
		}
		m, _ := r.bus.Retained(health.Topic(health.Mail))
		if !strings.Contains(string(m.Payload), `"level":"critical","problem":"mail: correct`) {
			t.Errorf("the report is %s", m.Payload)
		}
		if n := strings.Count(r.log.String(), "level=ERROR"); n != 1 {
			t.Errorf("it was said %d times:\n%s", n, r.log)
		}
		r.wait(2 * time.Hour)
		if n := len(r.attempts()); n != 2 {
			t.Errorf("there were %d attempts", n)
		}
		r.serve(nil)
		r.stop() // a new configuration
		r.start()
		r.expect("a", "CRITICAL: b")
	})
	bubble(t, "a reload says nothing else of a server that still refuses, and asks it again", func(r *rig) {
		r.serve(func(context.Context, notify.Mail) error {
			return &notify.PermanentError{Fix: "correct notifications.smtp.password", Err: errors.New("535 no")}
		})
		r.ask("a", health.Critical)
		r.wait(time.Hour)
		before, _ := r.bus.Retained(health.Topic(health.Mail))
		reports := r.bus.Subscribe("reports", health.Topic(health.Mail))
		defer reports.Close()
		r.reload()
		r.wait(time.Minute)
		if n := len(r.attempts()); n != 2 {
			t.Errorf("there were %d attempts", n)
		}
		for said := 0; ; said++ {
			m, ok, err := reports.Next(r.t.Context(), r.bus.Now())
			if err != nil || !ok && said > 0 {
				break
			}
			if string(m.Payload) != string(before.Payload) {
				t.Errorf("after the reload it says %s", m.Payload)
			}
		}
		r.options.SMTP.Server = "other.test"
		r.serve(nil)
		r.reload()
		r.expect("CRITICAL: a")
		if ok, problem, _ := r.health(); !ok {
			t.Errorf("of another server it says %q", problem)
		}
	})
	bubble(t, "recipients who are refused hold up nobody else", func(r *rig) {
		refused := &notify.MailError{Err: &notify.PermanentError{Fix: "correct notifications.recipients.info", Err: errors.New("550 no")}}
		r.serve(func(_ context.Context, m notify.Mail) error {
			if m.Level == health.Info {
				return refused
			}
			return nil
		})
		r.ask("a", health.Info)
		r.ask("b", health.Critical)
		r.wait(time.Hour)
		r.ask("c", health.Critical)
		r.wait(4 * time.Hour)
		r.expect("CRITICAL: b", "CRITICAL: c")
		if n := len(r.attempts()); n != 3 {
			t.Errorf("there were %d attempts", n)
		}
		r.serve(nil)
		r.wait(2 * time.Hour)
		r.expect("CRITICAL: b", "CRITICAL: c", "a")
	})
	bubble(t, "a level that fails is not tried with all that waits, and holds up no other", func(r *rig) {
		r.serve(away)
		for i := range 9 {
			r.ask(fmt.Sprint("i", i), health.Info)
		}
		r.ask("c", health.Critical)
		r.serve(func(_ context.Context, m notify.Mail) error {
			if m.Level == health.Info {
				return &notify.MailError{Left: []string{"a@example.org"}, Err: errors.New("452 the mailbox is full")}
			}
			return nil
		})
		before := len(r.attempts())
		r.wait(90 * time.Second)
		r.expect("CRITICAL: c")
		if n := len(r.attempts()) - before; n != 4 {
			t.Errorf("there were %d attempts", n)
		}
		r.serve(nil)
		r.wait(time.Hour)
		r.expect("CRITICAL: c", "i0", "i1", "i2", "i3", "i4", "i5", "i6", "i7", "i8")
	})
	bubble(t, "a disk that fails is told all the same", func(r *rig) {
		if err := os.WriteFile(r.options.Spool.Dir, nil, 0o600); err != nil { // in the way of the folder
			t.Fatal(err)
		}
		r.faults("c:journal")
		r.wait(time.Hour)
		r.expect("CRITICAL: journal is wrong")
		if ok, problem, _ := r.health(); ok || problem == "" {
			t.Error("health does not say that mail cannot be spooled")
		}
	})
}

// A week with faults: the server is away, refuses for good, takes a mail for
// some and breaks off; the daemon is restarted in between. Everything critical
// arrives, and arrives once.
func TestAWeekWithFaults(t *testing.T) {
	for seed := range uint64(3) {
		bubble(t, fmt.Sprint("seed ", seed), func(r *rig) {
			dice := rand.New(rand.NewPCG(seed, 7))
			var weather atomic.Int32 // of the server
			got := map[string]int{}  // keys, with how often they came through
			r.serve(func(_ context.Context, m notify.Mail) error {
				switch weather.Load() {
				case 1:
					return errAway
				case 2:
					return &notify.PermanentError{Fix: "correct it", Err: errors.New("535 no")}
				case 3:
					return &notify.MailError{Left: []string{"a@example.org"}, Err: errors.New("451 later")}
				case 4: // one of two has it
					if len(m.To) == 0 {
						return &notify.MailError{Sent: true, Left: []string{"a@example.org"}, Err: errors.New("451 later")}
					}
				}
				for _, key := range append(m.Joined, m.Key) {
					got[key]++
				}
				return nil
			})
			critical := 0
			var present []string
			for hour := range 7 * 24 {
				if dice.IntN(2) == 0 {
					weather.Store(dice.Int32N(5))
				}
				switch n := dice.IntN(10); {
				case n < 3:
					present = append(present, fmt.Sprintf("c:part/%d", critical))
					critical++
				case n == 3 && hour%3 == 0: // a storm
					for range 15 {
						present = append(present, fmt.Sprintf("c:part/%d", critical))
						critical++
					}
				case n == 4:
					present = append(present, fmt.Sprintf("w:hour/%d", hour))
				case n < 7:
					present = nil
				}
				r.faults(present...)
				if dice.IntN(6) == 0 {
					r.stop()
					if dice.IntN(2) == 0 {
						r.wait(time.Duration(dice.IntN(30)) * time.Minute)
						present = present[:len(present)/2]
						r.faults(present...)
					}
					r.start()
					r.faults(present...)
				}
				r.wait(time.Hour)
			}
			weather.Store(0)
			r.faults()
			r.wait(24 * time.Hour)
			r.stop() // the refusal of the last hours is forgotten with the daemon
			r.start()
			r.wait(time.Hour)

			told := 0
			for key, n := range got {
				if n != 1 {
					r.t.Errorf("%s came %d times", key, n)
				}
				if strings.HasPrefix(key, "fault/part/") {
					told++
				}
			}
			if told != critical || critical < 50 {
				r.t.Errorf("%d of %d critical faults were told", told, critical)
			}
			if _, _, waiting := r.health(); waiting != 0 {
				r.t.Errorf("%d are waiting", waiting)
			}
		})
	}
}

// The whole way, over a real connection: from a fault on the bus to a mailbox;
// and with a wrong password, what is said and what is not.
func TestFromTheBusToAMailbox(t *testing.T) {
	for _, c := range []struct {
		name  string
		login func(string, string) error
		want  string // in the report
	}{
		{"sent", ok, `"problem":"","waiting":0}`},
		{"refused", func(_, p string) error { return reply(535, "not "+p) }, "correct notifications.smtp.username"},
	} {
		t.Run(c.name, func(t *testing.T) {
			ca := newAuthority(t)
			p := (&peer{login: c.login}).start(t, ca.serverTLS("mail.test", time.Hour), false)
			b, log := bus.New(bus.Wall{}), &syncBuffer{}
			logger := slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
			dir := folder(t)
			n := notify.New(notify.Options{
				Bus: b, Topics: topics, Log: logger, StateFile: filepath.Join(dir, "state.json"), Spool: &notify.Spool{Dir: filepath.Join(dir, "mail"), Log: logger},
				SMTP: notify.SMTP{Server: "mail.test", Username: "home@example.org", Password: password, TLSConfig: ca.trusting(), Dial: p.dial,
					Recipients: map[health.Level][]string{health.Critical: {"a@example.org"}}},
			})
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			done := make(chan error, 1)
			go func() { done <- n.Run(ctx) }()
			said := b.Subscribe("test", health.Topic(health.Mail))
			m, _ := json.Marshal(mail("k", health.Critical))
			b.Publish(bus.Message{Topic: notify.Topic, Payload: m})
			for waited := false; ; {
				m, _, err := said.Next(ctx, time.Time{})
				if err != nil {
					t.Fatalf("%v; log:\n%s", err, log)
				}
				waited = waited || strings.Contains(string(m.Payload), `"waiting":1`)
				if waited && strings.Contains(string(m.Payload), c.want) {
					break
				}
			}
			cancel()
			<-done
			if sent := len(p.received()) == 1; sent != (c.name == "sent") {
				t.Errorf("received %d", len(p.received()))
			}
			var kept strings.Builder
			kept.WriteString(log.String())
			for _, name := range []string{"state.json", "mail"} {
				_ = filepath.WalkDir(filepath.Join(dir, name), func(path string, _ os.DirEntry, _ error) error {
					content, _ := os.ReadFile(path)
					kept.WriteString(string(content))
					return nil
				})
			}
			if strings.Contains(kept.String(), "s3cret") {
				t.Errorf("the password is in\n%s", kept.String())
			}
		})
	}
}
