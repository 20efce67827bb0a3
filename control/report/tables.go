package report

import (
	"fmt"
	"math"
	"strings"
	"time"

	"powermgr/devices"
)

// The sections of the report about what was done and who did it.

func (r Record) battery() section {
	c := r.Charge
	return section{Title: "Battery", Figures: true, Rows: [][]string{
		{"As the day began", r.percentAt(c.Start)}, {"Lowest", r.percentAt(c.Min)}, {"Highest", r.percentAt(c.Max)}, {"End of day", r.percentAt(c.End)},
	}}
}

func (r Record) thermostats() section {
	s := section{Title: "Thermostats", Head: []string{"", "precooled", "set back", "inside"}}
	for _, id := range r.ids() {
		t := r.Thermostats[id]
		name := t.Name
		if name == "" {
			name = id
		}
		if !t.Controlled {
			name += " (not controlled)"
		}
		inside := unknown
		if t.IndoorMin != nil && t.IndoorMax != nil {
			inside = fmt.Sprintf("%s at %s\nto %s at %s", t.Unit.Degrees(r.Unit, t.IndoorMin.Value), r.clock(t.IndoorMin.At), t.Unit.Degrees(r.Unit, t.IndoorMax.Value), r.clock(t.IndoorMax.At))
		}
		s.Rows = append(s.Rows, []string{name, t.Precool.text(t.Unit, r.Unit), t.Setback.text(t.Unit, r.Unit), inside})
	}
	if r.ForecastF != nil && len(s.Rows) > 0 {
		s.Note = "The forecast for the day was " + devices.Fahrenheit.Degrees(r.Unit, math.Round(*r.ForecastF)) + "."
	}
	return s
}

func (s Shift) text(u, owner devices.Unit) string {
	if s.Minutes == 0 {
		return "no"
	}
	mean, most := u.Difference(owner, tidy(s.DegreeMinutes/s.Minutes)), u.Difference(owner, s.MaxDegrees)
	text := fmt.Sprintf("%.0f min\nby %s", s.Minutes, mean)
	if most != mean {
		text += "\nat most " + most
	}
	return text
}

// failures are the commands that did not come to what was asked.
func (r Record) failures() section {
	s := section{Title: "Commands that failed", Head: []string{"", "asked", "why"}}
	for _, c := range r.Commands {
		if !c.failed() || c.pending(r.Until) || c.mistaken() {
			continue
		}
		why := c.Reason
		switch {
		case c.Accepted == nil:
			why = "nobody answered"
		case c.Applied != nil:
			why += fmt.Sprintf("; it shows %v", c.Applied)
		}
		s.Rows = append(s.Rows, []string{r.clock(c.At), r.asks(c), why})
	}
	return s
}

// refused are the commands of people that were refused as they came: nothing has
// failed, so they stand far below.
func (r Record) refused() section {
	s := section{Title: "Commands that were refused", Head: []string{"", "asked", "why"}}
	for _, c := range r.Commands {
		if c.mistaken() {
			s.Rows = append(s.Rows, []string{r.clock(c.At), r.asks(c), c.Reason})
		}
	}
	return s
}

func (r Record) commands() section {
	s := section{Title: "Commands", Head: []string{"", "asked", "shown", "after"}}
	for _, c := range r.Commands {
		after := unknown
		if c.ConfirmedAfter != nil {
			after = fmt.Sprintf("%d s", *c.ConfirmedAfter)
		}
		s.Rows = append(s.Rows, []string{r.clock(c.At), r.asks(c), value(c.Applied), after})
	}
	s.Note = r.rest("commands")
	return s
}

// asks is a command in words.
func (r Record) asks(c Command) string {
	text := fmt.Sprintf("%s: %s %s", r.nameOf(c.Target), strings.ReplaceAll(c.Setting, "_", " "), value(c.Requested))
	if c.Source == sourcePerson {
		text += " (by a person)"
	}
	return text
}

func value(v any) string {
	if v == nil {
		return unknown
	}
	return fmt.Sprint(v)
}

// nameOf is a target as people know it.
func (r Record) nameOf(target string) string {
	switch target {
	case "powerwall":
		return "Battery"
	case "control":
		return "Controller"
	case "weather":
		return "Weather"
	}
	if t := r.Thermostats[target]; t.Name != "" {
		return t.Name
	}
	return target
}

