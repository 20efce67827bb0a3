package history

import (
	"strings"
	"testing"
	"time"
)

// Each quarter hour got the first of its prices.
func TestPricesOfFiveMinutesAreAveraged(t *testing.T) {
	s, err := ReadCSV(strings.NewReader("start,load_kwh,price_usd_per_kwh,export_price_usd_per_kwh\n2026-07-15T16:00,1,0.1,0.01\n2026-07-15T16:05,1,0.2,0.02\n2026-07-15T16:10,1,0.6,0.06\n"), time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	if s, err = s.In(15 * time.Minute); err != nil {
		t.Fatal(err)
	}
	if got, want := text(s), "07-15 16:00 load 3 sun - out - price 0.3 0.03\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
