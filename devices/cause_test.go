package devices_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"powermgr/devices"
)

// An error text that contains the current time was reported again at every attempt.
func TestACauseStaysTheSame(t *testing.T) {
	begins := time.Date(2026, 11, 28, 0, 36, 0, 0, time.UTC)
	expired := func(now time.Time) error {
		return fmt.Errorf("Get: %w", &tls.CertificateVerificationError{Err: x509.CertificateInvalidError{
			Cert: &x509.Certificate{NotBefore: begins, NotAfter: begins.AddDate(1, 0, 0)}, Reason: x509.Expired,
			Detail: fmt.Sprintf("current time %s is before %s", now.Format(time.RFC3339), begins.Format(time.RFC3339)),
		}})
	}
	broken := func(port int) error {
		return fmt.Errorf("Get: %w", &net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", syscall.ECONNRESET),
			Source: &net.TCPAddr{IP: net.IPv4(10, 0, 0, 5), Port: port}, Addr: &net.TCPAddr{IP: net.IPv4(10, 0, 0, 9), Port: 443}})
	}
	for name, c := range map[string]struct {
		one, other error
		has, lacks string
	}{
		"a certificate": {expired(begins.Add(-time.Hour)), expired(begins.Add(-time.Minute)), "valid from 2026-11-28 00:36 UTC to 2027-11-28 00:36 UTC", "current time"},
		"a connection":  {broken(40000), broken(40001), "10.0.0.9:443: read: connection reset", "10.0.0.5"},
		"any other":     {errors.New("odd"), errors.New("odd"), "odd", "certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			got := devices.Cause(c.one)
			if got.Error() != devices.Cause(c.other).Error() || !strings.Contains(got.Error(), c.has) || strings.Contains(got.Error(), c.lacks) {
				t.Errorf("%q, then %q", got, devices.Cause(c.other))
			}
			if !errors.Is(got, c.one) {
				t.Error("the original error is not wrapped")
			}
		})
	}
	if devices.Cause(nil) != nil {
		t.Error("nil has a cause")
	}
}
