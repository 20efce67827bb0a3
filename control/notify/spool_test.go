package notify_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"powermgr/control/health"
	"powermgr/control/notify"
)

// post is a server that takes what it is not told to refuse.
type post struct {
	mu    sync.Mutex
	taken []string // keys
	fail  map[string]error
	all   error
}

func (p *post) send(_ context.Context, m notify.Mail) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := cmp.Or(p.all, p.fail[m.Key]); err != nil {
		return err
	}
	p.taken = append(p.taken, m.Key)
	return nil
}

func (p *post) keys() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.taken)
}

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

// folder is one of the test's own, in memory where there is such a thing: every
// mail is synced several times, and the disk may be busy.
func folder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "notify")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func spool(t *testing.T) *notify.Spool {
	t.Helper()
	return &notify.Spool{Dir: filepath.Join(folder(t), "mail"), Log: discard()}
}

func mail(key string, level health.Level) notify.Mail {
	return notify.Mail{Key: key, Level: level, Subject: key, Text: key, At: start}
}

func add(t *testing.T, s *notify.Spool, mails ...notify.Mail) {
	t.Helper()
	for _, m := range mails {
		if err := s.Add(m); err != nil {
			t.Fatal(err)
		}
	}
}

func files(t *testing.T, s *notify.Spool) (names []string) {
	t.Helper()
	all, err := os.ReadDir(s.Dir)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	for _, f := range all {
		names = append(names, f.Name())
	}
	return names
}

func flush(t *testing.T, s *notify.Spool, p *post) {
	t.Helper()
	if err := s.Flush(t.Context(), p.send); err != nil {
		t.Fatal(err)
	}
}

func TestSpoolSendsInOrderAndOnce(t *testing.T) {
	s, p := spool(t), &post{}
	var want []string
	for i := range 12 {
		want = append(want, fmt.Sprint("k", i))
		add(t, s, mail(want[i], health.Levels()[i%3]), mail(want[i], health.Critical))
	}
	if s.Waiting() != 12 {
		t.Errorf("%d are waiting", s.Waiting())
	}
	flush(t, s, p)
	// Another process, and the same asked for again.
	s = &notify.Spool{Dir: s.Dir, Log: discard()}
	add(t, s, mail("k3", health.Critical), mail("k12", health.Info))
	flush(t, s, p)
	flush(t, s, p)
	if want = append(want, "k12"); !slices.Equal(p.taken, want) {
		t.Errorf("sent %q", p.taken)
	}
	if s.Waiting() != 0 {
		t.Errorf("%d are waiting", s.Waiting())
	}
}

func TestAQuietSpoolWritesNothing(t *testing.T) {
	s := spool(t)
	flush(t, s, &post{})
	if s.Waiting() != 0 || files(t, s) != nil {
		t.Errorf("there is %q", files(t, s))
	}
	if _, err := os.Stat(s.Dir); !os.IsNotExist(err) {
		t.Errorf("there is a directory: %v", err)
	}
}

func TestSpoolIsPrivate(t *testing.T) {
	s := spool(t)
	add(t, s, mail("k", health.Info))
	for _, name := range append(files(t, s), ".") {
		info, err := os.Stat(filepath.Join(s.Dir, name))
		if err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: %v %v", name, info.Mode(), err)
		}
	}
}

