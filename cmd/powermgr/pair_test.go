package main_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"powermgr/devices"
	"powermgr/devices/emulator"
	"powermgr/devices/emulator/vendors"
)

var rounds = flag.Int("pair-rounds", 0, "how often to try each fault of a real pair; as root, with keepalived, mosquitto and iproute2")

// The addresses of the pair test. They exist only in its network namespaces.
const (
	hubIP  = "10.77.0.1" // broker and vendors
	virtIP = "10.77.0.10"
)

// cloudEnv makes this test binary the vendors' clouds: it prints which node sent which
// request, and when.
const cloudEnv = "TEST_PAIR_CLOUD"

type cloudLine struct {
	At       time.Time
	From     string // address of the node
	Endpoint string
	Write    string // device that was written to; empty: it was a read
}

func pairCloud(listen string) int {
	out := json.NewEncoder(os.Stdout)
	var mu sync.Mutex
	var from string // of the request being served: the cloud serves one at a time
	cloud := vendors.New(emulator.Options{
		Now: time.Now, House: emulator.HouseOptions{ChargePercent: new(80.0), Reserve: new(100)},
		OnRequest: func(q emulator.Request) {
			line := cloudLine{At: q.At, From: from, Endpoint: q.Endpoint}
			if q.Write != nil {
				line.Write = q.Write.Device
			}
			_ = out.Encode(line)
		},
	}, vendors.Options{})
	cloud.Person(func(h *emulator.House) { // a permanent hold, which ends only when powermgr ends it
		h.Thermostats[1].Submit(time.Now(), emulator.Setting{Cool: new(78.0), Heat: new(70.0), Hold: new(devices.HoldPermanent)}, 0)
	})
	err := http.ListenAndServe(listen, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		from, _, _ = net.SplitHostPort(r.RemoteAddr)
		cloud.Handler().ServeHTTP(w, r)
	}))
	fmt.Fprintln(os.Stderr, err)
	return 1
}

// pairTest is two nodes with keepalived, and a hub with broker and clouds.
type pairTest struct {
	t     *testing.T
	dir   string
	nodes [2]*pairNode
	hub   []*exec.Cmd
	end   time.Time // of the peak

	mu    sync.Mutex
	lines []cloudLine
}

type pairNode struct {
	*pairTest
	name, ns, ip, dir string

	mu         sync.Mutex
	daemon     *exec.Cmd
	keepalived *exec.Cmd
	on         bool // the supervisor restarts the daemon
	stopped    chan struct{}
}

func (p *pairTest) sh(format string, args ...any) {
	p.t.Helper()
	command := fmt.Sprintf(format, args...)
	if out, err := exec.Command("sh", "-c", command).CombinedOutput(); err != nil {
		p.t.Fatalf("%s: %v\n%s", command, err, out)
	}
}

// in returns a command that runs in a network namespace.
func in(ns string, args ...string) *exec.Cmd {
	return exec.Command("ip", append([]string{"netns", "exec", ns}, args...)...)
}

func (p *pairTest) log(name string) *os.File {
	f, err := os.OpenFile(filepath.Join(p.dir, name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = f.Close() })
	return f
}

func newPairTest(t *testing.T, minutes int) *pairTest {
	// keepalived runs no script below a directory that everybody can write to.
	dir := "/run/powermgr-pair-test"
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	p := &pairTest{t: t, dir: dir}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	t.Cleanup(p.networksDown)
	p.networksDown()
	p.sh(`ip netns add pm-hub && ip -n pm-hub link set lo up && ip -n pm-hub link add br0 type bridge && ip -n pm-hub addr add %s/24 dev br0 && ip -n pm-hub link set br0 up`, hubIP)
	now := time.Now().UTC()
	p.end = now.Truncate(time.Minute).Add(time.Duration(minutes) * time.Minute)
	for i := range p.nodes {
		n := &pairNode{pairTest: p, name: string(rune('a' + i)), ip: fmt.Sprintf("10.77.0.%d", 11+i)}
		n.ns, n.dir = "pm-"+n.name, filepath.Join(dir, n.name)
		p.nodes[i] = n
		p.sh(`ip netns add %[1]s && ip -n %[1]s link set lo up && ip -n %[1]s link add eth0 type veth peer name v%[2]s netns pm-hub && ip -n %[1]s addr add %[3]s/24 dev eth0 && ip -n %[1]s link set eth0 up && ip -n pm-hub link set v%[2]s master br0 up`, n.ns, n.name, n.ip)
	}
	p.startHub()
	for i, n := range p.nodes {
		n.configure(i, now)
	}
	return p
}

