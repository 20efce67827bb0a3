package page

import (
	"bytes"
	_ "embed" // the templates, the style and the script
	"encoding/json"
	"fmt"
	"hash/fnv"
	"html/template"
	"net/http"
	"time"
)

//go:embed page.html
var pageHTML string

//go:embed page.css
var style string

//go:embed page.js
var script string

// maxStreams is how many browsers can listen for changes at once; the others show the
// page as it was loaded, and try again.
const maxStreams = 24

// How a stream goes, in real time.
const (
	minUpdateInterval = 250 * time.Millisecond // least between two updates
	keepAliveInterval = 10 * time.Second       // between looks at the clock, and signs of life
	writeTimeout      = 15 * time.Second       // longest that a browser may take to read
)

// sections are the parts of the page that change, by the ids of their elements and the
// names of their templates.
var sections = []string{"phase", "reason", "marks", "flows", "battery", "thermostats", "override", "actions", "picture", "ahead", "command", "decisions", "health"}

func (p *Page) parse() (*template.Template, error) {
	t, err := template.New("page").Funcs(template.FuncMap{
		"phase": phaseName, "override": overrideName, "kilowatts": kilowatts, "flow": flow, "direction": direction, "degrees": p.degrees, "high": p.high, "offset": p.offset, "setting": p.setting,
		"percent": percentText, "figure": figure, "mode": modeName, "hvac": hvac, "what": what, "part": partName, "capital": capital,
		"thousands": thousands, "day": dayName, "lines": lines,
	}).Parse(pageHTML)
	if err != nil {
		return nil, fmt.Errorf("page: %w", err)
	}
	return t, nil
}

// Handler returns the handler of the page. Its addresses are relative to wherever it is
// mounted.
func (p *Page) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", p.home)
	mux.HandleFunc("GET /live", p.live)
	mux.HandleFunc("POST /do", p.handleCommand)
	mux.HandleFunc("GET /days", p.days)
	mux.HandleFunc("GET /day/{date}", p.report)
	mux.HandleFunc("GET /first-week", p.firstWeek)
	mux.HandleFunc("GET /today.png", p.chart)
	mux.HandleFunc("GET /check", p.check)
	mux.HandleFunc("POST /login", p.handleLogin)
	mux.HandleFunc("GET /login", func(w http.ResponseWriter, _ *http.Request) { p.login(w, http.StatusOK, "") })
	mux.HandleFunc("GET /page.css", p.asset(style, "text/css; charset=utf-8"))
	mux.HandleFunc("GET /page.js", p.asset(script, "text/javascript; charset=utf-8"))
	mux.HandleFunc("GET /icon.svg", p.asset(icon, "image/svg+xml"))
	return p.guard(mux)
}

//go:embed icon.svg
var icon string

// asset serves a file that changes only with the program: its address includes the
// build.
func (p *Page) asset(text, kind string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", kind)
		w.Header().Set("Cache-Control", "private, max-age=31536000, immutable")
		_, _ = w.Write([]byte(text))
	}
}

// A rendering is every section at one moment.
type rendering struct {
	at   time.Time // in real time
	of   <-chan struct{}
	html map[string]string
}

// render returns every section as it is now. Browsers that ask at about the same time
// share one rendering.
func (p *Page) render() (map[string]string, error) {
	p.mu.Lock()
	if d := p.rendered; d.html != nil && d.of == p.changed && time.Since(d.at) < keepAliveInterval/2 {
		p.mu.Unlock()
		return d.html, nil
	}
	of := p.changed
	p.mu.Unlock()
	v := p.newView()
	html := map[string]string{}
	var b bytes.Buffer
	for _, name := range sections {
		b.Reset()
		if err := p.templates.ExecuteTemplate(&b, name, v); err != nil {
			return nil, err
		}
		html[name] = b.String()
	}
	p.mu.Lock()
	p.rendered = rendering{time.Now(), of, html}
	p.mu.Unlock()
	return html, nil
}

// A document is a whole page: the frame, and its content.
type document struct {
	Title string
	Build string
	Up    string // the path to the home page
	Here  string // home, days, check or login
	View  view
	HTML  map[string]template.HTML // by section

	Days    []Day
	Chart   bool // there is a picture of today
	Text    string
	Message string
}

// A button sends one command.
type button struct{ Do, Value, Text string }

// Button returns a button for a template.
func (v view) Button(do, value, text string) button { return button{do, value, text} }

func (p *Page) write(w http.ResponseWriter, code int, l document) {
	l.Build = p.build
	var b bytes.Buffer
	if err := p.templates.ExecuteTemplate(&b, "document", l); err != nil {
		p.Log.Error("the page cannot be written", "reason", err)
		http.Error(w, "the page cannot be shown: check powermgr's log", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(code)
	_, _ = w.Write(b.Bytes())
}

func (p *Page) home(w http.ResponseWriter, _ *http.Request) {
	parts, err := p.render()
	if err != nil {
		p.Log.Error("the page cannot be written", "reason", err)
		http.Error(w, "the page cannot be shown: check powermgr's log", http.StatusInternalServerError)
		return
	}
	html := map[string]template.HTML{}
	for name, text := range parts {
		html[name] = template.HTML(text) // from these templates
	}
	p.write(w, http.StatusOK, document{Title: "powermgr", Here: "home", Up: "./", View: p.newView(), HTML: html})
}

func (p *Page) login(w http.ResponseWriter, code int, said string) {
	p.write(w, code, document{Title: "Log in", Here: "login", Up: "./", Message: said})
}

// changedSections returns the sections whose checksum differs from the one in seen, and
// updates seen.
func changedSections(sections map[string]string, seen map[string]uint64) map[string]string {
	changed := map[string]string{}
	for name, text := range sections {
		sum := fnv.New64a()
		_, _ = sum.Write([]byte(text))
		if seen[name] != sum.Sum64() {
			seen[name], changed[name] = sum.Sum64(), text
		}
	}
	return changed
}

// live streams changes to a browser as long as it listens: a keep-alive every few
// seconds, and each section that has changed.
func (p *Page) live(w http.ResponseWriter, r *http.Request) {
	select {
	case p.streams <- struct{}{}:
		defer func() { <-p.streams }()
	default:
		w.Header().Set("Retry-After", "30")
		http.Error(w, "too many browsers have this page open: close some", http.StatusServiceUnavailable)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no") // a proxy must not gather what is said
	control := http.NewResponseController(w)
	say := func(name string, data any) error {
		text, err := json.Marshal(data)
		if err == nil {
			err = control.SetWriteDeadline(time.Now().Add(writeTimeout))
		}
		if err == nil {
			_, err = fmt.Fprintf(w, "event: %s\ndata: %s\n\n", name, text)
		}
		if err == nil {
			err = control.Flush()
		}
		return err
	}
	// What is bounded is each write, and not how long somebody listens.
	if control.SetReadDeadline(time.Time{}) != nil || say("build", p.build) != nil {
		return
	}
	seen := map[string]uint64{} // the sum of each section that this browser shows
	tick := time.NewTicker(keepAliveInterval)
	defer tick.Stop()
	for {
		changed := p.changes()
		html, err := p.render()
		if err != nil {
			p.Log.Error("the page cannot be written", "reason", err)
			return
		}
		if say("news", changedSections(html, seen)) != nil {
			return
		}
		select {
		case <-r.Context().Done():
			return
		case <-time.After(minUpdateInterval):
		}
		select {
		case <-r.Context().Done():
			return
		case <-changed:
		case <-tick.C:
		}
	}
}
