package notify

import (
	"errors"
	"net/textproto"
	"slices"

	"github.com/wneessen/go-mail"
	"github.com/wneessen/go-mail/smtp"
)

// mechanisms are the ways to log in inside TLS, in the order in which they are
// tried. Servers offer stronger ones that cannot succeed, since they would have
// to know the password itself; TLS keeps it as well, so PLAIN and LOGIN, which
// nearly all take, come first.
func mechanisms() []string {
	return []string{"PLAIN", "LOGIN", "SCRAM-SHA-256", "SCRAM-SHA-1", "CRAM-MD5", "NTLM"}
}

// login authenticates with the first mechanism on offer that was not refused.
type login struct {
	smtp.Auth // of the mechanism in use
	sender    *Sender
	refused   []string
	using     string
	left      bool // another one is on offer
}

// Start chooses a mechanism.
func (l *login) Start(server *smtp.ServerInfo) (proto string, toServer []byte, err error) {
	offered := slices.DeleteFunc(mechanisms(), func(m string) bool {
		return !slices.Contains(server.Auth, m) || slices.Contains(l.refused, m)
	})
	if len(offered) == 0 {
		return "", nil, mail.ErrNoSupportedAuthDiscovered
	}
	l.using, l.left = offered[0], len(offered) > 1
	user, password := l.sender.Username, l.sender.Password.Reveal()
	switch l.using {
	case "PLAIN":
		l.Auth = smtp.PlainAuth("", user, password, l.sender.Server, false)
	case "LOGIN":
		l.Auth = smtp.LoginAuth(user, password, l.sender.Server, false)
	case "SCRAM-SHA-256":
		l.Auth = smtp.ScramSHA256Auth(user, password)
	case "SCRAM-SHA-1":
		l.Auth = smtp.ScramSHA1Auth(user, password)
	case "CRAM-MD5":
		l.Auth = smtp.CRAMMD5Auth(user, password)
	case "NTLM":
		l.Auth = smtp.NTLMAuth(user, password, "")
	}
	return l.Auth.Start(server)
}

// next reports whether another mechanism may succeed after err. If PLAIN or LOGIN is
// refused, the password is wrong, unless the server turns out not to know the
// mechanism: more attempts would only lock the account.
func (l *login) next(err error) bool {
	var reply *textproto.Error
	if !l.left || !errors.As(err, &reply) || reply.Code < 500 {
		return false
	}
	l.refused = append(l.refused, l.using)
	return reply.Code < 505 || l.using != "PLAIN" && l.using != "LOGIN"
}
