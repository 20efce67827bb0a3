package main_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// There is a page for each command, and the same source gives the same pages.
func TestManualPages(t *testing.T) {
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	read := func() map[string]string {
		dir := t.TempDir()
		if out, err := exec.Command(path, "man", "--date", "2026-07-15", dir).CombinedOutput(); err != nil {
			t.Fatalf("%v %s", err, out)
		}
		pages := map[string]string{}
		files, _ := filepath.Glob(filepath.Join(dir, "*.1"))
		for _, f := range files {
			text, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			pages[filepath.Base(f)] = string(text)
		}
		return pages
	}
	pages, again := read(), read()
	for _, name := range []string{"powermgr.1", "powermgr-setup.1", "powermgr-auth.1", "powermgr-live.1"} {
		if pages[name] == "" || pages[name] != again[name] || !strings.Contains(pages[name], "Jul 2026") {
			t.Errorf("%s: %.200s", name, pages[name])
		}
	}
	if !strings.Contains(pages["powermgr-live.1"], "sudo powermgr live") {
		t.Error("a page has no example")
	}
	if pages["powermgr-man.1"] != "" {
		t.Error("there is a page for the hidden command")
	}
}
