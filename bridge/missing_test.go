package bridge

import (
	"strings"
	"testing"

	"powermgr/devices"
)

// A thermostat that is to be controlled and is not on the account is told of, as
// are one that goes later and an account that shows none.
func TestThermostatsThatAreNotThere(t *testing.T) {
	const none = ""
	for _, c := range []struct {
		name       string
		controlled []string
		polls      [][]string // what the account has, poll by poll: "?" before an id that cannot be read, "?" alone for a list that makes no sense in part
		want       string
	}{
		{"all there", []string{"1000001"}, [][]string{{"1000001"}, {"1000001", "2"}}, none},
		{"as a person writes it", []string{"lcc-00A0"}, [][]string{{"LCC-00a0"}, {"LCC-00a0"}}, none},
		{"nobody is controlled", nil, [][]string{{}, {}}, none},
		{"one poll decides nothing", []string{"1000001", "9999999"}, [][]string{{"1000001", "1000002"}}, none},
		{"one that never was", []string{"1000001", "9999999"}, [][]string{{"1000001", "1000002"}, {"1000002", "1000001"}}, "9999999 is in settings.thermostat_ids and not on the account, which has 1000001 and 1000002"},
		{"one that goes", []string{"a", "b"}, [][]string{{"a", "b"}, {"a"}, {"a"}}, "b is in settings.thermostat_ids and not on the account, which has a"},
		{"one that is left out now and then", []string{"a", "b"}, [][]string{{"a"}, {"a", "b"}, {"a"}}, none},
		{"one that comes", []string{"a"}, [][]string{{}, {}, {}, {"a"}}, none},
		{"an account without any", []string{"a", "b"}, [][]string{{}, {}}, "a and b are in settings.thermostat_ids and not on the account, which has none"},
		{"one whose answers make no sense", []string{"a", "b"}, [][]string{{"a", "?b"}, {"a", "?b"}}, "b is in settings.thermostat_ids, but the vendor's data cannot be used; the log says why"},
		{"one whose answers make no sense any more", []string{"a", "b"}, [][]string{{"a", "b"}, {"a", "?b"}, {"a", "?b"}, {"a", "?b"}}, none},
		{"one that may be what the list cannot say", []string{"a", "b"}, [][]string{{"a", "b"}, {"a", "?"}, {"a", "?"}, {"a", "?"}}, none},
		{"one that is gone beside one whose answers make no sense", []string{"a", "b"}, [][]string{{"?b"}, {"?b"}}, "a is in settings.thermostat_ids and not on the account, which has b; b is in settings.thermostat_ids, but the vendor's data cannot be used; the log says why"},
		{"a large account", []string{"x"}, [][]string{{"1"}, {"1", "2", "3", "4", "5", "6", "7", "8", "9", "90", "91", "92"}}, "x is in settings.thermostat_ids and not on the account, which has 1, 2, 3, 4, 5, 6, 7, 8, 9, 90 and 2 more"},
	} {
		t.Run(c.name, func(t *testing.T) {
			said := "nothing"
			var listed []string
			sure := true
			part := &Thermostats{
				ThermostatsOptions: ThermostatsOptions{
					Controlled: c.controlled, Missing: func(problem string) { said = problem },
					Listed: func() ([]string, bool) { return listed, sure },
				},
				missedPolls: map[string]int{}, byID: map[string]*thermostat{},
			}
			for _, ids := range c.polls {
				for _, h := range part.byID {
					h.missing++
				}
				listed, sure = nil, true
				for _, id := range ids {
					name, unread := strings.CutPrefix(id, "?")
					if name == "" {
						sure = false
						continue
					}
					listed = append(listed, name)
					if !unread {
						part.byID[devices.TopicID(name)] = &thermostat{}
					}
				}
				part.findMissing()
			}
			if said != c.want {
				t.Errorf("%q, want %q", said, c.want)
			}
		})
	}
}

// Each time that the configuration was read again, the problem went away for two polls.
func TestAMissingThermostatIsStillMissingAfterAReload(t *testing.T) {
	said := ""
	begin := func() *Thermostats {
		return &Thermostats{
			ThermostatsOptions: ThermostatsOptions{
				Controlled: []string{"9999999"}, Missing: func(problem string) { said = problem },
				Listed: func() ([]string, bool) { return []string{"1000001"}, true },
			},
			missedPolls: map[string]int{}, byID: map[string]*thermostat{},
		}
	}
	last := begin()
	for range goneAfter {
		last.findMissing()
	}
	want := said
	next := begin()
	next.Resume(last)
	next.findMissing()
	if want == "" || said != want {
		t.Errorf("%q after the first poll, was %q", said, want)
	}
}
