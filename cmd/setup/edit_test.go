package setup

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSetKeyLeavesTheRest(t *testing.T) {
	ids := []string{"LCC-1", "LCC-2"}
	for _, tt := range []struct {
		name, file, key string
		value           any
		want            string // empty: it cannot be done
	}{
		{"an empty text with a comment", "tesla:\n  base_url: \"\"  # other regions\n  token_url: \"\"\n", "tesla.base_url", "https://eu", "tesla:\n  base_url: \"https://eu\"  # other regions\n  token_url: \"\"\n"},
		{"a plain text", "tesla:\n  base_url: https://na.example\n", "tesla.base_url", "https://eu", "tesla:\n  base_url: \"https://eu\"\n"},
		{"no value", "tesla:\n  base_url:   # empty\n  x: 1\n", "tesla.base_url", "https://eu", "tesla:\n  base_url: \"https://eu\"   # empty\n  x: 1\n"},
		{"a list on a line", "settings:\n  thermostat_ids: []   # yours\n  dry_run: true\n", "settings.thermostat_ids", ids, "settings:\n  thermostat_ids: [\"LCC-1\",\"LCC-2\"]   # yours\n  dry_run: true\n"},
		{"a list over lines", "settings:\n  thermostat_ids:\n    - old-1\n    - \"old-2\"\n  dry_run: true\n", "settings.thermostat_ids", ids, "settings:\n  thermostat_ids:\n    [\"LCC-1\",\"LCC-2\"]\n  dry_run: true\n"},
		{"a key that is not there", "settings:\n    dry_run: true # é\n\nmqtt: {}\n", "settings.thermostat_ids", ids, "settings:\n    thermostat_ids: [\"LCC-1\",\"LCC-2\"]\n    dry_run: true # é\n\nmqtt: {}\n"},
		{"a section in braces", "tesla: {client_id: é, token_file: x}\n", "tesla.base_url", "https://eu", "tesla: {base_url: \"https://eu\", client_id: é, token_file: x}\n"},
		{"a key in braces", "tesla: {client_id: é, base_url: https://na, token_file: x}\n", "tesla.base_url", "https://eu", "tesla: {client_id: é, base_url: \"https://eu\", token_file: x}\n"},
		{"a section that is not there", "mqtt: {}", "tesla.base_url", "https://eu", "mqtt: {}\n\ntesla:\n  base_url: \"https://eu\"\n"},
		{"what it is already", "tesla: {base_url: x}\n", "tesla.base_url", "x", "tesla: {base_url: x}\n"},
		{"no YAML", "tesla: [\n", "tesla.base_url", "x", ""},
		{"a section that is a text", "tesla: off\n", "tesla.base_url", "x", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "config.yaml")
			if err := os.WriteFile(path, []byte(tt.file), 0o640); err != nil {
				t.Fatal(err)
			}
			err := SetKey(path, tt.key, tt.value)
			got, _ := os.ReadFile(path)
			switch {
			case tt.want == "":
				if err == nil || string(got) != tt.file || !strings.Contains(err.Error(), "by hand") {
					t.Errorf("got %v, and\n%s", err, got)
				}
			case err != nil || string(got) != tt.want:
				t.Errorf("got %v, and\n%swant\n%s", err, got, tt.want)
			}
			if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o640 {
				t.Errorf("got %v, %v", info.Mode(), err)
			}
		})
	}
}
