package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"powermgr/cmd/config"
	"powermgr/control/health"
	"powermgr/control/notify"
)

func notifyCommand(g *globals) *cobra.Command {
	var level, stopped string
	c := &cobra.Command{
		Use:     "notify",
		Short:   "Send a test mail, or report that the daemon has stopped for good",
		Example: "  sudo powermgr notify --test critical",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, _, err := config.Load(g.config, os.Environ())
			var broken *config.Error
			switch {
			case (level == "") == (stopped == ""):
				return usage("one of --test and --stopped is needed: powermgr notify --test critical")
			case stopped == "" && !slices.Contains(health.Levels(), health.Level(level)):
				return usage("--test %s is not a level: choose info, warning or critical%s", level, config.DidYouMean(level, []string{"info", "warning", "critical"}))
			case stopped == "" && err != nil:
				return err
			case errors.As(err, &broken):
				c = broken.Read
			}
			if stopped != "" {
				return mailStopped(cmd.Context(), c, stopped, broken)
			}
			if keys := c.Placeholders("notifications.smtp"); len(keys) > 0 {
				return wrong(stillExample(keys, g.config))
			}
			to, err := sendTestMail(cmd.Context(), c, health.Level(level))
			if err == nil {
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "sent to %s\n", strings.Join(to, ", "))
			}
			return err
		},
	}
	f := c.Flags()
	f.StringVar(&level, "test", "", "send a test mail to the recipients of this level: info, warning or critical")
	f.StringVar(&stopped, "stopped", "", "report that this systemd unit has stopped and will not be restarted")
	return c
}

// sendTestMail sends a test mail and prints its recipients.
func sendTestMail(ctx context.Context, c config.Config, level health.Level) ([]string, error) {
	smtp := c.Notifications.Mailbox()
	switch {
	case smtp.Server == "":
		return nil, errors.New("notifications.smtp.server is empty: no mail is sent")
	case !smtp.Wants(level):
		return nil, fmt.Errorf("notifications.recipients.%s is empty: nobody gets mail of this level", level)
	}
	now := time.Now()
	return smtp.Recipients[level], notify.NewSender(smtp).Send(ctx, c.MailSettings().Compose(notify.Message{
		Key: "test/" + now.Format(time.RFC3339Nano), Level: level, At: now,
		Subject: "this is a test", Text: "mail of this level reaches you. There is nothing to do.",
	}))
}

// mailStopped sends a mail on behalf of a daemon that cannot do so any more. It does so
// once an hour, and leaves the mail to the next daemon if the server is down.
func mailStopped(ctx context.Context, c config.Config, unit string, broken *config.Error) error {
	now := time.Now()
	l := notify.Message{
		Key: fmt.Sprintf("stopped/%s/%s", unit, now.UTC().Format("2006-01-02T15")), Level: health.Critical, At: now,
		Subject: fmt.Sprintf("%s has stopped for good", unit),
		Text:    "this node no longer reads, controls or restores anything. To see why, run: systemctl status " + unit,
	}
	if broken != nil {
		l.Text = "its configuration has an error. Correct it, then run: systemctl restart " + unit
		for _, p := range broken.Problems {
			l.Facts = append(l.Facts, notify.Fact{Name: "Configuration", Text: p.String()})
		}
	}
	if result := os.Getenv("MONITOR_SERVICE_RESULT"); result != "" { // systemd sets this for a unit that OnFailure starts
		l.Facts = append(l.Facts, notify.Fact{Name: "How it ended", Text: result + ", " + os.Getenv("MONITOR_EXIT_CODE") + " " + os.Getenv("MONITOR_EXIT_STATUS")})
	}
	if lines := lastLines(ctx, unit); lines != "" {
		l.Facts = append(l.Facts, notify.Fact{Name: "Last lines of the log", Text: lines})
	}
	m := c.MailSettings().Compose(l)
	if !c.Notifications.Mailbox().Wants(m.Level) {
		err := errors.New("nobody gets critical mail: set notifications.smtp.server and notifications.recipients.critical")
		if broken != nil {
			err = errors.Join(err, broken) // perhaps they are set, in a part that cannot be read
		}
		return err
	}
	_, err := c.Spool(slog.New(slog.NewTextHandler(os.Stderr, nil))).Deliver(ctx, notify.NewSender(c.Notifications.Mailbox()), m)
	return err
}

// lastLines returns the end of a unit's log; empty if there is no journal.
func lastLines(ctx context.Context, unit string) string {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, "journalctl", "--unit", unit, "--lines", "15", "--output", "cat", "--no-pager").Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}
