package daemon

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"powermgr/cmd/config"
	"strings"
	"syscall"
	"time"

	"github.com/lmittmann/tint"
)

// NewLogger is a logger to w, as the configuration and the surroundings want
// it: in color on a terminal, with priorities where w is the journal, plain
// otherwise. environ has NO_COLOR and JOURNAL_STREAM.
func NewLogger(l config.Logging, w *os.File, environ []string) *slog.Logger {
	get := func(name string) string {
		for _, line := range environ {
			if value, ok := strings.CutPrefix(line, name+"="); ok {
				return value
			}
		}
		return ""
	}
	info, err := w.Stat()
	if err != nil {
		info = nil
	}
	output := l.Output
	if output == "" || output == config.LogAuto {
		output = config.LogText
		if isJournal(info, get("JOURNAL_STREAM")) {
			output = config.LogJournal
		}
	}
	switch output {
	case config.LogJSON:
		return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: l.Level}))
	case config.LogJournal:
		return slog.New(NewJournalHandler(w, l.Level))
	}
	terminal := info != nil && info.Mode()&os.ModeCharDevice != 0
	return slog.New(tint.NewTextHandler(w, &tint.Options{
		Level: l.Level, TimeFormat: time.DateTime, NoColor: !terminal || get("NO_COLOR") != "" || get("TERM") == "dumb",
	}))
}

// isJournal reports whether info is of the stream that systemd named, as
// "device:inode". That it named one is not enough: what a desktop starts in a
// terminal inherits the name.
func isJournal(info fs.FileInfo, stream string) bool {
	if info == nil || stream == "" {
		return false
	}
	s, ok := info.Sys().(*syscall.Stat_t)
	return ok && stream == fmt.Sprintf("%d:%d", s.Dev, s.Ino)
}

// journalHandler writes lines that begin with the priority in the form that
// journald reads from stderr, and without a time, which journald knows. Each
// priority has a handler of its own, whose writer puts the prefix.
type journalHandler struct{ byPriority map[string]slog.Handler }

// NewJournalHandler is a handler for journald.
func NewJournalHandler(w io.Writer, level slog.Leveler) slog.Handler {
	h := journalHandler{map[string]slog.Handler{}}
	for _, p := range []string{"<3>", "<4>", "<6>", "<7>"} {
		h.byPriority[p] = tint.NewTextHandler(prefixed{w, p}, &tint.Options{
			Level: level, NoColor: true,
			ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
				if len(groups) == 0 && a.Key == slog.TimeKey {
					return slog.Attr{}
				}
				return a
			},
		})
	}
	return h
}

// priority is syslog's for a level: err, warning, info or debug.
func priority(l slog.Level) string {
	switch {
	case l >= slog.LevelError:
		return "<3>"
	case l >= slog.LevelWarn:
		return "<4>"
	case l >= slog.LevelInfo:
		return "<6>"
	}
	return "<7>"
}

// Enabled asks any of the handlers: they have the same level.
func (h journalHandler) Enabled(ctx context.Context, l slog.Level) bool {
	return h.byPriority[priority(l)].Enabled(ctx, l)
}

// Handle writes r with the priority of its level.
func (h journalHandler) Handle(ctx context.Context, r slog.Record) error {
	return h.byPriority[priority(r.Level)].Handle(ctx, r)
}

// WithAttrs is slog.Handler's.
func (h journalHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return h.each(func(one slog.Handler) slog.Handler { return one.WithAttrs(attrs) })
}

// WithGroup is slog.Handler's.
func (h journalHandler) WithGroup(name string) slog.Handler {
	return h.each(func(one slog.Handler) slog.Handler { return one.WithGroup(name) })
}

func (h journalHandler) each(f func(slog.Handler) slog.Handler) slog.Handler {
	out := journalHandler{map[string]slog.Handler{}}
	for p, one := range h.byPriority {
		out.byPriority[p] = f(one)
	}
	return out
}

// prefixed writes a prefix before each line; a handler writes a whole record
// at once.
type prefixed struct {
	w      io.Writer
	prefix string
}

func (p prefixed) Write(b []byte) (int, error) {
	_, err := p.w.Write(append([]byte(p.prefix), b...))
	return len(b), err
}
