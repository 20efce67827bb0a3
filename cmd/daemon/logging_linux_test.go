package daemon

import (
	"fmt"
	"os"
	"powermgr/cmd/config"
	"strings"
	"syscall"
	"testing"
	"unsafe"
)

func TestColorOnATerminal(t *testing.T) {
	master, terminal := pty(t)
	for _, tt := range []struct {
		environ []string
		color   bool
	}{{nil, true}, {[]string{"NO_COLOR=1"}, false}, {[]string{"NO_COLOR="}, true}, {[]string{"TERM=dumb"}, false}} {
		NewLogger(config.Logging{}, terminal, tt.environ).Warn("hello")
		b := make([]byte, 4096)
		n, err := master.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(string(b[:n]), "\x1b["); got != tt.color {
			t.Errorf("%v: got %q", tt.environ, b[:n])
		}
	}
}

// pty opens a pseudo-terminal: what is written to the second file can be read from the
// first.
func pty(t *testing.T) (master, terminal *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skip("there is no pseudo-terminal here")
	}
	t.Cleanup(func() { _ = master.Close() })
	var number, unlock uint32
	for _, call := range []struct {
		request uintptr
		arg     *uint32
	}{{syscall.TIOCSPTLCK, &unlock}, {syscall.TIOCGPTN, &number}} {
		if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, master.Fd(), call.request, uintptr(unsafe.Pointer(call.arg))); errno != 0 {
			t.Skip("there is no pseudo-terminal here")
		}
	}
	terminal, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skip("there is no pseudo-terminal here")
	}
	t.Cleanup(func() { _ = terminal.Close() })
	return master, terminal
}
