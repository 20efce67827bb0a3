package page

import (
	"errors"
	"io/fs"
	"net/http"
	"time"

	"powermgr/devices"
)

// maxDays is how many past days are listed.
const maxDays = 31

// reportPolicy is the policy for a report, which is self-contained: its styles are
// inline, and so is its picture. It has no script, and none would run.
const reportPolicy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'; base-uri 'none'; form-action 'none'; sandbox allow-same-origin"

func (p *Page) days(w http.ResponseWriter, _ *http.Request) {
	l := document{Title: "Days", Here: "days", Up: "./", View: p.newView()}
	if p.Past != nil {
		l.Days = p.Past.Days(maxDays)
	}
	_, l.Chart = p.Bus.Retained(p.Topics.Control(devices.ChartLeaf))
	p.write(w, http.StatusOK, l)
}

// report serves the report of one day. Each report draws a picture, which is much work
// for a small machine, so there is only one at a time.
func (p *Page) report(w http.ResponseWriter, r *http.Request) {
	date := r.PathValue("date")
	if _, err := time.Parse(time.DateOnly, date); err != nil || p.Past == nil {
		http.NotFound(w, r)
		return
	}
	p.standing(w, "of "+date, func() ([]byte, error) { return p.Past.Report(date) })
}

// firstWeek serves what the dry run would have done.
func (p *Page) firstWeek(w http.ResponseWriter, r *http.Request) {
	if p.Past == nil {
		http.NotFound(w, r)
		return
	}
	p.standing(w, "of a dry run, since there is none", p.Past.FirstWeek)
}

// standing serves a self-contained document.
func (p *Page) standing(w http.ResponseWriter, of string, draw func() ([]byte, error)) {
	p.drawMu.Lock()
	html, err := draw()
	p.drawMu.Unlock()
	switch {
	case errors.Is(err, fs.ErrNotExist):
		http.Error(w, "there is no report "+of, http.StatusNotFound)
	case err != nil:
		p.Log.Warn("a report cannot be shown", "report", of, "reason", err)
		http.Error(w, "this report cannot be shown: "+err.Error(), http.StatusInternalServerError)
	default:
		w.Header().Set("Content-Security-Policy", reportPolicy)
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write(html)
	}
}

// chart serves today's picture, as it is on the bus.
func (p *Page) chart(w http.ResponseWriter, r *http.Request) {
	m, ok := p.Bus.Retained(p.Topics.Control(devices.ChartLeaf))
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "image/png")
	_, _ = w.Write(m.Payload)
}

// check reads the configuration again and describes what would happen with it.
func (p *Page) check(w http.ResponseWriter, _ *http.Request) {
	l := document{Title: "Check", Here: "check", Up: "./", View: p.newView(), Text: "The configuration cannot be checked here."}
	if p.Check != nil {
		l.Text = p.Check()
	}
	p.write(w, http.StatusOK, l)
}
