// Package webpage renders a replayed year as a page for a browser: the answer in a
// sentence, the figures and their assumptions, the months, and the best and the worst
// day. The page loads nothing from elsewhere, and is readable on a phone, in light and
// dark mode.
package webpage

import (
	"bytes"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"slices"
	"strings"
	"time"

	"powermgr/control/whatif"
)

// A Page is what is shown.
type Page struct {
	Title string // such as "home.csv, 358 days"
	Cases []whatif.Case
	// Slots are those of the first case, by policy. Without those of a policy there
	// are no days to show.
	Slots       map[string][]whatif.SlotOutcome
	Zone        *time.Location
	Free        func(day time.Time) bool // no working day
	Money       func(amount float64) string
	Currency    string // for the heads of tables; empty: unknown
	Assumptions []string
	Notices     []string // what was noticed in the data
}

//go:embed page.html
var source string

var layout = template.Must(template.New("page").Parse(source))

// A table is rows of cells; the first cell of each is its name.
type table struct {
	Title string
	Head  []string
	Rows  [][]string
	Note  string
}

// A key is what a color of a picture is for.
type key struct{ Name, Class string }

// A figure is a picture in four versions.
type figure struct {
	Title, Text, Alt string
	Keys             []key
	Note             string
	Wide, WideDark   template.Srcset
	Slim, SlimDark   template.Srcset
}

// HTML is the page.
func (p Page) HTML() ([]byte, error) {
	content := struct {
		Title       string
		Answers     []string
		Tables      []table
		Figures     []figure
		Assumptions []string
		Notices     []string
	}{Title: p.Title, Answers: whatif.Sentences(p.Cases, p.Money), Assumptions: p.Assumptions, Notices: p.Notices}
	if len(p.Cases) > 1 {
		content.Tables = append(content.Tables, p.sideBySide())
	}
	for _, c := range p.Cases {
		content.Tables = append(content.Tables, p.tables(c)...)
	}
	for _, draw := range []func() ([]figure, error){p.months, p.days} {
		figures, err := draw()
		if err != nil {
			return nil, err
		}
		for i := range figures {
			if len(p.Cases) > 1 {
				figures[i].Title += ": " + p.name(p.Cases[0])
			}
		}
		content.Figures = append(content.Figures, figures...)
	}
	var b bytes.Buffer
	if err := layout.Execute(&b, content); err != nil {
		return nil, fmt.Errorf("webpage: %w", err)
	}
	return b.Bytes(), nil
}

// name is what a case is called among the others.
func (p Page) name(c whatif.Case) string {
	name := c.Among(p.Cases)
	if c.Tariff != "" {
		name = c.Tariff + ", " + name
	}
	return name
}

