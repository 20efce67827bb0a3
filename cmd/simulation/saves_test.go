package simulation

import (
	"testing"
)

// TestWritesToTheCard counts the writes to the disk of the journal, an SD card in most
// homes.
func TestWritesToTheCard(t *testing.T) {
	var before, after int
	lives(t, hot(1, "tcc"), func(d *day) {
		d.on("20:30", func() { before = d.nodes[0].saves() })
		d.on("21:30", func() { after = d.nodes[0].saves() })
	})
	if after != before {
		t.Errorf("%d writes in a quiet hour", after-before)
	}
	most := 0
	for seed := range uint64(10) {
		// Days of people who change their minds, in summer and in winter.
		most = max(most, live(t, Options{Seed: seed, Faults: None}).Saves)
	}
	t.Logf("at most %d writes on 10 busy days; %d on a hot one", most, after)
	if most > 40 || after > 40 {
		t.Errorf("%d writes on a busy day", max(most, after))
	}
}
