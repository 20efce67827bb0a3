package daemon

import (
	"powermgr/bridge"
	"powermgr/control/notify"
)

// notifier is the part that mails.
func (d *Daemon) notifier(s bridge.Shared) *notify.Notifier {
	c := d.options.Config
	s.Log = s.Log.With("part", "mail")
	return notify.New(notify.Options{
		Bus: s.Bus, Topics: s.Topics, Role: s.Role, Log: s.Log, Settings: c.MailSettings(), SMTP: c.Notifications.Mailbox(),
		Spool: c.Spool(s.Log), StateFile: c.OnRamdisk("powermgr_mail.json"), LastingFile: c.Beside("told.json"),
	})
}
