package setup

import (
	"bufio"
	"strings"
	"testing"
	"time"
)

// A home in Berlin was set up in °F, without being asked.
func TestTheUnitThatIsOfferedFirst(t *testing.T) {
	for zone, want := range map[string]string{
		"America/Los_Angeles": "F", "America/Indiana/Knox": "F", "America/Puerto_Rico": "F", "Pacific/Honolulu": "F", "US/Eastern": "F",
		"America/Toronto": "C", "America/Mexico_City": "C", "America/Argentina/Buenos_Aires": "C", "Pacific/Auckland": "C", "Europe/Berlin": "C", "UTC": "C",
	} {
		if _, err := time.LoadLocation(zone); err != nil {
			t.Fatal(err)
		}
		for typed, chosen := range map[string]string{"\n": want, "f\n": "F", "2\n": "C"} {
			var shown strings.Builder
			i := Interview{Console: &Console{In: bufio.NewReader(strings.NewReader(typed)), Out: &shown}}
			var a answers
			a.Settings.Timezone = zone
			if err := i.unit(t.Context(), &a); err != nil || string(a.Settings.Unit) != chosen {
				t.Errorf("%s, %q: %s, want %s (%v)", zone, typed, a.Settings.Unit, chosen, err)
			}
			text, err := render(a)
			if err != nil || !strings.Contains(string(text), "\n  unit: "+chosen+"\n") {
				t.Errorf("%s, %q: the configuration lacks the unit: %v", zone, typed, err)
			}
		}
	}
}