// sideBySide are the bills of all cases.
func (p Page) sideBySide() table {
	names := slices.DeleteFunc([]string{whatif.NoBattery, whatif.Alone, whatif.Rule, whatif.Planned}, func(name string) bool {
		_, ok := p.Cases[0].Results[name]
		return !ok
	})
	t := table{Title: "Side by side", Head: append([]string{""}, names...), Note: "Bills for " + whatif.Length(p.Cases[0].Days) + strings.TrimSuffix(" in "+strings.ToUpper(p.Currency), " in ") + "."}
	for _, c := range p.Cases {
		row := []string{p.name(c)}
		for _, name := range names {
			row = append(row, fmt.Sprintf("%.2f", c.Results[name].Bill))
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

// tables are the figures of a case: what it costs, and what the battery does for it.
// Each is narrow enough for a phone.
func (p Page) tables(c whatif.Case) []table {
	of := "battery of " + whatif.Describe(c.Battery)
	if c.Tariff != "" {
		of = "tariff " + c.Tariff + ", " + of
	}
	costs := table{
		Title: "What it costs", Head: []string{"", strings.TrimSpace("bill " + strings.ToUpper(p.Currency)), "of no battery", "of the way"},
		Note: fmt.Sprintf("For %s, %s. Energy alone, without fixed charges. “Of the way” is how far a policy goes from self-consumption to perfect foresight, which knows the year before it is lived.", whatif.Length(c.Days), of),
	}
	does := table{
		Title: "What flows", Head: []string{"", "bought in expensive hours", "bought", "fed in", "cycles", "writes a day"},
		Note: "Bought from the grid and fed in are in kWh. A cycle is the whole capacity given once; a write is a change of the reserve.",
	}
	if len(p.Cases) > 1 {
		costs.Title += ": " + p.name(c)
		does.Title += ": " + p.name(c)
	}
	for _, name := range whatif.Names() {
		r, ok := c.Results[name]
		if !ok {
			continue
		}
		share, way := "", ""
		if none, ok := c.Results[whatif.NoBattery]; ok && none.Bill > 0 {
			share = fmt.Sprintf("%.0f %%", 100*r.Bill/none.Bill)
		}
		if x, ok := c.Way(name); ok && name != whatif.NoBattery {
			way = fmt.Sprintf("%.0f %%", 100*x)
		}
		costs.Rows = append(costs.Rows, []string{name, fmt.Sprintf("%.2f", r.Bill), share, way})
		does.Rows = append(does.Rows, []string{name, fmt.Sprintf("%.0f", r.ExpensiveImport), fmt.Sprintf("%.0f", r.Import), fmt.Sprintf("%.0f", r.Export), fmt.Sprintf("%.0f", r.Cycles), fmt.Sprintf("%.1f", r.WritesADay)})
	}
	if !slices.ContainsFunc(costs.Rows, func(row []string) bool { return row[3] != "" }) { // foresight was left out
		costs.Head = costs.Head[:3]
		for i := range costs.Rows {
			costs.Rows[i] = costs.Rows[i][:3]
		}
		costs.Note, _, _ = strings.Cut(costs.Note, " “Of the way”")
	}
	return []table{costs, does}
}

// picture draws the four versions of a figure.
func (f figure) picture(draw func(s surface) ([]byte, error)) (figure, error) {
	for _, v := range []struct {
		to      *template.Srcset
		surface surface
	}{{&f.Wide, surface{wide, light}}, {&f.WideDark, surface{wide, dark}}, {&f.Slim, surface{slim, light}}, {&f.SlimDark, surface{slim, dark}}} {
		png, err := draw(v.surface)
		if err != nil {
			return f, fmt.Errorf("webpage: %w", err)
		}
		*v.to = template.Srcset("data:image/png;base64," + base64.StdEncoding.EncodeToString(png))
	}
	return f, nil
}

// shown are the policies that the pictures compare: no battery, one that nobody
// steers, and the best way to steer it.
func shown(c whatif.Case) []string {
	names := []string{whatif.NoBattery, whatif.Alone}
	if name, _, ok := c.Steered(); ok && name != whatif.Alone {
		names = append(names, name)
	}
	return slices.DeleteFunc(names, func(name string) bool { return len(c.Results[name].Daily) == 0 })
}

// classes are the colors of policies and quantities in the page's style sheet.
var classes = [3]string{"none", "alone", "steered"}

func keys(names []string) (all []key) {
	for _, name := range names {
		all = append(all, key{name, classes[colorOf(name)]})
	}
	return all
}

// colorOf is which of the three colors a policy has.
func colorOf(name string) int {
	switch name {
	case whatif.NoBattery:
		return 0
	case whatif.Alone:
		return 1
	}
	return 2
}

// A month is what each policy's bill came to in it.
type month struct {
	start time.Time
	bills []float64
}

func (p Page) months() ([]figure, error) {
	if len(p.Cases) == 0 {
		return nil, nil
	}
	c := p.Cases[0]
	names := shown(c)
	if len(names) == 0 {
		return nil, nil
	}
	var all []month
	for i, name := range names {
		for _, d := range c.Results[name].Daily {
			start := time.Date(d.Date.Year(), d.Date.Month(), 1, 0, 0, 0, 0, d.Date.Location())
			at := slices.IndexFunc(all, func(m month) bool { return m.start.Equal(start) })
			if at < 0 {
				at, all = len(all), append(all, month{start, make([]float64, len(names))})
			}
			all[at].bills[i] += d.Bill
		}
	}
	best := len(names) - 1
	most, least := all[0], all[0]
	saved := func(m month) float64 { return m.bills[0] - m.bills[best] }
	for _, m := range all {
		if saved(m) > saved(most) {
			most = m
		}
		if saved(m) < saved(least) {
			least = m
		}
	}
	text := ""
	if best > 0 {
		text = fmt.Sprintf("Against %s, the %s saves most in %s, %s", names[0], names[best], most.start.Format("January 2006"), p.Money(saved(most)))
		if len(all) > 1 {
			text += fmt.Sprintf(", and least in %s, %s", least.start.Format("January 2006"), p.Money(saved(least)))
		}
		text += ". The first and the last month may not be whole ones."
	}
	f := figure{Title: "The bill month by month", Text: text, Alt: "The bill of each month under each policy", Keys: keys(names)}
	f, err := f.picture(func(s surface) ([]byte, error) { return s.months(names, all) })
	return []figure{f}, err
}
