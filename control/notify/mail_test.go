package notify_test

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"powermgr/control/health"
	"powermgr/control/notify"
)

func TestDecode(t *testing.T) {
	for _, c := range []struct {
		name, in, wrong string
	}{
		{"a mail", `{"key":"k","level":"info","subject":"s","text":"t","at":"2026-07-15T16:00:00-07:00"}`, ""},
		{"empty", "", "cannot be read"},
		{"cut short", `{"key":"k","level":"in`, "cannot be read"},
		{"no mail", `[1,2]`, "cannot be read"},
		{"null", `null`, "no key"},
		{"no key", `{"level":"info"}`, "no key"},
		{"no such level", `{"key":"k","level":"loud"}`, "no level"},
		{"too long", `{"key":"k","level":"info","text":"` + strings.Repeat("x", notify.MaxMail) + `"}`, "longer"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := notify.Decode([]byte(c.in))
			if (err == nil) != (c.wrong == "") || err != nil && !strings.Contains(err.Error(), c.wrong) {
				t.Errorf("got %v, want %q", err, c.wrong)
			}
		})
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"key":"k","level":"critical","subject":"s","text":"t","html":"<p>","inline":[{"name":"a.png","data":"AAAA"}],"at":"2026-07-15T16:00:00Z","to":["a@b"],"joined":["x"]}`))
	f.Add([]byte(`{"key":"\ud800","level":"info","at":"9999-12-31T23:59:59Z"}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, in []byte) {
		m, err := notify.Decode(in)
		if err != nil {
			return
		}
		b, err := notify.Encode(m)
		if err != nil {
			t.Skip("longer by its escapes") // and refused
		}
		again, err := notify.Decode(b)
		if err != nil {
			t.Fatalf("%s was read and written as %s: %v", in, b, err)
		}
		if b2, _ := notify.Encode(again); !bytes.Equal(b, b2) {
			t.Fatalf("%s became %s", b, b2)
		}
		// What anybody asks for gets a subject of one line.
		_, out, _ := notify.Settings{}.Step(notify.State{}, notify.MailRequested{Mail: m}, start)
		for _, o := range out {
			if strings.ContainsFunc(o.Subject, unicode.IsControl) || utf8.RuneCountInString(o.Subject) > 120 {
				t.Errorf("subject %q", o.Subject)
			}
		}
	})
}

func TestTheFormOfAMail(t *testing.T) {
	o := notify.Settings{Location: pacific(t), Node: "pi-a"}
	m := o.Compose(notify.Message{
		Key: "k", Level: health.Critical, Subject: "Tesla does not accept powermgr any more", At: start,
		Text:  "Tesla does not accept powermgr any more; run powermgr auth tesla\n\nthe <b>others</b> go on",
		Facts: []notify.Fact{{"Part", "powerwall"}, {"Since", "Wednesday\nJuly 15"}},
	})
	want := notify.Mail{Key: "k", Level: health.Critical, At: start,
		Subject: "[powermgr] CRITICAL: Tesla does not accept powermgr any more",
		Text: `Tesla does not accept powermgr any more; run powermgr auth tesla.

The <b>others</b> go on.

Part   powerwall
Since  Wednesday
       July 15

-- 
Sent by powermgr on node pi-a, Wednesday, July 15, 2026, 15:00. Run "powermgr status" to see the current state.
`}
	html := m.HTML
	if m.HTML = ""; !reflect.DeepEqual(m, want) {
		t.Errorf("got  %+v\nwant %+v", m, want)
	}
	for _, part := range []string{"The &lt;b&gt;others&lt;/b&gt; go on.", "<b>Part</b></td>", "node pi-a", "width=device-width"} {
		if !strings.Contains(html, part) {
			t.Errorf("%q is not in\n%s", part, html)
		}
	}
	for _, part := range []string{"http", "src="} {
		if strings.Contains(html, part) {
			t.Errorf("%q is in\n%s", part, html)
		}
	}
}

func TestSubjects(t *testing.T) {
	for _, c := range []struct {
		name, in, want string
		level          health.Level
		over           bool
	}{
		{"info", "Peak on July 15", "[powermgr] Peak on July 15", health.Info, false},
		{"warning", "low", "[powermgr] WARNING: low", health.Warning, false},
		{"over", "low", "[powermgr] OVER: low", health.Warning, true},
		{"one that has its prefix", "[powermgr] WARNING: low", "[powermgr] WARNING: low", health.Warning, false},
		{"a header in a thermostat's name", "x\r\nBcc: evil@example.org\r\n\r\nhello", "[powermgr] x Bcc: evil@example.org hello", health.Info, false},
		{"lines of other kinds", "a\u2028b\u2029c\u0085d\ve\x00f\x7fg", "[powermgr] a b c d e f g", health.Info, false},
		{"turned around", "a\u202eb\u200bc", "[powermgr] abc", health.Info, false},
		{"no text", "\xff\xfe", "[powermgr] \uFFFD", health.Info, false},
		{"too long", strings.Repeat("ä", 200), "[powermgr] " + strings.Repeat("ä", 108) + "…", health.Info, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := notify.Settings{}.Compose(notify.Message{Level: c.level, Over: c.over, Subject: c.in})
			if m.Subject != c.want {
				t.Errorf("got %q, want %q", m.Subject, c.want)
			}
		})
	}
}

// What another part wants told gets our form, unless it has its own.
func TestAskedFor(t *testing.T) {
	o := notify.Settings{Node: "pi-a"}
	_, plain, _ := o.Step(notify.State{}, notify.MailRequested{Mail: notify.Mail{Key: "k", Level: health.Critical, Subject: "not accepted", Text: "one\n\ntwo"}}, start)
	if len(plain) != 1 || plain[0].Subject != "[powermgr] CRITICAL: not accepted" || !strings.Contains(plain[0].HTML, "Two.</p>") || !strings.Contains(plain[0].Text, "pi-a") {
		t.Errorf("got %+v", plain)
	}
	report := notify.Mail{Key: "report/2026-07-15", Level: health.Info, Subject: "Report", Text: "t", HTML: "<p>t", At: start, Inline: []notify.Attachment{{Name: "a.png", Data: []byte{1}}}}
	if _, own, _ := o.Step(notify.State{}, notify.MailRequested{Mail: report}, start); len(own) != 1 || !reflect.DeepEqual(own[0], report) {
		t.Errorf("got %+v", own)
	}
}