func (p *pairTest) networksDown() {
	for _, ns := range []string{"pm-a", "pm-b", "pm-hub"} {
		_ = exec.Command("ip", "netns", "del", ns).Run() // usually there is none
	}
}

func (p *pairTest) startHub() {
	p.startBroker()
	cloud := in("pm-hub", os.Args[0])
	cloud.Env = append(os.Environ(), cloudEnv+"="+hubIP+":8080")
	cloud.Stderr = p.log("cloud")
	out, err := cloud.StdoutPipe()
	if err == nil {
		err = cloud.Start()
	}
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = cloud.Process.Kill(); _ = cloud.Wait() })
	go func() {
		d := json.NewDecoder(out)
		for {
			var l cloudLine
			if d.Decode(&l) != nil {
				return
			}
			p.mu.Lock()
			p.lines = append(p.lines, l)
			p.mu.Unlock()
		}
	}()
}

func (p *pairTest) startBroker() {
	config := filepath.Join(p.dir, "mosquitto.conf")
	if err := os.WriteFile(config, []byte("listener 1883 "+hubIP+"\nallow_anonymous true\n"), 0o644); err != nil {
		p.t.Fatal(err)
	}
	path, err := exec.LookPath("mosquitto")
	if err != nil {
		path = "/usr/sbin/mosquitto"
	}
	c := in("pm-hub", path, "-c", config)
	c.Stdout = p.log("mosquitto")
	c.Stderr = c.Stdout
	if err := c.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.hub = append(p.hub, c)
	p.t.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() })
}

func (n *pairNode) configure(i int, now time.Time) {
	// Etc/GMT+5 is five hours behind UTC. In this time zone it is about noon.
	zone, local := "UTC", now
	if offset := now.Hour() - 12; offset != 0 {
		zone = fmt.Sprintf("Etc/GMT%+d", offset)
		local = now.Add(-time.Duration(offset) * time.Hour)
	}
	end := local.Add(n.end.Sub(now))
	token := `{"access_token": "", "refresh_token": "emulator-refresh%s", "token_type": "Bearer", "expires_in": 1}`
	files := map[string]string{
		"tesla.json": fmt.Sprintf(token, [...]string{"", "-2"}[i]),
		"config.yaml": fmt.Sprintf(`
tesla: {calls_per_month: 0, token_file: %[2]s/tesla.json, client_id: my-app, base_url: %[1]q, token_url: "%[1]s/oauth2/v3/token", energy_site_id: 1234567890123}
honeywell: {backend: tcc, username: owner@example.com, password: emulator-password, base_url: %[1]q, token_file: %[2]s/honeywell.json}
weather: {source: mqtt}
mqtt: {url: "mqtt://%[3]s:1883"}
settings:
  timezone: %[4]s
  thermostat_ids: ["1000001", "1000002"]
  battery_thresholds: [{time_remaining_minutes: 1, level_percent: 99}]
  seasons: {all: {months: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12], days: [daily], peak_periods: [{start: %[5]q, end: %[6]q}]}}
paths: {journal_file: %[2]s/journal.json, ramdisk_state_file: %[2]s/run/state.json, permanent_metrics_dir: %[2]s/metrics}
ha: {enabled: true, node: %[7]s}
poll: {thermostat_seconds: 120}
`, "http://127.0.0.1:8080", n.dir, hubIP, zone, local.Add(-2*time.Minute).Format("15:04"), end.Format("15:04"), n.name),
		"notify": fmt.Sprintf("#!/bin/sh\nexport RUNTIME_DIRECTORY=%s/run\n%s", n.dir, n.deployed("keepalived-notify")),
		"keepalived.conf": strings.NewReplacer(
			"$INTERFACE=eth0", "$INTERFACE=eth0", "$OWN=192.0.2.11", "$OWN="+n.ip, "$OTHER=192.0.2.12", fmt.Sprintf("$OTHER=10.77.0.%d", 12-i),
			"$VIRTUAL=192.0.2.10/24", "$VIRTUAL="+virtIP+"/24", "$PRIORITY=150", fmt.Sprintf("$PRIORITY=%d", 150-50*i),
			"$HEALTH=/run/powermgr/health", "$HEALTH="+n.dir+"/run/health", "$NOTIFY=/usr/lib/powermgr/keepalived-notify", "$NOTIFY="+n.dir+"/notify",
		).Replace(n.deployed("keepalived.conf")),
	}
	if err := os.MkdirAll(filepath.Join(n.dir, "run"), 0o755); err != nil {
		n.t.Fatal(err)
	}
	for name, text := range files {
		mode := os.FileMode(0o600)
		if name == "notify" {
			mode = 0o755
		}
		if err := os.WriteFile(filepath.Join(n.dir, name), []byte(text), mode); err != nil {
			n.t.Fatal(err)
		}
	}
	// A vendor URL without TLS has to be on loopback, so loopback forwards to the hub.
	forward := in(n.ns, "socat", "TCP-LISTEN:8080,bind=127.0.0.1,fork,reuseaddr", "TCP:"+hubIP+":8080")
	if err := forward.Start(); err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { _ = forward.Process.Kill(); _ = forward.Wait() })
}

