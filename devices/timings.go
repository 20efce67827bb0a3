package devices

import "time"

// The times that reading, deciding and writing share. They depend on each
// other, so they stand together, and a test holds the relations between them.

const (
	// ShownWithin is the longest that a vendor takes, as a rule, from accepting a
	// write to showing it. Until then an earlier write may still land, and what is
	// shown is not what a further one may build on. Honeywell's two clouds take a
	// minute at most; Tesla takes seconds.
	ShownWithin = 2 * time.Minute

	// AnswerWithin is the longest until the final answer to a command: MaxSends
	// writes, each read back. A write that nothing has shown by then will not land.
	AnswerWithin = 10 * time.Minute

	// MaxSends is how often one command is sent to a device that does not take it.
	MaxSends = 3

	// CallWithin bounds one call of a vendor, retries and log-in included.
	CallWithin = 45 * time.Second

	// CommandLife is how long a command that could not be sent yet is worth sending.
	CommandLife = 2 * time.Minute

	// PeakPoll is the longest between two polls of a device in a peak and its lead.
	PeakPoll = 4 * time.Minute

	// SilenceShown is how long after its last good answer in a peak a vendor that has
	// fallen silent is shown as a problem.
	SilenceShown = 5*time.Minute - 10*time.Second

	// JustRead is how old a reading may be for an automatic command to be sent on
	// it, and how soon after a person's command an automatic one is refused.
	JustRead = 10 * time.Second

	// MaxStepInterval is the longest between two steps of the rules: the wall clock
	// may jump, and then a wake-up planned before the jump would come too late.
	MaxStepInterval = 30 * time.Second
)

// Retries of a command that came to nothing.
const (
	// RefusedRetry is the wait after the first failure. It doubles with each.
	RefusedRetry = time.Minute
	// IgnoredRetry is the wait after the device accepted a command and did nothing.
	IgnoredRetry = 10 * time.Minute
	// RestoreRetry is the longest wait of what has to be restored, and how long
	// it waits for a reading before it goes without one.
	RestoreRetry = 5 * time.Minute
	// UnreadRetry is how long what has to be restored, and may have been, waits for
	// a reading that shows it before it is sent once more.
	UnreadRetry = 15 * time.Minute
	// GaveWayRetry is the wait of a command that gave way to a person's.
	GaveWayRetry = JustRead
	// OutageOver is how long after a failure a reading has to be to say that the
	// vendor has been away since, and answers again.
	OutageOver = 30 * time.Second
	// RereadWithin is from an automatic command that came to nothing to a reading.
	RereadWithin = time.Minute
)

// Holds. A device knows the end of one as a time of day.
const (
	// MaxHold is the longest hold that is asked for.
	MaxHold = 23 * time.Hour
	// JustOver is how long after its end a hold may still be shown. It keeps one
	// that ended a moment ago from being read as one that ends tomorrow; so a hold
	// cannot be asked for that ends within JustOver of this time tomorrow.
	JustOver = 15 * time.Minute
	// LapseWithin is by how much a hold's end may be missed by the device's clock.
	LapseWithin = time.Minute
	// HoldStep is the coarsest step that a device rounds a hold's end up to.
	HoldStep = 15 * time.Minute
	// HoldEndTolerance is by how much the end that is shown may differ from the one
	// that was asked for.
	HoldEndTolerance = 20 * time.Minute
	// Landing is how late a write may reach a thermostat. One whose hold has ended
	// by then would last until that time of the next day.
	Landing = 3 * time.Minute
	// MinRemaining is how long before its end nothing is begun any more.
	MinRemaining = 2*ShownWithin + time.Minute
)

// ReserveLimitWithin is how long after a write of 100 a Powerwall may turn it
// into 80: that has been seen half an hour later. The next reading after that
// tells, however late it comes.
const ReserveLimitWithin = 35 * time.Minute

const (
	// ReserveShownWithin is the longest that Tesla takes to show a reserve that it
	// has accepted. Hours have been seen.
	ReserveShownWithin = 24 * time.Hour
	// NoEffectAfter is how long a Powerwall may show a reserve and do something else.
	NoEffectAfter = 10 * time.Minute
	// FloorMemory is after how long a Powerwall is asked again for less than it kept.
	FloorMemory = 7 * 24 * time.Hour
)

const (
	// ComparableWithin is how far apart in time two figures may be that agree.
	ComparableWithin = 30 * time.Minute
	// PlanIsOld is the age from which a plan says nothing any more.
	PlanIsOld = 2 * time.Hour
	// FirstPlanWithin is how long a battery outside a peak stays as it is after a
	// start: the first plan is being made. Without it, each start would buy energy for
	// a moment and use up two of the day's changes.
	FirstPlanWithin = 2 * time.Minute
	// PlanGone is how long it stays as it is when there is no plan to go by any more. A
	// reading outside peaks comes every 10 to 15 minutes, and one that is late or odd is
	// no reason to buy energy for a moment.
	PlanGone = 15 * time.Minute
	// PlanSettles is how long a plan leaves the reserve alone after a change of it. Plan
	// and figures do not come at once, and what the first of them says may be taken
	// back by the next.
	PlanSettles = 2 * time.Minute
)

// TooOld is the age from which a reading says nothing about the present any
// more, however recently it was polled.
const TooOld = 15 * time.Minute

// SlowestFigures is how long apart two readings of a battery are outside peaks, at
// most: a vendor's calls may be few at the end of a month.
const SlowestFigures = 2 * time.Hour

// ReadBacks are when a write is read back, after the moment it was sent.
func ReadBacks() [4]time.Duration {
	return [...]time.Duration{0, 5 * time.Second, 30 * time.Second, ShownWithin}
}
