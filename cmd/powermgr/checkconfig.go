package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"powermgr/cmd/config"
)

func checkConfigCommand(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "check-config [FILE]",
		Short: "Check a configuration, and explain what would happen with it",
		Long: `Reads the configuration as the daemon would, and explains in plain words what would happen on a day
with peaks in each season, to which devices, who gets mail, and where all files are. It changes
nothing and contacts nobody. It lists all errors at once; the exit code is then 2.`,
		Example: "  powermgr check-config\n  powermgr check-config /tmp/new-config.yaml",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			path := g.config
			if len(args) > 0 {
				path = args[0]
			}
			text, err := checked(path)
			out := cmd.OutOrStdout()
			if err != nil {
				out = cmd.ErrOrStderr()
			}
			fmt.Fprint(out, text)
			return err
		},
	}
}

// checked says what would happen with the configuration at path, and what is worth
// knowing about it. The error lists everything that is wrong.
func checked(path string) (string, error) {
	c, notices, err := config.Load(path, os.Environ())
	var text strings.Builder
	if err == nil {
		fmt.Fprintf(&text, "%s can be used. This is what would happen:\n\n%s", path, config.Describe(c))
	}
	if len(notices) > 0 {
		fmt.Fprintf(&text, "\nWorth knowing:\n")
		for _, n := range notices {
			fmt.Fprintf(&text, "  %s\n", n)
		}
	}
	return text.String(), err
}

// checkedConfig returns the same for the page, with any error as text.
func checkedConfig(path string) string {
	text, err := checked(path)
	if err != nil {
		return err.Error() + "\n" + text
	}
	return text
}
