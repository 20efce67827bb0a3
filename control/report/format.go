package report

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// Formats figures and times for people.

// clock writes a time of the day in the home's time zone.
func (r Record) clock(t time.Time) string {
	switch t = t.In(r.zone); {
	case t.Equal(r.end):
		return "24:00"
	case t.Before(r.start) || t.After(r.end):
		return t.Format("Mon 15:04")
	}
	return t.Format("15:04")
}

func (r Record) percentAt(e *Extreme) string {
	if e == nil {
		return unknown
	}
	return fmt.Sprintf("%.0f %% at %s", e.Value, r.clock(e.At))
}

// day writes a date the way people do: July 14.
func day(date string) string {
	t, err := time.Parse(time.DateOnly, date)
	if err != nil {
		return date
	}
	return t.Format("January 2")
}

func percentOf(part *float64, whole float64) string {
	return fmt.Sprintf("%.0f %%", *part/max(whole, 0.1)*100)
}

// short writes an energy for a headline: 8.1, and 0.04 rather than 0.0.
func short(v *float64) string {
	switch {
	case v == nil:
		return unknown
	case *v > 0.004 && *v < 0.095:
		return fmt.Sprintf("%.2f", *v)
	}
	return fmt.Sprintf("%.1f", *v)
}

func long(v *float64) string {
	if v == nil {
		return unknown
	}
	return fmt.Sprintf("%.2f", tidy(*v))
}

// tidy keeps a figure that is shown with two decimals or less from being "-0.00".
func tidy(v float64) float64 {
	if math.Abs(v) < 0.005 {
		return 0
	}
	return v
}

// money writes an amount with its currency: a sign comes before it, a word after it.
func money(v float64, currency string) string {
	return amount(fmt.Sprintf("%.2f", math.Abs(v)), v < 0, currency)
}

// price writes the price of a kWh, as exactly as it was given.
func price(v float64, currency string) string {
	return amount(fmt.Sprintf("%.4g", math.Abs(v)), v < 0, currency)
}

func amount(text string, negative bool, currency string) string {
	if currency != "" && len([]rune(currency)) == 1 {
		text = currency + text
	} else {
		text = strings.TrimSpace(text + " " + currency)
	}
	if negative {
		return "−" + text
	}
	return text
}

// signed puts the sign of v before its text.
func signed(v float64, text string) string {
	switch v = tidy(v); {
	case v > 0:
		return "+" + text
	case v < 0:
		return "−" + text
	}
	return text
}

// sentence begins a sentence with a capital letter.
func sentence(s string) string {
	if s == "" {
		return s
	}
	first := []rune(s)[0]
	return strings.ToUpper(string(first)) + strings.TrimPrefix(s, string(first))
}
