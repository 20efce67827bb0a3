package notify

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	netmail "net/mail"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/wneessen/go-mail"
	"github.com/wneessen/go-mail/smtp"

	"powermgr/control/health"
	"powermgr/devices"
)

// SMTP is the mail server, and who gets mail through it.
type SMTP struct {
	Server   string         // host name or address; empty: no mail is sent
	Port     int            // 465 is TLS from the start; 0: 587
	Username string         // empty: the server wants no log-in
	Password devices.Secret // empty: no log-in either
	From     string         // the sender; empty: Username
	// Recipients are addresses. None for a level: nobody gets mail of it.
	Recipients map[health.Level][]string

	// Timeout is how long connecting and logging in may take, and again the
	// rest. 0: 30 seconds.
	Timeout time.Duration
	// CAFile has the authorities that are trusted, PEM. Empty: those of TLSConfig.
	CAFile string
	// TLSConfig has the authorities that are trusted. Nil: the system's.
	TLSConfig *tls.Config
	// Dial connects to the server. Nil: the network.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// A Sender sends mails, each over a connection of its own.
type Sender struct{ SMTP }

// NewSender returns a sender with the defaults of o filled in.
func NewSender(o SMTP) *Sender {
	if o.Port == 0 {
		o.Port = mail.DefaultPortTLS
	}
	if o.Timeout == 0 {
		o.Timeout = 30 * time.Second
	}
	if o.From == "" {
		o.From = o.Username
	}
	if o.Dial == nil {
		o.Dial = (&net.Dialer{}).DialContext
	}
	return &Sender{o}
}

// Wants reports whether anybody gets mail of that level.
func (o SMTP) Wants(l health.Level) bool { return o.Server != "" && len(o.Recipients[l]) > 0 }

// Send sends m to each of its recipients and returns when the server has accepted it.
// Its error is a PermanentError when the server refuses everything until something is
// corrected, a MailError when it is about m or some of its recipients, ctx's, or
// another that may go away.
//
// If the connection is lost before the server confirms a mail, it is sent again with
// the same Message-ID: the alternative would be to lose it.
func (s *Sender) Send(ctx context.Context, m Mail) error {
	to := m.To
	if len(to) == 0 {
		to = s.Recipients[m.Level]
	}
	if len(to) == 0 {
		return nil
	}
	messages := make([]*mail.Msg, len(to))
	for i, address := range to {
		msg, err := s.message(m, address)
		if err != nil {
			return err
		}
		messages[i] = msg
	}
	login := &login{sender: s}
	conn, client, session, err := s.open(ctx, login)
	for err != nil && ctx.Err() == nil && login.next(err) {
		conn, client, session, err = s.open(ctx, login) // a server may end the session after a refusal
	}
	if err != nil {
		return s.failed(ctx, err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	// Each recipient has a transaction of their own: a refusal of one does not
	// keep it from the others.
	err = s.outcome(m, to, messages, client.SendWithSMTPClient(session, messages...))
	if ctx.Err() != nil && err != nil && !errors.As(err, new(*MailError)) {
		return ctx.Err()
	}
	if err == nil {
		_ = conn.SetDeadline(time.Now().Add(2 * time.Second)) // every recipient has it, however the session ends
		_ = client.CloseWithSMTPClient(session)
	}
	return err
}

// open connects and logs in.
func (s *Sender) open(ctx context.Context, l *login) (net.Conn, *mail.Client, *smtp.Client, error) {
	conn, policy, err := s.dial(ctx)
	if err != nil {
		return nil, nil, nil, err
	}
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	client, err := s.client(conn, policy, l)
	var session *smtp.Client
	if err == nil {
		session, err = client.DialToSMTPClientWithContext(ctx)
	}
	if err != nil {
		_ = conn.Close()
		return nil, nil, nil, err
	}
	return conn, client, session, nil
}

// message returns m for one recipient. Its error is about the sender.
func (s *Sender) message(m Mail, to string) (*mail.Msg, error) {
	msg := mail.NewMsg(mail.WithNoDefaultUserAgent())
	if err := msg.FromFormat("powermgr", addressOf(s.From)); err != nil {
		return nil, &PermanentError{Fix: "notifications.smtp.from has to be an e-mail address", Err: fmt.Errorf("%.80q is none", s.From)}
	}
	_ = msg.To(to) // one that is no address is refused when it is its turn, and the others get the mail
	_, domain, _ := strings.Cut(addressOf(s.From), "@")
	msg.SetMessageIDWithValue(hash(m.Key) + "@" + domain)
	if !m.At.IsZero() {
		msg.SetDateWithValue(m.At)
	}
	msg.Subject(oneLine(m.Subject, longestSubject))
	msg.SetGenHeader("Auto-Submitted", "auto-generated") // no replies by those on vacation
	if m.Level == health.Critical {
		msg.SetImportance(mail.ImportanceHigh)
	}
	msg.SetBodyString(mail.TypeTextPlain, m.Text)
	if m.HTML != "" {
		msg.AddAlternativeString(mail.TypeTextHTML, m.HTML)
		for _, a := range m.Inline {
			// It cannot fail: a slice of bytes can always be read.
			_ = msg.EmbedReader(oneLine(a.Name, 80), bytes.NewReader(a.Data), mail.WithFileContentType(mail.ContentType(oneLine(a.ContentType, 80))),
				mail.WithFileContentID("<"+oneLine(a.ContentID, 80)+">"))
		}
	}
	return msg, nil
}

// addressOf is the address alone of "Name <address>".
func addressOf(s string) string {
	if a, err := netmail.ParseAddress(s); err == nil {
		return a.Address
	}
	return s
}

// dial connects, with TLS if the connection starts with it. Plain text is only allowed
// to this machine, by its name and by where the connection actually leads.
func (s *Sender) dial(ctx context.Context) (net.Conn, mail.TLSPolicy, error) {
	ctx, cancel := context.WithTimeout(ctx, s.Timeout)
	defer cancel()
	conn, err := s.Dial(ctx, "tcp", net.JoinHostPort(s.Server, strconv.Itoa(s.Port)))
	if err != nil {
		return nil, 0, err
	}
	// A server that never stops talking is not listened to forever.
	conn = &limited{conn, io.LimitReader(conn, 1<<20)}
	if s.Port == mail.DefaultPortSSL {
		config, err := s.tls()
		if err != nil {
			_ = conn.Close()
			return nil, 0, err
		}
		secure := tls.Client(conn, config)
		if err := secure.HandshakeContext(ctx); err != nil {
			_ = conn.Close()
			return nil, 0, err
		}
		// The client sees that it is TLS already; mandatory would be STARTTLS.
		return secure, mail.TLSOpportunistic, nil
	}
	if devices.Loopback(s.Server) {
		if a, ok := conn.RemoteAddr().(*net.TCPAddr); ok && a.IP.IsLoopback() {
			return conn, mail.NoTLS, nil
		}
	}
	return conn, mail.TLSMandatory, nil
}

// tls returns the TLS configuration. It is read for each connection, so that a renewed
// file is used at once.
func (s *Sender) tls() (*tls.Config, error) {
	c := &tls.Config{}
	if s.TLSConfig != nil {
		c = s.TLSConfig.Clone()
	}
	c.MinVersion = max(c.MinVersion, tls.VersionTLS12)
	if c.ServerName == "" {
		c.ServerName = s.Server
	}
	if s.CAFile == "" {
		return c, nil
	}
	pem, err := os.ReadFile(s.CAFile)
	if err == nil {
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			err = fmt.Errorf("%s has no PEM certificate", s.CAFile)
		}
	}
	if err != nil {
		return nil, &PermanentError{Fix: "notifications.smtp.ca_file has to be a file with the certificate of the mail server's authority, PEM, that the daemon can read", Err: err}
	}
	return c, nil
}

// client speaks SMTP over conn.
func (s *Sender) client(conn net.Conn, policy mail.TLSPolicy, l *login) (*mail.Client, error) {
	config, err := s.tls()
	if err != nil {
		return nil, err
	}
	options := []mail.Option{
		mail.WithTimeout(s.Timeout), mail.WithTLSPolicy(policy), mail.WithTLSConfig(config),
		mail.WithoutNoop(), mail.WithoutRset(), mail.WithoutSMTPUTF8(), // headers are encoded
		mail.WithDialContextFunc(func(context.Context, string, string) (net.Conn, error) { return conn, nil }),
	}
	if s.Username != "" && s.Password != "" {
		auth := mail.WithSMTPAuthCustom(l)
		if policy == mail.NoTLS { // else go-mail would not use a password in clear
			auth = mail.WithOpportunisticSMTPAuth(mail.SMTPAuthSCRAMSHA256, mail.SMTPAuthCramMD5, mail.SMTPAuthPlainNoEnc, mail.SMTPAuthLoginNoEnc)
		}
		options = append(options, auth, mail.WithUsername(s.Username), mail.WithPassword(s.Password.Reveal()))
	}
	return mail.NewClient(s.Server, options...)
}

// limited is a connection from which only a limited amount is read.
type limited struct {
	net.Conn
	r io.Reader
}

func (l *limited) Read(b []byte) (int, error) { return l.r.Read(b) }

// outcome returns the result for m, from the outcome of each message; broken is what
// stopped all of them.
func (s *Sender) outcome(m Mail, to []string, messages []*mail.Msg, broken error) error {
	result := MailError{}
	var problems []error
	var all error // that no other mail would fare better
	for i, msg := range messages {
		if msg.IsDelivered() {
			result.Sent = true
			continue
		}
		about, err := s.refusal(m, to[i], cmp.Or(msg.SendError(), broken))
		problems = append(problems, err)
		if about != never {
			result.Left = append(result.Left, to[i])
		}
		if about == everything && all == nil {
			all = err
		}
	}
	switch {
	case len(problems) == 0:
		return nil
	case all != nil && !result.Sent:
		return all
	}
	result.Err = errors.Join(problems...)
	return &result
}
