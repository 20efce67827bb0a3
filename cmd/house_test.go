package cmd

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// TestWhoMayImportWhom enforces the layers of the packages: shared types at the bottom,
// adapters that do not import each other, cmd at the top.
func TestWhoMayImportWhom(t *testing.T) {
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports", "./...")
	cmd.Dir = ".."
	var complaints strings.Builder
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, &complaints)
	}
	allowed := func(pkg string) (within []string, others bool) {
		switch {
		case pkg == "powermgr/bridge/bus", pkg == "powermgr/devices", pkg == "powermgr/devices/durable":
			return nil, false
		case pkg == "powermgr/control/rules":
			return []string{"powermgr/devices"}, false
		case pkg == "powermgr/devices/cloud":
			return []string{"powermgr/devices", "powermgr/devices/durable"}, false
		case pkg == "powermgr/devices/devicetest":
			return []string{"powermgr/devices", "powermgr/devices/emulator", "powermgr/devices/emulator/openmeteo", "powermgr/devices/emulator/vendors"}, false
		case pkg == "powermgr/devices/emulator/oauth":
			return nil, false
		case pkg == "powermgr/devices/emulator":
			return []string{"powermgr/devices"}, false
		case pkg == "powermgr/devices/emulator/vendors": // the one place that knows all dialects
			return []string{"powermgr/devices/emulator", "powermgr/devices/emulator/tesla", "powermgr/devices/emulator/resideo", "powermgr/devices/emulator/tcc", "powermgr/devices/emulator/openmeteo"}, false
		case strings.HasPrefix(pkg, "powermgr/devices/emulator/"):
			return []string{"powermgr/devices", "powermgr/devices/emulator", "powermgr/devices/emulator/oauth"}, false
		case strings.HasPrefix(pkg, "powermgr/devices/"):
			return []string{"powermgr/devices", "powermgr/devices/cloud", "powermgr/devices/durable"}, false
		case pkg == "powermgr/discovery":
			return []string{"powermgr/devices"}, false
		case pkg == "powermgr/bridge":
			return []string{"powermgr/bridge/bus", "powermgr/devices", "powermgr/devices/durable", "powermgr/discovery"}, true
		case pkg == "powermgr/bridge/brokertest":
			return []string{"powermgr/bridge/bus", "powermgr/bridge/embedded"}, true
		case pkg == "powermgr/control/notify", pkg == "powermgr/control/report": // mail and charts need libraries
			return []string{"powermgr/control", "powermgr/control/plan", "powermgr/control/battery", "powermgr/control/rules", "powermgr/control/health", "powermgr/bridge/bus", "powermgr/devices", "powermgr/devices/durable"}, true
		case pkg == "powermgr/control/battery", pkg == "powermgr/control/history", pkg == "powermgr/control/forecast", pkg == "powermgr/control/thermal":
			return nil, false
		case pkg == "powermgr/control/tariff":
			return []string{"powermgr/control/rules"}, false
		case pkg == "powermgr/control/plan":
			return []string{"powermgr/control/battery", "powermgr/control/forecast"}, false
		case pkg == "powermgr/control/whatif":
			return []string{"powermgr/control/battery", "powermgr/control/history", "powermgr/control/forecast", "powermgr/control/plan", "powermgr/control/tariff"}, false
		case pkg == "powermgr/control/whatif/webpage": // charts need a library
			return []string{"powermgr/control/whatif"}, true
		case pkg == "powermgr/control/health":
			return []string{"powermgr/control", "powermgr/control/rules", "powermgr/bridge/bus", "powermgr/devices"}, false
		case pkg == "powermgr/control/page": // a client of the bus like any other
			return []string{"powermgr/control", "powermgr/control/rules", "powermgr/control/plan", "powermgr/control/health", "powermgr/bridge/bus", "powermgr/devices"}, false
		case pkg == "powermgr/control/planner":
			return []string{"powermgr/control/battery", "powermgr/control/forecast", "powermgr/control/plan", "powermgr/control/rules", "powermgr/control/tariff", "powermgr/control/thermal", "powermgr/bridge/bus", "powermgr/devices"}, false
		case strings.HasPrefix(pkg, "powermgr/control"):
			return []string{"powermgr/control/plan", "powermgr/control/rules", "powermgr/control/journal", "powermgr/bridge/bus", "powermgr/devices", "powermgr/devices/durable"}, false
		}
		return nil, true
	}
	rooms := map[string][]string{ // which packages within cmd may import each other
		"powermgr/cmd/config":  nil,
		"powermgr/cmd/pair":    nil,
		"powermgr/cmd/local":   {"powermgr/cmd/config", "powermgr/cmd/pair"},
		"powermgr/cmd/records": {"powermgr/cmd/config"},
		"powermgr/cmd/setup":   {"powermgr/cmd/config"},
		"powermgr/cmd/daemon":  {"powermgr/cmd/config", "powermgr/cmd/pair", "powermgr/cmd/local", "powermgr/cmd/records"},
	}
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p struct {
			ImportPath string
			Imports    []string
		}
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(p.ImportPath, "powermgr/cmd") {
			inner, held := rooms[p.ImportPath]
			for _, i := range p.Imports {
				if held && strings.HasPrefix(i, "powermgr/cmd") && !slices.Contains(inner, i) {
					t.Errorf("%s imports %s", p.ImportPath, i)
				}
			}
			continue
		}
		within, others := allowed(p.ImportPath)
		for _, i := range p.Imports {
			switch {
			case strings.HasPrefix(i, "powermgr/") && !slices.Contains(within, i):
				t.Errorf("%s imports %s", p.ImportPath, i)
			case !strings.HasPrefix(i, "powermgr/") && strings.Contains(strings.Split(i, "/")[0], ".") && !others:
				t.Errorf("%s imports %s, which is not the standard library", p.ImportPath, i)
			}
		}
	}
}

