package simulation

import (
	"log/slog"
	"time"
)

// record is a line of the log.
func record(text string) slog.Record { return slog.NewRecord(time.Now(), slog.LevelInfo, text, 0) }
