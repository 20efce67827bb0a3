package simulation

// The oracle reads the log of every daemon.

import (
	"context"
	"log/slog"
)

// logOf handles the log of a node's daemon.
type logOf struct {
	*oracle
	node *node // nil: the log of a test
}

// Enabled accepts what an installation would write to its log.
func (w logOf) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelInfo }

// Handle checks a line for secrets, and adds it to the story.
func (w logOf) Handle(_ context.Context, r slog.Record) error {
	text := r.Message
	r.Attrs(func(a slog.Attr) bool {
		text += " " + a.Key + "=" + a.Value.String()
		return true
	})
	w.mu.Lock()
	defer w.mu.Unlock()
	w.secrets("log", "line", []byte(text))
	if w.node != nil && w.node.stranger {
		text = "(of the stranger) " + text
	}
	w.line("  log: %s", text)
	return nil
}

// WithAttrs checks the attributes of loggers for secrets and leaves them out of the
// story: they are names of parts.
func (w logOf) WithAttrs(attrs []slog.Attr) slog.Handler {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, a := range attrs {
		w.secrets("a logger's", a.Key, []byte(a.Value.String()))
	}
	return w
}

// WithGroup ignores groups.
func (w logOf) WithGroup(string) slog.Handler { return w }
