package devices

// API is the payload of powerwall/api, thermostats/api and weather/api, which are
// retained: how one vendor's API is doing.
type API struct {
	AgeSeconds  *float64 `json:"age_seconds"`  // of the last figures; null: there were none yet
	CallsToday  int      `json:"calls_today"`  // in the home's local day, since the start
	FailedToday int      `json:"failed_today"` // of them
	// CallsMonth counts the calls of this node in the home's calendar month that may
	// cost money, and CallsPerMonth is the limit that they are kept below: 0 is no
	// limit. Both are null where no vendor bills.
	CallsMonth    *int `json:"calls_this_month"`
	CallsPerMonth *int `json:"calls_per_month"`

	Failed      int     `json:"failed_in_a_row"` // polls, of late
	Problem     *string `json:"problem"`         // a Kind; null: none
	Reason      *string `json:"reason"`          // what happened, and for some kinds what to do; null: nothing
	Reauthorise bool    `json:"reauthorise"`     // a person has to run powermgr auth
}
