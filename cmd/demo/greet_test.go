package demo

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Home Assistant is seldom on the machine of the demo: an address that other machines
// cannot reach is not suggested for them, and one that they can reach comes with a warning.
func TestWhereToPointHomeAssistant(t *testing.T) {
	for _, c := range []struct{ name, listen, near, says string }{
		{"this machine alone", "127.0.0.1:1883", "-h 127.0.0.1 -p 1883", "run the demo with --listen 0.0.0.0:1883"},
		{"this machine alone, IPv6", "[::1]:1884", "-h ::1 -p 1884", "run the demo with --listen 0.0.0.0:1884"},
		{"all addresses", "0.0.0.0:1883", "-h 127.0.0.1 -p 1883", "open to everybody on your network"},
		{"all addresses, as the listener prints them", "[::]:1883", "-h 127.0.0.1 -p 1883", "open to everybody on your network"},
		{"one on the network", "192.0.2.7:1883", "-h 192.0.2.7 -p 1883", "with broker 192.0.2.7, port 1883"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var b strings.Builder
			greet(Options{Listen: c.listen, Command: "build/powermgr", Story: &b})
			said := b.String()
			if !strings.Contains(said, c.near) || !strings.Contains(said, c.says) || !strings.Contains(said, "build/powermgr status") || strings.Contains(said, "broker 0.0.0.0") || strings.Contains(said, "broker ::,") {
				t.Errorf("%s", said)
			}
		})
	}
}

// A folder of that name that belongs to another user is not used.
func TestRuntimeDirIsThisUsers(t *testing.T) {
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	if _, err := RuntimeDir(); err == nil {
		t.Error("there is a folder before any demo")
	}
	dir := makeRuntimeDir()
	if again, err := RuntimeDir(); err != nil || again != dir || filepath.Dir(dir) != tmp {
		t.Errorf("%s, then %s %v", dir, again, err)
	}
	if err := os.Chmod(dir, 0o777); err != nil { //nolint:gosec // this is what is refused
		t.Fatal(err)
	}
	if made := makeRuntimeDir(); made != "" {
		t.Errorf("took %s, which everybody may write", made)
	}
	if _, err := RuntimeDir(); err == nil || !strings.Contains(err.Error(), fs.ErrPermission.Error()) {
		t.Errorf("%v", err)
	}
}
