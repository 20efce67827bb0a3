package simulation

// I7: a secret is in no log line, topic or file.

import "bytes"

// secrets looks for secrets, which must never be seen: all those of the emulated vendors
// begin the same.
func (w *oracle) secrets(where, name string, text []byte) {
	if bytes.Contains(text, []byte("emulator-")) {
		w.broken(I7, "%s %s: %.200s", where, name, text)
	}
}

// file checks everything that is written to a file.
func (w *oracle) file(name string, b []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.secrets("file", name, b)
}
