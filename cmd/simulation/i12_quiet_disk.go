package simulation

// I12: the disk of the journal is written to rarely, whatever happens.

import "time"

// maxSaves is how often a journal may be written in an hour: an SD card has to last for
// years.
const maxSaves = 60

// often counts a save. It is true for the first one in an hour that is too many.
func (d *disk) often(now time.Time) bool {
	if hour := now.Truncate(time.Hour); !hour.Equal(d.hour) {
		d.hour, d.inTheHour = hour, 0
	}
	d.inTheHour++
	return d.inTheHour == maxSaves+1
}

// savesTooOften reports a node for which often is true.
func (w *oracle) savesTooOften(node string) {
	w.violation(I12, "the journal of %s has been written more than %d times in an hour", node, maxSaves)
}
