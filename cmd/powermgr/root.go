package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"powermgr/cmd/config"
)

// The exit codes.
const (
	exitDone   = 0
	exitFailed = 1
	exitWrong  = 2 // wrong usage or configuration
)

// streams are what a command reads and writes.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// globals are the flags that every command has.
type globals struct{ config string }

// A usageError is a mistake in how powermgr was called or configured.
type usageError struct{ err error }

func (e usageError) Error() string { return e.err.Error() }
func (e usageError) Unwrap() error { return e.err }

// usage returns an error that ends with exitWrong.
func usage(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// wrong marks an error as one of the configuration.
func wrong(err error) error { return usageError{err} }

// run is the whole command line, and returns the exit code.
func run(ctx context.Context, args []string, s streams) int {
	ctx, stop := stopSignals(ctx)
	defer stop()
	root := rootCommand()
	root.SetArgs(args)
	root.SetIn(s.in)
	root.SetOut(s.out)
	root.SetErr(s.err)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitDone
	}
	fmt.Fprintln(s.err, "powermgr:", err)
	var mistake usageError
	var config *config.Error
	switch {
	case errors.As(err, &config):
		return exitWrong
	case errors.As(err, &mistake):
		fmt.Fprintln(s.err, "Run powermgr --help for usage.")
		return exitWrong
	}
	return exitFailed
}

// usualConfig is the configuration that the service reads.
const usualConfig = "/opt/powermgr/config.yaml"

func rootCommand() *cobra.Command {
	g := &globals{}
	root := &cobra.Command{
		Use:           "powermgr",
		Short:         "Cuts a home's grid use when electricity is expensive",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          noSuchCommand,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.PersistentFlags().StringVar(&g.config, "config", usualConfig, "the configuration file")
	root.SetFlagErrorFunc(wrongFlag)
	root.CompletionOptions.HiddenDefaultCmd = true
	for _, c := range []*cobra.Command{
		runCommand(g), setupCommand(g), demoCommand(), emulatorCommand(), checkConfigCommand(g), authCommand(g), liveCommand(g), restoreCommand(g), statusCommand(), planCommand(), healthCommand(), roleCommand(),
		reportCommand(g), historyCommand(g), whatIfCommand(g), notifyCommand(g), supportCommand(g), discoveryCommand(g), versionCommand(), manCommand(),
	} {
		check := c.Args
		c.Args = func(cmd *cobra.Command, args []string) error {
			if err := check(cmd, args); err != nil {
				return wrong(err)
			}
			return nil
		}
		root.AddCommand(c)
	}
	return root
}

// wrongFlag describes what is wrong with a flag. For an unknown one it suggests the
// nearest.
func wrongFlag(cmd *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) {
		return wrong(err)
	}
	var known []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) { known = append(known, f.Name) })
	name := unknown.GetSpecifiedName()
	return usage("%s has no --%s%s", cmd.CommandPath(), name, strings.Replace(config.DidYouMean(name, known), "mean ", "mean --", 1))
}

// noSuchCommand refuses an unknown command, and suggests the nearest one.
func noSuchCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	var known []string
	for _, c := range cmd.Commands() {
		known = append(known, c.Name())
	}
	return usage("there is no command %q%s", args[0], config.DidYouMean(args[0], known))
}
