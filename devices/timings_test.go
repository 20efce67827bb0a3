package devices

import (
	"testing"
	"time"
)

// TestTheTimesFitTogether holds what the times promise each other: change one,
// and see here which of the others it leans on.
func TestTheTimesFitTogether(t *testing.T) {
	readBacks := ReadBacks()
	last := readBacks[len(readBacks)-1]
	for _, c := range []struct {
		name          string
		less, notMore time.Duration
	}{
		{"a write is judged only once the vendor has had all its time", ShownWithin, last},
		{"all sends of a command, each read back, end before its answer is overdue", MaxSends * (last + CallWithin), AnswerWithin},
		{"a command that waits for the vendor is sent before its answer is overdue", CommandLife + MaxSends*last, AnswerWithin},
		{"a vendor that falls silent in a peak has failed to answer a poll by the time that it is shown", PeakPoll + CallWithin, SilenceShown},
		{"a wake-up comes while the command is still worth sending", StepInterval, CommandLife},
		{"what gave way waits until the bridge takes it", JustRead, GaveWayRetry},
		{"the reading after a failure comes before what has to go back is tried without one", RereadWithin, RestoreRetry},
		{"a vendor that answers again is noticed by that reading", OutageOver, RereadWithin},
		{"what has to go back never waits longer than what is ignored", RestoreRetry, IgnoredRetry},
		{"what may have arrived is sent again less often than what did not", RestoreRetry, UnreadRetry},
		{"a write is not sent again without a reading while it may still be shown", AnswerWithin, UnreadRetry},
		{"a hold lands before it ends", ShownWithin, Landing},
		{"nothing is begun that the bridge would refuse as too late", Landing, MinRemaining},
		{"two writes in a row land before the hold ends", 2 * ShownWithin, MinRemaining},
		{"a hold's end is not read as tomorrow's", MaxHold + JustOver, 24 * time.Hour},
		{"an end that was rounded up is still the same end", HoldStep + LapseWithin, HoldEndTolerance},
		{"a hold that has just ended is known to have", LapseWithin, JustOver},
		{"the limit is recognized half an hour after the write, and at the poll after that", 30 * time.Minute, ReserveLimitWithin},
		{"a write that shows late outlasts the limit's", ReserveLimitWithin, ReserveShownWithin},
		{"a reading that is not too old can be compared with the next", TooOld, ComparableWithin},
		{"a battery that does not obey is judged by readings that can be compared", NoEffectAfter, ComparableWithin},
		{"a battery has had its time to take a reserve before it is said not to obey", ShownWithin, NoEffectAfter},
		{"the first plan is waited for longer than a step takes to come", StepInterval, FirstPlanWithin},
		{"a plan that is gone is waited for until figures that are too old may be younger", TooOld, PlanGone},
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
