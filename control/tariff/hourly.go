package tariff

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"sort"
	"time"
)

// worthwhile is the factor by which the highest price has to exceed the lowest for there
// to be expensive hours.
const worthwhile = 1.25

// ExpensiveAbove returns the price above which an hour is expensive if nothing says which
// hours are: halfway between the lowest and the highest price of a day. ok is false for a
// day whose prices are nearly the same.
func ExpensiveAbove(prices []float64) (above float64, ok bool) {
	if len(prices) == 0 {
		return 0, false
	}
	low, high := slices.Min(prices), slices.Max(prices)
	return (low + high) / 2, high > 0 && high > worthwhile*low
}

// A Quote is a price for a period of time.
type Quote struct {
	Start, End time.Time
	Import     float64 // per kWh; it may be negative
	Export     float64
}

// Quotes are hourly prices, in order, without overlaps; they may have gaps.
type Quotes []Quote

// Upper limits: a month of quarter hours, and a price that nobody pays.
const (
	maxQuotes = 31 * 96
	maxPrice  = 1000
)

// ParseQuotes parses a JSON list of {"start", "end", "price"}, with "export" if exported
// energy is paid for. Times are in RFC 3339, with an offset. The entries may be in any
// order. An error says which entry is wrong, and how.
func ParseQuotes(b []byte) (Quotes, error) {
	var entries []json.RawMessage
	if err := json.Unmarshal(b, &entries); err != nil {
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			return nil, fmt.Errorf("it is not JSON: %w at byte %d", err, syntax.Offset)
		}
		return nil, errors.New(`it has to be a list: [{"start": "2026-07-15T16:00:00-07:00", "end": "2026-07-15T17:00:00-07:00", "price": 0.54}]`)
	}
	if len(entries) == 0 {
		return nil, errors.New("the list is empty")
	}
	if len(entries) > maxQuotes {
		return nil, fmt.Errorf("it has %d entries, more than the %d of a month in quarter hours", len(entries), maxQuotes)
	}
	all := make(Quotes, 0, len(entries))
	for i, raw := range entries {
		q, err := parseQuote(raw)
		if err != nil {
			return nil, fmt.Errorf("entry %d: %w", i+1, err)
		}
		all = append(all, q)
	}
	slices.SortStableFunc(all, func(a, b Quote) int { return a.Start.Compare(b.Start) })
	for i := 1; i < len(all); i++ {
		if all[i].Start.Before(all[i-1].End) {
			return nil, fmt.Errorf("there are two prices at %s", all[i].Start.Format(time.RFC3339))
		}
	}
	return all, nil
}

func parseQuote(raw json.RawMessage) (Quote, error) {
	var e struct {
		Start  *string  `json:"start"`
		End    *string  `json:"end"`
		Price  *float64 `json:"price"`
		Export *float64 `json:"export"`
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&e); err != nil {
		var kind *json.UnmarshalTypeError
		if errors.As(err, &kind) && kind.Field != "" {
			return Quote{}, fmt.Errorf("%s is a %s and has to be %s", kind.Field, kind.Value, map[string]string{"float64": "a number", "string": "a time in quotes"}[kind.Type.String()])
		}
		return Quote{}, fmt.Errorf("it has to have start, end and price: %w", err)
	}
	if e.Start == nil || e.End == nil || e.Price == nil {
		return Quote{}, errors.New("it has to have start, end and price")
	}
	q := Quote{Import: *e.Price}
	for _, x := range []struct {
		name, text string
		to         *time.Time
	}{{"start", *e.Start, &q.Start}, {"end", *e.End, &q.End}} {
		at, err := time.Parse(time.RFC3339, x.text)
		if err != nil {
			return Quote{}, fmt.Errorf("%s %.40q is not a time with an offset such as 2026-07-15T16:00:00-07:00", x.name, x.text)
		}
		*x.to = at
	}
	if e.Export != nil {
		q.Export = *e.Export
	}
	switch {
	case !q.Start.Before(q.End):
		return Quote{}, fmt.Errorf("end %s is not after start %s", *e.End, *e.Start)
	case q.End.Sub(q.Start) > 25*time.Hour:
		return Quote{}, fmt.Errorf("it lasts %v: one price holds for a day at most", q.End.Sub(q.Start))
	case math.Abs(q.Import) > maxPrice || math.Abs(q.Export) > maxPrice:
		return Quote{}, fmt.Errorf("a price of %g for a kWh is more than can be", max(math.Abs(q.Import), math.Abs(q.Export)))
	}
	return q, nil
}

// At returns the price at an instant; ok is false if none is known.
func (q Quotes) At(at time.Time) (Quote, bool) {
	i := sort.Search(len(q), func(i int) bool { return at.Before(q[i].End) })
	if i == len(q) || at.Before(q[i].Start) {
		return Quote{}, false
	}
	return q[i], true
}

// Until returns until when prices are known from an instant on, without a gap; the
// instant itself if none is known then.
func (q Quotes) Until(at time.Time) time.Time {
	for _, x := range q {
		if !at.Before(x.Start) && at.Before(x.End) {
			at = x.End
		}
	}
	return at
}

// End returns when the last price ends; zero if there are none.
func (q Quotes) End() time.Time {
	if len(q) == 0 {
		return time.Time{}
	}
	return q[len(q)-1].End
}

// Price returns the price at an instant, and whether that is an expensive hour of its
// local day.
func (q Quotes) Price(at time.Time, zone *time.Location) (Price, bool) {
	x, ok := q.At(at)
	if !ok {
		return Price{}, false
	}
	y, m, d := at.In(zone).Date()
	var day []float64
	for _, o := range q {
		if oy, om, od := o.Start.In(zone).Date(); oy == y && om == m && od == d || o == x {
			day = append(day, o.Import)
		}
	}
	above, worth := ExpensiveAbove(day)
	return Price{Import: x.Import, Export: x.Export, Peak: worth && x.Import > above}, true
}
