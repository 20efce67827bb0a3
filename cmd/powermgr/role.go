package main

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"powermgr/cmd/config"
	"powermgr/cmd/local"
	"powermgr/cmd/pair"
	"powermgr/cmd/setup"
)

// runtimeDir returns where a running daemon has its socket: from systemd, or systemd's
// default.
func runtimeDir() string {
	if dir, _, _ := strings.Cut(os.Getenv("RUNTIME_DIRECTORY"), ":"); dir != "" {
		return dir
	}
	return "/run/powermgr"
}

func roleCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "role [active|standby]",
		Short: "Show or set the role of this node in a pair",
		Long: `Makes the daemon on this machine the active node of its pair, or the standby; keepalived runs this. If
no daemon is running, it takes on the role when it starts. Without an argument, prints the current
role.`,
		Example: "  powermgr role",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				s, err := local.QueryStatus(cmd.Context(), runtimeDir())
				if err == nil {
					_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s\n", s.State.Role)
				}
				return err
			}
			role, err := pair.ParseRole(args[0])
			if err != nil {
				return usage("%w%s", err, config.DidYouMean(args[0], []string{string(pair.Active), string(pair.Standby)}))
			}
			return local.TellRole(cmd.Context(), runtimeDir(), role)
		},
	}
}

func liveCommand(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "live",
		Short: "End the dry run: let powermgr command devices on this machine",
		Long: `The service starts as a dry run if its configuration has never commanded devices on this machine. This
command ends the dry run, for the running daemon and from now on. If the configuration has
settings.dry_run: true, it changes that to false, and nothing else in the file. Before you run it,
powermgr status shows what powermgr would do, and powermgr report --first-week what it would have done.`,
		Example: "  sudo powermgr live",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, _, err := config.Load(g.config, os.Environ())
			if err != nil {
				return err
			}
			if c.Settings.DryRun {
				if err := setup.SetKey(g.config, "settings.dry_run", false); err != nil {
					return err
				}
				if c, _, err = config.Load(g.config, os.Environ()); err != nil {
					return err
				}
				if c.Settings.DryRun {
					return fmt.Errorf("settings.dry_run is true in the environment of this command, which overrides %s: remove POWERMGR_SETTINGS__DRY_RUN from it", g.config)
				}
			}
			if err := local.TellLive(cmd.Context(), runtimeDir(), c); err != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), "The dry run is over: powermgr now commands your devices.")
			return err
		},
	}
}

func healthCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "health",
		Short: "Report whether the daemon on this machine is healthy",
		Long: `Checks the file that a running daemon keeps updating, and exits with 0 if all is well. This is only
about this machine: the vendors and the broker may be down.`,
		Example: "  powermgr health && echo healthy",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			file := local.HealthFile(runtimeDir())
			info, err := os.Stat(file)
			if err != nil {
				return fmt.Errorf("no powermgr has run here: %w", err)
			}
			text, err := os.ReadFile(file)
			age := time.Since(info.ModTime())
			switch {
			case err != nil:
				return err
			case strings.TrimSpace(string(text)) != "0":
				return fmt.Errorf("powermgr is not running, or its control loop is stuck: systemctl status powermgr")
			case age > local.HealthIsOld:
				return fmt.Errorf("powermgr has not shown any activity for %s: systemctl status powermgr", age.Round(time.Second))
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), "ok")
			return err
		},
	}
}
