package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
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
	var timeout time.Duration
	c := &cobra.Command{
		Use:   "restore",
		Short: "Restore everything that powermgr has set, and wait until it is done",
		Long: `Restores what the battery and the thermostats were set to, and waits until the devices show it. It says
what it waits for, and each device once it is restored. powermgr then changes nothing until the current
window, or otherwise the next one, is over. If something could not be restored, it is named, and the exit
code is 1. apt remove does this first.`,
		Example: "  sudo powermgr restore\n  sudo powermgr restore --wait 10m",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if timeout <= 0 {
				return usage("--wait %s is not a time such as 3m", timeout)
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), timeout)
			defer cancel()
			r := restoration{out: cmd.OutOrStdout(), began: time.Now(), timeout: timeout}
			left, err := r.run(ctx, g)
			r.printSummary()
			switch {
			case len(left) > 0:
				return fmt.Errorf("not restored: %s: %w", strings.Join(left, "; "), err)
			case err != nil:
				return err
			}
			if !r.elsewhere {
				r.say("nothing is left that powermgr has set")
			}
			if !r.paused.IsZero() {
				r.say("powermgr changes nothing until %s. Resume, on the page or in Home Assistant, ends that.", r.paused.Format("Mon 15:04"))
			}
			return nil
		},
	}
	c.Flags().DurationVar(&timeout, "wait", 3*time.Minute, "how long to wait for the devices")
	return c
}

// Why something is not restored.
var (
	errStillThere = errors.New("the devices have not shown it in time, and powermgr goes on trying as long as it runs")
	errStopped    = errors.New("powermgr is not running: sudo systemctl start powermgr, then sudo powermgr restore")
)

// A restoration tells a waiting person what it waits for, and for how long.
type restoration struct {
	out        io.Writer
	began      time.Time
	timeout    time.Duration
	waited     []rules.Owned // for all of these
	done       []string      // those that are restored, by name
	lastOutput time.Time     // when it last printed something

	elsewhere bool      // the other node is restoring
	paused    time.Time // until when nothing is changed, by the home's clock; zero: unknown
}

// reminder is how often a waiting person is told what is still missing.
const reminder = 15 * time.Second

// run has the daemon restore everything, and waits. It returns what is left, for
// people; the error says why, or that it is unknown.
func (r *restoration) run(ctx context.Context, g *globals) (left []string, err error) {
	dir := runtimeDir()
	if s, err := local.QueryStatus(ctx, dir); err == nil {
		r.printStart(s)
	}
	asked := time.Now()
	if err := local.RequestRestore(ctx, dir); errors.Is(err, local.ErrNotRunning) {
		return unrestored(g)
	} else if err != nil {
		return nil, err
	}
	for {
		if s, err := local.QueryStatus(ctx, dir); err == nil {
			if s.State.Role == pair.Standby || s.DryRun {
				return nil, nil // the other node restores what it has set, and a dry run has set nothing
			}
			paused, owned := r.update(s)
			if left = described(owned); paused && len(left) == 0 {
				return nil, nil
			}
			if !paused && time.Since(asked) > controllerTimeout {
				asked = time.Now() // a daemon that read its configuration again just then has not heard it
				_ = local.RequestRestore(ctx, dir)
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

// update prints what is new in a status, and returns whether the daemon has paused and
// what it still owns.
func (r *restoration) update(s local.Status) (paused bool, owned []rules.Owned) {
	var c control.State
	paused = (page{Status: s}).topic("control/state", &c) && c.Override == string(rules.OverridePause)
	if paused && c.Until != nil {
		r.paused = c.Until.In(s.Now.Location())
	}
	r.printChanges(c.Owned, paused)
	return paused, c.Owned
}

func (r *restoration) say(format string, args ...any) {
	fmt.Fprintf(r.out, format+"\n", args...)
	r.lastOutput = time.Now()
}

// printStart prints what there is to restore.
func (r *restoration) printStart(s local.Status) {
	var c control.State
	switch known := (page{Status: s}).topic("control/state", &c); {
	case s.State.Role == pair.Standby:
		r.elsewhere = true
		r.say("This node stands by: the active one restores what the pair has set. Run powermgr restore there.")
	case s.DryRun:
		r.say("This is a dry run: powermgr has sent nothing to any device.")
	case !known:
		r.say("powermgr has not said yet what it has set. Waiting for up to %s.", r.timeout)
	case len(c.Owned) > 0:
		r.waited = c.Owned
		r.say("To restore: %s. Waiting for up to %s until the devices show it.", strings.Join(described(c.Owned), ", "), r.timeout)
	}
}

// printChanges prints what has changed. Before the daemon has paused, what it owns may
// still change.
func (r *restoration) printChanges(owned []rules.Owned, paused bool) {
	is := func(o rules.Owned) func(rules.Owned) bool {
		return func(other rules.Owned) bool { return other.Target == o.Target }
	}
	for _, o := range owned {
		if !slices.ContainsFunc(r.waited, is(o)) {
			r.waited = append(r.waited, o)
			r.say("To restore as well: %s.", o.Name)
		}
	}
	for _, o := range r.waited {
		if paused && !slices.ContainsFunc(owned, is(o)) && !slices.Contains(r.done, o.Name) {
			r.done = append(r.done, o.Name)
			r.say("  %s is restored.", o.Name)
		}
	}
	if len(owned) > 0 && time.Since(r.lastOutput) >= reminder {
		r.say("  Still waiting for %s (%s of %s).", strings.Join(described(owned), ", "), time.Since(r.began).Round(time.Second), r.timeout)
	}
}

// printSummary prints what was restored.
func (r *restoration) printSummary() {
	if len(r.done) > 0 && len(r.done) < len(r.waited) {
		r.say("Restored: %s.", strings.Join(r.done, ", "))
	}
}

// unrestored returns what a daemon that has stopped has left, from its files.
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

// controllerTimeout is how long the controller may take to act on a request.
const controllerTimeout = 10 * time.Second

// described describes what powermgr has set, and what restoring it waits for.
func described(owned []rules.Owned) (all []string) {
	for _, o := range owned {
		text := o.Name
		if o.Waits != "" {
			text += " (" + o.Waits + ")"
		}
		all = append(all, text)
	}
	return all
}
