// Package control is the peak controller. It subscribes to state topics, lets
// package rules decide, keeps in the journal what it would have to undo, and
// publishes command topics. It never calls a device: whatever polls and
// commands them may live in another process, behind the broker.
//
// # Glossary
//
// Some words, and whoever knows them can read control/rules. From a reading
// to a write the data passes, in this order:
//
//	setting    what a device is set to: a reserve, or set points with their hold.
//	           devices.Setting, and devices.Same with the one tolerance.
//	record     what is kept about one device over a crash and a change of node
//	           (rules.BatteryRecord, rules.ThermostatRecord). Its claim is what the rules have
//	           set on a thermostat, until that is restored.
//	version    which change made a record what it is: generation of the pair, sequence of
//	           the save, writer. Journals of two nodes come together record by record
//	           (journal.Records.Join); of two records that did not know of each other the
//	           higher version counts, and unite.go adds what it cannot know.
//	ledger     what can explain a reading: the record, what is wanted now, and the
//	           readings before (rules.ReserveLedger, rules.ThermostatLedger). Facts only.
//	cause      why the device shows what it shows (rules.AttributeReserve,
//	           rules.AttributeSetting): a write of the rules has
//	           landed, the device has a limit, a person has chosen, …
//	tenure     whose the setting is (rules.Tenure): free, held, returning, yielded.
//	           "Held" is held by the rules; "yielded" is a person's until the window
//	           ends. The tables in tenure.go say what each cause makes of each
//	           tenure; ExampleReserveTable and ExampleThermostatTable print them.
//	effect     what a transition changes on record, and nothing else.
//	choice     what a person wants while a write of the rules may still land over it.
//	level      one voice in what is wanted: the device has told enough, its owner, a
//	           person, an override, a plan, the calendar; for a thermostat also safety. The
//	           first that has something to say decides, and is the reason people see
//	           (wanted.go, wanted_thermostat.go).
//	reconcile  at most one write, when what is wanted is not what is in force or may be
//	           overtaken, behind gates: the doubt, a person's command, the owner, the
//	           journal, the spacing, the retries (reconcile.go).
//	baseline   what a thermostat goes back to.
//	window     the lead and the peak, or the time between two of them: what people
//	           choose is left alone until it ends.
//	writes     what the rules have asked of a device (rules.Writes): the last write, which
//	           says what the device is expected to show, and the flights.
//	flight     a write that the vendor may have accepted and that no reading has
//	           shown, with its sender: the rules, or a person by command. It stays on
//	           record for as long as the vendor may take to show it, or until a later
//	           one is shown.
//	limit      the highest reserve that a battery keeps; its floor is the lowest.
//	doubt      a first reading that shows what nobody has asked for. The second
//	           decides, and a process that starts between the two knows of the first.
//
// All times that lean on each other (how long a write may take to be shown, when
// an answer is overdue, retries, holds) are in devices/timings.go.
//
// # Where it is
//
// The battery: attribution.go, flight.go, tenure.go, wanted.go, reconcile.go, battery.go,
// effect.go. Thermostats: attribution_thermostat.go, flight.go, tenure.go,
// transition_thermostat.go with owed.go, wanted_thermostat.go, reconcile.go,
// thermostat.go.
//
// The bridge (write, commandQueue) and the adapters of the two Honeywell clouds
// (sending, write) each keep their own note of what is on its way, for minutes and never
// on a disk. They stay: the bridge owes every command an answer, with or without a
// controller, and the adapters complete a command for one set point, a person's before
// the rules hear of it. Each says so where it is declared.
package control
