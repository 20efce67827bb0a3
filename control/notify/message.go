package notify

import (
	"fmt"
	"html/template"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"powermgr/control/health"
)

// Settings are what the mails of one home have in common.
type Settings struct {
	Location *time.Location // of the home; nil: this machine's
	Node     string         // who sends; empty: it is not said
	PerHour  int            // mails of a level in an hour; 0: 10
	// LowPercent is the charge at the end of the day's last peak below which a
	// warning is sent. 0: never.
	LowPercent float64
}

// A Message is the content of a Mail, before it is formatted.
type Message struct {
	Key     string
	Level   health.Level
	Over    bool   // what Level was for is over
	Subject string // without prefix; one line
	Text    string // paragraphs, with an empty line between them
	Facts   []Fact
	At      time.Time
}

// A Fact is one row of a message.
type Fact struct{ Name, Text string }

// longestSubject is in characters; more than that no phone shows.
const longestSubject = 120

const product = "[powermgr]"

// label returns how a level is named in the subject.
func label(l health.Level, over bool) string {
	switch {
	case over:
		return "OVER: "
	case l == health.Warning:
		return "WARNING: "
	case l == health.Critical:
		return "CRITICAL: "
	}
	return ""
}

// bare returns a subject without the prefix that Compose adds.
func bare(subject string) string {
	s := strings.TrimSpace(strings.TrimPrefix(subject, product))
	for _, l := range []string{label(health.Warning, false), label(health.Critical, false), label("", true)} {
		s = strings.TrimPrefix(s, l)
	}
	return s
}

// Compose formats l: as plain text, as HTML, and with a last line that says who sent it
// and where to look.
func (s Settings) Compose(l Message) Mail {
	m := Mail{Key: l.Key, Level: l.Level, At: l.At}
	m.Subject = oneLine(product+" "+label(l.Level, l.Over)+bare(l.Subject), longestSubject)
	footer := "Sent by powermgr, " + s.date(l.At) + "."
	if s.Node != "" {
		footer = "Sent by powermgr on node " + oneLine(s.Node, 64) + ", " + s.date(l.At) + "."
	}
	footer += " Run \"powermgr status\" to see the current state."

	var paragraphs []string
	for p := range strings.SplitSeq(strings.ReplaceAll(l.Text, "\r\n", "\n"), "\n\n") {
		if p = strings.TrimSpace(p); p != "" {
			paragraphs = append(paragraphs, sentence(p))
		}
	}
	m.Text = strings.Join(append(paragraphs, rows(l.Facts)...), "\n\n") + "\n\n-- \n" + footer + "\n"
	m.HTML = page(struct {
		Subject, Footer string
		Paragraphs      []string
		Facts           []Fact
	}{m.Subject, footer, paragraphs, l.Facts})
	return m
}

// rows writes facts in two columns, as one paragraph; none as no paragraph.
func rows(facts []Fact) []string {
	if len(facts) == 0 {
		return nil
	}
	width := 0
	for _, f := range facts {
		width = max(width, utf8.RuneCountInString(f.Name))
	}
	var lines []string
	for _, f := range facts {
		gap := strings.Repeat(" ", width-utf8.RuneCountInString(f.Name)+2)
		indent := "\n" + strings.Repeat(" ", width+2)
		lines = append(lines, f.Name+gap+strings.ReplaceAll(f.Text, "\n", indent))
	}
	return []string{strings.Join(lines, "\n")}
}

// form is the HTML of a mail. It loads nothing, and leaves the colors to the reader's
// light or dark mode.
const form = `<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>{{.Subject}}</title></head>
<body style="margin:0;padding:16px;font:16px/1.5 sans-serif;max-width:40em">
<h1 style="font-size:20px;line-height:1.3;margin:0 0 16px">{{.Subject}}</h1>
{{range .Paragraphs}}<p style="margin:0 0 12px;white-space:pre-line">{{.}}</p>
{{end}}{{if .Facts}}<table style="border-collapse:collapse;margin:0 0 12px">
{{range .Facts}}<tr><td style="padding:2px 12px 2px 0;vertical-align:top;white-space:nowrap"><b>{{.Name}}</b></td><td style="padding:2px 0;white-space:pre-line">{{.Text}}</td></tr>
{{end}}</table>
{{end}}<p style="font-size:13px;opacity:.7;margin:16px 0 0">{{.Footer}}</p>
</body></html>
`

func page(data any) string {
	var b strings.Builder
	if err := template.Must(template.New("mail").Parse(form)).Execute(&b, data); err != nil {
		return "" // the plain text says it all
	}
	return b.String()
}

// sentence capitalizes s and ends it with a period. The texts of faults are written to
// follow a colon.
func sentence(s string) string {
	if first, size := utf8.DecodeRuneInString(s); !strings.HasPrefix(s, "powermgr") && first != utf8.RuneError {
		s = string(unicode.ToUpper(first)) + s[size:]
	}
	if last, _ := utf8.DecodeLastRuneInString(s); unicode.IsLetter(last) || unicode.IsDigit(last) || strings.ContainsRune("%)°\"", last) {
		s += "."
	}
	return s
}

func (s Settings) local(t time.Time) time.Time {
	if s.Location == nil {
		return t.Local()
	}
	return t.In(s.Location)
}

// date formats a moment in full: Wednesday, July 15, 2026, 16:05.
func (s Settings) date(t time.Time) string {
	return s.local(t).Format("Monday, January 2, 2006, 15:04")
}

// day formats the local day as in keys: 2026-07-15.
func (s Settings) day(t time.Time) string { return s.local(t).Format(time.DateOnly) }

// clock formats a moment for somebody who reads it at now: only the time if it is the
// same day.
func (s Settings) clock(t, now time.Time) string {
	if s.day(t) == s.day(now) {
		return s.local(t).Format("15:04")
	}
	return s.local(t).Format("Mon Jan 2 15:04")
}

// length describes in words how long something took.
func length(d time.Duration) string {
	count := func(n int, what string) string {
		if n == 1 {
			return "1 " + what
		}
		return fmt.Sprintf("%d %ss", n, what)
	}
	minutes := int(max(d, 0).Round(time.Minute) / time.Minute)
	switch hours := minutes / 60; {
	case minutes == 0:
		return "less than a minute"
	case hours == 0:
		return count(minutes, "minute")
	case hours >= 48:
		return count(hours/24, "day")
	case minutes%60 == 0:
		return count(hours, "hour")
	default:
		return count(hours, "hour") + " " + count(minutes%60, "minute")
	}
}
