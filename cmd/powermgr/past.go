package main

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"powermgr/cmd/config"
)

// Where the past comes from.
const (
	fromCSV     = "csv"
	fromHistory = "history"
	fromTesla   = "tesla"
)

// pastHelp says what each source has.
var pastHelp = map[string]string{
	fromCSV:     "the files you give",
	fromHistory: "what powermgr has recorded",
	fromTesla:   "what Tesla has recorded, which is also added to the history",
}

// pastFlags are the flags of the commands that read past days: where they come from, how
// many, and in which time zone.
type pastFlags struct {
	from     string
	days     int
	timezone string

	sources []string
}

// declare adds the flags to f. The first source is the default. days says what --days
// counts, and clock whose time zone is the default; p holds the other defaults.
func (p *pastFlags) declare(f *pflag.FlagSet, days, clock string, sources ...string) {
	p.sources = sources
	texts := make([]string, len(sources))
	for i, s := range sources {
		texts[i] = s + ": " + pastHelp[s]
	}
	f.StringVar(&p.from, "from", sources[0], strings.Join(texts, "; "))
	f.IntVar(&p.days, "days", p.days, days)
	f.StringVar(&p.timezone, "timezone", p.timezone, "the time zone of times without an offset, such as America/Los_Angeles (default that of "+clock+")")
}

// check refuses an unknown source, files for a source that reads none, and a missing file.
func (p *pastFlags) check(files []string) error {
	switch {
	case !slices.Contains(p.sources, p.from):
		return usage("--from %s: there are %s%s", p.from, strings.Join(p.sources, ", "), config.DidYouMean(p.from, p.sources))
	case p.from != fromCSV && len(files) > 0:
		return usage("--from %s reads no file", p.from)
	case p.from == fromCSV && len(files) == 0:
		return usage("give a file, or another --from: there are %s", strings.Join(p.sources, ", "))
	}
	return nil
}

// zone returns the time zone that was asked for, or otherwise usual.
func (p *pastFlags) zone(usual *time.Location) (*time.Location, error) {
	if p.timezone == "" {
		return usual, nil
	}
	zone, err := time.LoadLocation(p.timezone)
	if err != nil {
		return nil, usage("--timezone: %s", config.WrongZone(p.timezone))
	}
	return zone, nil
}

// A dateFlag is a day, in no particular time zone; zero: none was given.
type dateFlag struct{ day time.Time }

func (d *dateFlag) Set(text string) (err error) {
	if d.day, err = time.Parse(time.DateOnly, text); err != nil {
		return errors.New("it has to read like 2026-01-31")
	}
	return nil
}

func (d *dateFlag) String() string {
	if !d.given() {
		return ""
	}
	return d.day.Format(time.DateOnly)
}

func (d *dateFlag) Type() string { return "date" }

func (d *dateFlag) given() bool { return !d.day.IsZero() }

// in returns when the day begins in a time zone.
func (d *dateFlag) in(zone *time.Location) time.Time {
	return time.Date(d.day.Year(), d.day.Month(), d.day.Day(), 0, 0, 0, 0, zone)
}
