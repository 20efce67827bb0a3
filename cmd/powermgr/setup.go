package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	yaml "go.yaml.in/yaml/v3"

	"powermgr/cmd/config"
	"powermgr/cmd/daemon"
	"powermgr/cmd/setup"
)

func setupCommand(g *globals) *cobra.Command {
	var answers, files, emulator string
	c := &cobra.Command{
		Use:   "setup",
		Short: "Set powermgr up by answering questions: accounts, prices, thermostats, broker, mail",
		Long: `Asks for everything that a configuration needs, tries each account at once, shows what would happen,
and writes the configuration with an explanation of each key. It works over ssh, and changes nothing
else: nothing is sent to any device, and the configuration begins as a dry run.

With --answers nothing is asked: the file has the answers by their names, such as
    powerwall: teslemetry           timezone: America/Los_Angeles
    tesla_token: …                  mqtt_url: mqtt://192.168.1.10:1883
and a question without an answer takes its default. If it has none, the missing answer is named.`,
		Example: `  sudo powermgr setup
  sudo powermgr setup --answers answers.yaml
  powermgr emulator & powermgr setup --emulator http://127.0.0.1:8090 --files ~/try --config ~/try/config.yaml`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			i := setup.Interview{
				Console: console(cmd), HTTP: &http.Client{Timeout: 30 * time.Second}, Now: time.Now, File: g.config, Files: files,
				Emulator: strings.TrimRight(emulator, "/"), Example: config.ExampleFile(), Zone: machineZone(), Find: setup.FindBrokers, Broker: tryBroker,
			}
			if answers != "" {
				b, err := os.ReadFile(answers)
				if err != nil {
					return wrong(err)
				}
				i.Answers = map[string]string{}
				if err := yaml.Unmarshal(b, &i.Answers); err != nil {
					return usage("--answers %s is not a list of names and answers, each on a line like timezone: America/Los_Angeles", answers)
				}
			}
			if files != "" {
				abs, err := filepath.Abs(files)
				if err != nil {
					return wrong(err)
				}
				i.Files = abs
			}
			written, err := i.Run(cmd.Context())
			switch {
			case err != nil:
				return err
			case !written:
				i.Say("Nothing was written.")
			default:
				sayWritten(i.Console, g.config)
			}
			return nil
		},
	}
	c.Flags().StringVar(&answers, "answers", "", "a file with the answers, by name, instead of asking")
	c.Flags().StringVar(&files, "files", "", "a folder for everything that powermgr writes (default /var/lib/powermgr, /var/log/powermgr and the ramdisk)")
	c.Flags().StringVar(&emulator, "emulator", "", "try it with powermgr emulator at this address instead of the real clouds")
	return c
}

// sayWritten says what to do next, and how to leave the dry run. The service reads the
// default file; any other one is for powermgr run.
func sayWritten(c *setup.Console, file string) {
	start, sudo, with := "sudo systemctl enable powermgr && sudo systemctl restart powermgr", "sudo ", ""
	if file != usualConfig {
		start, sudo, with = "powermgr run --config "+file, "", " --config "+file
	} else if _, err := os.Stat("/run/systemd/system"); err != nil {
		start = "sudo powermgr run"
	}
	c.Say(`
%s is written. Start powermgr, as a dry run:
  %s
See what it reads, and what it would do:
  %spowermgr status
Try the mail, if you gave a server:
  %spowermgr notify --test critical%s
See what the dry run would have done so far, and saved (it is mailed after seven days):
  %spowermgr report --first-week%s

When it does what you want, end the dry run:
  %spowermgr live%s`, file, start, sudo, sudo, with, sudo, with, sudo, with)
}

// tryBroker connects to the broker of a configuration and leaves again.
func tryBroker(ctx context.Context, c config.Config) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	broker, err := daemon.Cleaner(ctx, c)
	if err != nil {
		return fmt.Errorf("the broker at %s: %w", c.MQTT.URL, err)
	}
	broker.Close()
	return nil
}

// machineZone returns the time zone of this machine; empty if it is unknown.
func machineZone() string {
	if zone := os.Getenv("TZ"); zone != "" {
		return strings.TrimPrefix(zone, ":")
	}
	if b, err := os.ReadFile("/etc/timezone"); err == nil {
		return strings.TrimSpace(string(b))
	}
	if to, err := filepath.EvalSymlinks("/etc/localtime"); err == nil {
		if _, zone, ok := strings.Cut(to, "/zoneinfo/"); ok {
			return zone
		}
	}
	return ""
}
