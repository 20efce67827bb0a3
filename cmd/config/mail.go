package config

import (
	"crypto/x509"
	"fmt"
	"log/slog"
	"net"
	"net/mail"
	"slices"
	"strings"

	"powermgr/control/health"
	"powermgr/control/notify"
	"powermgr/devices"
)

// Notifications says who gets mail.
type Notifications struct {
	SMTP       SMTP       `koanf:"smtp"`
	Recipients Recipients `koanf:"recipients"`
	// PerHour is how many mails of one urgency are sent in an hour. The others are
	// combined into one; nothing critical is dropped.
	PerHour int `koanf:"per_hour" default:"10" range:"1–60"`
}

// SMTP is the mail server. Connections other than to this machine need TLS.
type SMTP struct {
	// Server is its host name. Empty, the default: no mail is sent.
	Server string `koanf:"server"`
	// Port is 587 for STARTTLS, or 465 for TLS from the start.
	Port int `koanf:"port" default:"587" range:"1–65535"`
	// From is the sender. Empty in the file: Username, if that is an address, otherwise
	// the first recipient. Load fills it in.
	From string `koanf:"from"`
	// Username is for the log-in. Empty: the server requires none.
	Username string         `koanf:"username"`
	Password devices.Secret `koanf:"password"`
	// CAFile has the server's certificate authority, PEM. Empty: the system's.
	CAFile string `koanf:"ca_file"`
}

// Recipients are e-mail addresses for each urgency. Empty: nobody.
type Recipients struct {
	Info     []string `koanf:"info"`     // the daily report
	Warning  []string `koanf:"warning"`  // something did not work, but may recover by itself
	Critical []string `koanf:"critical"` // somebody has to act
}

// completeFrom determines a sender: most servers require it to be the user.
func (n *Notifications) completeFrom() {
	r := n.Recipients
	for _, address := range slices.Concat([]string{n.SMTP.Username}, r.Critical, r.Warning, r.Info) {
		if _, err := mail.ParseAddress(address); err == nil && n.SMTP.From == "" {
			n.SMTP.From = address
		}
	}
}

func (l *loader) checkMail(n Notifications) {
	s := n.SMTP
	if s.From != "" {
		if _, err := mail.ParseAddress(s.From); err != nil {
			l.problem("notifications.smtp.from", "%s is not an e-mail address", quoted(s.From))
		}
	}
	if strings.ContainsAny(s.Server, ":/ ") && net.ParseIP(s.Server) == nil {
		l.problem("notifications.smtp.server", "%s is not a host name: the port belongs in notifications.smtp.port", quoted(s.Server))
	}
	if s.CAFile != "" {
		if data, _, err := l.read(s.CAFile); err != nil || !x509.NewCertPool().AppendCertsFromPEM(data) {
			l.notice("notifications.smtp.ca_file", "%s has no certificate in PEM that this command can read: no mail is sent unless the daemon can read one", s.CAFile)
		}
	}
	if (s.Username == "") != (s.Password == "") {
		l.problem("notifications.smtp", "username and password go together")
	}
	somebody := false
	for _, r := range []struct {
		key       string
		addresses []string
	}{
		{"info", n.Recipients.Info}, {"warning", n.Recipients.Warning}, {"critical", n.Recipients.Critical},
	} {
		for i, a := range r.addresses {
			somebody = true
			if _, err := mail.ParseAddress(a); err != nil {
				l.problem(fmt.Sprintf("notifications.recipients.%s[%d]", r.key, i), "%s is not an e-mail address", quoted(a))
			}
		}
	}
	switch {
	case somebody && s.Server == "":
		l.notice("notifications.smtp.server", "there are recipients and no server: no mail is sent")
	case s.Server != "" && len(n.Recipients.Critical) == 0:
		l.notice("notifications.recipients.critical", "nobody is told when somebody has to do something")
	}
}

// Mailbox returns the mail server, and who gets mail through it.
func (n Notifications) Mailbox() notify.SMTP {
	return notify.SMTP{
		Server: n.SMTP.Server, Port: n.SMTP.Port, Username: n.SMTP.Username, Password: n.SMTP.Password, From: n.SMTP.From, CAFile: n.SMTP.CAFile,
		Recipients: map[health.Level][]string{health.Info: n.Recipients.Info, health.Warning: n.Recipients.Warning, health.Critical: n.Recipients.Critical},
	}
}

// MailSettings returns what the mails of this home have in common.
func (c Config) MailSettings() notify.Settings {
	return notify.Settings{Location: c.Zone(), Node: c.HA.Node, PerHour: c.Notifications.PerHour, LowPercent: c.Settings.EODBatteryWarningThreshold}
}

// Spool returns where mail waits for the server, on the disk with the journal: the
// daemon and the commands that send mail share it.
func (c Config) Spool(log *slog.Logger) *notify.Spool {
	return &notify.Spool{Dir: c.Beside("mail"), Log: log}
}
