package config

import (
	"log/slog"

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
	return &notify.Spool{Dir: c.Beside("mail"), Log: log}
}
