package notify

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"slices"
	"strconv"
	"strings"

	"github.com/wneessen/go-mail"

	"powermgr/devices"
)

// A PermanentError is a refusal that will not go away by trying again.
type PermanentError struct {
	Fix string // what the owner has to correct
	Err error  // what the server or the library said
}

func (e *PermanentError) Error() string { return fmt.Sprintf("mail: %s (%v)", e.Fix, e.Err) }
func (e *PermanentError) Unwrap() error { return e.Err }

// A MailError is about one mail and its recipients: others can be sent.
type MailError struct {
	Sent bool     // somebody has it, and must not get it again
	Left []string // who may get it when it is tried again; nobody: that is in vain
	Err  error    // one for each recipient who has not got it
}

func (e *MailError) Error() string { return e.Err.Error() }
func (e *MailError) Unwrap() error { return e.Err }

// failed explains why there is no session with the server. Errors that are not known to
// need somebody's help may go away.
func (s *Sender) failed(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var permanent *PermanentError
	if errors.As(err, &permanent) {
		return permanent
	}
	if fix := s.fix(err); fix != "" {
		return &PermanentError{Fix: fix, Err: s.said(err)}
	}
	return fmt.Errorf("mail: no session with %s: %w", net.JoinHostPort(s.Server, strconv.Itoa(s.Port)), s.said(err))
}

// fix returns what to correct before the server accepts a session; empty if err may go
// away.
func (s *Sender) fix(err error) string {
	var (
		reply    *textproto.Error
		name     x509.HostnameError
		invalid  x509.CertificateInvalidError
		verify   *tls.CertificateVerificationError
		noRecord tls.RecordHeaderError
	)
	text := err.Error()
	switch {
	case errors.As(err, &name):
		return fmt.Sprintf("the certificate of the mail server is not for %s: notifications.smtp.server has to be a name that is in it", s.Server)
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "" // a Pi that has just booted may not know the time
	case errors.As(err, &verify):
		return fmt.Sprintf("the certificate of %s is not from an authority that this machine trusts: notifications.smtp.server has to be the provider's public name; the certificate of an authority of your own belongs in notifications.smtp.ca_file", s.Server)
	case errors.As(err, &noRecord):
		return fmt.Sprintf("%s does not speak TLS on port %d: notifications.smtp.port is 465 for TLS from the start, and usually 587 for STARTTLS", s.Server, s.Port)
	case strings.Contains(text, "does not support STARTTLS"): // go-mail has no value for it
		return fmt.Sprintf("%s offers no STARTTLS on port %d, and nothing is sent in clear: set notifications.smtp.port to the one for TLS, 587 or 465", s.Server, s.Port)
	case strings.Contains(text, "does not support SMTP AUTH"), errors.Is(err, mail.ErrNoSupportedAuthDiscovered):
		return fmt.Sprintf("%s offers no log-in on port %d: set notifications.smtp.port to the one for clients, 587 or 465; or leave notifications.smtp.username and password empty", s.Server, s.Port)
	case !errors.As(err, &reply) || reply.Code < 500:
		return ""
	case wantsLogin(reply.Code), strings.HasPrefix(text, "SMTP AUTH failed"):
		return s.login()
	}
	return fmt.Sprintf("%s does not want to speak to this machine: notifications.smtp.server has to be the one of your mail provider for sending", s.Server)
}

// wantsLogin reports whether a reply is about authentication.
func wantsLogin(code int) bool { return slices.Contains([]int{530, 534, 535, 538}, code) }

func (s *Sender) login() string {
	return fmt.Sprintf("%s refuses user name or password: correct notifications.smtp.username and notifications.smtp.password; Gmail, Yahoo and iCloud want an app password", s.Server)
}

// A scope is what a refusal of one message is about.
type scope int

const (
	everything scope = iota // no other mail would fare better
	later                   // this mail, for this recipient, at present
	never                   // the same, for good
)

// refusal explains why a message to one recipient was not accepted.
func (s *Sender) refusal(m Mail, to string, err error) (scope, error) {
	code, stage := 0, mail.ErrConnCheck
	if e := (&mail.SendError{}); errors.As(err, &e) {
		code, stage = e.ErrorCode(), e.Reason
	}
	said := s.said(err)
	recipient := &PermanentError{Err: said, Fix: fmt.Sprintf("the server does not take mail for %s: correct notifications.recipients.%s; a server that relays for nobody it does not know needs notifications.smtp.username and password", oneLine(to, 100), m.Level)}
	switch {
	case stage == mail.ErrGetRcpts:
		return never, recipient // it is no address
	case code < 400 || code == 421 || code < 500 && stage == mail.ErrSMTPMailFrom:
		return everything, fmt.Errorf("mail: the session with %s broke off: %w", s.Server, said)
	case code < 500:
		return later, fmt.Errorf("mail: to %s, not yet: %w", oneLine(to, 100), said)
	case wantsLogin(code):
		return everything, &PermanentError{Fix: s.login(), Err: said}
	case stage == mail.ErrSMTPMailFrom:
		return everything, &PermanentError{Err: said, Fix: fmt.Sprintf("the server takes no mail from %s: notifications.smtp.from has to be an address of the account notifications.smtp.username", oneLine(s.From, 100))}
	case stage == mail.ErrSMTPRcptTo:
		return never, recipient
	}
	return never, &PermanentError{Err: said, Fix: "the server does not take this mail; ask its provider why"}
}

// said returns err as text, no longer than a line of a log: without the password, which
// a server may have sent back, and without details that change each time, since the
// same problem is logged once.
func (s *Sender) said(err error) error {
	if err == nil {
		return errors.New("no reason was given")
	}
	text, p := devices.Cause(err).Error(), s.Password.Reveal()
	if p != "" {
		forms := []string{base64.StdEncoding.EncodeToString([]byte("\x00" + s.Username + "\x00" + p)), base64.StdEncoding.EncodeToString([]byte(p))}
		once := strconv.Quote(p)[1:]
		once = once[:len(once)-1]
		twice := strconv.Quote(once)[1:] // by the server and then by this program
		for _, form := range append(forms, twice[:len(twice)-1], once, p) {
			text = strings.ReplaceAll(text, form, s.Password.String())
		}
	}
	text, _, _ = strings.Cut(text, ", affected ") // go-mail's list of addresses and ids
	words := strings.Fields(text)
	for i, w := range words {
		if _, to, ok := strings.Cut(w, "->"); ok {
			words[i] = to // our own port
		}
	}
	return errors.New(oneLine(strings.Join(words, " "), 300))
}
