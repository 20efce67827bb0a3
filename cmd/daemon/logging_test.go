package daemon

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"powermgr/cmd/config"
	"powermgr/devices"
)

func TestJournalLines(t *testing.T) {
	var b bytes.Buffer
	log := slog.New(NewJournalHandler(&b, config.Level(slog.LevelInfo)))
	log.Debug("not said")
	log.Info("the peak begins", "reserve", 0)
	log.Warn("the forecast is missing", "why", "two\nlines", "token", devices.Secret("hunter2"))
	log.With("part", "powerwall").WithGroup("call").Error("refused", "status", 403)
	want := []string{
		"<6>INF the peak begins reserve=0",
		`<4>WRN the forecast is missing why="two\nlines" token=(secret)`,
		"<3>ERR refused part=powerwall call.status=403",
	}
	if got := strings.Split(strings.TrimSpace(b.String()), "\n"); fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) {
		t.Errorf("got\n%s", b.String())
	}
}

func TestLoggerFitsItsSurroundings(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	s := info.Sys().(*syscall.Stat_t)
	journal := fmt.Sprintf("JOURNAL_STREAM=%d:%d", s.Dev, s.Ino)
	for _, tt := range []struct {
		name    string
		logging config.Logging
		environ []string
		want    string // what the line begins with
		has     string
	}{
		{"a file", config.Logging{Output: config.LogAuto}, nil, "20", "INF hello n=1"},
		{"the journal", config.Logging{Output: config.LogAuto}, []string{journal}, "<6>", "hello n=1"},
		{"the journal of another process", config.Logging{Output: config.LogAuto}, []string{"JOURNAL_STREAM=1:2"}, "20", "INF hello n=1"},
		{"text in the journal", config.Logging{Output: config.LogText}, []string{journal}, "20", "INF hello n=1"},
		{"the journal by choice", config.Logging{Output: config.LogJournal}, nil, "<6>", "hello n=1"},
		{"JSON", config.Logging{Output: config.LogJSON}, []string{journal}, "{", `"msg":"hello","n":1`},
		{"not urgent enough", config.Logging{Output: config.LogAuto, Level: config.Level(slog.LevelWarn)}, nil, "", ""},
		{"nothing chosen", config.Logging{}, nil, "20", "INF hello n=1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f, err := os.OpenFile(path, os.O_WRONLY|os.O_TRUNC, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			NewLogger(tt.logging, f, tt.environ).Info("hello", "n", 1)
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			got := string(b)
			if !strings.HasPrefix(got, tt.want) || !strings.Contains(got, tt.has) || (tt.has == "") != (got == "") {
				t.Errorf("got %q", got)
			}
			if strings.Contains(got, "\x1b[") {
				t.Errorf("there is color in a file: %q", got)
			}
		})
	}
}
