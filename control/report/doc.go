// Package report keeps the record of the day and tells people what came of it.
//
// A Recorder folds what is said on the bus into one Record, on the ramdisk,
// which a restart and a change of node go on with. At local midnight the
// finished day is put beside it. Metrics keeps the days for good, a file each;
// Headline, Text, HTML, JSON and Chart say what is in a record. Everything but
// the Recorder is a function of the record, so any day that is kept can be
// drawn again.
//
// Energy is the difference of the lifetime counters on powerwall/state, split
// by time where the calendar's phase changes, at midnight as well: phases of
// two days add up to what the counters say. A peak is the grid's, by the
// calendar. An override changes what is done in it and not what it costs.
//
// What powermgr saved is the difference to a day without it, whose battery has
// a charge of its own that goes on from day to day; see Battery and Counterfactual.
// Time in which home, sun or grid were not measured is not compared. Every
// input of a figure is in the record and on the page.
//
// Nothing here commands, polls or sends. The record never stops the daemon: a
// file that cannot be used is set aside, a message that cannot be read is
// counted, and each list has an end. Unknown is null in JSON and "–" on paper,
// never 0. SCHEMA.md has the files, field by field.
package report
