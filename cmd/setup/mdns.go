package setup

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// Finds brokers that announce themselves on the home's network as _mqtt._tcp, by
// multicast DNS (RFC 6762, 6763). One question is sent from a port of its own, and the
// answers come to that port; no group is joined, and nothing listens any longer.

// A Broker is a broker that was found.
type Broker struct {
	Name string // such as "Mosquitto on homeassistant"
	Addr string // host and port
}

// mdnsGroup is the multicast address for questions.
var mdnsGroup = netip.AddrPortFrom(netip.AddrFrom4([4]byte{224, 0, 0, 251}), 5353)

// mdnsWait is how long to wait for answers.
const mdnsWait = time.Second

// maxAnswers limits the answers that are read from a network.
const maxAnswers = 100

// FindBrokers asks this machine and the network, and returns the brokers that answer in
// time, by name, the one on this machine first. Without a network, or without multicast
// on it, it finds none there.
func FindBrokers(ctx context.Context) []Broker {
	return append(onThisMachine(ctx), findBrokers(ctx, mdnsGroup, mdnsWait)...)
}

// onThisMachine returns the broker on this machine, which need not announce itself.
func onThisMachine(ctx context.Context) []Broker {
	const usual = "127.0.0.1:1883"
	ctx, cancel := context.WithTimeout(ctx, mdnsWait)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", usual)
	if err != nil {
		return nil
	}
	_ = conn.Close()
	return []Broker{{Name: "on this machine", Addr: usual}}
}

func findBrokers(ctx context.Context, group netip.AddrPort, wait time.Duration) []Broker {
	conn, err := net.ListenUDP("udp4", nil)
	if err != nil {
		return nil
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(wait)) // before ctx can set an earlier one
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Now()) })
	defer stop()
	question, err := mqttQuestion()
	if err != nil {
		return nil
	}
	if _, err := conn.WriteToUDPAddrPort(question, group); err != nil {
		return nil
	}
	var all []Broker
	packet := make([]byte, 9000)
	for range maxAnswers {
		n, from, err := conn.ReadFromUDPAddrPort(packet)
		if err != nil {
			break
		}
		for _, b := range brokersIn(packet[:n], from.Addr().Unmap()) {
			if !slices.Contains(all, b) {
				all = append(all, b)
			}
		}
	}
	slices.SortFunc(all, func(a, b Broker) int { return strings.Compare(a.Name+a.Addr, b.Name+b.Addr) })
	return all
}

func mqttQuestion() ([]byte, error) {
	name, err := dnsmessage.NewName("_mqtt._tcp.local.")
	if err != nil {
		return nil, err
	}
	const unicast = 1 << 15 // asks for an answer to the sender alone
	m := dnsmessage.Message{Questions: []dnsmessage.Question{{Name: name, Type: dnsmessage.TypePTR, Class: dnsmessage.ClassINET | unicast}}}
	return m.Pack()
}

// brokersIn returns the brokers in an answer. If the answer has no address for a host,
// the broker is at the address that answered.
func brokersIn(packet []byte, from netip.Addr) (found []Broker) {
	var m dnsmessage.Message
	if m.Unpack(packet) != nil {
		return nil
	}
	hosts := map[string]netip.Addr{}
	records := slices.Concat(m.Answers, m.Additionals)
	for _, r := range records {
		if a, ok := r.Body.(*dnsmessage.AResource); ok {
			hosts[strings.ToLower(r.Header.Name.String())] = netip.AddrFrom4(a.A)
		}
	}
	for _, r := range records {
		s, ok := r.Body.(*dnsmessage.SRVResource)
		name, is := strings.CutSuffix(r.Header.Name.String(), "._mqtt._tcp.local.")
		if !ok || !is {
			continue
		}
		at, ok := hosts[strings.ToLower(s.Target.String())]
		if !ok {
			at = from
		}
		found = append(found, Broker{
			Name: printable(fmt.Sprintf("%s on %s", name, strings.TrimSuffix(strings.TrimSuffix(s.Target.String(), "."), ".local"))),
			Addr: net.JoinHostPort(at.String(), strconv.Itoa(int(s.Port))),
		})
	}
	return found
}

// printable makes a name from the network safe for a terminal.
func printable(name string) string {
	return strings.Map(func(r rune) rune {
		if strconv.IsPrint(r) {
			return r
		}
		return '?'
	}, name)
}
