package main_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"powermgr/bridge/brokertest"
)

// postbox is a mail server on loopback that accepts everything, or nothing while it is
// full.
type postbox struct {
	addr string

	mu    sync.Mutex
	full  bool
	mails []letter
}

// A letter is a mail that has arrived.
type letter struct {
	to      []string
	subject string
	text    string
	html    string
	png     []byte
}

func newPostbox(t *testing.T) *postbox {
	t.Helper()
	b := &postbox{}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := smtp.NewServer(b)
	s.Domain, s.AllowInsecureAuth = "localhost", true
	go func() { _ = s.Serve(listener) }()
	t.Cleanup(func() { _ = s.Close() })
	b.addr = listener.Addr().String()
	return b
}

func (b *postbox) config() string {
	host, port, _ := net.SplitHostPort(b.addr)
	return fmt.Sprintf("notifications: {smtp: {server: %q, port: %s}, recipients: {info: [i@example.com], warning: [w@example.com], critical: [c@example.com]}}\n", host, port)
}

func (b *postbox) fill(full bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.full = full
}

// with returns the letters whose subject contains some words.
func (b *postbox) with(words string) (all []letter) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, l := range b.mails {
		if strings.Contains(l.subject, words) {
			all = append(all, l)
		}
	}
	return all
}

// NewSession implements smtp.Backend.
func (b *postbox) NewSession(*smtp.Conn) (smtp.Session, error) { return &session{postbox: b}, nil }

type session struct {
	*postbox
	to []string
}

// AuthMechanisms and Auth implement smtp.AuthSession: everybody may log in.
func (s *session) AuthMechanisms() []string { return []string{sasl.Plain} }

func (s *session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, _, _ string) error { return nil }), nil
}

func (s *session) Reset()                               { s.to = nil }
func (s *session) Logout() error                        { return nil }
func (s *session) Mail(string, *smtp.MailOptions) error { return nil }

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.to = append(s.to, to)
	return nil
}

func (s *session) Data(r io.Reader) error {
	m, err := mail.ReadMessage(r)
	if err != nil {
		return err
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
	if err != nil {
		return err
	}
	l := letter{to: s.to, subject: subject}
	if err := l.part(m.Header.Get("Content-Type"), m.Header.Get("Content-Transfer-Encoding"), m.Body); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.full {
		return &smtp.SMTPError{Code: 452, EnhancedCode: smtp.EnhancedCode{4, 2, 2}, Message: "mailbox full"}
	}
	s.mails = append(s.mails, l)
	return nil
}

// part reads a part of a letter, and the parts in it.
func (l *letter) part(contentType, encoding string, body io.Reader) error {
	kind, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		return err
	}
	if strings.HasPrefix(kind, "multipart/") {
		for r := multipart.NewReader(body, params["boundary"]); ; {
			p, err := r.NextRawPart()
			if err == io.EOF {
				return nil
			}
			if err == nil {
				err = l.part(p.Header.Get("Content-Type"), p.Header.Get("Content-Transfer-Encoding"), p)
			}
			if err != nil {
				return err
			}
		}
	}
	b, err := decoded(encoding, body)
	switch kind {
	case "text/plain":
		l.text = string(b)
	case "text/html":
		l.html = string(b)
	case "image/png":
		l.png = b
	}
	return err
}

func decoded(encoding string, r io.Reader) ([]byte, error) {
	switch strings.ToLower(encoding) {
	case "quoted-printable":
		r = quotedprintable.NewReader(r)
	case "base64":
		r = base64.NewDecoder(base64.StdEncoding, r)
	}
	return io.ReadAll(r)
}

