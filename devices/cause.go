package devices

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
)

// Cause describes a failed connection in words that stay the same as long as the
// problem does, so that it is logged once and not at every attempt. Go includes the
// present time in the error for an invalid certificate, and this machine's port in that
// for a broken connection. An error without either is returned unchanged; errors.As
// finds the original in all.
func Cause(err error) error {
	if err == nil {
		return nil
	}
	text := err.Error()
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](err); ok && invalid.Reason == x509.Expired {
		text = strings.ReplaceAll(text, invalid.Error(), validity(invalid.Cert))
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Source != nil {
		text = strings.ReplaceAll(text, op.Source.String()+"->", "")
	}
	if text == err.Error() {
		return err
	}
	return cause{text, err}
}

// validity is when a certificate is valid, which it is not by this machine's
// clock, and what to do.
func validity(c *x509.Certificate) string {
	if c == nil {
		return "the certificate is not valid now: look at this machine's clock (timedatectl)"
	}
	const layout = "2006-01-02 15:04 UTC"
	from, to := c.NotBefore.UTC().Format(layout), c.NotAfter.UTC().Format(layout)
	return fmt.Sprintf("the certificate is valid from %s to %s, and not by this machine's clock: look at that (timedatectl), or the certificate has to be renewed", from, to)
}

type cause struct {
	text string
	err  error
}

func (c cause) Error() string { return c.text }
func (c cause) Unwrap() error { return c.err }
