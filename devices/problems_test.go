package devices

import (
	"fmt"
	"testing"
)

func TestATroubleIsSaidOnceAndItsEndToo(t *testing.T) {
	var s KnownProblems
	for i, step := range []struct {
		of, wrong string
		news      bool
	}{
		{"up", "", false}, {"up", "it is cold", true}, {"up", "it is cold", false}, {"down", "it is cold", true},
		{"up", "it is hot", true}, {"up", "", true}, {"up", "", false}, {"up", "it is hot", true},
	} {
		if got := s.Changed(step.of, step.wrong); got != step.news {
			t.Errorf("%d: %s: %q is news: %v", i, step.of, step.wrong, got)
		}
	}
}

// A vendor that keeps reporting new names fills neither the memory nor the log.
func TestTooManyThingsAreNoNews(t *testing.T) {
	var s KnownProblems
	said := 0
	for i := range 10 * maxProblems {
		if s.Changed(fmt.Sprint(i), "broken") {
			said++
		}
	}
	if said != maxProblems || len(s.last) != maxProblems {
		t.Errorf("%d were reported, %d are remembered", said, len(s.last))
	}
}