// deployed returns a file of deploy/keepalived that uses the binary under test.
func (n *pairNode) deployed(name string) string {
	b, err := os.ReadFile(filepath.Join("..", "..", "deploy", "keepalived", name))
	if err != nil {
		n.t.Fatal(err)
	}
	path, err := binary()
	if err != nil {
		n.t.Fatal(err)
	}
	return strings.TrimPrefix(strings.ReplaceAll(string(b), "/usr/bin/powermgr", path), "#!/bin/sh\n")
}

// powerOn starts what systemd would start.
func (n *pairNode) powerOn() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.keepalived = in(n.ns, "keepalived", "-n", "-l", "-D", "-f", n.dir+"/keepalived.conf", "-p", n.dir+"/keepalived.pid", "-r", n.dir+"/vrrp.pid")
	n.keepalived.Stdout = n.log(n.name + "-keepalived")
	n.keepalived.Stderr = n.keepalived.Stdout
	n.keepalived.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := n.keepalived.Start(); err != nil {
		n.t.Fatal(err)
	}
	n.on, n.stopped = true, make(chan struct{})
	go n.supervise(n.stopped)
}

// supervise does what systemd does for the daemon: Restart=always, and ExecStopPost.
func (n *pairNode) supervise(stopped chan struct{}) {
	defer close(stopped)
	path, _ := binary()
	for {
		c := in(n.ns, path, "run", "--config", n.dir+"/config.yaml")
		c.Env = append(os.Environ(), "RUNTIME_DIRECTORY="+n.dir+"/run", "NO_COLOR=1")
		c.Stderr = n.log(n.name)
		n.mu.Lock()
		if !n.on {
			n.mu.Unlock()
			return
		}
		err := c.Start()
		n.daemon = c
		n.mu.Unlock()
		if err == nil {
			_ = c.Wait()
		}
		_ = os.WriteFile(n.dir+"/run/health", []byte("1\n"), 0o644) // a node without power has no such directory
		time.Sleep(2 * time.Second)
	}
}

// kill ends the daemon with a signal; it is restarted if on.
func (n *pairNode) kill(s syscall.Signal, on bool) {
	n.mu.Lock()
	n.on = on
	c, stopped := n.daemon, n.stopped
	n.mu.Unlock()
	_ = c.Process.Signal(s)
	if !on {
		<-stopped
	}
}

// powerOff ends everything that runs on the node at once, and removes its network and
// what is in memory.
func (n *pairNode) powerOff() {
	n.sh("ip -n pm-hub link set v%s down", n.name)
	n.mu.Lock()
	n.on = false
	_ = syscall.Kill(-n.keepalived.Process.Pid, syscall.SIGKILL)
	_ = n.daemon.Process.Kill()
	stopped, k := n.stopped, n.keepalived
	n.mu.Unlock()
	_ = k.Wait()
	<-stopped
	// What systemd creates at boot, before keepalived and the daemon start.
	n.sh("rm -rf %[1]s/run && mkdir %[1]s/run && echo 1 >%[1]s/run/health && ip -n %[2]s addr del %[3]s/24 dev eth0 2>/dev/null || true", n.dir, n.ns, virtIP)
}

// see lets a node reach the other one, or not: then frames to it are lost.
func (n *pairNode) see(other *pairNode, sees bool) {
	if sees {
		n.sh("ip -n %s neigh flush to %s nud permanent; ip -n %[1]s neigh del %[2]s dev eth0 2>/dev/null || true", n.ns, other.ip)
		return
	}
	n.sh("ip -n %s neigh replace %s lladdr 02:00:00:00:00:99 dev eth0 nud permanent", n.ns, other.ip)
}

// since returns the requests to the clouds since t.
func (p *pairTest) since(t time.Time) (lines []cloudLine) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, l := range p.lines {
		if l.At.After(t) {
			lines = append(lines, l)
		}
	}
	return lines
}

