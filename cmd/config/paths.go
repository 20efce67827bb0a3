package config

import (
	"os"
	"path/filepath"

	"powermgr/control/report"
)

// Paths are files of the daemon. A relative one is meant from the folder of
// the configuration file.
type Paths struct {
	// JournalFile is what must survive a reboot.
	JournalFile string `koanf:"journal_file" default:"/var/lib/powermgr/journal.json"`
	// RamdiskStateFile is what changes often.
	RamdiskStateFile string `koanf:"ramdisk_state_file" default:"/mnt/ramdisk/powermgr_state.json"`
	// PermanentMetricsDir has a record of each day.
	PermanentMetricsDir string `koanf:"permanent_metrics_dir" default:"/var/log/powermgr/metrics"`
	// MetricsKeepDays is for how long. 0: forever.
	MetricsKeepDays int `koanf:"metrics_keep_days" default:"400" range:"0–3650"`
	// HistoryDir has the quarter hours of each month, forever. Empty in the file:
	// history beside JournalFile. Load fills it in.
	HistoryDir string `koanf:"history_dir"`
}

// Beside is a file beside the journal.
func (c Config) Beside(name string) string {
	return filepath.Join(filepath.Dir(c.Paths.JournalFile), name)
}

// OnRamdisk is a file beside the one that changes often.
func (c Config) OnRamdisk(name string) string {
	return filepath.Join(filepath.Dir(c.Paths.RamdiskStateFile), name)
}

// DayFile is where the record of the day grows.
func (c Config) DayFile() string { return c.OnRamdisk("powermgr_day.json") }

// Metrics are the records of past days.
func (c Config) Metrics() report.Metrics {
	return report.Metrics{Dir: c.Paths.PermanentMetricsDir, KeepDays: c.Paths.MetricsKeepDays}
}

func (l *loader) checkPaths(p Paths) {
	for _, f := range []struct{ key, value, without string }{
		{"paths.journal_file", p.JournalFile, "no setback or precooling begins, since it could not be undone after a crash"},
		{"paths.ramdisk_state_file", p.RamdiskStateFile, "what is counted is kept nowhere but at paths.journal_file, a few times a day"},
	} {
		if f.value == "" {
			l.problem(f.key, "it needs a path: leave the key out for the usual one")
		} else if info, err := os.Stat(f.value); err == nil && info.IsDir() {
			// Said, and no reason not to start, as with any path that cannot be
			// written: what is to be restored may be at the broker.
			l.notice(f.key, "%s is a folder and not a file in one: %s", f.value, f.without)
		}
	}
	if p.JournalFile != "" && filepath.Clean(p.JournalFile) == filepath.Clean(p.RamdiskStateFile) {
		l.problem("paths.ramdisk_state_file", "it must not be paths.journal_file, which has to survive a reboot")
	}
	if p.PermanentMetricsDir == "" {
		l.problem("paths.permanent_metrics_dir", "it needs a path: leave the key out for the usual one")
	}
}
