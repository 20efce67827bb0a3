package setup

import (
	"context"
	"net"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// responder answers like a broker that announces itself, on loopback.
func responder(t *testing.T, answers ...dnsmessage.Message) netip.AddrPort {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	go func() {
		b := make([]byte, 1500)
		n, from, err := conn.ReadFromUDPAddrPort(b)
		var q dnsmessage.Message
		if err != nil || q.Unpack(b[:n]) != nil || q.Questions[0].Name.String() != "_mqtt._tcp.local." {
			return
		}
		_, _ = conn.WriteToUDPAddrPort([]byte("no DNS"), from)
		for _, a := range answers {
			if packet, err := a.Pack(); err == nil {
				_, _ = conn.WriteToUDPAddrPort(packet, from)
			}
		}
	}()
	return conn.LocalAddr().(*net.UDPAddr).AddrPort()
}

func announcement(instance, host string, port uint16, at *[4]byte) dnsmessage.Message {
	service := dnsmessage.MustNewName(instance + "._mqtt._tcp.local.")
	m := dnsmessage.Message{Answers: []dnsmessage.Resource{
		{Header: dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName("_mqtt._tcp.local."), Class: dnsmessage.ClassINET}, Body: &dnsmessage.PTRResource{PTR: service}},
	}, Additionals: []dnsmessage.Resource{
		{Header: dnsmessage.ResourceHeader{Name: service, Class: dnsmessage.ClassINET}, Body: &dnsmessage.SRVResource{Port: port, Target: dnsmessage.MustNewName(host)}},
	}}
	if at != nil {
		m.Additionals = append(m.Additionals, dnsmessage.Resource{Header: dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName(host), Class: dnsmessage.ClassINET}, Body: &dnsmessage.AResource{A: *at}})
	}
	return m
}

func TestBrokersAreFound(t *testing.T) {
	group := responder(t,
		announcement("Mosquitto", "homeassistant.local.", 1883, &[4]byte{192, 168, 1, 10}),
		announcement("Mosquitto", "homeassistant.local.", 1883, &[4]byte{192, 168, 1, 10}), // again
		announcement("\x1b[31mEMQX", "nas.local.", 1884, nil))
	got := findBrokers(context.Background(), group, 500*time.Millisecond)
	want := []Broker{{"?[31mEMQX on nas", "127.0.0.1:1884"}, {"Mosquitto on homeassistant", "192.168.1.10:1883"}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v", got)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if got := findBrokers(ctx, group, time.Hour); got != nil {
		t.Errorf("got %v", got)
	}
}
