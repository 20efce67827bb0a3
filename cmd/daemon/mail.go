package daemon

import (
	"context"
	"errors"
	"log/slog"

	"powermgr/bridge"
	"powermgr/control/health"
	"powermgr/control/notify"
)

// Mailbox is the mail server, and who gets mail through it.
func (n Notifications) Mailbox() notify.SMTP {
	return notify.SMTP{
		Server: n.SMTP.Server, Port: n.SMTP.Port, Username: n.SMTP.Username, Password: n.SMTP.Password, From: n.SMTP.From, CAFile: n.SMTP.CAFile,
		Recipients: map[health.Level][]string{health.Info: n.Recipients.Info, health.Warning: n.Recipients.Warning, health.Critical: n.Recipients.Critical},
	}
}

// Letters is what the mails of this home have in common.
func (c Config) Letters() notify.Settings {
	return notify.Settings{Location: c.Zone(), Node: c.HA.Node, PerHour: c.Notifications.PerHour, LowPercent: c.Settings.EODBatteryWarningThreshold}
}

// Spool is where mail waits for the server, on the disk with the journal: the
// daemon and the commands that send mail share it.
func (c Config) Spool(log *slog.Logger) *notify.Spool {
	return &notify.Spool{Dir: c.beside("mail"), Log: log}
}

// Deliver puts mails into the spool and sends what is in it. What cannot be
// sent now stays there for the daemon; the error says why. It returns the keys
// of those that were sent or are in the spool: any other is lost.
func (c Config) Deliver(ctx context.Context, log *slog.Logger, mails ...notify.Mail) (safe []string, err error) {
	spool, sender := c.Spool(log), notify.NewSender(c.Notifications.Mailbox())
	var problems []error
	for _, m := range mails {
		err := spool.Add(m)
		if err == nil {
			safe = append(safe, m.Key)
		}
		problems = append(problems, err)
	}
	err = spool.Flush(ctx, func(ctx context.Context, m notify.Mail) error {
		err := sender.Send(ctx, m)
		if err == nil {
			safe = append(safe, m.Key)
		}
		if errors.As(err, new(*notify.MailError)) { // the spool goes on to the next one
			problems = append(problems, err)
		}
		return err
	})
	return safe, errors.Join(append(problems, err)...)
}

// notifier is the part that mails.
func (d *Daemon) notifier(s bridge.Shared) *notify.Notifier {
	c := d.options.Config
	s.Log = s.Log.With("part", "mail")
	return notify.New(notify.Options{
		Bus: s.Bus, Topics: s.Topics, Standing: s.Standing, Log: s.Log, Settings: c.Letters(), SMTP: c.Notifications.Mailbox(),
		Spool: c.Spool(s.Log), StateFile: c.onRamdisk("powermgr_mail.json"), LastingFile: c.beside("told.json"),
	})
}
