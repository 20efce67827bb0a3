package main_test

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

var commandLine = regexp.MustCompile(`(?m)(?:^    |` + "`" + `)(sudo )?(?:build/)?powermgr ([a-z][^` + "`" + `\n]*)`)

// readsTheService matches commands that want the service's configuration, socket or
// files, and so root.
var readsTheService = regexp.MustCompile(`^(auth|discovery|history|live|notify|plan|report|restore|setup|support-bundle|what-if --from)\b`)

// Each command that the documents name exists, and has the flags that they use.
func TestTheDocumentsNameCommandsThatThereAre(t *testing.T) {
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	help := map[string]string{}
	for _, file := range []string{"../../README.md", "../../deploy/GUIDE.md"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		found := commandLine.FindAllStringSubmatch(string(text), -1)
		if len(found) < 5 {
			t.Errorf("%s has %d commands", file, len(found))
		}
		for _, m := range found {
			line, _, _ := strings.Cut(m[2], " && ")
			line, _, _ = strings.Cut(line, "#")
			if m[1] == "" && readsTheService.MatchString(line) && !strings.Contains(line, "--config ") && strings.Contains(line, " ") {
				t.Errorf("%s: powermgr %s needs sudo", file, line)
			}
			words := strings.Fields(strings.TrimSuffix(strings.TrimSpace(line), "&"))
			of := words[:1]
			if words[0] == "history" && len(words) > 1 && words[1] == "import" || words[0] == "discovery" {
				of = words[:2]
			}
			name := strings.Join(of, " ")
			if help[name] == "" {
				out, err := exec.Command(path, append(append([]string{}, of...), "--help")...).CombinedOutput()
				if err != nil || !strings.Contains(string(out), "powermgr "+name) {
					t.Errorf("%s: there is no powermgr %s: %v\n%s", file, name, err, out)
				}
				help[name] = string(out)
			}
			for _, w := range words {
				if flag, _, _ := strings.Cut(w, "="); strings.HasPrefix(flag, "--") && !strings.Contains(help[name], flag) {
					t.Errorf("%s: powermgr %s has no %s: %s", file, name, flag, line)
				}
			}
		}
	}
}

// Each make target that the documents name exists.
func TestTheDocumentsNameTargetsThatThereAre(t *testing.T) {
	makefile, err := os.ReadFile("../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile("(?m)(?:^    |`)make ([a-z][a-z-]*)")
	for _, file := range []string{"../../README.md", "../../deploy/GUIDE.md", "../../.github/CONTRIBUTING.md"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range named.FindAllStringSubmatch(string(text), -1) {
			if !regexp.MustCompile("(?m)^" + m[1] + "( [a-z0-9 -]*)?:").Match(makefile) {
				t.Errorf("%s: there is no make %s", file, m[1])
			}
		}
	}
}
