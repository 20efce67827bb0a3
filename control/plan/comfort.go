package plan

import "time"

// Comfort is the plan for the thermostats around a peak: how far to cool below their
// set points, how long before the peak to begin, and how far to set them back in it.
type Comfort struct {
	// Planned is false where the fixed rule is to decide; Reason then says why.
	Planned     bool        `json:"planned"`
	Reason      string      `json:"reason"`
	PeakStart   time.Time   `json:"peak_start,omitzero"`
	PeakEnd     time.Time   `json:"peak_end,omitzero"`
	PrecoolF    float64     `json:"precool_f"`
	LeadMinutes int         `json:"lead_minutes"`
	SetbackF    float64     `json:"setback_f"`
	Candidates  []Candidate `json:"candidates,omitempty"` // the best first
}

// A Candidate is one way to set the thermostats around a peak.
type Candidate struct {
	PrecoolF    float64 `json:"precool_f"`
	LeadMinutes int     `json:"lead_minutes"`
	SetbackF    float64 `json:"setback_f"`
	// Cost is what the time ahead costs with it, in the currency: the bill, with
	// the weight on kWh of expensive hours and on degrees away from the set points.
	Cost float64 `json:"cost"`
}

// Lead returns how long before the peak precooling begins.
func (c Candidate) Lead() time.Duration { return time.Duration(c.LeadMinutes) * time.Minute }
