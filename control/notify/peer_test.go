package notify_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"log"
	"math/big"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// authority signs certificates of mail servers in tests.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	a := &authority{t: t, key: key}
	a.cert = &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, a.cert, a.cert, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return a
}

// serverTLS is a server's configuration with a certificate for name, which
// ends so long from now.
func (a *authority) serverTLS(name string, ends time.Duration) *tls.Config {
	a.t.Helper()
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(ends),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, leaf, a.cert, &a.key.PublicKey, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: a.key}}}
}

// trusting is a client's configuration that trusts a.
func (a *authority) trusting() *tls.Config {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return &tls.Config{RootCAs: pool}
}

// peer is a mail server on loopback.
type peer struct {
	listener net.Listener
	login    func(user, password string) error            // nil: it offers no log-in
	offers   []string                                     // mechanisms; nil: PLAIN
	refuse   func(stage, what string, c *smtp.Conn) error // nil: it takes everything

	mu    sync.Mutex
	mails []letter
	users []string // who logged in
	tried []string // the mechanisms of all log-ins
}

type letter struct {
	from, data string
	to         []string
}

// start lets p listen. secure nil: no TLS; implicit: from the start.
func (p *peer) start(t *testing.T, secure *tls.Config, implicit bool) *peer {
	t.Helper()
	var err error
	if p.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	s := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) { return &session{peer: p, conn: c}, nil }))
	s.ErrorLog = log.New(io.Discard, "", 0)
	s.Domain = "mail.test"
	s.TLSConfig = secure
	s.AllowInsecureAuth = secure == nil
	l := p.listener
	if implicit {
		l = tls.NewListener(l, secure)
	}
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(l) }()
	t.Cleanup(func() { _ = s.Close(); <-done })
	return p
}

// dial leads every address to p.
func (p *peer) dial(ctx context.Context, network, _ string) (net.Conn, error) {
	return (&net.Dialer{}).DialContext(ctx, network, p.listener.Addr().String())
}

func (p *peer) refused(stage, what string, c *smtp.Conn) error {
	if p.refuse == nil {
		return nil
	}
	return p.refuse(stage, what, c)
}

func (p *peer) received() []letter {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.mails)
}

type session struct {
	peer *peer
	conn *smtp.Conn
	letter
}

func (s *session) Reset()        { s.letter = letter{} }
func (s *session) Logout() error { return nil }

func (s *session) AuthMechanisms() []string {
	if s.peer.login == nil {
		return nil
	}
	if s.peer.offers != nil {
		return s.peer.offers
	}
	return []string{sasl.Plain}
}

func (s *session) Auth(mechanism string) (sasl.Server, error) {
	s.peer.mu.Lock()
	s.peer.tried = append(s.peer.tried, mechanism)
	s.peer.mu.Unlock()
	switch mechanism {
	case sasl.Plain:
	case sasl.Login:
		return &loginServer{authenticate: func(user, password string) error { return s.peer.login(user, password) }}, nil
	default: // it offers what cannot succeed
		return nil, &smtp.SMTPError{Code: 535, EnhancedCode: smtp.EnhancedCode{5, 7, 8}, Message: "no secret of yours for " + mechanism}
	}
	return sasl.NewPlainServer(func(_, user, password string) error {
		err := s.peer.login(user, password)
		if err == nil {
			s.peer.mu.Lock()
			s.peer.users = append(s.peer.users, user)
			s.peer.mu.Unlock()
		}
		return err
	}), nil
}

func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	s.from = from
	return s.peer.refused("mail", from, s.conn)
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.to = append(s.to, to)
	return s.peer.refused("rcpt", to, s.conn)
}

func (s *session) Data(r io.Reader) error {
	if err := s.peer.refused("data", s.to[0], s.conn); err != nil {
		return err
	}
	b, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	s.data = string(b)
	s.peer.mu.Lock()
	defer s.peer.mu.Unlock()
	s.peer.mails = append(s.peer.mails, s.letter)
	return nil
}

// raw is a server that does with a connection what talk does.
func raw(t *testing.T, talk func(net.Conn)) *peer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() { defer c.Close(); talk(c) })
		}
	})
	t.Cleanup(func() { _ = l.Close(); all.Wait() })
	return &peer{listener: l}
}

// loginServer is the server's side of LOGIN.
type loginServer struct {
	authenticate func(user, password string) error
	user         string
	step         int
}

func (l *loginServer) Next(response []byte) (challenge []byte, done bool, err error) {
	l.step++
	switch {
	case l.step == 1 && response == nil:
		return []byte("Username:"), false, nil
	case l.step == 2 && l.user == "":
		l.user = string(response)
		return []byte("Password:"), false, nil
	}
	return nil, true, l.authenticate(l.user, string(response))
}
