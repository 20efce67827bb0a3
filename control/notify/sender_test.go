package notify_test

import (
	"context"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net"
	netmail "net/mail"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"powermgr/control/health"
	"powermgr/control/notify"
)

const password = "s3cret \"pass\" word"

func reply(code int, text string) error {
	return &smtp.SMTPError{Code: code, EnhancedCode: smtp.NoEnhancedCode, Message: text}
}

func ok(string, string) error { return nil }

// refusing is a server that answers err to a recipient, at that stage.
func refusing(stage string, err error, whom ...string) func(string, string, *smtp.Conn) error {
	return func(s, what string, _ *smtp.Conn) error {
		if s == stage && (len(whom) == 0 || slices.Contains(whom, what)) {
			return err
		}
		return nil
	}
}

// elsewhere is a connection that says it leads to another machine.
type elsewhere struct{ net.Conn }

func (elsewhere) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 25} }

func TestSend(t *testing.T) {
	ca := newAuthority(t)
	good := ca.serverTLS("mail.test", time.Hour)
	type options = func(*notify.SMTP)
	named := func(server string, port int) options {
		return func(o *notify.SMTP) { o.Server, o.Port = server, port }
	}
	anonymous := func(o *notify.SMTP) { o.Username, o.Password, o.From = "", "", "home@example.org" }
	hasty := func(o *notify.SMTP) { o.Timeout = 200 * time.Millisecond }
	const a, b, c = "a@example.org", "b@example.org", "c@example.org"
	everybody := []string{a, b, c}
	silent := func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }

	// What Send should say: nothing, that the server refuses everything, that it
	// may do better later, or something about the mail.
	const (
		fine     = ""
		stop     = "stop"
		again    = "again"
		thisMail = "mail"
	)
	for _, row := range []struct {
		name    string
		peer    func(t *testing.T) *peer
		options []options

		want  string
		says  string   // in the error
		takes []string // who has it
		left  []string // of a MailError
	}{
		{name: "STARTTLS and log-in", peer: func(t *testing.T) *peer { return (&peer{login: ok}).start(t, good, false) }, takes: everybody},
		{name: "TLS from the start and log-in", peer: func(t *testing.T) *peer { return (&peer{login: ok}).start(t, good, true) },
			options: []options{named("mail.test", 465)}, takes: everybody},
		{name: "no log-in", peer: func(t *testing.T) *peer { return (&peer{}).start(t, good, false) }, options: []options{anonymous}, takes: everybody},
		{name: "plain on this machine", peer: func(t *testing.T) *peer { return (&peer{}).start(t, nil, false) },
			options: []options{named("localhost", 25), anonymous}, takes: everybody},
		{name: "plain on this machine, with log-in", peer: func(t *testing.T) *peer { return (&peer{login: ok}).start(t, nil, false) },
			options: []options{named("127.0.0.1", 25)}, takes: everybody},

		{name: "plain elsewhere", peer: func(t *testing.T) *peer { return (&peer{login: ok}).start(t, nil, false) }, want: stop, says: "nothing is sent in clear"},
		{name: "a local name that leads elsewhere", peer: func(t *testing.T) *peer { return (&peer{login: ok}).start(t, nil, false) },
			options: []options{named("localhost", 25), func(o *notify.SMTP) {
				dial := o.Dial
				o.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
					conn, err := dial(ctx, network, address)
					return elsewhere{conn}, err
				}
			}}, want: stop, says: "nothing is sent in clear"},
		{name: "an authority that is not trusted", peer: func(t *testing.T) *peer {
			return (&peer{login: ok}).start(t, newAuthority(t).serverTLS("mail.test", time.Hour), false)
		}, want: stop, says: "not from an authority that this machine trusts"},
		{name: "an authority that is not trusted, TLS from the start", peer: func(t *testing.T) *peer {
			return (&peer{login: ok}).start(t, newAuthority(t).serverTLS("mail.test", time.Hour), true)
		}, options: []options{named("mail.test", 465)}, want: stop, says: "not from an authority that this machine trusts"},
		{name: "another's certificate", peer: func(t *testing.T) *peer {
			return (&peer{login: ok}).start(t, ca.serverTLS("other.test", time.Hour), false)
		},
			want: stop, says: "the certificate of the mail server is not for mail.test"},
		{name: "a certificate that has ended, or a clock that is wrong", peer: func(t *testing.T) *peer {
			return (&peer{login: ok}).start(t, ca.serverTLS("mail.test", -time.Hour), false)
		}, want: again, says: "not by this machine's clock"},
		{name: "plain on the port of TLS", peer: func(t *testing.T) *peer { return (&peer{login: ok}).start(t, nil, false) },
			options: []options{named("mail.test", 465)}, want: stop, says: "does not speak TLS on port 465"},
		{name: "a server without log-in", peer: func(t *testing.T) *peer { return (&peer{}).start(t, good, false) }, want: stop, says: "offers no log-in"},
		{name: "a wrong password, repeated by the server", peer: func(t *testing.T) *peer {
			return (&peer{login: func(user, p string) error {
				return reply(535, fmt.Sprintf("no, %s: not %s, nor %q, nor %s, nor %s", user, p, p, base64.StdEncoding.EncodeToString([]byte(p)), base64.StdEncoding.EncodeToString([]byte("\x00"+user+"\x00"+p))))
			}}).start(t, good, false)
		}, want: stop, says: "correct notifications.smtp.username and notifications.smtp.password"},
		{name: "an app password is wanted", peer: func(t *testing.T) *peer {
			return (&peer{login: func(string, string) error { return reply(534, "application-specific password required") }}).start(t, good, false)
		}, want: stop, says: "app password"},
		{name: "log-in at another time", peer: func(t *testing.T) *peer {
			return (&peer{login: func(string, string) error { return reply(454, "try later") }}).start(t, good, false)
		}, want: again, says: "try later"},
		{name: "a greeting that refuses", peer: func(t *testing.T) *peer {
			return raw(t, func(c net.Conn) { fmt.Fprint(c, "554 no service for you\r\n") })
		}, want: stop, says: "does not want to speak to this machine"},
		{name: "a greeting that is busy", peer: func(t *testing.T) *peer { return raw(t, func(c net.Conn) { fmt.Fprint(c, "421 busy\r\n") }) },
			want: again, says: "busy"},

		{name: "busy after the log-in", peer: func(t *testing.T) *peer {
			return (&peer{login: ok, refuse: refusing("mail", reply(421, "closing"))}).start(t, good, false)
		}, want: again, says: "closing"},
		{name: "too much at present", peer: func(t *testing.T) *peer {
			return (&peer{login: ok, refuse: refusing("mail", reply(451, "too much"))}).start(t, good, false)
		}, want: again, says: "too much"},
		{name: "the sender is refused", peer: func(t *testing.T) *peer {
			return (&peer{login: ok, refuse: refusing("mail", reply(553, "not yours"))}).start(t, good, false)
		}, want: stop, says: "takes no mail from home@example.org: notifications.smtp.from"},
		{name: "the sender has to log in", peer: func(t *testing.T) *peer {
			return (&peer{refuse: refusing("mail", reply(530, "log in first"))}).start(t, good, false)
		}, options: []options{anonymous}, want: stop, says: "notifications.smtp.password"},
		{name: "one recipient is refused", peer: func(t *testing.T) *peer {
			return (&peer{login: ok, refuse: refusing("rcpt", reply(550, "no such user"), b)}).start(t, good, false)
		}, want: thisMail, says: "mail for b@example.org: correct notifications.recipients.warning", takes: []string{a, c}},
		{name: "all recipients are refused", peer: func(t *testing.T) *peer {
			return (&peer{login: ok, refuse: refusing("rcpt", reply(550, "no such user"))}).start(t, good, false)
		}, want: thisMail, says: "correct notifications.recipients.warning"},
		{name: "one recipient has to wait", peer: func(t *testing.T) *peer {
			return (&peer{login: ok, refuse: refusing("rcpt", reply(451, "greylisted"), a)}).start(t, good, false)
		}, want: thisMail, says: "greylisted", takes: []string{b, c}, left: []string{a}},
		{name: "all recipients have to wait", peer: func(t *testing.T) *peer {
			return (&peer{login: ok, refuse: refusing("rcpt", reply(451, "greylisted"))}).start(t, good, false)
		}, want: thisMail, says: "greylisted", left: everybody},
		{name: "an address that is none", peer: func(t *testing.T) *peer { return (&peer{login: ok}).start(t, good, false) },
			options: []options{func(o *notify.SMTP) {
				o.Recipients = map[health.Level][]string{health.Warning: {a, "not\r\nan address", c}}
			}}, want: thisMail, says: "correct notifications.recipients.warning", takes: []string{a, c}},
		{name: "the mail is refused", peer: func(t *testing.T) *peer {
			return (&peer{login: ok, refuse: refusing("data", reply(554, "looks like spam"))}).start(t, good, false)
		}, want: thisMail, says: "does not take this mail"},
		{name: "the mail has to wait", peer: func(t *testing.T) *peer {
			return (&peer{login: ok, refuse: refusing("data", reply(452, "disk full"))}).start(t, good, false)
		}, want: thisMail, says: "disk full", left: everybody},
		{name: "the connection is dropped in the mail", peer: func(t *testing.T) *peer {
			return (&peer{login: ok, refuse: func(stage, _ string, c *smtp.Conn) error {
				if stage == "data" {
					_ = c.Conn().Close()
				}
				return nil
			}}).start(t, good, false)
		}, want: again, says: "broke off"},
		{name: "the connection is dropped after one has it", peer: func(t *testing.T) *peer {
			return (&peer{login: ok, refuse: func(stage, what string, c *smtp.Conn) error {
				if stage == "rcpt" && what == b {
					_ = c.Conn().Close()
				}
				return nil
			}}).start(t, good, false)
		}, want: thisMail, says: "broke off", takes: []string{a}, left: []string{b, c}},

		{name: "a server that says nothing", peer: func(t *testing.T) *peer { return raw(t, silent) }, options: []options{hasty}, want: again, says: "timeout"},
		{name: "a server that says nothing, TLS from the start", peer: func(t *testing.T) *peer { return raw(t, silent) },
			options: []options{hasty, named("mail.test", 465)}, want: again, says: "deadline exceeded"},
		{name: "a server that never stops talking", peer: func(t *testing.T) *peer {
			return raw(t, func(c net.Conn) {
				for line := "220-" + strings.Repeat("x", 4000) + "\r\n"; ; {
					if _, err := fmt.Fprint(c, line); err != nil {
						return
					}
				}
			})
		}, want: again, says: "EOF"},
		{name: "nobody there", peer: func(t *testing.T) *peer {
			p := raw(t, func(net.Conn) {})
			_ = p.listener.Close()
			return p
		}, want: again, says: "connection refused"},
		{name: "nobody is told", peer: func(t *testing.T) *peer { return &peer{} }, options: []options{func(o *notify.SMTP) { o.Recipients = nil }}},
	} {
		t.Run(row.name, func(t *testing.T) {
			p := row.peer(t)
			o := notify.SMTP{
				Server: "mail.test", Port: 587, Username: "home@example.org", Password: password, Timeout: 20 * time.Second, TLSConfig: ca.trusting(), Dial: p.dial,
				Recipients: map[health.Level][]string{health.Warning: everybody},
			}
			for _, set := range row.options {
				set(&o)
			}
			m := mail("k", health.Warning)
			err := notify.NewSender(o).Send(t.Context(), m)
			var takes []string
			for _, l := range p.received() {
				takes = append(takes, l.to...)
			}
			if !slices.Equal(takes, row.takes) {
				t.Errorf("%q have it, want %q", takes, row.takes)
			}
			var part *notify.MailError
			var refusal *notify.PermanentError
			got := fine
			switch {
			case errors.As(err, &part):
				got = thisMail
				if !slices.Equal(part.Left, row.left) || part.Sent != (len(takes) > 0) {
					t.Errorf("left are %q, sent is %v", part.Left, part.Sent)
				}
			case errors.As(err, &refusal):
				got = stop
			case err != nil:
				got = again
			}
			if got != row.want || !strings.Contains(fmt.Sprint(err), row.says) {
				t.Errorf("got %q, want %q with %q: %v", got, row.want, row.says, err)
			}
			for _, secret := range []string{password, "s3cret", base64.StdEncoding.EncodeToString([]byte(password)), "ABob21lQ", "AGhvbWVA"} {
				if text := fmt.Sprintf("%v %+v %#v", err, err, err); strings.Contains(text, secret) {
					t.Errorf("%q is in %s", secret, text)
				}
			}
			if len(fmt.Sprint(err)) > 2000 || strings.ContainsAny(fmt.Sprint(err), "\r\x00") {
				t.Errorf("the error has %d bytes: %.500q", len(fmt.Sprint(err)), err)
			}
		})
	}
}

