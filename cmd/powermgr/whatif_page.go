package main

import (
	"fmt"
	"os"
	"path/filepath"

	"powermgr/control/tariff"
	"powermgr/control/whatif"
	"powermgr/control/whatif/webpage"
)

// keep makes a setup record the slots of its policies, for a page.
func keep(s whatif.Setup) map[string]*[]whatif.SlotOutcome {
	all := map[string]*[]whatif.SlotOutcome{}
	for _, name := range s.Policies {
		if name == whatif.NoBattery || name == whatif.Foresight {
			continue // no page shows a day of them
		}
		slots := new([]whatif.SlotOutcome)
		all[name] = slots
		s.Each[name] = func(l whatif.SlotOutcome) { *slots = append(*slots, l) }
	}
	return all
}

// page writes a page with the results of l and other cases of the same year, and the
// assumptions.
func (l comparison) page(file string, cases []whatif.Case, assumed []string) error {
	p := webpage.Page{
		Title: fmt.Sprintf("%s, %s", filepath.Base(l.File), whatif.Length(l.Days)), Cases: cases, Zone: l.zone, Free: l.free, Currency: l.Currency,
		Money: tariff.Table{Currency: l.Currency}.Amount, Assumptions: assumed, Notices: l.Notices, Slots: map[string][]whatif.SlotOutcome{},
	}
	if l.Gaps > 0 {
		p.Notices = append(p.Notices, l.unmeasured()+".")
	}
	for name, slots := range l.slots {
		p.Slots[name] = *slots
	}
	html, err := p.HTML()
	if err != nil {
		return err
	}
	return os.WriteFile(file, html, 0o644)
}

// writable checks whether a file can be written, and leaves it as it was: if the run
// fails later, there must be no empty file.
func writable(path string) error {
	_, before := os.Stat(path)
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil || before == nil {
		return err
	}
	return os.Remove(path)
}
