package main

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"net"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"powermgr/cmd/config"
	"powermgr/cmd/demo"
	"powermgr/control/rules"
)

func demoCommand() *cobra.Command {
	var o demo.Options
	var asJSON bool
	var strategy, house string
	c := &cobra.Command{
		Use:   "demo",
		Short: "Run a simulated summer day, with a broker, vendor clouds and a house of its own",
		Long: `Runs one day in a simulated house. Nothing else has to be installed: the demo has an embedded broker,
emulated vendor clouds, and the daemon as it would run in your home. It prints a line for each
decision and each hour, and a summary at the end. While it runs, powermgr status works. The clock
waits for work in progress, so --speed does not change any decision.`,
		Example: "  powermgr demo\n  powermgr demo --strategy plan --days 3\n  powermgr demo --house deploy/houses/ranch.yaml\n  powermgr demo --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !(o.Speed > 0) || math.IsInf(o.Speed, 1) {
				return usage("--speed %g is not a number above 0", o.Speed)
			}
			if o.Strategy = rules.Strategy(strategy); !slices.Contains(rules.Strategies(), o.Strategy) {
				return usage("--strategy %s is not one of rule, plan%s", strategy, config.DidYouMean(strategy, []string{"rule", "plan"}))
			}
			if o.Days < 1 || o.Days > 14 {
				return usage("--days %d is not 1 to 14", o.Days)
			}
			if house != "" {
				h, err := demo.ReadHouse(house)
				if err != nil {
					return usage("%s", err)
				}
				o.House = &h
			}
			if _, err := time.Parse(time.DateOnly, o.Day); err != nil {
				return usage("--day %s is not a day such as 2026-07-15", o.Day)
			}
			if _, _, err := net.SplitHostPort(o.Listen); err != nil {
				return usage("--listen %s is not an address such as 127.0.0.1:1883", o.Listen)
			}
			o.Version, o.Command = version(), os.Args[0]
			o.Story = cmd.OutOrStdout()
			if asJSON {
				o.Story = cmd.ErrOrStderr()
			}
			o.Log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
			s, err := demo.Run(cmd.Context(), o)
			if err != nil {
				return err
			}
			if !asJSON {
				s.Print(cmd.OutOrStdout())
				return nil
			}
			b, err := json.Marshal(s)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), string(b))
			return err
		},
	}
	f := c.Flags()
	f.StringVar(&o.Day, "day", "2026-07-15", "the date: May to October is hot, the other months are cold")
	f.IntVar(&o.Days, "days", 1, "how many days to run, 1 to 14; each has different weather")
	f.StringVar(&house, "house", "", "a YAML file that describes the house, such as those in deploy/houses; empty: the default house")
	f.Float64Var(&o.Speed, "speed", 600, "how many seconds of the day pass in one second, at most")
	f.StringVar(&strategy, "strategy", "rule", "what sets the reserve: rule, or plan, which starts with two weeks of history")
	f.StringVar(&o.Listen, "listen", "127.0.0.1:1883", "the address of the embedded broker; 0.0.0.0:1883 is open to everyone on the network")
	f.StringVar(&o.Page, "page", "127.0.0.1:9469", "the address of the page, which only this machine can open; empty: no page")
	f.BoolVar(&asJSON, "json", false, "print the summary as one JSON object on stdout, and everything else on stderr")
	f.StringVar(&o.Keep, "keep", "", "a folder for the daemon's files and the daily report")
	f.StringVar(&o.SMTP, "smtp", "", "a mail server on this machine for the daemon's mail: host:port")
	f.BoolVar(&o.Hold, "hold", false, "keep running after the day has ended, until interrupted")
	return c
}
