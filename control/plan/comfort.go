package plan

import "time"

// Comfort is the plan for the thermostats around a peak: how far to cool below their
// set points, how long before the peak to begin, and how far to set them back in it.
type Comfort struct {
	// Planned is false if the fixed rule decides; Reason then says why.
	Planned     bool        `json:"planned"`
	Reason      string      `json:"reason"`
	PeakStart   time.Time   `json:"peak_start,omitzero"`
	PeakEnd     time.Time   `json:"peak_end,omitzero"`
	PrecoolF    float64     `json:"precool_f"`
	LeadMinutes int         `json:"lead_minutes"`
	SetbackF    float64     `json:"setback_f"`
	Candidates  []Candidate `json:"candidates,omitempty"` // best first
}

// A Candidate is one way to set the thermostats around a peak.
type Candidate struct {
	PrecoolF    float64 `json:"precool_f"`
	LeadMinutes int     `json:"lead_minutes"`
	SetbackF    float64 `json:"setback_f"`
	// Cost is what the time ahead would cost with it, in the currency: the bill, plus
	// weights on the kWh of expensive hours and on the degrees away from the set points.
	Cost float64 `json:"cost"`
}

// Lead returns how long before the peak precooling begins.
func (c Candidate) Lead() time.Duration { return time.Duration(c.LeadMinutes) * time.Minute }
