package simulation

// I8: the daemon does not end by itself, does end when it is told to, and leaves nothing
// running.

// endedByItself reports a daemon that has ended by itself.
func (w *oracle) endedByItself(err error) {
	w.violation(I8, "the daemon ended by itself: %v", err)
}

// hangs reports a daemon that should have stopped long ago.
func (w *oracle) hangs(node string) {
	w.violation(I8, "%s has not stopped in %v", node, longestStop)
}

// cannotReload reports a daemon that cannot continue with its configuration.
func (w *oracle) cannotReload(err error) {
	w.violation(I8, "the configuration cannot be read again: %v", err)
}

// stillRuns reports a goroutine that still runs after all daemons have ended.
func (w *oracle) stillRuns(stack string) {
	w.violation(I8, "something still runs:\n%s", stack)
}
