package main

import (
	"bufio"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"powermgr/cmd/config"
	"powermgr/cmd/daemon"
	"powermgr/devices"
)

func discoveryCommand(g *globals) *cobra.Command {
	c := &cobra.Command{
		Use:     "discovery",
		Short:   "Manage what powermgr has announced to Home Assistant",
		Example: "  powermgr discovery clean",
		Args:    noSuchCommand,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	c.AddCommand(cleanCommand(g))
	return c
}

func cleanCommand(g *globals) *cobra.Command {
	var yes bool
	c := &cobra.Command{
		Use:   "clean",
		Short: "Remove what powermgr announced to Home Assistant under earlier names",
		Long: `Lists what powermgr has announced at the configured broker under another discovery.prefix or
mqtt.base_topic, along with states that were left behind there, and removes it if you agree. It never
touches what other programs announced, or a base topic for which a powermgr is online. The daemon
itself looks after what it announces under the current names. While this runs, the configured MQTT user
must be allowed to read and write the old topics.`,
		Example: "  sudo powermgr discovery clean",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usage("clean takes no arguments, and not %q", args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			config, _, err := config.Load(g.config, os.Environ())
			if err != nil {
				return err
			}
			return cleanUp(cmd, config, yes)
		},
	}
	c.Flags().BoolVar(&yes, "yes", false, "remove it without asking")
	return c
}

func cleanUp(cmd *cobra.Command, config config.Config, yes bool) error {
	ctx, out := cmd.Context(), cmd.OutOrStdout()
	cleaner, err := daemon.Cleaner(ctx, config)
	if err != nil {
		return fmt.Errorf("the broker cannot be asked: %w", err)
	}
	defer cleaner.Close()
	stale, living, err := cleaner.Find(ctx, config.Discovery.Prefix, devices.Topics{Base: config.MQTT.BaseTopic})
	if err != nil {
		return fmt.Errorf("the broker cannot be asked: %w", err)
	}
	for _, base := range living {
		fmt.Fprintf(out, "The base topic %q is left alone, because a powermgr is online there.\n", base)
	}
	if len(stale) == 0 {
		fmt.Fprintln(out, "The broker has nothing under earlier names, at least nothing that this MQTT user may read.")
		return nil
	}
	fmt.Fprintln(out, "Under names that this configuration does not use:")
	for _, s := range stale {
		fmt.Fprintf(out, "  %q (base topic %q)\n", s.Topic, s.Base)
	}
	if !yes {
		fmt.Fprint(out, "Remove all of it? Home Assistant then forgets these entities. [y/N] ")
		answer, _ := bufio.NewReader(cmd.InOrStdin()).ReadString('\n') // end of input means no
		if a := strings.ToLower(strings.TrimSpace(answer)); a != "y" && a != "yes" {
			fmt.Fprintln(out, "Nothing was changed. powermgr discovery clean --yes does not ask.")
			return nil
		}
	}
	for _, s := range stale {
		if err := cleaner.Remove(ctx, s); err != nil {
			return fmt.Errorf("%q could not be removed: %w", s.Topic, err)
		}
	}
	fmt.Fprintf(out, "Removed: %d.\n", len(stale))
	return nil
}
