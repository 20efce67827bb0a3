package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"powermgr/cmd/config"
	"powermgr/cmd/local"
	"powermgr/cmd/pair"
	"powermgr/control"
	"powermgr/control/rules"
)

func restoreCommand(g *globals) *cobra.Command {
	var patience time.Duration
	c := &cobra.Command{
		Use:   "restore",
		Short: "Restore everything that powermgr has set, and wait until it is done",
		Long: `Restores what the battery and the thermostats were set to, and waits until the devices show it. powermgr
then changes nothing until the window that runs is over, or the next one. What could not be restored is
named, and the exit code is 1. apt remove does this first.`,
		Example: "  sudo powermgr restore\n  sudo powermgr restore --wait 10m",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if patience <= 0 {
				return usage("--wait %s is not a time such as 3m", patience)
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), patience)
			defer cancel()
			left, err := restored(ctx, g)
			switch {
			case len(left) > 0:
				return fmt.Errorf("not restored: %s: %w", strings.Join(left, "; "), err)
			case err != nil:
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), "nothing is left that powermgr has set")
			return err
		},
	}
	c.Flags().DurationVar(&patience, "wait", 3*time.Minute, "how long to wait for the devices")
	return c
}

// Why something is left.
var (
	errStillThere = errors.New("the devices have not shown it in time, and powermgr goes on trying as long as it runs")
	errStopped    = errors.New("powermgr is not running: sudo systemctl start powermgr, then sudo powermgr restore")
)

// restored has the daemon restore everything and waits for it. It returns what is
// left, for people; the error says why, or that it is not known.
func restored(ctx context.Context, g *globals) (left []string, err error) {
	dir := runtimeDir()
	asked := time.Now()
	if err := local.AskRestore(ctx, dir); errors.Is(err, local.ErrNobody) {
		return unrestored(g)
	} else if err != nil {
		return nil, err
	}
	for {
		if s, err := local.Ask(ctx, dir); err == nil {
			if s.State.Role == pair.Standby || s.DryRun {
				return nil, nil // the other node restores what it has set, and a dry run has set nothing
			}
			var c control.State
			paused := (page{Status: s}).topic("control/state", &c) && c.Override == string(rules.OverridePause)
			if left = names(c.Owned); paused && len(left) == 0 {
				return nil, nil
			}
			if !paused && time.Since(asked) > turned {
				asked = time.Now() // a daemon that read its configuration again just then has not heard it
				_ = local.AskRestore(ctx, dir)
			}
		}
		select {
		case <-ctx.Done():
			if len(left) == 0 {
				return nil, errors.New("powermgr did not say in time what it has set: powermgr status")
			}
			return left, errStillThere
		case <-time.After(500 * time.Millisecond):
		}
	}
}

// unrestored is what a daemon that has stopped has left, by its files.
func unrestored(g *globals) ([]string, error) {
	c, _, err := config.Load(g.config, os.Environ())
	if err != nil {
		return nil, err
	}
	left, err := local.Unrestored(c)
	if len(left) == 0 {
		return nil, err
	}
	return left, errStopped
}

// turned is how long the controller may take to act on what it was asked.
const turned = 10 * time.Second

func names(owned []rules.Owned) (all []string) {
	for _, o := range owned {
		all = append(all, o.Name)
	}
	return all
}
