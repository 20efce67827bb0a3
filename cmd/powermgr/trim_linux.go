package main

import (
	"bufio"
	"bytes"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// trim releases those pages of the binary that only the start has touched: what
// libraries set up and the daemon does not use, such as the fonts of the report. Pages
// that are needed later are read from the file again.
func trim() {
	own, err := os.Executable()
	if err != nil {
		return
	}
	text, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		return
	}
	for _, m := range clean(text, own) {
		// Nothing depends on whether the kernel follows the advice.
		_, _, _ = syscall.Syscall(syscall.SYS_MADVISE, m.start, m.end-m.start, syscall.MADV_DONTNEED)
	}
}

// A mapping is a range of addresses.
type mapping struct{ start, end uintptr }

// clean returns the mappings of a file that this process cannot write to and has not
// changed: their pages are the same in memory as in the file. For the format of smaps,
// see proc(5).
func clean(smaps []byte, file string) (all []mapping) {
	var now mapping
	candidate := false
	for lines := bufio.NewScanner(bytes.NewReader(smaps)); lines.Scan(); {
		f := strings.Fields(lines.Text())
		switch {
		case len(f) >= 5 && strings.Contains(f[0], "-"):
			from, to, _ := strings.Cut(f[0], "-")
			start, err1 := strconv.ParseUint(from, 16, 64)
			end, err2 := strconv.ParseUint(to, 16, 64)
			now = mapping{uintptr(start), uintptr(end)}
			candidate = err1 == nil && err2 == nil && end > start && strings.HasSuffix(lines.Text(), " "+file) && !strings.Contains(f[1], "w")
		case candidate && len(f) >= 2 && f[0] == "Private_Dirty:":
			candidate = f[1] == "0"
		case candidate && len(f) >= 2 && f[0] == "Anonymous:" && f[1] == "0":
			all, candidate = append(all, now), false
		}
	}
	return all
}