// TestThePahoLibraryHasOneDoor: one file uses it, and one explains its errors.
func TestThePahoLibraryHasOneDoor(t *testing.T) {
	cmd := exec.Command("git", "grep", "-l", "--untracked", `"github.com/eclipse/paho.golang`, "--", "*.go")
	cmd.Dir = ".."
	out, err := cmd.Output()
	if err != nil {
		t.Skip("not a git checkout")
	}
	files := slices.DeleteFunc(strings.Fields(string(out)), func(f string) bool { return strings.HasSuffix(f, "_test.go") })
	if !slices.Equal(files, []string{"bridge/link_explain.go", "bridge/link_paho.go"}) {
		t.Errorf("paho is imported by %v", files)
	}
}

// TestTheTopLevel checks that the top level of the repository has nothing unexpected.
func TestTheTopLevel(t *testing.T) {
	cmd := exec.Command("git", "ls-files")
	cmd.Dir = ".."
	out, err := cmd.Output()
	if err != nil {
		t.Skip("not a git checkout")
	}
	house := []string{"cmd", "bridge", "devices", "discovery", "control", "deploy", "docker-compose.yml", "go.mod", "go.sum", "Makefile", "README.md", "LICENSE", "CHANGELOG.md"}
	for f := range strings.FieldsSeq(string(out)) {
		top, _, _ := strings.Cut(f, "/")
		if !strings.HasPrefix(top, ".") && !slices.Contains(house, top) {
			t.Errorf("%s is unexpected at the top level", top)
		}
	}
}

// TestTheWordsDoNoIO: the packages that decide open no file and no connection, and so
// neither may the shared types in devices, which they import.
func TestTheWordsDoNoIO(t *testing.T) {
	cmd := exec.Command("git", "grep", "-nE", "--untracked", `"(os|os/.*|syscall|net/http|io/fs)"$`, "--", "devices/*.go", "control/rules/*.go")
	cmd.Dir = ".."
	out, _ := cmd.Output() // git grep fails when nothing matches
	for line := range strings.SplitSeq(strings.TrimSpace(string(out)), "\n") {
		file, _, _ := strings.Cut(line, ":")
		if dir, _, _ := strings.Cut(strings.TrimPrefix(file, "devices/"), "/"); strings.HasSuffix(file, "_test.go") || strings.HasPrefix(file, "devices/") && !strings.HasSuffix(dir, ".go") {
			continue // a folder below devices is a vendor, or the disk
		}
		if file != "" {
			t.Errorf("%s imports a package that does I/O", line)
		}
	}
}
