package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"powermgr/cmd/config"
)

func supportCommand(g *globals) *cobra.Command {
	var output string
	c := &cobra.Command{
		Use:   "support-bundle",
		Short: "Collect what someone needs to help you, without secrets",
		Long: `Writes an archive with the configuration, the output of check-config, the state and the journal of this
node, and the records and the log of the last day. Passwords, tokens, user names, mail addresses and
the home's coordinates are removed from all of it, and token files are left out. Look through it anyway
before you send it to anyone.`,
		Example: "  sudo powermgr support-bundle\n  sudo powermgr support-bundle --output /tmp/powermgr.tar.gz",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			now := time.Now()
			if output == "" {
				output = "powermgr-support-" + now.Format("2006-01-02-1504") + ".tar.gz"
			}
			files := gather(cmd, g.config, now)
			f, err := os.OpenFile(output, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
			if err != nil {
				return fmt.Errorf("%w: name another file with --output", err)
			}
			if err := errors.Join(pack(f, files, now), f.Close()); err != nil {
				return err
			}
			for _, file := range files {
				fmt.Fprintf(cmd.OutOrStdout(), "  %-22s %d bytes\n", file.name, len(file.text))
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s contains these files, without secrets. Look through it before you send it: tar xzf %s\n", output, output)
			return nil
		},
	}
	c.Flags().StringVar(&output, "output", "", "the archive to write (default powermgr-support-DATE.tar.gz in the current folder)")
	return c
}

// A supportFile is one file of a bundle.
type supportFile struct {
	name string
	text []byte
}

// longestSupport is how much of the end of a file a bundle includes, in bytes.
const longestSupport = 4 << 20

// gather collects everything for a bundle. What is unavailable is named in its place.
func gather(cmd *cobra.Command, file string, now time.Time) (all []supportFile) {
	c, notices, err := config.Load(file, os.Environ())
	var broken *config.Error
	if errors.As(err, &broken) {
		c = broken.Read
	}
	redaction := c.Redaction()
	add := func(name string, text []byte, err error) {
		if err != nil {
			text = []byte("not there: " + err.Error() + "\n")
		}
		if len(text) > longestSupport {
			text = text[len(text)-longestSupport:]
		}
		all = append(all, supportFile{name, redaction.Text(text)})
	}
	add("version.txt", fmt.Appendf(nil, "powermgr %s, %s, %s/%s\n%s\n", version(), runtime.Version(), runtime.GOOS, runtime.GOARCH, now.Format(time.RFC3339)), nil)
	text, readErr := os.ReadFile(file)
	add("config.yaml", config.RedactedFile(text), readErr)
	said := ""
	if err != nil {
		said = err.Error() + "\n"
	} else {
		said = config.Describe(c)
	}
	for _, n := range notices {
		said += n.String() + "\n"
	}
	add("check-config.txt", []byte(said), nil)
	status, err := ask(cmd)
	var state []byte
	if err == nil {
		state, err = json.MarshalIndent(status, "", "  ")
	}
	add("status.json", state, err)
	for _, path := range append([]string{c.Paths.JournalFile, c.Paths.RamdiskStateFile}, recordFiles(c.Paths)...) {
		if path == "" {
			continue
		}
		text, err := os.ReadFile(path)
		add(filepath.Base(path), text, err)
	}
	log, err := lastDay(cmd.Context())
	add("powermgr.log", log, err)
	return all
}

// recordFiles returns the files of the last two days.
func recordFiles(p config.Paths) []string {
	if p.PermanentMetricsDir == "" {
		return nil // there is no configuration that says where they are
	}
	days, _ := filepath.Glob(filepath.Join(p.PermanentMetricsDir, "*.json")) // a bad pattern has none
	slices.Sort(days)
	today := filepath.Join(filepath.Dir(p.RamdiskStateFile), "powermgr_day.json")
	return append(days[max(0, len(days)-2):], today)
}

// lastDay returns the log of the service.
func lastDay(ctx context.Context) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, "journalctl", "--unit", "powermgr.service", "--since", "-1day", "--output", "short-iso", "--no-pager")
	var out, problem bytes.Buffer
	c.Stdout, c.Stderr = &out, &problem
	if err := c.Run(); err != nil {
		return nil, fmt.Errorf("journalctl: %w %s", err, strings.TrimSpace(problem.String()))
	}
	return out.Bytes(), nil
}

// pack writes files as a compressed archive.
func pack(to io.Writer, files []supportFile, now time.Time) error {
	z := gzip.NewWriter(to)
	t := tar.NewWriter(z)
	for _, f := range files {
		header := &tar.Header{Name: "powermgr-support/" + f.name, Mode: 0o600, Size: int64(len(f.text)), ModTime: now, Format: tar.FormatPAX}
		if err := t.WriteHeader(header); err != nil {
			return err
		}
		if _, err := t.Write(f.text); err != nil {
			return err
		}
	}
	return errors.Join(t.Close(), z.Close())
}