// A demo day ends with the metrics, a report that the emulated meters agree
// with, and a mail with the picture of the day.
func TestTheDemoReports(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	box, dir := newPostbox(t), t.TempDir()
	h := &home{t: t, dir: dir}
	out, code := h.powermgr("demo", "--json", "--speed", "36000", "--listen", "127.0.0.1:0", "--keep", dir, "--smtp", box.addr)
	if code != 0 {
		t.Fatalf("exit %d: %s", code, out)
	}
	var summary struct {
		Meter      map[string]float64 `json:"meter"`
		PeakImport float64            `json:"peak_import_kwh"`
		Without    float64            `json:"peak_import_without_kwh"`
	}
	if err := json.Unmarshal([]byte(out[strings.LastIndex(strings.TrimSpace(out), "\n")+1:]), &summary); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	b, err := os.ReadFile(filepath.Join(dir, "metrics", "2026-07-15.json"))
	if err != nil {
		t.Fatal(err)
	}
	var metrics map[string]any
	if err := json.Unmarshal(b, &metrics); err != nil {
		t.Fatal(err)
	}
	peak := summary.Meter["peak_grid_in_kwh"]
	delete(summary.Meter, "peak_grid_in_kwh")
	for name, meter := range summary.Meter {
		if got, _ := metrics[name].(float64); got < 0.99*meter-0.02 || got > 1.01*meter+0.02 {
			t.Errorf("%s: the metrics say %.2f, the meter %.2f", name, got, meter)
		}
	}
	// The Powerwall is read every minute, while an air conditioner
	// starts and stops, and these readings decide what belongs to a peak.
	if got, _ := metrics["peak_grid_in_kwh"].(float64); math.Abs(got-peak) > 0.02+0.1*peak {
		t.Errorf("from the grid in the peak: the metrics say %.2f, the meter %.2f", got, peak)
	}
	// The summary and the report compare with the same day without powermgr.
	if metrics["peak_grid_in_compared_kwh"] != summary.PeakImport || metrics["peak_grid_in_without_kwh"] != summary.Without {
		t.Errorf("the summary says %.2f kWh with powermgr and %.2f without, the report %v and %v",
			summary.PeakImport, summary.Without, metrics["peak_grid_in_compared_kwh"], metrics["peak_grid_in_without_kwh"])
	}
	reports := box.with("from the grid in the peak")
	if len(reports) != 1 {
		t.Fatalf("%d reports among %+v", len(reports), box.with(""))
	}
	r := reports[0]
	if !strings.HasPrefix(string(r.png), "\x89PNG") || !strings.Contains(r.html, "cid:") || !strings.Contains(r.text, "Without powermgr") || r.to[0] != "owner@example.com" {
		t.Errorf("to %s, %d bytes of a picture, text:\n%s", r.to, len(r.png), r.text)
	}
	if peak := box.with("Peak on July 15, 16:00–19:00"); len(peak) != 1 || !strings.Contains(peak[0].text, "set back by 2 °F") {
		t.Errorf("what was done in the peak: %+v", peak)
	}
}

