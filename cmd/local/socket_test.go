package local

import (
	"log/slog"
	"os"
	"testing"
	"time"
)

// keepalived creates the health file with a 1 if it finds none, and may overwrite the 0
// of a daemon that starts at the same moment. If the daemon wrote it only once, this node
// would stay in FAULT forever.
func TestHealthThatIsWrittenOver(t *testing.T) {
	alive := true
	l := &Server{Options: Options{Dir: t.TempDir(), Log: slog.New(slog.DiscardHandler), Alive: func() bool { return alive }}}
	path := HealthFile(l.Dir)
	says := func(want string) {
		t.Helper()
		if got := l.updateHealth(); got != alive {
			t.Errorf("well is %v, want %v", got, alive)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != want {
			t.Errorf("the file says %q, want %q (%v)", got, want, err)
		}
	}
	says("0\n")
	if err := os.WriteFile(path, []byte("1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	says("0\n")

	// An old file no longer means anything (HealthIsOld).
	long := time.Now().Add(-time.Hour)
	if err := os.Chtimes(path, long, long); err != nil {
		t.Fatal(err)
	}
	says("0\n")
	if info, err := os.Stat(path); err != nil || time.Since(info.ModTime()) > time.Minute {
		t.Errorf("the file was not written again: %v", err)
	}
	alive = false
	says("1\n")
}
