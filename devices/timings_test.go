package devices

import (
	"testing"
	"time"
)

// TestTheTimesFitTogether checks how the times depend on each other: after a change of one,
// it shows which others have to change.
func TestTheTimesFitTogether(t *testing.T) {
	readBacks := ReadBacks()
	last := readBacks[len(readBacks)-1]
	for _, c := range []struct {
		name          string
		less, notMore time.Duration
	}{
		{"a write is judged only once the vendor has had its maximum time", ShownWithin, last},
		{"all sends of a command, each read back, end before its answer is overdue", MaxSends * (last + CallWithin), AnswerWithin},
		{"a command that waits for the vendor is sent before its answer is overdue", CommandLife + MaxSends*last, AnswerWithin},
		{"a vendor that stops answering in a peak has failed to answer a poll by the time that this is shown", PeakPoll + CallWithin, SilenceShown},
		{"a wake-up comes while the command is still worth sending", StepInterval, CommandLife},
		{"a command that gave way is sent again once the bridge accepts it", JustRead, GaveWayRetry},
		{"the reading after a failure comes before restoring is tried without one", RereadWithin, RestoreRetry},
		{"a vendor that answers again is noticed by that reading", OutageOver, RereadWithin},
		{"restoring is tried again no later than an ignored command", RestoreRetry, IgnoredRetry},
		{"what may have been restored is restored again no sooner than what was not", RestoreRetry, UnreadRetry},
		{"a write is not sent again without a reading while it may still be shown", AnswerWithin, UnreadRetry},
		{"a hold lands before it ends", ShownWithin, Landing},
		{"nothing is started that the bridge would refuse as too late", Landing, MinRemaining},
		{"two writes in a row land before the hold ends", 2 * ShownWithin, MinRemaining},
		{"a hold's end is not read as tomorrow's", MaxHold + JustOver, 24 * time.Hour},
		{"an end that was rounded up is still the same end", HoldStep + LapseWithin, HoldEndTolerance},
		{"a hold that has just ended is recognized as ended", LapseWithin, JustOver},
		{"the limit is recognized half an hour after the write, and at the poll after that", 30 * time.Minute, ReserveLimitWithin},
		{"a write that shows late is remembered for longer than the limit takes to be recognized", ReserveLimitWithin, ReserveShownWithin},
		{"a reading that is not too old can be compared with the next", TooOld, ComparableWithin},
		{"a battery that does not obey is judged by readings that can be compared", NoEffectAfter, ComparableWithin},
		{"a battery has had its maximum time to show a reserve before it is said not to obey", ShownWithin, NoEffectAfter},
		{"the wait for the first plan is longer than the time between steps", StepInterval, FirstPlanWithin},
		{"the wait for a plan that is gone is longer than readings can be too old", TooOld, PlanGone},
		{"a plan outlasts the readings that it was made from", ComparableWithin, PlanIsOld},
		{"a floor is not forgotten from one peak to the next, over a long weekend", 4 * 24 * time.Hour, FloorMemory},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.less > c.notMore {
				t.Errorf("%v is more than %v", c.less, c.notMore)
			}
		})
	}
}
