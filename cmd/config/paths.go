package config

import (
	"os"
	"path/filepath"

	"powermgr/control/report"
)

// Paths are the files of the daemon. A relative path starts from the folder of the
// configuration file.
type Paths struct {
	// JournalFile holds what must survive a reboot.
	JournalFile string `koanf:"journal_file" default:"/var/lib/powermgr/journal.json"`
	// RamdiskStateFile holds what changes often.
	RamdiskStateFile string `koanf:"ramdisk_state_file" default:"/mnt/ramdisk/powermgr_state.json"`
	// PermanentMetricsDir holds a record of each day.
	PermanentMetricsDir string `koanf:"permanent_metrics_dir" default:"/var/log/powermgr/metrics"`
	// MetricsKeepDays is how long these records are kept. 0: forever.
	MetricsKeepDays int `koanf:"metrics_keep_days" default:"400" range:"0–3650"`
	// HistoryDir holds the quarter hours of each month, forever. Empty in the file:
	// history next to JournalFile. Load fills it in.
	HistoryDir string `koanf:"history_dir"`
}

// Beside returns the path of a file next to the journal.
func (c Config) Beside(name string) string {
	return filepath.Join(filepath.Dir(c.Paths.JournalFile), name)
}

// OnRamdisk returns the path of a file next to RamdiskStateFile.
func (c Config) OnRamdisk(name string) string {
	return filepath.Join(filepath.Dir(c.Paths.RamdiskStateFile), name)
}

// DayFile returns the file with the record of the current day.
func (c Config) DayFile() string { return c.OnRamdisk("powermgr_day.json") }

// Metrics returns the stored records of past days.
func (c Config) Metrics() report.Metrics {
	return report.Metrics{Dir: c.Paths.PermanentMetricsDir, KeepDays: c.Paths.MetricsKeepDays}
}

func (l *loader) checkPaths(p Paths) {
	for _, f := range []struct{ key, value, without string }{
		{"paths.journal_file", p.JournalFile, "no setback or precooling begins, since it could not be undone after a crash"},
		{"paths.ramdisk_state_file", p.RamdiskStateFile, "counts are stored only in paths.journal_file, a few times a day"},
	} {
		if f.value == "" {
			l.problem(f.key, "it needs a path: leave the key out for the usual one")
		} else if info, err := os.Stat(f.value); err == nil && info.IsDir() {
			// This is only a notice, as for any path that cannot be written: the daemon
			// starts anyway, since the broker may have settings that it has to restore.
			l.notice(f.key, "%s is a folder, not a file: %s", f.value, f.without)
		}
	}
	if p.JournalFile != "" && filepath.Clean(p.JournalFile) == filepath.Clean(p.RamdiskStateFile) {
		l.problem("paths.ramdisk_state_file", "it must not be paths.journal_file, which has to survive a reboot")
	}
	if p.PermanentMetricsDir == "" {
		l.problem("paths.permanent_metrics_dir", "it needs a path: leave the key out for the usual one")
	}
}
