package main_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os/exec"
	"regexp"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"powermgr/bridge/brokertest"
)

// chromium returns the browser for tests of the page.
func chromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skip("there is no chromium: apt install chromium, to see the page as a browser does")
	return ""
}

// browsers starts a browser, in which each call of the function it returns opens
// a new window.
func browsers(t *testing.T) (open func(url string) *window) {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.ExecPath(chromium(t)))
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(stop)
	browser, end := chromedp.NewContext(allocator)
	t.Cleanup(end)
	if err := chromedp.Do(browser); err != nil {
		t.Fatal(err)
	}
	return func(url string) *window {
		t.Helper()
		ctx, end := chromedp.NewContext(browser)
		t.Cleanup(end)
		w := &window{t: t, ctx: ctx}
		w.do(chromedp.EmulateViewport(390, 844), chromedp.Navigate(url))
		return w
	}
}

// window is one window of a browser.
type window struct {
	t   *testing.T
	ctx context.Context
}

func (w *window) do(steps ...chromedp.Action[chromedp.Void]) {
	w.t.Helper()
	if err := chromedp.Do(w.ctx, steps...); err != nil {
		w.t.Fatal(err)
	}
}

// visit opens an address. A form that was just sent still navigates by itself, and the
// browser then aborts the requested navigation, which is therefore repeated.
func (w *window) visit(url string) {
	w.t.Helper()
	err := chromedp.Do(w.ctx, chromedp.Navigate(url))
	for end := time.Now().Add(30 * time.Second); err != nil && time.Now().Before(end); {
		time.Sleep(50 * time.Millisecond)
		err = chromedp.Do(w.ctx, chromedp.Navigate(url))
	}
	if err != nil {
		w.t.Fatalf("%s: %v", url, err)
	}
}

// js returns the value of an expression, as text.
func (w *window) js(expression string) string {
	w.t.Helper()
	text, err := chromedp.Run(w.ctx, chromedp.Evaluate[string]("String("+expression+")"))
	if err != nil {
		w.t.Fatalf("%s: %v", expression, err)
	}
	return text
}

// sees is like js, but returns an empty text while the page is being replaced.
func (w *window) sees(expression string) string {
	text, err := chromedp.Run(w.ctx, chromedp.Evaluate[string]("String("+expression+")"))
	if err != nil {
		return ""
	}
	return text
}

// shows waits until a part of the page contains a text.
func (w *window) shows(id, text string) {
	w.t.Helper()
	shown := ""
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if shown = w.sees(fmt.Sprintf("document.getElementById(%q)?.innerText", id)); strings.Contains(shown, text) {
			return
		}
	}
	w.t.Fatalf("%s never showed %q, but\n%s", id, text, shown)
}

// press presses the button with that label, with the fields beside it filled in, and waits
// for the answer. While the daemon is just starting it tries again, as the answer asks
// people to.
func (w *window) press(says string, fields ...string) {
	w.t.Helper()
	var fill strings.Builder
	for i := 0; i+1 < len(fields); i += 2 {
		fill.WriteString(fmt.Sprintf("document.querySelector('#buttons [name=%s]').value = %q;", fields[i], fields[i+1]))
	}
	pressed := fmt.Sprintf("(() => { const b = [...document.querySelectorAll('button')].find(b => b.innerText.startsWith(%q)); if (b) { %s b.click() } return b !== undefined })()", says, fill.String())
	answer := "there is no such button"
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if w.js(pressed) != "true" {
			continue
		}
		for answer = "On its way…"; answer == "On its way…" && time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
			answer = w.sees("document.getElementById('said')?.textContent")
		}
		if !strings.Contains(answer, "just starting") {
			return
		}
	}
	w.t.Fatalf("%q: %s", says, answer)
}

var served = regexp.MustCompile(`metrics and health are served.* address=(127\.0\.0\.1:\d+)`)

// withPage starts a daemon with a page, and returns the address of the page.
func (h *home) withPage(keys string) (p *process, at string) {
	h.t.Helper()
	h.edit("ha: {node: test}", "ha: {node: test}\nhttp: {listen: ':0'"+keys+"}")
	p = h.start()
	h.until("the page is served", func() bool { return served.MatchString(p.log.String()) })
	return p, "http://" + served.FindStringSubmatch(p.log.String())[1]
}

