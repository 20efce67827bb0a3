package daemon

import (
	"slices"
	"sync"
	"time"

	"powermgr/bridge"
	"powermgr/cmd/config"
	"powermgr/cmd/records"
	"powermgr/control"
	"powermgr/control/page"
	"powermgr/control/report"
	"powermgr/control/rules"
)

// newPage is the part that shows the home in a browser.
func (d *Daemon) newPage(s bridge.Shared) (*page.Page, error) {
	c := d.options.Config
	o := page.Options{
		Bus: s.Bus, Topics: s.Topics, Settings: c.Rules(), Node: c.HA.Node, Version: d.options.Version, Active: d.node.Active,
		Access: c.HTTP.Access(), Check: d.options.Check, Log: s.Log.With("part", "page"),
	}
	if o.Check == nil {
		o.Check = func() string { return config.Describe(c) }
	}
	if d.options.Journal == nil { // else nothing of this daemon is in files
		o.Past = &past{d: d}
		now := s.Bus.Now()
		if r, err := report.Load(c.DayFile()); err == nil && r.Date == rules.DateOf(now, c.Zone()).String() {
			for _, e := range r.Decisions {
				if e.At.After(now) {
					continue // the clock was set back
				}
				o.Before = append(o.Before, control.Event{Type: e.Type, Target: e.Target, Reason: e.Reason, At: e.At})
			}
		}
	}
	return page.New(o)
}

// past has the reports of days for the page.
type past struct {
	d *Daemon

	mu    sync.Mutex
	known map[string]page.Day // of days that are over; their records do not change
	week  []byte              // the last FirstWeek
	made  time.Time           // when that was drawn
}

func (p *past) evening() records.DailyReport {
	return records.DailyReport{Config: p.d.options.Config, Now: p.d.Bus.Now(), Log: p.d.options.Log}
}

// Days are today and the days that there are metrics of.
func (p *past) Days(most int) []page.Day {
	e := p.evening()
	m := e.Config.Metrics()
	dates, _ := m.Dates() // none, if they cannot be read
	if today, err := report.Load(e.Config.DayFile()); err == nil && !slices.Contains(dates, today.Date) {
		dates = append(dates, today.Date)
	}
	slices.Sort(dates)
	slices.Reverse(dates)
	dates = dates[:min(most, len(dates))]

	p.mu.Lock()
	defer p.mu.Unlock()
	before := p.known
	p.known = map[string]page.Day{} // of those that are still listed
	var days []page.Day
	for _, date := range dates {
		day, ok := before[date]
		if !ok {
			r, err := m.Find(e.Config.DayFile(), date)
			if err != nil {
				continue // another program's, or a broken one
			}
			day = page.Day{Date: date, Headline: report.Headline(r)}
			ok = r.Complete
		}
		if ok {
			p.known[date] = day
		}
		days = append(days, day)
	}
	return days
}

// Report draws the report of a day.
func (p *past) Report(date string) ([]byte, error) {
	day, err := p.evening().Day(date)
	if err != nil {
		return nil, err
	}
	if p.d.options.Drawn != nil {
		defer p.d.options.Drawn()
	}
	return day.HTML()
}

// weekLasts is how long a page of the dry run is good: to draw it is much work.
const weekLasts = 15 * time.Minute

// FirstWeek draws what the dry run would have done.
func (p *past) FirstWeek() ([]byte, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	e := p.evening()
	if p.week != nil && e.Now.Sub(p.made).Abs() < weekLasts {
		return p.week, nil
	}
	w, err := e.FirstWeek()
	if err != nil {
		return nil, err
	}
	html, err := report.WeekHTML(w)
	if err == nil {
		p.week, p.made = html, e.Now
	}
	return html, err
}
