package report

import (
	"strings"
	"testing"
)

// A day that had filled the battery for the next one was headed "cost $0.79 more",
// though it had saved $1.77.
func TestTheHeadlineIsNetOfWhatStaysInTheBattery(t *testing.T) {
	p := func(v float64) *float64 { return &v }
	for _, tt := range []struct {
		name          string
		peak, other   float64 // from the grid with powermgr, kWh; without it 10 and 0
		endPercent    float64
		endKWh        float64 // without powermgr
		want, wantNot string
	}{
		{"most is stored", 0, 10.79 / 0.2, 100, 0.7, ": $1.77 saved, counting $2.56 stored for tomorrow", "more"},
		{"nothing is stored", 0, 5, 10, 1.35, ": $9.00 saved", "stored"},
		{"the battery ended lower", 0, 5, 0, 1.35, ": $8.73 saved", "stored"},
		{"it did cost more", 10, 5, 10, 1.35, ": cost $1.00 more", "saved"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := hotDay(t, false).midnight()
			r.Tariff = Tariff{Currency: "$", PeakPerKWh: 1, OffPeakPerKWh: 0.2}
			r.Counterfactual.CapacityKWh, r.Counterfactual.StartKWh, r.Counterfactual.EndKWh = p(13.5), p(1), p(tt.endKWh)
			r.Counterfactual.Actual, r.Counterfactual.Alone = Grid{PeakIn: tt.peak, OtherIn: tt.other}, Grid{PeakIn: 10}
			r.Charge.End.Value = tt.endPercent
			got := Headline(r)
			if !strings.Contains(got, tt.want) || strings.Contains(got, tt.wantNot) {
				t.Errorf("%q", got)
			}
		})
	}
}
