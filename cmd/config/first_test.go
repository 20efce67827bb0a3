package config

import (
	"os"
	"path/filepath"
	"testing"
)

// The first start with an edited configuration, or with one of v2.0, commanded the
// devices at once.
func TestAConfigurationThatIsNewHereBeginsDry(t *testing.T) {
	live, dry := Settings{}, Settings{DryRun: true}
	for _, c := range []struct {
		name    string
		journal bool       // an earlier version has run here
		said    string     // in the file; empty: there is none
		starts  []Settings // before the last
		last    Settings
		want    bool
	}{
		{"the first start", false, "", nil, live, true},
		{"the second start, which has a journal", false, "", []Settings{live}, live, true},
		{"after powermgr live", false, firstLive, nil, live, false},
		{"after it had dry_run", false, "", []Settings{dry}, live, false},
		{"after both", false, "", []Settings{live, dry}, live, false},
		{"after an earlier version", true, "", nil, live, false},
		{"after an earlier version, twice", true, "", []Settings{live}, live, false},
		{"it has dry_run", false, "", nil, dry, false}, // needs no other reason
		{"a file with unknown contents", false, "?", nil, live, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			config := Config{Paths: Paths{JournalFile: filepath.Join(t.TempDir(), "journal.json")}}
			keep := func(path, text string) {
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if c.journal {
				keep(config.Paths.JournalFile, "{}")
			}
			if c.said != "" {
				keep(config.firstRun(), c.said)
			}
			for _, s := range append(c.starts, c.last) {
				config.Settings = s
				got, err := BeginDry(config)
				if err != nil {
					t.Fatal(err)
				}
				if got != c.want && len(c.starts) == 0 {
					t.Errorf("held back: %v", got)
				}
				keep(config.Paths.JournalFile, "{}") // as every start does
			}
			if got, err := BeginDry(config); got != c.want || err != nil {
				t.Errorf("held back: %v, %v", got, err)
			}
		})
	}
}
