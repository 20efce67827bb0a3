package cmd

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// script runs one of this checkout's scripts with some environment variables added, and
// returns its output.
func script(t *testing.T, env []string, path string, args ...string) (out string, err error) {
	t.Helper()
	if path, err = filepath.Abs(path); err != nil {
		t.Fatal(err)
	}
	c := exec.Command(path, args...)
	c.Env = append(os.Environ(), env...)
	b, err := c.CombinedOutput()
	return strings.TrimSpace(string(b)), err
}

func gitHere(t *testing.T, dir string, env []string, args ...string) string {
	t.Helper()
	c := exec.Command("git", args...)
	c.Dir, c.Env = dir, append(os.Environ(), env...)
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// To dpkg, a package of a later commit is an upgrade, although hashes have no order and
// several commits may be of the same second; and so is one with a tag, after those without.
func TestPackageVersionsGoUp(t *testing.T) {
	for _, need := range []string{"git", "dpkg", "bash"} {
		if _, err := exec.LookPath(need); err != nil {
			t.Skip("there is no " + need)
		}
	}
	dir := t.TempDir()
	text, err := os.ReadFile("../deploy/package/version")
	if err == nil {
		err = os.MkdirAll(filepath.Join(dir, "deploy/package"), 0o755)
	}
	at := filepath.Join(dir, "deploy/package/version")
	if err == nil {
		err = os.WriteFile(at, text, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	none := []string{"GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null", "TZ=America/Los_Angeles"}
	version := func() string {
		t.Helper()
		out, err := script(t, none, at)
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if out, err = script(t, none, at, "--debian", out); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return out
	}
	// The versions of earlier packages, with hashes in any order.
	versions := []string{"0~0000000", "0~9169dd4", "0~50c1f54", "0~fffffff", "0~dev", "0~fed1234.dirty"}
	old := len(versions)
	gitHere(t, dir, none, "init", "-q")
	gitHere(t, dir, none, "add", ".")
	commit := func(when time.Time) {
		date := when.Format(time.RFC3339)
		gitHere(t, dir, append(none, "GIT_COMMITTER_DATE="+date, "GIT_AUTHOR_DATE="+date), "-c", "user.name=a", "-c", "user.email=a@example.com", "commit", "-q", "--allow-empty", "-m", date)
	}
	noon := time.Date(2026, 7, 15, 12, 0, 0, 0, time.UTC)
	for _, after := range []time.Duration{0, 0, 0, time.Second, time.Hour, 10 * time.Hour, 24 * time.Hour, 90 * 24 * time.Hour} {
		commit(noon.Add(after))
		versions = append(versions, version())
	}
	if err := os.WriteFile(at, append(text, '\n'), 0o755); err != nil {
		t.Fatal(err)
	}
	versions = append(versions, version())
	gitHere(t, dir, none, "checkout", "-q", ".")
	gitHere(t, dir, none, "tag", "v0.1.0")
	versions = append(versions, version())
	commit(noon.AddDate(1, 0, 0))
	versions = append(versions, version())
	gitHere(t, dir, none, "tag", "v0.2.0")
	versions = append(versions, version())
	for i := old; i < len(versions); i++ {
		for j := range i {
			if out, err := exec.Command("dpkg", "--compare-versions", versions[j]+"-1", "lt", versions[i]+"-1").CombinedOutput(); err != nil {
				t.Errorf("%s is not before %s %s", versions[j], versions[i], out)
			}
		}
	}
	t.Log(versions)
}

// Home Assistant offers an update when the version of an add-on is higher, number by
// number.
func TestAddonVersionsAreNumbers(t *testing.T) {
	if _, err := exec.LookPath("bash"); err != nil {
		t.Skip("there is no bash")
	}
	for version, want := range map[string]string{
		"git20261127.134608.300-g505778d": "20261127.134608.300", "git20261127.134608.300-g505778d-dirty": "20261127.134608.300",
		"v0.2.0": "0.2.0", "v0.2.0-12-gabc1234": "0.2.0.12", "v0.2.0-12-gabc1234-dirty": "0.2.0.12", "0.2.0": "0.2.0", "dev": "dev",
	} {
		if out, err := script(t, nil, "../deploy/package/version", "--addon", version); err != nil || out != want {
			t.Errorf("%s is %q, want %q: %v", version, out, want, err)
		}
	}
}

// A Go that is too old, or a missing C compiler, is reported before anything is
// downloaded.
func TestWhatGoIsThereIsSeenFirst(t *testing.T) {
	if _, err := exec.LookPath("bash"); err != nil {
		t.Skip("there is no bash")
	}
	const missing = "missing"
	for _, c := range []struct {
		name    string
		version string // go env GOVERSION
		env     []string
		fails   bool
		says    string
	}{
		{"none", missing, nil, true, "install it from https://go.dev/dl/"},
		{"this one", "go1.26.8", nil, false, ""},
		{"the oldest that works", "go1.26.0", []string{"GOTOOLCHAIN=local"}, false, ""},
		{"a later one", "go1.103.1", nil, false, ""},
		{"a development version", "devel go1.27-abcdef", nil, false, ""},
		{"with an experiment", "go1.26.1 X:nodwarf5", nil, false, ""},
		{"older, and may download", "go1.24.4", []string{"GOTOOLCHAIN=auto"}, false, "go fetches the newer one first (GOTOOLCHAIN=auto)"},
		{"older, and may download by its own settings", "go1.24.4", nil, false, "go fetches the newer one first (GOTOOLCHAIN=auto)"},
		{"older, and may not download", "go1.24.4", []string{"GOTOOLCHAIN=local"}, true, "run make with GOTOOLCHAIN=auto"},
		{"too old to download", "go1.19.8", nil, true, "cannot fetch a newer one"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			if c.version != missing {
				fake := "#!/bin/sh\ncase $2 in GOVERSION) echo '" + c.version + "';; GOTOOLCHAIN) echo auto;; esac\n"
				if err := os.WriteFile(filepath.Join(dir, "go"), []byte(fake), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			out, err := script(t, append([]string{"GO=" + filepath.Join(dir, "go"), "GOTOOLCHAIN="}, c.env...), "../.ci/toolchain", "go")
			if (err != nil) != c.fails || !strings.Contains(out, c.says) || c.says == "" && out != "" || strings.Contains(out, "\n") {
				t.Errorf("%v %q, want %q in one line", err, out, c.says)
			}
		})
	}
	for _, c := range []struct{ name, arch, cc, cgo, want string }{
		{"a compiler", "amd64", "true", "1", "-race"},
		{"a compiler with options", "arm64", "true -pipe", "1", "-race"},
		{"none", "amd64", "/nonexistent/cc", "0", "does not compile (Debian: apt install build-essential)"},
		{"without headers", "amd64", "false", "1", "does not compile (Debian: apt install build-essential)"},
		{"cgo is off", "amd64", "true", "0", "CGO_ENABLED is 0"},
		{"no detector", "arm", "true", "1", "there is none for arm"},
	} {
		t.Run("race: "+c.name, func(t *testing.T) {
			fake := filepath.Join(t.TempDir(), "go")
			text := "#!/bin/sh\ncase $2 in CC) echo '" + c.cc + "';; GOARCH) echo " + c.arch + ";; CGO_ENABLED) echo " + c.cgo + ";; esac\n"
			if err := os.WriteFile(fake, []byte(text), 0o755); err != nil {
				t.Fatal(err)
			}
			if out, err := script(t, []string{"GO=" + fake}, "../.ci/toolchain", "race"); err != nil || !strings.Contains(out, c.want) || strings.Contains(out, "\n") {
				t.Errorf("%v %q, want %q in one line", err, out, c.want)
			}
		})
	}
}
