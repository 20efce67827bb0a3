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

// runtimeDir is where a running daemon has its socket: what systemd says, or
// what it would say.
func runtimeDir() string {
	if dir, _, _ := strings.Cut(os.Getenv("RUNTIME_DIRECTORY"), ":"); dir != "" {
		return dir
	}
	return "/run/powermgr"
}

func roleCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "role [active|standby]",
		Short: "Tell this node of a pair what to be, or ask it",
		Long: `Tells the daemon on this machine to be the active node of its pair, or to stand by; this is what
keepalived calls. If no daemon runs, the role waits for it. Without an argument, prints what the
node is.`,
		Example: "  powermgr role",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				s, err := local.Ask(cmd.Context(), runtimeDir())
				if err == nil {
					_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s\n", s.State.Role)
				}
				return err
			}
			role, err := pair.ParseRole(args[0])
			if err != nil {
				return wrong(err)
			}
			return local.TellRole(cmd.Context(), runtimeDir(), role)
		},
	}
}

func liveCommand(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "live",
		Short: "End the dry run: let powermgr command devices on this machine",
		Long: `The service begins a configuration that has not commanded devices on this machine before as a dry
run. This ends it, for the daemon that runs and for all later ones. Where the configuration has
settings.dry_run: true, that becomes false in the file; nothing else in it changes. Until then
powermgr status shows what it would do, and powermgr report --first-week what it would have done.`,
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
					return fmt.Errorf("settings.dry_run is true in the environment of this command, which goes before %s: take POWERMGR_SETTINGS__DRY_RUN out of it", g.config)
				}
			}
			if err := local.TellLive(cmd.Context(), runtimeDir(), c); err != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), "powermgr commands devices on this machine from now on")
			return err
		},
	}
}

func healthCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "health",
		Short: "Say whether the daemon on this machine is well, and exit with 0 if it is",
		Long: `Looks at the file that a running daemon keeps fresh, so it costs nothing. Health is about this
machine alone: vendors and broker may be away.`,
		Example: "  powermgr health && echo well",
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
				return fmt.Errorf("powermgr is not running, or its control loop does not turn: systemctl status powermgr")
			case age > local.HealthIsOld:
				return fmt.Errorf("powermgr has not been heard of for %s: systemctl status powermgr", age.Round(time.Second))
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), "ok")
			return err
		},
	}
}