func (p *pairTest) until(what string, within time.Duration, holds func() bool) {
	p.t.Helper()
	for end := time.Now().Add(within); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if holds() {
			return
		}
	}
	for _, name := range []string{"a", "b", "a-keepalived", "b-keepalived"} {
		b, _ := os.ReadFile(filepath.Join(p.dir, name+".log"))
		p.t.Logf("%s:\n%s", name, b[max(0, len(b)-6000):])
	}
	p.t.Logf("the home: %+v", p.truth())
	p.t.Fatalf("it never happened: %s", what)
}

// retained returns the retained message of a topic.
func (p *pairTest) retained(topic string) (m map[string]any) {
	out, _ := in("pm-hub", "mosquitto_sub", "-h", hubIP, "-t", topic, "-C", "1", "-W", "2").Output()
	_ = json.Unmarshal(out, &m)
	return m
}

func (p *pairTest) publish(topic, payload string) {
	if out, err := in("pm-hub", "mosquitto_pub", "-h", hubIP, "-t", topic, "-m", payload).CombinedOutput(); err != nil {
		p.t.Fatalf("%v: %s", err, out)
	}
}

func (p *pairTest) truth() (truth emulator.Truth) {
	out, err := in("pm-hub", "curl", "-s", "http://"+hubIP+":8080/emulator/state").Output()
	if err == nil {
		err = json.Unmarshal(out, &truth)
	}
	if err != nil {
		p.t.Fatalf("%v: %s", err, out)
	}
	return truth
}

// active returns the only node that publishes that it is active; nil while none or both do.
func (p *pairTest) active() *pairNode {
	var found []*pairNode
	path, _ := binary()
	for _, n := range p.nodes {
		c := exec.Command(path, "role")
		c.Env = append(os.Environ(), "RUNTIME_DIRECTORY="+n.dir+"/run")
		if out, err := c.Output(); err == nil && strings.TrimSpace(string(out)) == "active" {
			found = append(found, n)
		}
	}
	if len(found) != 1 {
		return nil
	}
	return found[0]
}

func (n *pairNode) other() *pairNode {
	if n == n.nodes[0] {
		return n.nodes[1]
	}
	return n.nodes[0]
}

// settled waits until exactly one node is active and the other one is up.
func (p *pairTest) settled() *pairNode {
	p.t.Helper()
	var was *pairNode
	since := time.Now()
	p.until("one node is active and the other stands by", 30*time.Second, func() bool {
		n := p.active()
		if n != was {
			was, since = n, time.Now()
		}
		return n != nil && time.Since(since) > 1500*time.Millisecond && p.retained("powermgr/node/" + n.other().name + "/state")["role"] == "standby"
	})
	return was
}

// generation returns the generation of a node's last claim.
func (p *pairTest) generation(n *pairNode) float64 {
	g, _ := p.retained("powermgr/node/" + n.name + "/state")["generation"].(float64)
	return g
}