// A command that root gives must leave nothing behind that the daemon, which is
// not root, cannot read.
func TestWhatRootSpoolsIsTheDaemons(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
	home := folder(t)
	if err := os.Chown(home, 1234, 2345); err != nil {
		t.Fatal(err)
	}
	s, p := &notify.Spool{Dir: filepath.Join(home, "mail"), Log: discard()}, &post{}
	add(t, s, mail("k", health.Info))
	flush(t, s, p)
	add(t, s, mail("l", health.Info))
	names := append(files(t, s), ".")
	if len(names) != 4 {
		t.Errorf("there are %q", names)
	}
	for _, name := range names {
		info, err := os.Stat(filepath.Join(s.Dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if owner := info.Sys().(*syscall.Stat_t); owner.Uid != 1234 || owner.Gid != 2345 {
			t.Errorf("%s is of %d:%d", name, owner.Uid, owner.Gid)
		}
	}
}

func TestSpoolHasBounds(t *testing.T) {
	t.Run("the oldest info goes first, then the oldest warning, never a critical one", func(t *testing.T) {
		s, p := spool(t), &post{}
		s.Mails = 3
		add(t, s, mail("w1", health.Warning), mail("c1", health.Critical), mail("i1", health.Info), mail("w2", health.Warning), mail("i2", health.Info), mail("c2", health.Critical))
		waiting := func() (keys []string) {
			_ = s.Flush(t.Context(), func(_ context.Context, m notify.Mail) error {
				keys = append(keys, m.Key)
				return &notify.MailError{Err: errors.New("not now")}
			})
			return keys
		}
		if got := waiting(); !slices.Equal(got, []string{"w1", "c1", "w2", "i2", "c2"}) {
			t.Errorf("there are %q", got)
		}
		add(t, s, mail("w3", health.Warning), mail("w4", health.Warning))
		flush(t, s, p)
		if !slices.Equal(p.taken, []string{"c1", "w2", "c2", "w3", "w4"}) {
			t.Errorf("sent %q", p.taken)
		}
	})
	t.Run("long ones count by their length", func(t *testing.T) {
		s, p := spool(t), &post{}
		s.Bytes = 5500
		for i := range 6 {
			m := mail(fmt.Sprint("k", i), health.Info)
			m.Text = strings.Repeat("x", 1000)
			add(t, s, m)
		}
		flush(t, s, p)
		if !slices.Equal(p.taken, []string{"k1", "k2", "k3", "k4", "k5"}) {
			t.Errorf("sent %q", p.taken)
		}
	})
	t.Run("a storm of critical ones is joined to the newest", func(t *testing.T) {
		s := spool(t)
		s.Critical = 5
		for i := range s.Critical + 20 {
			add(t, s, mail(fmt.Sprint("c", i), health.Critical))
		}
		add(t, s, mail("c15", health.Critical)) // told there already
		var last notify.Mail
		err := s.Flush(t.Context(), func(_ context.Context, m notify.Mail) error { last = m; return nil })
		if n := strings.Count(last.Text, "Also: "); err != nil || n != 20 || len(last.Joined) != 20 || !strings.Contains(last.Text, "Also: c24\n") {
			t.Errorf("%v; joined %d, %q in\n%s", err, n, last.Joined, last.Text)
		}
		if add(t, s, mail("c15", health.Critical)); s.Waiting() != 0 {
			t.Error("one that was told within another is told again")
		}
	})
	t.Run("too long a mail is refused", func(t *testing.T) {
		s, m := spool(t), mail("k", health.Info)
		m.Text = strings.Repeat("x", notify.MaxMail)
		if err := s.Add(m); err == nil || s.Waiting() != 0 {
			t.Errorf("got %v, %d are waiting", err, s.Waiting())
		}
	})
}

func TestSpoolSurvivesWhatItFinds(t *testing.T) {
	for _, c := range []struct{ name, content string }{
		{"empty", ""}, {"cut short", `{"key":"k1","lev`}, {"another's", `{"key":"other","level":"info"}`}, {"noise", "\x00\xff"}, {"too long", strings.Repeat("x", notify.MaxMail+1)},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, p := spool(t), &post{}
			var said strings.Builder
			s.Log = slog.New(slog.NewTextHandler(&said, nil))
			add(t, s, mail("k0", health.Info), mail("k1", health.Critical), mail("k2", health.Info))
			broken := files(t, s)[1]
			if err := os.WriteFile(filepath.Join(s.Dir, broken), []byte(c.content), 0o600); err != nil {
				t.Fatal(err)
			}
			// What a power cut can leave, and somebody else's files.
			for _, name := range []string{".000000000009-info-x.mail.123", "notes.txt", "x.mail", "sent.json"} {
				if err := os.WriteFile(filepath.Join(s.Dir, name), []byte("{"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			flush(t, s, p)
			flush(t, s, p)
			if !slices.Equal(p.taken, []string{"k0", "k2"}) {
				t.Errorf("sent %q", p.taken)
			}
			if names := files(t, s); !slices.Contains(names, broken+".unusable") || slices.Contains(names, broken) {
				t.Errorf("there are %q", names)
			}
			if n := strings.Count(said.String(), broken); n != 1 {
				t.Errorf("it was said %d times:\n%s", n, said.String())
			}
		})
	}
}

func TestWhatBecomesOfAMailThatIsNotTaken(t *testing.T) {
	away := errors.New("away")
	for _, c := range []struct {
		name   string
		fail   map[string]error
		taken  string // at the first attempt
		stops  bool
		second string // at the second, when the server takes all
	}{
		{"the server is away", map[string]error{"a": away}, "", true, "a b c"},
		{"it goes away", map[string]error{"b": away}, "a", true, "b c"},
		{"one is refused", map[string]error{"b": &notify.MailError{Err: away}}, "a c", false, "b"},
		{"one is taken for some, refused for others", map[string]error{"b": &notify.MailError{Sent: true, Err: away}}, "a c", false, ""},
		{"one is taken for some, later for others", map[string]error{"b": &notify.MailError{Sent: true, Left: []string{"x@y"}, Err: away}}, "a c", false, "b to x@y"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, p := spool(t), &post{fail: c.fail}
			add(t, s, mail("a", health.Info), mail("b", health.Warning), mail("c", health.Info))
			if err := s.Flush(t.Context(), p.send); (err != nil) != c.stops {
				t.Errorf("got %v", err)
			}
			if got := strings.Join(p.taken, " "); got != c.taken {
				t.Errorf("first %q", got)
			}
			var second []string
			s = &notify.Spool{Dir: s.Dir, Log: discard()} // after a restart
			if err := s.Flush(t.Context(), func(_ context.Context, m notify.Mail) error {
				second = append(second, strings.Join(append([]string{m.Key}, m.To...), " to "))
				return nil
			}); err != nil || strings.Join(second, " ") != c.second {
				t.Errorf("second %q, %v", second, err)
			}
		})
	}
}

func TestTwoProcessesSendOnce(t *testing.T) {
	a, p := spool(t), &post{}
	b := &notify.Spool{Dir: a.Dir, Log: discard()}
	add(t, a, mail("k1", health.Info))
	sending, goOn := make(chan bool), make(chan bool)
	done := make(chan error)
	go func() {
		done <- a.Flush(t.Context(), func(ctx context.Context, m notify.Mail) error {
			if m.Key == "k1" {
				sending <- true
				<-goOn
			}
			return p.send(ctx, m)
		})
	}()
	<-sending
	if err := b.Flush(t.Context(), p.send); !errors.Is(err, notify.ErrBusy) {
		t.Errorf("got %v", err)
	}
	add(t, b, mail("k1", health.Info), mail("k2", health.Info)) // k2 goes with what is under way
	close(goOn)
	if err := <-done; err != nil {
		t.Error(err)
	}
	flush(t, b, p)
	if !slices.Equal(p.taken, []string{"k1", "k2"}) {
		t.Errorf("sent %q", p.taken)
	}
	// And without any order between them.
	var all sync.WaitGroup
	for i := range 40 {
		all.Go(func() {
			s := &notify.Spool{Dir: a.Dir, Log: discard()}
			if err := s.Add(mail(fmt.Sprint("n", i%10), health.Info)); err != nil {
				t.Error(err)
			}
			if err := s.Flush(context.Background(), p.send); err != nil && !errors.Is(err, notify.ErrBusy) {
				t.Error(err)
			}
		})
	}
	all.Wait()
	flush(t, b, p)
	got := p.keys()[2:]
	slices.Sort(got)
	if want := []string{"n0", "n1", "n2", "n3", "n4", "n5", "n6", "n7", "n8", "n9"}; !slices.Equal(got, want) {
		t.Errorf("sent %q", got)
	}
}

// copyDir is what is on the disk if the power fails now.
func copyDir(t *testing.T, from string) *notify.Spool {
	t.Helper()
	to := folder(t)
	if err := os.CopyFS(filepath.Join(to, "mail"), os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	return &notify.Spool{Dir: filepath.Join(to, "mail"), Log: discard()}
}

func TestACrashAtEachStep(t *testing.T) {
	s, p := spool(t), &post{}
	add(t, s, mail("k", health.Critical))
	spooled := copyDir(t, s.Dir)
	var accepted *notify.Spool
	if err := s.Flush(t.Context(), func(ctx context.Context, m notify.Mail) error {
		err := p.send(ctx, m)
		accepted = copyDir(t, s.Dir) // the server has it, and the spool does not know
		return err
	}); err != nil {
		t.Fatal(err)
	}
	recorded := copyDir(t, s.Dir) // and here the file is still there:
	for _, name := range files(t, spooled) {
		if strings.HasSuffix(name, ".mail") {
			b, err := os.ReadFile(filepath.Join(spooled.Dir, name))
			if err = errors.Join(err, os.WriteFile(filepath.Join(recorded.Dir, name), b, 0o600)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, c := range []struct {
		name  string
		disk  *notify.Spool
		sends int
	}{
		{"after it was spooled", spooled, 1},
		{"after the server took it, the one window there is", accepted, 1},
		{"after its key was written down", recorded, 0},
		{"after its file was removed", copyDir(t, s.Dir), 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := &post{}
			add(t, c.disk, mail("k", health.Critical)) // the part that asked for it asks again
			flush(t, c.disk, p)
			if len(p.taken) != c.sends || c.disk.Waiting() != 0 {
				t.Errorf("sent %q, %d are waiting", p.taken, c.disk.Waiting())
			}
		})
	}
}

// A disk that fails is one of the things to tell. The directory is in the way
// of a file here, which stops root as well.
func TestADiskThatFails(t *testing.T) {
	t.Run("nothing can be spooled", func(t *testing.T) {
		s, p := spool(t), &post{all: errors.New("away")}
		if err := os.WriteFile(s.Dir, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := s.Add(mail("k", health.Critical)); err == nil {
				t.Error("no word of the disk")
			}
		}
		for _, waiting := range []int{1, 0} {
			if err := s.Flush(t.Context(), p.send); err == nil || s.Waiting() != waiting {
				t.Errorf("got %v, %d are waiting", err, s.Waiting())
			}
			p.all = nil
		}
		_ = s.Add(mail("k", health.Critical))
		_ = s.Flush(t.Context(), p.send)
		if !slices.Equal(p.taken, []string{"k"}) {
			t.Errorf("sent %q", p.taken)
		}
	})
	t.Run("and then it can", func(t *testing.T) {
		s, p := spool(t), &post{all: errors.New("away")}
		if err := os.WriteFile(s.Dir, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		_ = s.Add(mail("k", health.Critical))
		if err := os.Remove(s.Dir); err != nil {
			t.Fatal(err)
		}
		add(t, s, mail("l", health.Critical))
		if err := s.Flush(t.Context(), p.send); err == nil {
			t.Error("no word of the server")
		}
		p.all = nil
		flush(t, &notify.Spool{Dir: s.Dir, Log: discard()}, p) // after a restart
		if slices.Sort(p.taken); !slices.Equal(p.taken, []string{"k", "l"}) {
			t.Errorf("sent %q", p.taken)
		}
	})
	t.Run("what was sent cannot be written down", func(t *testing.T) {
		s, p := spool(t), &post{}
		add(t, s, mail("k", health.Critical))
		if err := os.Mkdir(filepath.Join(s.Dir, "sent.json"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := s.Flush(t.Context(), p.send); err == nil {
			t.Error("no word of the disk")
		}
		_ = s.Add(mail("k", health.Critical))
		_ = s.Flush(t.Context(), p.send)
		if !slices.Equal(p.taken, []string{"k"}) {
			t.Errorf("sent %q", p.taken)
		}
	})
}
