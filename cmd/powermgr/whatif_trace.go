package main

// The slots of one policy, a line each, to check them with another model.

import (
	"bufio"
	"encoding/csv"
	"errors"
	"os"
	"slices"
	"strconv"
	"time"

	"powermgr/control/whatif"
)

// traced returns the policy whose slots are written: the plan, or otherwise the last one
// that is compared.
func (o whatIfFlags) traced() string {
	if slices.Contains(o.policies, whatif.Planned) {
		return whatif.Planned
	}
	return o.policies[len(o.policies)-1]
}

// tracer writes a line for each slot. The stored energy is that at the start of the slot,
// so that another model can start from the first line.
func tracer(name string) (each func(whatif.SlotOutcome), done func() error, err error) {
	f, err := os.Create(name)
	if err != nil {
		return nil, nil, err
	}
	out := bufio.NewWriter(f)
	w := csv.NewWriter(out)
	if err := w.Write([]string{"start", "load_kwh", "solar_kwh", "price_per_kwh", "reserve_percent", "grid_charging", "stored_kwh", "grid_kwh", "export_price_per_kwh"}); err != nil {
		return nil, nil, err
	}
	number := func(v float64) string { return strconv.FormatFloat(v, 'f', 4, 64) }
	each = func(l whatif.SlotOutcome) {
		_ = w.Write([]string{ // Flush reports the error
			l.Start.Format(time.RFC3339), number(l.LoadKWh), number(l.SunKWh), number(l.Import), strconv.Itoa(l.Reserve),
			strconv.FormatBool(l.Charging), number(l.StoredKWh - l.Flow.In + l.Flow.Out + l.Flow.Loss), number(l.Flow.GridIn - l.Flow.GridOut), number(l.Export),
		})
	}
	return each, func() error {
		w.Flush()
		return errors.Join(w.Error(), out.Flush(), f.Close())
	}, nil
}
