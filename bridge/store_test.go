package bridge_test

import (
	"os"
	"path/filepath"
	"testing"

	"powermgr/bridge"
)

// FuzzStateFile reads a state file of any content, and writes it.
func FuzzStateFile(f *testing.F) {
	for _, text := range []string{``, `{}`, `null`, `[]`, `{"energy":{"solar_kwh":12.5}}`, `{"energy":null}`, `{"energy":1e999}`, "{\"energy\":\x00"} {
		f.Add([]byte(text))
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, content []byte) {
		path := filepath.Join(dir, "state.json")
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		s := bridge.NewFileStore(path)
		var kept map[string]float64
		_ = s.Load("energy", &kept)
		if err := s.Save("energy", map[string]float64{"solar_kwh": 1}); err != nil {
			t.Fatalf("it cannot be written any more: %v", err)
		}
		kept = nil
		if err := s.Load("energy", &kept); err != nil || kept["solar_kwh"] != 1 {
			t.Fatalf("%v, %v", kept, err)
		}
	})
}
