package main_test

import (
	"flag"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

var pictures = flag.String("pictures", "", "the folder that TestPictures writes the pictures of the README into")

// TestPictures writes the pictures of the README: the page in the peak of the demo's
// day, and the report of that day; see make pictures.
func TestPictures(t *testing.T) {
	if *pictures == "" {
		t.Skip("run make pictures")
	}
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	keep := t.TempDir()
	said := &lockedBuffer{}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := free.Addr().String()
	_ = free.Close()
	c := exec.Command(path, "demo", "--listen", "127.0.0.1:0", "--page", at, "--keep", keep)
	c.Stdout, c.Stderr = said, said
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = c.Process.Signal(os.Interrupt)
		_ = c.Wait() // it was interrupted
	}()
	until := func(text string) {
		t.Helper()
		for end := time.Now().Add(10 * time.Minute); !strings.Contains(said.String(), text); time.Sleep(20 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("the demo never said %q:\n%s", text, said)
			}
		}
	}
	open := browsers(t)
	until("\n17:00:00")
	picture(t, open("http://"+at), 390, 1180, "page.png")
	report := filepath.Join(keep, "report.html")
	for end := time.Now().Add(10 * time.Minute); ; time.Sleep(time.Second) {
		if _, err := os.Stat(report); err == nil {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("there is no report:\n%s", said)
		}
	}
	picture(t, open("file://"+report), 640, 1180, "report.png")
}

// picture writes what a window shows to a file.
func picture(t *testing.T, w *window, width, height int64, name string) {
	t.Helper()
	w.do(chromedp.EmulateViewport(width, height))
	time.Sleep(time.Second) // the layout of the page changes at first
	image, err := chromedp.Run(w.ctx, chromedp.CaptureScreenshot())
	if err == nil {
		err = os.WriteFile(filepath.Join(*pictures, name), image, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}
