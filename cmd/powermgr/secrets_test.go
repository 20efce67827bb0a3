package main_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"powermgr/bridge/brokertest"
)

// No secret is ever shown: not in a debug log, on a topic, in a file, in a mail or on a
// page; neither when all is well nor when every vendor refuses the secret.
func TestNothingSecretIsSaid(t *testing.T) {
	const mark = "s3cr3t-mark-"
	for name, edit := range map[string]func(h *home){
		"all is well": func(h *home) {},
		"everybody refuses": func(h *home) {
			h.edit("api_token: emulator-access", "api_token: "+mark+"tesla")
			h.edit("password: emulator-password", "password: "+mark+"honeywell")
		},
	} {
		t.Run(name, func(t *testing.T) {
			h, box := newHome(t, "now"), newPostbox(t)
			h.edit("mqtt: {", "mqtt: {username: powermgr, password: "+mark+"mqtt, ")
			mail := strings.Replace(box.config(), "smtp: {", "smtp: {username: home@example.com, password: "+mark+"mail, ", 1)
			h.edit("ha: {node: test}", "ha: {node: test}\nhttp: {listen: ':0'}\nlogging: {level: debug}\n"+mail)
			edit(h)
			person := h.broker.Client(t, brokertest.Login{})
			person.Subscribe(t, "#")
			p := h.start()
			address := regexp.MustCompile(`metrics and health are served.* address=(\S+)`)
			h.until("it has begun", func() bool {
				return address.MatchString(p.log.String()) && len(person.Received("powermgr/powerwall/api", "powermgr/thermostats/api")) >= 2
			})
			h.until("it has a file of the day", func() bool { _, err := os.Stat(filepath.Join(h.dir, "powermgr_day.json")); return err == nil })
			said := map[string]string{"metrics": get(t, "http://"+address.FindStringSubmatch(p.log.String())[1]+"/metrics")}
			for _, args := range [][]string{{"status"}, {"status", "--json"}, {"check-config", h.config}, {"report", "--config", h.config, "--send"}, {"report", "--config", h.config, "--format", "json"}, {"report", "--config", h.config, "--format", "html"},
				{"notify", "--config", h.config, "--test", "info"}, {"notify", "--config", h.config, "--stopped", "powermgr.service"}} {
				said[strings.Join(args, " ")], _ = h.powermgr(args...)
			}
			for _, words := range []string{"No energy data", "this is a test", "powermgr.service has stopped"} {
				if len(box.with(words)) == 0 {
					t.Errorf("no mail with %q has arrived", words)
				}
			}
			said["log"] = p.log.String()
			for _, m := range person.Received() {
				said[m.Topic] += m.Payload
			}
			for _, l := range box.with("") {
				said["mail"] += l.subject + l.text + l.html
			}
			tokens := map[string]bool{"honeywell.json": true, "config.yaml": true}
			err := filepath.WalkDir(h.dir, func(path string, d os.DirEntry, err error) error {
				if err != nil || !d.Type().IsRegular() || tokens[d.Name()] {
					return err
				}
				b, err := os.ReadFile(path)
				said[path] = string(b)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			if len(said) < 15 {
				t.Errorf("only %d places were checked", len(said))
			}
			for where, text := range said {
				for _, secret := range []string{mark, "emulator-access", "emulator-password"} {
					if i := strings.Index(text, secret); i >= 0 {
						t.Errorf("%s contains a secret: …%s…", where, text[max(0, i-60):min(len(text), i+60)])
					}
				}
			}
		})
	}
}
