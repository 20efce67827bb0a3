package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"powermgr/cmd/daemon"
)

func checkConfigCommand(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "check-config [FILE]",
		Short: "Check a configuration and say what would happen with it",
		Long: `Reads the configuration as the daemon would, and says in plain words what would happen on a day with
peaks in each season, to which devices, who gets mail, and where everything is. It changes nothing
and asks nobody. What is wrong is said all at once; the exit code then is 2.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			path := g.config
			if len(args) > 0 {
				path = args[0]
			}
			config, notices, err := daemon.Load(path, os.Environ())
			out := cmd.OutOrStdout()
			if err == nil {
				fmt.Fprintf(out, "%s can be used. This is what would happen:\n\n%s", path, daemon.Describe(config))
			} else {
				out = cmd.ErrOrStderr()
			}
			if len(notices) > 0 {
				fmt.Fprintf(out, "\nWorth knowing:\n")
				for _, n := range notices {
					fmt.Fprintf(out, "  %s\n", n)
				}
			}
			return err
		},
	}
}
