package config

import (
	"strings"
	"testing"
	_ "time/tzdata"
)

func TestEveryZoneThatIsSuggestedIsOne(t *testing.T) {
	for zone := range strings.FieldsSeq(zones) {
		if !ZoneKnown(zone) {
			t.Errorf("%s is not a time zone", zone)
		}
	}
}

func TestTheLikelyZone(t *testing.T) {
	for _, tt := range []struct{ name, want string }{
		{"America/Los_Angelos", "America/Los_Angeles"},
		{"america/los_angeles", "America/Los_Angeles"},
		{"America/Los Angeles", "America/Los_Angeles"},
		{"Los Angeles", "America/Los_Angeles"},
		{"Los Angelas", "America/Los_Angeles"},
		{"Europe/New_York", "America/New_York"},
		{"berlin", "Europe/Berlin"},
		{"Europe/Berln", "Europe/Berlin"},
		{"Pacific", "US/Pacific"},
		{"utc", "UTC"},
		{"Mars/Base", ""},
		{"Mars", ""},
		{"California", ""},
		{"", ""},
		{"Local", ""},
	} {
		if got := likelyZone(tt.name); got != tt.want {
			t.Errorf("%q: got %q, want %q", tt.name, got, tt.want)
		}
	}
}
