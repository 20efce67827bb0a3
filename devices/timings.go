package devices

import "time"

// The times that reading, deciding and writing share. They depend on each
// other, so they stand together, and a test holds the relations between them.

const (
	// ShownWithin is the longest that a vendor normally takes from accepting a write to
	// showing it. Until then an earlier write may still land, and a further one must
	// not build on what is shown. Honeywell's two clouds take a minute at most; Tesla
	// takes seconds.
	ShownWithin = 2 * time.Minute

	// AnswerWithin is the longest time until the final answer to a command: MaxSends
	// writes, each read back. A write that has not shown by then will not land.
	AnswerWithin = 10 * time.Minute

	// MaxSends is how often one command is sent to a device that does not follow it.
	MaxSends = 3

	// CallWithin limits one call to a vendor, retries and log-in included.
	CallWithin = 45 * time.Second

	// CommandLife is how long a command that could not be sent yet is still worth
	// sending.
	CommandLife = 2 * time.Minute

	// PeakPoll is the longest time between two polls of a device in a peak and its
	// lead.
	PeakPoll = 4 * time.Minute

	// SilenceShown is how long after its last good answer in a peak a vendor that no
	// longer answers is shown as a problem.
	SilenceShown = 5*time.Minute - 10*time.Second

	// JustRead is how old a reading may be for an automatic command to be based on it,
	// and how soon after a person's command an automatic one is refused.
	JustRead = 10 * time.Second

	// StepInterval is the time between two steps of the rules while something is on its
	// way to a device or has to be restored, and between two looks at the wall clock
	// otherwise: it may jump, and then a wake-up planned before the jump would come too
	// late.
	StepInterval = 30 * time.Second
)

// Retries of a command that came to nothing.
const (
	// RefusedRetry is the wait after the first failure. It doubles with each one.
	RefusedRetry = time.Minute
	// IgnoredRetry is the wait after the device accepted a command and did nothing.
	IgnoredRetry = 10 * time.Minute
	// RestoreRetry is the longest wait before restoring is tried again, and how long
	// restoring waits for a reading before it goes on without one.
	RestoreRetry = 5 * time.Minute
	// UnreadRetry is how long to wait for a reading before restoring something again
	// that may have been restored already.
	UnreadRetry = 15 * time.Minute
	// GaveWayRetry is the wait after a command gave way to a person's.
	GaveWayRetry = JustRead
	// OutageOver is how long after a failure a reading has to come to show that the
	// vendor was down and answers again.
	OutageOver = 30 * time.Second
	// RereadWithin is the time from a failed automatic command to a reading.
	RereadWithin = time.Minute
)

// Holds. A device knows the end of one as a time of day.
const (
	// MaxHold is the longest hold that is requested.
	MaxHold = 23 * time.Hour
	// JustOver is how long after its end a hold may still be shown. It keeps one that
	// ended a moment ago from being taken for one that ends tomorrow; so no hold can be
	// requested that ends within JustOver of this time tomorrow.
	JustOver = 15 * time.Minute
	// LapseWithin is how far the device's clock may miss the end of a hold.
	LapseWithin = time.Minute
	// HoldStep is the coarsest step to which a device rounds up the end of a hold.
	HoldStep = 15 * time.Minute
	// HoldEndTolerance is how far the end that is shown may differ from the one that
	// was requested.
	HoldEndTolerance = 20 * time.Minute
	// Landing is how late a write may reach a thermostat. If its hold had ended by
	// then, it would last until that time of the next day.
	Landing = 3 * time.Minute
	// MinRemaining is how long before its end nothing new is started.
	MinRemaining = 2*ShownWithin + time.Minute
)

// ReserveLimitWithin is how long after a write of 100 a Powerwall may turn it into 80:
// half an hour later has been seen. The next reading after that shows it, however late
// it comes.
const ReserveLimitWithin = 35 * time.Minute

const (
	// ReserveShownWithin is the longest that Tesla takes to show a reserve that it has
	// accepted. Hours have been seen.
	ReserveShownWithin = 24 * time.Hour
	// NoEffectAfter is how long a Powerwall may show a reserve without following it.
	NoEffectAfter = 10 * time.Minute
	// FloorMemory is after how long a Powerwall is asked again for less than it kept.
	FloorMemory = 7 * 24 * time.Hour
)

const (
	// ComparableWithin is how far apart in time two figures that agree may be.
	ComparableWithin = 30 * time.Minute
	// PlanIsOld is the age from which a plan is not used any more.
	PlanIsOld = 2 * time.Hour
	// FirstPlanWithin is how long a battery outside a peak stays as it is after a
	// start, while the first plan is being made. Without that, each start would buy
	// energy for a moment and use up two of the day's changes.
	FirstPlanWithin = 2 * time.Minute
	// PlanGone is how long it stays as it is when there is no usable plan any more. A
	// reading outside peaks comes every 10 to 15 minutes, and one that is late or odd
	// is no reason to buy energy for a moment.
	PlanGone = 15 * time.Minute
	// PlanSettles is how long a plan leaves the reserve alone after a change of it. The
	// plan and the figures do not arrive at once, and the next of them may reverse what
	// the first one says.
	PlanSettles = 2 * time.Minute
)

// TooOld is the age from which a reading says nothing about the present, however
// recently it was polled.
const TooOld = 15 * time.Minute

// SlowestFigures is the longest time between two readings of a battery outside peaks:
// few of a vendor's calls may be left at the end of a month.
const SlowestFigures = 2 * time.Hour

// ReadBacks returns the times after sending at which a write is read back.
func ReadBacks() [4]time.Duration {
	return [...]time.Duration{0, 5 * time.Second, 30 * time.Second, ShownWithin}
}