// A moment is what was decided in one minute: one mark in the chart.
type moment struct {
	at     time.Time
	lines  []string
	word   string // of the weightiest of them
	weight int
}

func (r Record) moments() (all []moment) {
	for _, d := range r.Decisions {
		word, weight := d.word()
		if last := len(all) - 1; last >= 0 && d.At.Truncate(time.Minute).Equal(all[last].at.Truncate(time.Minute)) {
			all[last].lines = append(all[last].lines, sentence(d.Reason))
			if weight > all[last].weight {
				all[last].word, all[last].weight = word, weight
			}
			continue
		}
		all = append(all, moment{d.At, []string{sentence(d.Reason)}, word, weight})
	}
	return all
}

func (r Record) decisions() section {
	s := section{Title: "Decisions", Marks: true, Note: r.rest("decisions")}
	for i, m := range r.moments() {
		s.Rows = append(s.Rows, []string{fmt.Sprint(i + 1), r.clock(m.at), strings.Join(m.lines, "\n")})
	}
	if len(s.Rows) == 0 {
		s.Note = "None."
	}
	return s
}

func (r Record) overrides() section {
	s := section{Title: "Overrides", Note: r.rest("overrides")}
	for _, o := range r.Overrides {
		text := "still in force"
		switch {
		case o.Until != nil && o.EndedBy == byPerson:
			text = "ended by a person at " + r.clock(*o.Until)
		case o.Until != nil:
			text = "ended at its time, " + r.clock(*o.Until)
		case o.Planned != nil:
			text += ", until " + r.clock(*o.Planned)
		}
		s.Rows = append(s.Rows, []string{r.clock(o.From), o.Kind, text})
	}
	return s
}

func (r Record) people() section {
	s := section{Title: "Who won", Note: r.rest("people")}
	for _, t := range r.Takings {
		name := r.nameOf(t.Target)
		text := fmt.Sprintf("A person, over %s: %s", name, strings.TrimPrefix(t.What, name+": "))
		switch {
		case t.Until != nil:
			text += "; powermgr took over again at " + r.clock(*t.Until)
		case t.Held:
			text += "; still set by a person"
		}
		s.Rows = append(s.Rows, []string{r.clock(t.At), text})
	}
	return s
}

func (r Record) vendors() section {
	s := section{Title: "Vendors", Head: []string{"", "calls", "failed", "no answer"}, Figures: true}
	for _, name := range []string{"powerwall", "thermostats", "weather"} {
		v, ok := r.Vendors[name]
		if !ok {
			continue
		}
		s.Rows = append(s.Rows, []string{strings.ToUpper(name[:1]) + name[1:], fmt.Sprint(v.Calls), fmt.Sprint(v.Failed), fmt.Sprintf("%.0f min", v.MinutesOffline)})
		if v.LastProblem != "" && v.LastProblemAt != nil {
			s.Note += fmt.Sprintf("%s, last at %s: %s. ", strings.ToUpper(name[:1])+name[1:], r.clock(*v.LastProblemAt), strings.TrimSuffix(v.LastProblem, "."))
		}
	}
	s.Note = strings.TrimSpace(s.Note)
	return s
}

// unknowns is what is not known of the day.
func (r Record) unknowns() section {
	s := section{Title: "What is not known", Note: r.rest("gaps")}
	if r.From.Sub(r.start) >= longestGap {
		s.Rows = append(s.Rows, []string{r.clock(r.start) + "–" + r.clock(r.From), "nothing was recorded yet"})
	}
	for _, g := range r.Gaps {
		s.Rows = append(s.Rows, []string{r.clock(g.From) + "–" + r.clock(g.Until), g.Why})
	}
	if n := r.LeftOut["messages"]; n > 0 {
		s.Rows = append(s.Rows, []string{fmt.Sprint(n), "some messages were lost or could not be read"})
	}
	return s
}

// rest says how many of a list did not fit.
func (r Record) rest(list string) string {
	if n := r.LeftOut[list]; n > 0 {
		return fmt.Sprintf("And %d more.", n)
	}
	return ""
}