// Each button has its effect on the emulated house, and every browser shows it.
func TestThePageMovesTheHouse(t *testing.T) {
	open := browsers(t)
	h := newHome(t, "")
	_, at := h.withPage("")
	one, other := open(at), open(at)
	one.shows("now", "Off peak")
	one.shows("battery", "80 %")
	one.shows("thermostats", "DOWNSTAIRS")
	reserve := func(want int) {
		t.Helper()
		h.until(fmt.Sprintf("the reserve is %d", want), func() bool { return h.cloud.Truth().Reserve == want })
	}
	cool := func() float64 {
		for _, th := range h.cloud.Truth().Thermostats {
			if th.TCCID == 1000001 {
				return th.Cool
			}
		}
		return 0
	}
	before := cool()

	one.press("Peak", "for", "2h")
	one.shows("said", "Peak for 2h: done.")
	reserve(0)
	for _, w := range []*window{one, other} {
		w.shows("now", "min left")
		w.shows("override", "Peak until")
		w.shows("decisions", "override")
	}
	other.press("Off peak")
	reserve(100)
	one.shows("override", "Off peak until")
	one.press("Peak", "for", "", "until", "23:59")
	one.shows("said", "Peak until 23:59: done.")
	reserve(0)
	other.press("End the override")
	reserve(100)
	one.shows("override", "None")

	one.press("Precool", "for", "1h")
	h.until("it precools", func() bool { return cool() < before })
	one.shows("thermostats", "powermgr's until")
	one.press("Restore everything now")
	h.until("it is restored", func() bool { return cool() == before })

	other.press("Pause", "for", "30m")
	one.shows("override", "Paused until")
	one.press("Switch powermgr off")
	other.shows("override", "Switched off")
	other.press("Switch powermgr on")
	one.shows("override", "None")

	one.press("Skip the next peak") // none is scheduled in this home
	one.shows("said", "Not done: there is no peak to skip")
	other.shows("command", "there is no peak to skip")
}

// A value that is changed by hand takes effect, is shown as such, and can be undone with
// a button.
func TestThePageShowsWhatWasChangedByHand(t *testing.T) {
	open := browsers(t)
	h := newHome(t, "")
	person := h.broker.Client(t, brokertest.Login{})
	_, at := h.withPage("")
	w := open(at)
	w.shows("now", "Off peak")
	person.Publish(t, brokertest.Message{Topic: "powermgr/control/off_peak_reserve/set", Payload: "60"})
	h.until("the reserve is 60", func() bool { return h.cloud.Truth().Reserve == 60 })
	w.shows("override", "Off peak reserve is 60 %, changed by hand; configured is 100 %.")
	w.press("Use the configured values")
	w.shows("said", "Use the configured values: done.")
	h.until("the reserve is 100", func() bool { return h.cloud.Truth().Reserve == 100 })
	h.until("it is no longer mentioned", func() bool {
		return !strings.Contains(w.js("document.getElementById('override').innerText"), "by hand")
	})
}

// Somebody who moves through the buttons with a keyboard does not lose the focus when they
// change: the buttons are updated once the focus is elsewhere.
func TestThePageLeavesAKeyboardWhereItIs(t *testing.T) {
	open := browsers(t)
	h := newHome(t, "")
	person := h.broker.Client(t, brokertest.Login{})
	_, at := h.withPage("")
	w := open(at)
	w.shows("actions", "Skip the next peak")
	w.do(chromedp.EmulateViewport(320, 844)) // a small phone, or a large type
	if got := w.js("document.documentElement.scrollWidth"); got != "320" {
		t.Errorf("a window of 320 pixels needs %s", got)
	}
	w.js("document.querySelectorAll('#actions button')[0].focus()")
	h.until("it is paused", func() bool { // a daemon that is just starting refuses it
		person.Publish(t, brokertest.Message{Topic: "powermgr/control/override/set", Payload: "pause 30m"})
		return strings.Contains(w.js("document.getElementById('override').innerText"), "Paused until")
	})
	w.js("document.querySelectorAll('#actions button')[1].focus()")
	if got := w.js("document.activeElement.closest('#actions') !== null"); got != "true" {
		t.Error("the next button was gone when the focus came to it")
	}
	w.js("document.querySelector('nav a').focus()")
	w.shows("actions", "End the override")
}

// Without JavaScript the page works: a button has its effect, and the page shows it
// afterwards.
func TestThePageWithoutAScript(t *testing.T) {
	open := browsers(t)
	h := newHome(t, "")
	_, at := h.withPage("")
	w := open("about:blank")
	w.do(chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
		return err
	}))
	h.until("something is decided", func() bool { return strings.Contains(get(t, at+"/"), "Off peak") })
	h.until("the reserve is 0", func() bool { // a daemon that is just starting refuses the first press
		w.visit(at)
		w.do(chromedp.Click(chromedp.CSS("#buttons button[value=peak]")))
		return h.cloud.Truth().Reserve == 0
	})
	h.until("the page shows it", func() bool {
		text, err := chromedp.Run(w.ctx, chromedp.Text(chromedp.CSS("#override")))
		w.visit(at)
		return err == nil && strings.Contains(text, "Peak until")
	})
	w.visit(at + "/days")
	if text, err := chromedp.Run(w.ctx, chromedp.Text(chromedp.CSS("main"))); err != nil || !strings.Contains(text, "Reports") {
		t.Errorf("the days: %q %v", text, err)
	}
	w.visit(at + "/check")
	if text, err := chromedp.Run(w.ctx, chromedp.Text(chromedp.CSS("pre"))); err != nil || !strings.Contains(text, "config.yaml can be used") {
		t.Errorf("the check: %q %v", text, err)
	}
}

