package main

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"net"
	"os"
	"time"

	"github.com/spf13/cobra"

	"powermgr/cmd/demo"
)

func demoCommand() *cobra.Command {
	var o demo.Options
	var asJSON bool
	c := &cobra.Command{
		Use:   "demo",
		Short: "Live a summer day on this machine, with broker, vendor clouds and house emulated",
		Long: `Lives one day of an emulated house, with nothing else installed: an embedded broker, the emulated
vendor clouds, and the daemon as it would run at home. It prints a line for each decision and ends
with a summary. The clock waits for work in flight, so --speed changes nothing that is decided.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !(o.Speed > 0) || math.IsInf(o.Speed, 1) {
				return usage("--speed %g is not a number above 0", o.Speed)
			}
			if _, err := time.Parse(time.DateOnly, o.Day); err != nil {
				return usage("--day %s is not a day such as 2026-07-15", o.Day)
			}
			if _, _, err := net.SplitHostPort(o.MQTT); err != nil {
				return usage("--mqtt %s is not an address such as 127.0.0.1:1883", o.MQTT)
			}
			o.Version = version()
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
	f.StringVar(&o.Day, "day", "2026-07-15", "the day to live: May to October is hot, the other months are cold")
	f.Float64Var(&o.Speed, "speed", 600, "most seconds of that day in one second")
	f.StringVar(&o.MQTT, "mqtt", "127.0.0.1:1883", "the address the embedded broker listens on")
	f.BoolVar(&asJSON, "json", false, "print the summary as one JSON object on stdout, and the story on stderr")
	f.StringVar(&o.Keep, "keep", "", "a folder for the daemon's files and the report of the day")
	f.StringVar(&o.SMTP, "smtp", "", "a mail server on this machine that gets the daemon's mail: host:port")
	f.BoolVar(&o.Hold, "hold", false, "go on after the day has ended, until interrupted")
	return c
}
