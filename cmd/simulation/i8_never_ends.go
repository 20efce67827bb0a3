package simulation

// I8: the daemon does not end by itself, does when it is told to, and leaves nothing running.

// endedByItself is told of a daemon that nobody has ended.
func (w *oracle) endedByItself(err error) {
	w.violation(I8, "the daemon ended by itself: %v", err)
}

// hangs is told of a daemon that should have stopped long ago.
func (w *oracle) hangs(node string) {
	w.violation(I8, "%s has not stopped in %v", node, longestStop)
}

// cannotReload is told of a daemon that cannot go on with its configuration.
func (w *oracle) cannotReload(err error) {
	w.violation(I8, "the configuration cannot be read again: %v", err)
}

// stillRuns is told of what runs on after all daemons have ended.
func (w *oracle) stillRuns(stack string) {
	w.violation(I8, "something still runs:\n%s", stack)
}
