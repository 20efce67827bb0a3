// Package report keeps the record of each day, and reports it to people.
//
// A Recorder folds the messages of the bus into one Record, on the ramdisk, which
// continues across a restart and a change of node. At local midnight the finished day
// is put beside it. Metrics stores the days for good, one file each; Headline, Text,
// HTML, JSON and Chart present a record. Everything except the Recorder is a function
// of the record, so any stored day can be drawn again.
//
// Energy is the difference of the lifetime counters on powerwall/state, split by time
// where the calendar's phase changes, and also at midnight, so that the phases of two
// days add up to the counters. A peak is the grid's, by the calendar. An override
// changes what is done in it, not what it costs.
//
// What powermgr saved is the difference from a day without it, whose battery has a
// charge of its own that continues from day to day; see Counterfactual. Times in which
// home, sun or grid were not measured are not compared. Every input of a figure is in
// the record and on the page.
//
// Nothing here commands, polls or sends. The record never stops the daemon: a file that
// cannot be used is set aside, a message that cannot be read is counted, and every list
// is limited. Unknown is null in JSON and "–" on paper, never 0. SCHEMA.md describes
// the files, field by field.
package report