// What is said once has to read the same each time.
func TestTheSameTroubleReadsTheSame(t *testing.T) {
	ca := newAuthority(t)
	for _, c := range []struct {
		name    string
		timeout time.Duration
		peer    *peer
	}{
		{"nothing is said", 200 * time.Millisecond, raw(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })},
		{"a recipient has to wait", 20 * time.Second, (&peer{refuse: refusing("rcpt", reply(451, "greylisted"))}).start(t, ca.serverTLS("mail.test", time.Hour), false)},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := notify.NewSender(notify.SMTP{
				Server: "mail.test", From: "home@example.org", TLSConfig: ca.trusting(), Dial: c.peer.dial, Timeout: c.timeout,
				Recipients: map[health.Level][]string{health.Info: {"a@example.org"}},
			})
			first, second := s.Send(t.Context(), mail("k1", health.Info)), s.Send(t.Context(), mail("k2", health.Info))
			if first == nil || second == nil || first.Error() != second.Error() {
				t.Errorf("%v\n%v", first, second)
			}
		})
	}
}

func TestSendEndsWithItsContext(t *testing.T) {
	connected, end := make(chan struct{}), make(chan struct{})
	defer close(end)
	p := raw(t, func(net.Conn) { connected <- struct{}{}; <-end })
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-connected; cancel() }()
	o := notify.SMTP{Server: "mail.test", From: "home@example.org", Dial: p.dial, Timeout: time.Hour, Recipients: map[health.Level][]string{health.Info: {"a@example.org"}}}
	if err := notify.NewSender(o).Send(ctx, mail("k", health.Info)); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestWhatTheServerGets(t *testing.T) {
	ca := newAuthority(t)
	p := (&peer{login: ok}).start(t, ca.serverTLS("mail.test", time.Hour), false)
	s := notify.NewSender(notify.SMTP{
		Server: "mail.test", Username: "account", From: "home@example.org", Password: password, TLSConfig: ca.trusting(), Dial: p.dial,
		Recipients: map[health.Level][]string{health.Critical: {"Ann <a@example.org>", "b@example.org"}},
	})
	m := notify.Mail{
		Key: "report/2026-07-15", Level: health.Critical, At: start, Subject: "Größe\r\nBcc: evil@example.org",
		Text: "plain °F\n.\nafter a dot\n", HTML: `<p>rich °F <img src="cid:chart"></p>`,
		Inline: []notify.Attachment{{Name: "chart\r\nX-Evil: 1.png", ContentType: "image/png", ContentID: "chart", Data: []byte{0x89, 'P', 'N', 'G', 0, 0xff}}},
	}
	for range 2 {
		if err := s.Send(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	all := p.received()
	if len(all) != 4 || !slices.Equal(all[0].to, []string{"a@example.org"}) || !slices.Equal(all[1].to, []string{"b@example.org"}) || all[0].from != "home@example.org" {
		t.Fatalf("got %+v", all)
	}
	if !slices.Equal(p.users, []string{"account", "account"}) {
		t.Errorf("logged in as %q", p.users)
	}
	ids := map[string]bool{}
	for _, l := range all {
		got, err := netmail.ReadMessage(strings.NewReader(l.data))
		if err != nil {
			t.Fatal(err)
		}
		ids[got.Header.Get("Message-Id")] = true
		if got.Header.Get("Bcc") != "" || got.Header.Get("X-Evil") != "" || strings.Contains(l.data, password) {
			t.Errorf("got %q", l.data)
		}
	}
	if len(ids) != 1 || ids[""] {
		t.Errorf("it has the ids %v", ids)
	}
	got, err := netmail.ReadMessage(strings.NewReader(all[0].data))
	if err != nil {
		t.Fatal(err)
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(got.Header.Get("Subject"))
	if err != nil || subject != "Größe Bcc: evil@example.org" {
		t.Errorf("subject %q, %v", subject, err)
	}
	for header, want := range map[string]string{"From": `"powermgr" <home@example.org>`, "To": `"Ann" <a@example.org>`, "Auto-Submitted": "auto-generated", "Importance": "high"} {
		if v := got.Header.Get(header); v != want {
			t.Errorf("%s is %q", header, v)
		}
	}
	if date, err := got.Header.Date(); err != nil || !date.Equal(start) {
		t.Errorf("date %v, %v", date, err)
	}
	want := []string{"text/plain: " + strings.ReplaceAll(m.Text, "\n", "\r\n"), "text/html: " + m.HTML, "image/png <chart>: " + string(m.Inline[0].Data)}
	if parts := parts(t, got.Header.Get("Content-Type"), got.Body); !reflect.DeepEqual(parts, want) {
		t.Errorf("got  %q\nwant %q", parts, want)
	}
}

// parts are the leaves of a message.
func parts(t *testing.T, contentType string, body io.Reader) (all []string) {
	t.Helper()
	kind, params, err := mime.ParseMediaType(contentType)
	if err != nil || !strings.HasPrefix(kind, "multipart/") {
		t.Fatalf("%q: %v", contentType, err)
	}
	for r := multipart.NewReader(body, params["boundary"]); ; {
		p, err := r.NextPart()
		if err == io.EOF {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		kind, _, err := mime.ParseMediaType(p.Header.Get("Content-Type"))
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(kind, "multipart/") {
			all = append(all, parts(t, p.Header.Get("Content-Type"), p)...)
			continue
		}
		var in io.Reader = p
		if p.Header.Get("Content-Transfer-Encoding") == "base64" {
			in = base64.NewDecoder(base64.StdEncoding, p)
		}
		b, err := io.ReadAll(in)
		if err != nil {
			t.Fatal(err)
		}
		if id := p.Header.Get("Content-Id"); id != "" {
			kind += " " + id
		}
		all = append(all, kind+": "+string(b))
	}
}

// Servers offer mechanisms that cannot succeed: what they would take is found,
// and a wrong password is not tried again and again.
func TestLogInWithWhatTheServerTakes(t *testing.T) {
	ca := newAuthority(t)
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.cert.Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	wrong := func(string, string) error { return reply(535, "authentication failed") }
	unknown := func(string, string) error { return reply(504, "unrecognized") }
	for _, c := range []struct {
		name   string
		offers []string
		login  func(user, password string) error
		tried  []string
		says   string // empty: the mail is sent
	}{
		{"CRAM-MD5 that cannot succeed", []string{"CRAM-MD5", "PLAIN", "LOGIN"}, ok, []string{"PLAIN"}, ""},
		{"SCRAM that cannot succeed", []string{"SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "LOGIN"}, ok, []string{"LOGIN"}, ""},
		{"NTLM of Exchange", []string{"GSSAPI", "NTLM", "LOGIN"}, ok, []string{"LOGIN"}, ""},
		{"PLAIN is not known after all", []string{"PLAIN", "LOGIN", "CRAM-MD5"}, unknown, []string{"PLAIN", "LOGIN", "CRAM-MD5"}, "correct notifications.smtp.username"},
		{"the next one after a refusal", []string{"SCRAM-SHA-256", "SCRAM-SHA-1", "CRAM-MD5"}, ok, []string{"SCRAM-SHA-256", "SCRAM-SHA-1", "CRAM-MD5"}, "correct notifications.smtp.username"},
		{"a wrong password is tried once", []string{"CRAM-MD5", "PLAIN", "LOGIN"}, wrong, []string{"PLAIN"}, "correct notifications.smtp.username"},
		{"tokens alone", []string{"XOAUTH2"}, ok, nil, "offers no log-in"},
	} {
		for _, port := range []int{465, 587} {
			t.Run(fmt.Sprintf("%s, port %d", c.name, port), func(t *testing.T) {
				p := (&peer{login: c.login, offers: c.offers}).start(t, ca.serverTLS("mail.test", time.Hour), port == 465)
				s := notify.NewSender(notify.SMTP{
					Server: "mail.test", Port: port, Username: "home@example.org", Password: password, CAFile: file, Dial: p.dial,
					Recipients: map[health.Level][]string{health.Critical: {"a@example.org"}},
				})
				err := s.Send(t.Context(), notify.Mail{Key: "k", Level: health.Critical, Subject: "s", Text: "t"})
				if got := len(p.received()) == 1; got != (c.says == "") || (err == nil) != got || err != nil && !strings.Contains(err.Error(), c.says) {
					t.Errorf("sent %v: %v", got, err)
				}
				p.mu.Lock()
				defer p.mu.Unlock()
				if !slices.Equal(p.tried, c.tried) {
					t.Errorf("tried %v, want %v", p.tried, c.tried)
				}
			})
		}
	}
	s := notify.NewSender(notify.SMTP{Server: "mail.test", From: "a@example.org", CAFile: file + "x", Dial: (&peer{login: ok}).start(t, ca.serverTLS("mail.test", time.Hour), false).dial,
		Recipients: map[health.Level][]string{health.Critical: {"a@example.org"}}})
	if err := s.Send(t.Context(), notify.Mail{Key: "k", Level: health.Critical}); err == nil || !strings.Contains(err.Error(), "notifications.smtp.ca_file has to be a file") {
		t.Errorf("a file that is not there: %v", err)
	}
}
