package config

import (
	"path/filepath"
	"powermgr/control/report"
)

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
