package config

import (
	"fmt"
	"log/slog"
	"strings"
)

// The log on stderr.

// The outputs of Logging.
const (
	LogAuto    = "auto"    // journal under systemd, otherwise text
	LogText    = "text"    // lines; in color on a terminal
	LogJSON    = "json"    // one object per line
	LogJournal = "journal" // lines with a priority, without a time
)

// Logging configures the log on stderr.
type Logging struct {
	// Level is debug, info, warning or error; Python's names mean the same.
	// Default info.
	Level Level `koanf:"level"`
	// Format is v2.0's Python format string. It is accepted, and has no effect.
	Format string `koanf:"format"`
	// Output is one of the Log constants.
	Output string `koanf:"output" default:"auto" oneof:"auto,text,json,journal"`
}

func (l *loader) checkLogging(o Logging) {
	if o.Format != "" {
		l.notice("logging.format", "it is Python's and has no effect: logging.output chooses among auto, text, json, journal")
	}
}

// Level is the least urgent level that is logged.
type Level slog.Level

// UnmarshalText parses the name of a level in slog or Python, in upper or lower case.
func (l *Level) UnmarshalText(b []byte) error {
	switch strings.ToLower(string(b)) {
	case "debug", "notset":
		*l = Level(slog.LevelDebug)
	case "info":
		*l = Level(slog.LevelInfo)
	case "warn", "warning":
		*l = Level(slog.LevelWarn)
	case "error", "critical", "fatal":
		*l = Level(slog.LevelError)
	default:
		known := []string{"debug", "info", "warning", "error"}
		return fmt.Errorf("%s is not one of %s%s", quoted(string(b)), strings.Join(known, ", "), DidYouMean(string(b), known))
	}
	return nil
}

func (l Level) String() string { return slog.Level(l).String() }

// Level makes a Level a slog.Leveler.
func (l Level) Level() slog.Level { return slog.Level(l) }

// MarshalText returns the same text as String.
func (l Level) MarshalText() ([]byte, error) { return []byte(l.String()), nil }