// The browser uses the address of a proxy: another program may take the port of a daemon
// that has ended before the next daemon listens on it.
func TestALostConnectionComesBack(t *testing.T) {
	open := browsers(t)
	h := newHome(t, "")
	p, at := h.withPage("")
	var daemon atomic.Pointer[url.URL]
	goesTo := func(at string) {
		t.Helper()
		target, err := url.Parse(at)
		if err != nil {
			t.Fatal(err)
		}
		daemon.Store(target)
	}
	goesTo(at)
	proxy := httptest.NewServer(&httputil.ReverseProxy{
		FlushInterval: -1,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(daemon.Load())
			r.Out.Host = r.In.Host
		},
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) }, // the connection ends
		ErrorLog:     log.New(io.Discard, "", 0),
	})
	t.Cleanup(func() { proxy.CloseClientConnections(); proxy.Close() })
	w := open(proxy.URL)
	w.shows("now", "Off peak")
	p.end(syscall.SIGTERM)
	w.shows("lost", "The connection is lost")
	next := h.start()
	h.until("the page is served again", func() bool { return served.MatchString(next.log.String()) })
	goesTo("http://" + served.FindStringSubmatch(next.log.String())[1])
	h.until("it is back", func() bool { return w.sees("document.getElementById('lost').hidden") == "true" })
	w.press("Peak", "for", "1h")
	w.shows("override", "Peak until")
}

// A page below a path, with a password, behind a proxy that is not trusted: as with
// Home Assistant's ingress, or any other.
func TestLogInBelowAPath(t *testing.T) {
	open := browsers(t)
	h := newHome(t, "")
	p, at := h.withPage(", password: correct horse")
	const below = "/api/ingress/x7"
	target, err := url.Parse(at)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httptest.NewServer(http.StripPrefix(below, &httputil.ReverseProxy{FlushInterval: -1, Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.Host = r.In.Host
		r.Out.Header.Set("X-Ingress-Path", below)
	}}))
	t.Cleanup(func() { proxy.CloseClientConnections(); proxy.Close() })
	w := open(proxy.URL + below + "/")
	enter := func(password string) {
		t.Helper()
		h.until("it asks for the password", func() bool {
			return w.sees("document.readyState + (document.getElementById('password') !== null)") == "completetrue"
		})
		w.js(fmt.Sprintf("document.getElementById('password').value = %q", password))
		w.do(chromedp.Click(chromedp.CSS("button")))
	}
	enter("wrong horse")
	h.until("it is refused", func() bool { return strings.Contains(w.sees("document.body?.innerText"), "Wrong password") })
	enter("correct horse")
	w.shows("now", "Off peak")
	w.press("Peak", "for", "1h")
	w.shows("said", "Peak for 1h: done.")
	w.shows("override", "Peak until")
	w.visit(proxy.URL + below + "/days")
	if got := w.js("[...document.querySelectorAll('nav a')].map(a => new URL(a.href).pathname).join()"); got != below+"/,"+below+"/days,"+below+"/check" {
		t.Errorf("the links lead to %s", got)
	}
	if strings.Contains(p.log.String(), "correct horse") {
		t.Error("the log has the password")
	}
}

// Another page that is open in the same browser cannot command powermgr, and can neither
// read nor show any part of its page.
func TestAnotherPageInTheSameBrowser(t *testing.T) {
	open := browsers(t)
	h := newHome(t, "")
	p, at := h.withPage("")
	evil := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprintf(w, `<form id="f" method="post" action="%[1]s/do"><input name="do" value="override"><input name="value" value="peak"></form>
<iframe id="i" src="%[1]s/"></iframe><p id="read">nothing</p>
<script>fetch("%[1]s/").then(r => r.text()).then(t => { document.getElementById("read").textContent = t })</script>`, at)
	}))
	defer evil.Close()
	open(at).shows("now", "Off peak")
	w := open(strings.Replace(evil.URL, "127.0.0.1", "localhost", 1))
	w.js("document.getElementById('f').submit()")
	h.until("it is refused", func() bool {
		return strings.Contains(w.sees("document.body?.innerText"), "did not come from powermgr's page")
	})
	if h.cloud.Truth().Reserve != 100 || strings.Contains(p.log.String(), "someone pressed") {
		t.Error("another page commanded powermgr")
	}
	w.visit(strings.Replace(evil.URL, "127.0.0.1", "localhost", 1))
	h.until("the frame has loaded", func() bool { return w.sees("document.readyState") == "complete" })
	if got := w.js("document.getElementById('read').textContent"); got != "nothing" {
		t.Errorf("another page read %.80q", got)
	}
	if got := w.js("(() => { try { return document.getElementById('i').contentDocument.body.innerText } catch { return 'refused' } })()"); got != "refused" && got != "null" && strings.Contains(got, "powermgr") {
		t.Errorf("another page shows %.80q", got)
	}
}