// TestPair puts two nodes with a real keepalived through every fault in a
// running peak. After each, one node is active, and nothing has been forgotten
// or set again; when the peak ends, everything is restored.
func TestPair(t *testing.T) {
	if *rounds == 0 {
		t.Skip("it needs root and ten minutes: run make pair-test")
	}
	if os.Geteuid() != 0 {
		t.Fatal("only root can create network namespaces")
	}
	for _, tool := range []string{"ip", "keepalived", "mosquitto", "mosquitto_pub", "mosquitto_sub", "socat", "curl"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Fatalf("%s is not installed: apt install iproute2 keepalived mosquitto mosquitto-clients socat curl", tool)
		}
	}
	p := newPairTest(t, 11+(*rounds-1)*4) // minutes, of which the two readings that a threshold takes are up to three
	before := p.truth()
	for _, n := range p.nodes {
		n.powerOn()
		t.Cleanup(n.powerOff)
	}
	p.until("the peak is on", 3*time.Minute, func() bool {
		return p.truth().Reserve == 0 && p.truth().Thermostats[1].Cool != before.Thermostats[1].Cool
	})
	p.publish("powermgr/control/override/set", "peak")
	p.until("the override holds", 10*time.Second, func() bool { return p.retained("powermgr/control/state")["override"] == "peak" })

	took := map[string][]time.Duration{}
	p.settled()
	checked := time.Now() // nobody may have written since
	for range *rounds {
		for _, f := range []struct {
			name   string
			strike func(active *pairNode)
			moves  bool // the other node takes over
			mend   func(was *pairNode)
		}{
			{"kill -9 of the daemon", func(n *pairNode) { n.kill(syscall.SIGKILL, true) }, true, func(*pairNode) {}},
			{"power loss", (*pairNode).powerOff, true, func(n *pairNode) { n.sh("ip -n pm-hub link set v%s up", n.name); n.powerOn() }},
			{"a clean stop", func(n *pairNode) { n.kill(syscall.SIGTERM, false) }, true, func(n *pairNode) {
				n.mu.Lock()
				n.on, n.stopped = true, make(chan struct{})
				n.mu.Unlock()
				go n.supervise(n.stopped)
			}},
			{"the nodes do not see each other", func(n *pairNode) { n.see(n.other(), false); n.other().see(n, false) }, true,
				func(n *pairNode) { n.see(n.other(), true); n.other().see(n, true) }},
			{"the broker is gone", func(n *pairNode) {
				_ = n.hub[len(n.hub)-1].Process.Kill()
				_ = n.hub[len(n.hub)-1].Wait()
				time.Sleep(2 * time.Second)
				n.startBroker()
			}, false, func(*pairNode) {}},
			{"a network that comes and goes", func(n *pairNode) {
				for range 4 { // it moves the pair once, and not each time
					n.sh("ip -n pm-hub link set v%s down", n.name)
					time.Sleep(300 * time.Millisecond)
					n.sh("ip -n pm-hub link set v%s up", n.name)
					time.Sleep(1100 * time.Millisecond)
				}
			}, false, func(*pairNode) {}},
			{"the configuration is read again", func(n *pairNode) { n.kill(syscall.SIGHUP, true) }, false, func(*pairNode) {}},
			{"a rolling upgrade", func(n *pairNode) {
				n.other().kill(syscall.SIGTERM, true) // systemctl restart, the standby first
				time.Sleep(4 * time.Second)
				n.kill(syscall.SIGTERM, true)
			}, true, func(*pairNode) {}},
		} {
			was := p.settled()
			claimed := p.generation(was)
			at := time.Now()
			f.strike(was)
			if f.name == "a rolling upgrade" {
				at = at.Add(4 * time.Second)
			}
			if f.moves {
				p.until(f.name+": the other node polls", 15*time.Second, func() bool {
					return slices.ContainsFunc(p.since(at), func(l cloudLine) bool { return l.From == was.other().ip })
				})
				lines := p.since(at)
				i := slices.IndexFunc(lines, func(l cloudLine) bool { return l.From == was.other().ip })
				took[f.name] = append(took[f.name], lines[i].At.Sub(at))
			}
			time.Sleep(time.Second)
			f.mend(was)
			now := p.settled()
			s := p.retained("powermgr/control/state")
			if s["override"] != "peak" || len(s["thresholds_latched"].([]any)) != 1 || s["phase"] != "peak" {
				t.Errorf("%s: afterwards %v, thresholds %v, phase %v", f.name, s["override"], s["thresholds_latched"], s["phase"])
			}
			since := checked
			checked = time.Now()
			for _, l := range p.since(since) {
				if l.Write != "" {
					t.Errorf("%s: %s wrote to %s %s later", f.name, l.From, l.Write, l.At.Sub(at))
				}
			}
			if claims := p.generation(now) - claimed; !f.moves && claims > 1 {
				t.Errorf("%s: the pair was claimed %v times", f.name, claims)
			}
			t.Logf("%s: %s was active, %s is", f.name, was.name, now.name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(took)) {
		all := took[name]
		slices.Sort(all)
		fmt.Printf("%s: the other node polls after %s (median of %d, worst %s)\n", name, round(all[len(all)/2]), len(all), round(all[len(all)-1]))
	}
	time.Sleep(time.Until(p.end))
	// Holds on the portal end at a full quarter of an hour, so one may outlast this peak; a
	// poll shows its end up to a minute and a poll later.
	p.until(fmt.Sprintf("everything is restored, as it was before the peak: %+v", before), 4*time.Minute, func() bool {
		now := p.truth()
		for i, th := range now.Thermostats {
			if b := before.Thermostats[i]; th.Hold != b.Hold || b.Hold == devices.HoldPermanent && (th.Cool != b.Cool || th.Heat != b.Heat) {
				return false
			}
		}
		return now.Reserve == 100
	})
	if !t.Failed() {
		fmt.Printf("at the end of the peak everything was restored; the journal was saved %v times\n", p.retained("powermgr/node/" + p.settled().name + "/journal")["sequence"])
	}
}

func round(d time.Duration) string { return strconv.FormatFloat(d.Seconds(), 'f', 2, 64) + " s" }
