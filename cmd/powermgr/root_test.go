package main

import (
	"bytes"
	"context"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

var update = flag.Bool("update", false, "write the golden files")

// call runs a command line in this process.
func call(args ...string) (code int, out, err string) {
	var stdout, stderr bytes.Buffer
	code = run(context.Background(), args, streams{in: strings.NewReader(""), out: &stdout, err: &stderr})
	return code, stdout.String(), stderr.String()
}

func TestExitCodes(t *testing.T) {
	good, bad := filepath.Join(t.TempDir(), "good.yaml"), filepath.Join(t.TempDir(), "bad.yaml")
	for path, text := range map[string]string{good: "settings: {timezone: UTC}", bad: "settings: {timezone: Mars, dry_rnu: true}"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		name string
		args []string
		code int
		out  string // in the output on stdout
		err  string // and in that on stderr
	}{
		{"help", []string{"--help"}, exitDone, "check-config", ""},
		{"help of a command", []string{"auth", "--help"}, exitDone, "--code", ""},
		{"an unknown command", []string{"fly"}, exitWrong, "", "powermgr: there is no command \"fly\"\nRun powermgr --help for usage."},
		{"a misspelled command", []string{"statsu"}, exitWrong, "", "there is no command \"statsu\": did you mean status?"},
		{"a misspelled level", []string{"--config", good, "notify", "--test", "critcal"}, exitWrong, "", "did you mean critical?"},
		{"a misspelled level, without a configuration", []string{"--config", good + "x", "notify", "--test", "warn"}, exitWrong, "", "did you mean warning?"},
		{"a misspelled format, without a configuration", []string{"--config", good + "x", "report", "--format", "htm"}, exitWrong, "", "did you mean html?"},
		{"a misspelled role", []string{"role", "activ"}, exitWrong, "", "did you mean active?"},
		{"an unknown flag", []string{"run", "--wings"}, exitWrong, "", "powermgr: powermgr run has no --wings\n"},
		{"a misspelled flag", []string{"report", "--dat", "today"}, exitWrong, "", "powermgr report has no --dat: did you mean --date?"},
		{"a misspelled global flag", []string{"status", "--congif", "x"}, exitWrong, "", "powermgr status has no --congif: did you mean --config?"},
		{"a misspelled vendor", []string{"auth", "telsa"}, exitWrong, "", "did you mean tesla?"},
		{"a misspelled strategy", []string{"demo", "--strategy", "plam"}, exitWrong, "", "did you mean plan?"},
		{"a flag without its value", []string{"check-config", "--config"}, exitWrong, "", "flag needs an argument"},
		{"too many arguments", []string{"version", "now"}, exitWrong, "", "now"},
		{"a version", []string{"version"}, exitDone, "powermgr ", ""},
		{"a good configuration", []string{"check-config", good}, exitDone, "This is what would happen", ""},
		{"a good configuration by its flag", []string{"--config", good, "check-config"}, exitDone, "This is what would happen", ""},
		{"a bad configuration", []string{"check-config", bad}, exitWrong, "", "bad.yaml: 2 problems\n  settings.dry_rnu: there is no such key (line 1): did you mean settings.dry_run?\n  settings.timezone: \"Mars\" is not a time zone such as America/Los_Angeles (line 1)"},
		{"no configuration", []string{"check-config", good + "x"}, exitWrong, "", "there is no such file: sudo powermgr setup writes one; or copy "},
		{"no configuration to run with", []string{"run", "--config", good + "x"}, exitWrong, "", "there is no such file"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			code, out, err := call(tt.args...)
			if code != tt.code || !strings.Contains(out, tt.out) || !strings.Contains(err, tt.err) {
				t.Errorf("exit %d, want %d\nstdout, with %q: %s\nstderr, with %q: %s", code, tt.code, tt.out, out, tt.err, err)
			}
			if tt.code != exitDone && out != "" {
				t.Errorf("stdout has %s", out)
			}
			if tt.code == exitDone && err != "" {
				t.Errorf("stderr has %s", err)
			}
		})
	}
}

// The first output that people see when they install powermgr.
func TestCheckConfigOfTheExample(t *testing.T) {
	text, err := os.ReadFile("../../deploy/config.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(path, bytes.Replace(text, []byte(`node: ""`), []byte("node: pi1"), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, stderr := call("check-config", path)
	if code != exitDone || stderr != "" {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	got := strings.ReplaceAll(out, path, "config.yaml")
	const golden = "testdata/check-config-example.txt"
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs (go test -update writes it):\n%s", golden, got)
	}
}

// The credentials of the example are never used for a log-in.
func TestAuthWithTheExamplesLogIn(t *testing.T) {
	for _, c := range []struct{ vendor, config, says string }{
		{"tesla", "tesla: {token_file: TOKEN, client_id: 00000000-0000-0000-0000-000000000000}", "tesla.client_id is still the example value"},
		{"honeywell", "honeywell: {backend: tcc, username: owner@example.com, password: change-me, token_file: TOKEN}", "honeywell.username and honeywell.password are still the example values"},
		{"honeywell", "honeywell: {backend: resideo, client_id: change-me, client_secret: a, token_file: TOKEN}", "honeywell.client_id is still the example value"},
	} {
		dir := t.TempDir()
		file := filepath.Join(dir, "config.yaml")
		text := strings.ReplaceAll(c.config, "TOKEN", filepath.Join(dir, "token.json")) + "\nsettings: {timezone: America/Los_Angeles}\n"
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		var said bytes.Buffer
		code := run(t.Context(), []string{"auth", c.vendor, "--config", file}, streams{strings.NewReader(""), &said, &said})
		if code != exitWrong || !strings.Contains(said.String(), c.says) || strings.Contains(said.String(), "http") {
			t.Errorf("%s: exit %d\n%s", c.config, code, &said)
		}
	}
}

func TestEveryCommandHasAnExample(t *testing.T) {
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		for _, below := range c.Commands() {
			if !strings.Contains(below.Example, "powermgr") {
				t.Errorf("%s has no example", below.CommandPath())
			}
			walk(below)
		}
	}
	walk(rootCommand())
}
