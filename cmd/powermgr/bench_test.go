package main_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"powermgr/bridge/brokertest"
)

// newBench returns a home whose daemon is connected directly to the broker.
func newBench(b *testing.B) *home { return newBenchAt(b, brokertest.Start(b, brokertest.Config{})) }

func newBenchAt(b *testing.B, broker *brokertest.Broker) *home {
	h := newHomeAt(b, broker, "")
	text, err := os.ReadFile(h.config)
	if err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(h.config, []byte(strings.ReplaceAll(string(text), h.broker.URL(), h.broker.DirectURL())), 0o600); err != nil {
		b.Fatal(err)
	}
	return h
}

// BenchmarkReserveCommand measures the time from the publishing of a reserve command to
// the HTTP request at the vendor (door), and, in the same run, the time that a message
// takes through the broker alone, to another client (bare). door/bare is the ratio of the
// medians: at most 3 with each kind of broker. It runs with every kind that this machine
// has. A broker in a container is behind Docker's proxy; the embedded one shares a process
// with both clients, which makes its bare time the shortest.
func BenchmarkReserveCommand(b *testing.B) {
	for _, kind := range []brokertest.Kind{brokertest.Embedded, brokertest.Binary, brokertest.Docker} {
		b.Run(string(kind), func(b *testing.B) {
			if err := brokertest.Has(kind); err != nil {
				b.Skip(err)
			}
			reserveCommand(b, newBenchAt(b, brokertest.StartKind(b, kind, brokertest.Config{})))
		})
	}
}

func reserveCommand(b *testing.B, h *home) {
	person := h.broker.Client(b, brokertest.Login{})
	person.Subscribe(b, "powermgr/powerwall/reserve/result")
	person.Subscribe(b, "powermgr/powerwall/state")
	listener := h.broker.Client(b, brokertest.Login{})
	listener.Subscribe(b, "bare")
	h.start()
	h.until("it polls", func() bool { return state(person, "powermgr/powerwall/state") != nil })
	var door, bare []time.Duration
	for i := 0; b.Loop(); i++ {
		payload := strconv.Itoa(i)
		began := time.Now()
		person.Publish(b, brokertest.Message{Topic: "bare", Payload: payload})
		listener.Await(b, "bare", payload)
		bare = append(bare, time.Since(began))

		began = time.Now()
		person.Publish(b, brokertest.Message{Topic: "powermgr/powerwall/reserve/set", Payload: fmt.Sprintf(`{"value":%d,"id":"%d"}`, 20+i%2, i)})
		door = append(door, (<-h.arrived).Sub(began))
		h.until("it is answered", func() bool {
			return slices.ContainsFunc(person.Received("powermgr/powerwall/reserve/result"), func(m brokertest.Message) bool {
				return strings.Contains(m.Payload, fmt.Sprintf(`"id":"%d"`, i)) && strings.Contains(m.Payload, `"final":true`)
			})
		})
		person.Forget()
		listener.Forget()
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(spread(b, "door", door))/float64(spread(b, "bare", bare)), "door/bare")
}

// spread reports the median and the 99th percentile of some times, and returns the median.
func spread(b *testing.B, way string, all []time.Duration) time.Duration {
	slices.Sort(all)
	at := func(p int) time.Duration { return all[min(len(all)-1, len(all)*p/100)] }
	b.ReportMetric(float64(at(50).Microseconds())/1000, way+"-p50-ms")
	b.ReportMetric(float64(at(99).Microseconds())/1000, way+"-p99-ms")
	return at(50)
}

// BenchmarkOverride measures the time from the publishing of an override to the HTTP
// request at the vendor: powermgr decides, makes the decision safe on disk, and then sends
// the reserve.
func BenchmarkOverride(b *testing.B) {
	h := newBench(b)
	person := h.broker.Client(b, brokertest.Login{})
	person.Subscribe(b, "powermgr/powerwall/state")
	h.start()
	h.until("it polls", func() bool { return state(person, "powermgr/powerwall/state") != nil })
	var door []time.Duration
	for i := 0; b.Loop(); i++ {
		override, reserve := "peak", 0.0
		if i%2 == 1 {
			override, reserve = "off_peak", 100
		}
		began := time.Now()
		person.Publish(b, brokertest.Message{Topic: "powermgr/control/override/set", Payload: override})
		door = append(door, (<-h.arrived).Sub(began))
		h.until("the reserve is there", func() bool { return state(person, "powermgr/powerwall/state")["reserve_percent"] == reserve })
		person.Forget()
	}
	b.ReportMetric(0, "ns/op")
	spread(b, "door", door)
}

