// Package control is the peak controller. It subscribes to state topics, lets
// package rules decide, records in the journal whatever it would have to undo, and
// publishes command topics. It never calls a device itself: the bridge, which does,
// may run in another process, on the other side of the broker.
//
// # Glossary
//
// These terms are all it takes to read control/rules. They are in the order in which
// data passes through them on its way from a reading to a write:
//
//	setting    what a device is set to: a reserve, or set points with their hold.
//	           devices.Setting, and devices.Same with the one tolerance.
//	record     what is stored about one device, and survives a crash or a change of node
//	           (rules.BatteryRecord, rules.ThermostatRecord). Its claim is what the rules have
//	           set on a thermostat, until that is restored.
//	version    identifies the last change of a record: generation of the pair, sequence of
//	           the save, writer. Journals of two nodes are merged record by record
//	           (journal.Records.Join); of two records that did not know of each other, the
//	           one with the higher version counts, and unite.go adds what it cannot know.
//	ledger     what can explain a reading: the record, what is wanted now, and the
//	           readings before (rules.ReserveLedger, rules.ThermostatLedger). Facts only.
//	cause      why the device shows what it shows (rules.AttributeReserve,
//	           rules.AttributeMode, rules.AttributeSetting): a write of the rules has
//	           landed, the device has a limit, a person has chosen, …
//	tenure     who a setting belongs to (rules.Tenure): free, held, returning, yielded.
//	           "Held" is held by the rules; "yielded" is left to a person until the
//	           window ends. The tables in tenure.go say how each cause changes each
//	           tenure; ExampleReserveTable and ExampleThermostatTable print them.
//	effect     what a transition changes on record, and nothing else.
//	choice     a person's choice that is left alone until the window ends (rules.Choice).
//	           It is put back if a write of the rules lands over it.
//	contested  a claim is contested while its last write may still land over what a person
//	           has chosen. That choice has become its baseline.
//	owed       what the rules set and still have to restore after a person has changed
//	           only a part of it, such as the other set point (owed.go).
//	level      one of the sources of what is wanted: missing readings, the device's owner, a
//	           person, an override, a plan, the calendar; for a thermostat also safety. The
//	           first that applies decides, and is the reason people see
//	           (wanted.go, wanted_thermostat.go).
//	latched    a threshold latches when the charge of the battery is at or below it with
//	           enough of the peak left; its setback then counts for the rest of the peak.
//	goal       what a device should be made to do (rules.Goal): precool, set back, restore,
//	           or nothing. The reserve of the peak, or of a plan, counts as setback.
//	reconcile  sends at most one write, when what is wanted is not in force or may be
//	           overwritten, and every gate is open: doubt, a person's command, the owner,
//	           the journal, spacing, retries (reconcile.go).
//	baseline   what a thermostat is restored to.
//	window     the lead and the peak (rules.HomeRecord.Window), or the time between two of
//	           them: what people choose is left alone until it ends. rules.Window is
//	           something else: a part of a day in which power is expensive.
//	writes     what the rules have asked of a device (rules.Writes): the last write, which
//	           says what the device is expected to show, and the flights.
//	flight     a write that the vendor may have accepted and that no reading has
//	           shown, with its sender: the rules, or a person by command. It stays on
//	           record for as long as the vendor may take to show it, or until a later
//	           one is shown.
//	pending    a command of the rules that waits for its final answer, or for its next try
//	           (rules.Pending). Unlike a flight it is not on record.
//	limit      the highest reserve that a battery accepts; its floor is the lowest.
//	doubt      a first reading of something that nobody asked for. The second one
//	           decides, and a process that starts between the two knows of the first.
//
// All times that depend on each other (how long a write may take to show, when an
// answer is overdue, retries, holds) are in devices/timings.go.
//
// # Where it is
//
// For both kinds of device: flight.go, tenure.go, reconcile.go. For the battery:
// attribution.go, transition_battery.go, wanted.go, battery.go, effect.go. For
// thermostats: attribution_thermostat.go, transition_thermostat.go with owed.go,
// wanted_thermostat.go, thermostat.go.
//
// The bridge (write, commandQueue) and the adapters of the two Honeywell clouds
// (sending, write) also track what is on its way, for minutes and never on disk. They
// have to: the bridge has to answer every command, with or without a controller, and
// the adapters complete a command for one set point, even a person's, before the rules
// hear of it. The comments on those types say so too.
package control
