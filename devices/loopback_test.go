package devices

import "testing"

func TestLoopback(t *testing.T) {
	for host, want := range map[string]bool{
		"localhost": true, "127.0.0.1": true, "127.8.9.10": true, "::1": true, "::ffff:127.0.0.1": true,
		"": false, "192.168.1.5": false, "::ffff:192.168.1.5": false, "localhost.example.com": false, "127.0.0.1.example.com": false, "0.0.0.0": false,
	} {
		if Loopback(host) != want {
			t.Errorf("%q: %v, want %v", host, !want, want)
		}
	}
}