// BenchmarkStart measures the time from the start of the process to its discovery messages
// on the broker: of the devices that are always there, and also of the thermostats, which
// have to be read first.
func BenchmarkStart(b *testing.B) {
	h := newBench(b)
	if _, err := binary(); err != nil {
		b.Fatal(err)
	}
	person := h.broker.Client(b, brokertest.Login{})
	person.Subscribe(b, "homeassistant/#")
	var first, all time.Duration
	for n := 0; b.Loop(); {
		n++
		for _, m := range person.Received() {
			person.Publish(b, brokertest.Message{Topic: m.Topic, Retain: true})
		}
		time.Sleep(100 * time.Millisecond) // the emptied topics are delivered too
		person.Forget()
		began := time.Now()
		p := h.start()
		seen := func(device string) bool {
			return len(person.Received("homeassistant/device/powermgr_"+device+"/config")) > 0
		}
		wait := func(devices ...string) time.Duration {
			for slices.ContainsFunc(devices, func(d string) bool { return !seen(d) }) {
				time.Sleep(time.Millisecond)
			}
			return time.Since(began)
		}
		first += wait("powerwall", "control")
		all += wait("thermostat_1000001", "thermostat_1000002")
		p.end(syscall.SIGTERM)
		b.ReportMetric(first.Seconds()*1000/float64(n), "always-ms")
		b.ReportMetric(all.Seconds()*1000/float64(n), "thermostats-ms")
	}
	b.ReportMetric(0, "ns/op")
}

// BenchmarkIdle measures the memory and the CPU time of a daemon that only polls: one
// Powerwall and two thermostats, at the default intervals. IDLE is how long it runs; an
// accurate figure takes 10m.
func BenchmarkIdle(b *testing.B) {
	h := newBench(b)
	lasts, err := time.ParseDuration(os.Getenv("IDLE"))
	if err != nil {
		lasts = 10 * time.Second
	}
	person := h.broker.Client(b, brokertest.Login{})
	person.Subscribe(b, "powermgr/#")
	p := h.start()
	h.until("it has started", func() bool { return state(person, "powermgr/thermostat/1000002/state") != nil })
	time.Sleep(5 * time.Second)
	began, used := time.Now(), processorTime(b, p.Process.Pid)
	time.Sleep(lasts)
	share := (processorTime(b, p.Process.Pid) - used).Seconds() / time.Since(began).Seconds()
	for b.Loop() {
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(residentMB(b, p.Process.Pid), "resident-MB")
	b.ReportMetric(share*100, "cpu-%")
}

// BenchmarkPage measures how much memory the page takes, compared with a daemon without
// http.listen: while nobody looks at it, and while two browsers do. Of each kind, three
// daemons run, and the median counts. IDLE is how long they run; an accurate figure takes
// 5m, since a daemon releases the memory of its start after a minute, and then allocates
// again what it needs.
func BenchmarkPage(b *testing.B) {
	lasts, err := time.ParseDuration(os.Getenv("IDLE"))
	if err != nil {
		lasts = 10 * time.Second
	}
	kinds := []struct {
		name     string
		page     bool
		browsers int
	}{{"none", false, 0}, {"idle", true, 0}, {"watched", true, 2}}
	pids := make([][]int, len(kinds))
	for range 3 {
		for i, kind := range kinds {
			h, p := newBench(b), (*process)(nil)
			if kind.page {
				var at string
				p, at = h.withPage("")
				for range kind.browsers {
					browse(b, at)
				}
			} else {
				p = h.start()
			}
			pids[i] = append(pids[i], p.Process.Pid)
		}
	}
	time.Sleep(lasts)
	for b.Loop() {
	}
	middle := func(pids []int) float64 {
		var all []float64
		for _, pid := range pids {
			all = append(all, residentMB(b, pid))
		}
		slices.Sort(all)
		return all[len(all)/2]
	}
	without := middle(pids[0])
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(without, "without-MB")
	b.ReportMetric(middle(pids[1])-without, "idle-more-MB")
	b.ReportMetric(middle(pids[2])-without, "watched-more-MB")
}

// browse loads the page as a browser does, and listens as long as the benchmark runs.
func browse(b *testing.B, at string) {
	b.Helper()
	for _, file := range []string{"/", "/page.css", "/page.js", "/icon.svg"} {
		get(b, at+file)
	}
	ctx, stop := context.WithCancel(context.Background())
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, at+"/live", nil)
	if err != nil {
		b.Fatal(err)
	}
	stream, err := http.DefaultClient.Do(request)
	if err != nil {
		b.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, stream.Body) // until it is stopped
		_ = stream.Body.Close()
		close(ended)
	}()
	b.Cleanup(func() { stop(); <-ended })
}

func residentMB(b *testing.B, pid int) float64 {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	if err != nil {
		b.Skip(err)
	}
	_, after, _ := strings.Cut(string(text), "VmRSS:")
	kb, err := strconv.ParseFloat(strings.Fields(after)[0], 64)
	if err != nil {
		b.Fatal(err)
	}
	return kb / 1024
}

func processorTime(b *testing.B, pid int) time.Duration {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		b.Skip(err)
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	user, errUser := strconv.Atoi(fields[11]) // in hundredths of a second, proc(5)
	system, errSystem := strconv.Atoi(fields[12])
	if errUser != nil || errSystem != nil {
		b.Fatal(errUser, errSystem)
	}
	return time.Duration(user+system) * 10 * time.Millisecond
}