// The evening's report, run twice, changes and sends nothing twice. The daemon later sends
// what the server does not accept at first.
func TestTheEvening(t *testing.T) {
	h := newHome(t, "now")
	box := newPostbox(t)
	h.edit("ha: {node: test}", "ha: {node: test}\n"+box.config())
	person := h.broker.Client(t, brokertest.Login{})
	person.Subscribe(t, "powermgr/#")
	p := h.start()
	h.until("the reserve is 0", func() bool {
		s := state(person, "powermgr/powerwall/state")
		return s != nil && s["reserve_percent"] == 0.0
	})
	p.end(syscall.SIGTERM) // which saves the record
	h.start()
	h.until("it is well", func() bool { _, code := h.powermgr("health"); return code == 0 })
	box.fill(true)
	out, code := h.powermgr("report", "--config", h.config, "--send")
	if code != 1 || !strings.Contains(out, "mailbox full") || !strings.Contains(out, "written: the metrics") {
		t.Errorf("with a full mailbox: exit %d: %s", code, out)
	}
	box.fill(false)
	for range 2 {
		if out, code := h.powermgr("report", "--config", h.config, "--send"); code != 0 || strings.Contains(out, "written") {
			t.Errorf("once more: exit %d: %s", code, out)
		}
	}
	if n := len(box.with("")); n != 1 {
		t.Errorf("%d mails: %+v", n, box.with(""))
	}
	// A run was missed, and at first the mail cannot be written to disk.
	yesterday := h.missed()
	if err := errors.Join(os.RemoveAll(filepath.Join(h.dir, "mail")), os.WriteFile(filepath.Join(h.dir, "mail"), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	box.fill(true)
	if out, code := h.powermgr("report", "--config", h.config, "--send"); code != 1 || !strings.Contains(out, "written: the metrics of "+yesterday) {
		t.Errorf("a run was missed: exit %d: %s", code, out)
	}
	if err := os.Remove(filepath.Join(h.dir, "mail")); err != nil {
		t.Fatal(err)
	}
	box.fill(false)
	for range 2 {
		if out, code := h.powermgr("report", "--config", h.config, "--date", yesterday, "--send"); code != 0 {
			t.Errorf("once more: exit %d: %s", code, out)
		}
	}
	if n := len(box.with("")); n != 2 {
		t.Errorf("%d mails: %+v", n, box.with(""))
	}
	h.until("there is a picture for Home Assistant", func() bool {
		all := person.Received("powermgr/control/chart")
		return len(all) > 0 && strings.HasPrefix(all[0].Payload, "\x89PNG")
	})
	for format, begins := range map[string]string{"text": "", "html": "<!doctype html>", "json": "{"} {
		if out, code := h.powermgr("report", "--config", h.config, "--format", format); code != 0 || !strings.HasPrefix(out, begins) {
			t.Errorf("--format %s: exit %d: %.200s", format, code, out)
		}
	}
	for _, args := range [][]string{{"--date", "gestern"}, {"--format", "pdf"}} {
		if out, code := h.powermgr(append([]string{"report", "--config", h.config}, args...)...); code != 2 {
			t.Errorf("%v: exit %d: %s", args, code, out)
		}
	}
	if out, code := h.powermgr("report", "--config", h.config, "--date", "2020-01-01"); code != 1 || !strings.Contains(out, "no record of 2020-01-01") {
		t.Errorf("a day without a record: exit %d: %s", code, out)
	}
}

// missed turns today's record into one of yesterday, complete but not reported.
func (h *home) missed() (yesterday string) {
	h.t.Helper()
	b, err := os.ReadFile(filepath.Join(h.dir, "powermgr_day.json"))
	if err != nil {
		h.t.Fatal(err)
	}
	var day struct{ Date string }
	if err := json.Unmarshal(b, &day); err != nil {
		h.t.Fatal(err)
	}
	today, err := time.Parse(time.DateOnly, day.Date)
	if err != nil {
		h.t.Fatal(err)
	}
	yesterday = today.AddDate(0, 0, -1).Format(time.DateOnly)
	b = bytes.ReplaceAll(b, []byte(day.Date), []byte(yesterday))
	b = bytes.Replace(b, []byte(`"complete":false`), []byte(`"complete":true`), 1)
	if err := os.WriteFile(filepath.Join(h.dir, "powermgr_day-"+yesterday+".json"), b, 0o600); err != nil {
		h.t.Fatal(err)
	}
	return yesterday
}

func TestNotify(t *testing.T) {
	h := newHome(t, "")
	if out, code := h.powermgr("notify", "--config", h.config, "--test", "info"); code != 1 || !strings.Contains(out, "notifications.smtp.server") {
		t.Errorf("without a server: exit %d: %s", code, out)
	}
	box := newPostbox(t)
	h.edit("ha: {node: test}", "ha: {node: test}\n"+box.config())
	if out, code := h.powermgr("notify", "--config", h.config, "--test", "critical"); code != 0 || !strings.Contains(out, "c@example.com") {
		t.Errorf("exit %d: %s", code, out)
	}
	if all := box.with("this is a test"); len(all) != 1 || all[0].to[0] != "c@example.com" {
		t.Errorf("arrived: %+v", all)
	}
	for _, args := range [][]string{{"--test", "urgent"}, {}, {"--test", "info", "--stopped", "x"}} {
		if out, code := h.powermgr(append([]string{"notify", "--config", h.config}, args...)...); code != 2 {
			t.Errorf("%v: exit %d: %s", args, code, out)
		}
	}
	h.edit("settings:", "settings:\n  off_peak_reserve_percent: 85") // it cannot start any more
	for range 2 {
		if out, code := h.powermgr("notify", "--config", h.config, "--stopped", "powermgr.service"); code != 0 {
			t.Errorf("exit %d: %s", code, out)
		}
	}
	if all := box.with("powermgr.service has stopped"); len(all) != 1 || !strings.Contains(all[0].text, "off_peak_reserve_percent") {
		t.Errorf("arrived: %+v", all)
	}
}

// Whatever is wrong with another part of the configuration, the recipients of the mail
// about it can be read.
func TestAConfigurationThatIsNoYAMLIsTold(t *testing.T) {
	for name, wrong := range map[string]string{
		"a tab":            "settings:\n\tdry_run: true",
		"a bracket":        "settings: {dry_run: [true",
		"a wrong indent":   "settings:\n  dry_run: true\n no: 1",
		"a second section": "mqtt: {url: mqtt://127.0.0.1}\nsettings:",
	} {
		t.Run(name, func(t *testing.T) {
			h, box := newHome(t, ""), newPostbox(t)
			h.edit("ha: {node: test}", "ha: {node: test}\n"+box.config())
			h.edit("settings:", wrong+"\nsettings:")
			if out, code := h.powermgr("run", "--config", h.config); code != 2 {
				t.Fatalf("it ran: exit %d: %s", code, out)
			}
			if out, code := h.powermgr("notify", "--config", h.config, "--stopped", "powermgr.service"); code != 0 {
				t.Errorf("exit %d: %s", code, out)
			}
			if all := box.with("powermgr.service has stopped"); len(all) != 1 || !strings.Contains(all[0].text, "configuration has an error") || !strings.Contains(all[0].text, "line ") {
				t.Errorf("arrived: %+v", all)
			}
		})
	}
}

// Both nodes of a pair have the records; only one of them mails the report.
func TestAReportIsMailedOnceByAPair(t *testing.T) {
	box := newPostbox(t)
	a := newHome(t, "now")
	a.edit("ha: {node: test}", "ha: {node: test}\n"+box.config())
	p := a.start()
	a.until("it is well", func() bool { _, code := a.powermgr("health"); return code == 0 })
	p.end(syscall.SIGTERM)
	for range 2 {
		if out, code := a.powermgr("report", "--config", a.config, "--send"); code != 0 {
			t.Fatalf("exit %d: %s", code, out)
		}
		// The other node has only the files on the ramdisk.
		for _, own := range []string{"mail", "metrics"} {
			if err := os.RemoveAll(filepath.Join(a.dir, own)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if n := len(box.with("")); n != 1 {
		t.Errorf("%d mails", n)
	}
}
