package brokertest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Certificates are a certificate authority with a certificate for the broker,
// good for localhost and 127.0.0.1, and one for a client.
type Certificates struct {
	CAFile, ServerCert, ServerKey, ClientCert, ClientKey string // PEM files

	begin time.Time // of when they are valid
}

// NewCertificates makes them in a folder of the test.
func NewCertificates(t testing.TB) *Certificates {
	t.Helper()
	return CertificatesFrom(t, time.Now().Add(-time.Hour))
}

// CertificatesFrom makes them, to be valid for a day from then on.
func CertificatesFrom(t testing.TB, begin time.Time) *Certificates {
	t.Helper()
	dir := t.TempDir()
	caKey := newKey(t)
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: begin, NotAfter: begin.AddDate(0, 0, 1), KeyUsage: x509.KeyUsageCertSign,
	}
	c := &Certificates{CAFile: filepath.Join(dir, "ca.crt"), begin: begin}
	writePEM(t, c.CAFile, "CERTIFICATE", sign(t, ca, ca, caKey, caKey))
	issue := func(serial int64, name string, use x509.ExtKeyUsage) (cert, key string) {
		k := newKey(t)
		leaf := &x509.Certificate{
			SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name},
			NotBefore: ca.NotBefore, NotAfter: ca.NotAfter, KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{use},
			DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		}
		cert, key = filepath.Join(dir, name+".crt"), filepath.Join(dir, name+".key")
		writePEM(t, cert, "CERTIFICATE", sign(t, leaf, ca, k, caKey))
		der, err := x509.MarshalPKCS8PrivateKey(k)
		if err != nil {
			t.Fatal(err)
		}
		writePEM(t, key, "PRIVATE KEY", der)
		return cert, key
	}
	c.ServerCert, c.ServerKey = issue(2, "broker", x509.ExtKeyUsageServerAuth)
	c.ClientCert, c.ClientKey = issue(3, "powermgr", x509.ExtKeyUsageClientAuth)
	return c
}

// ClientTLS is how a client with a certificate connects, whose clock is one at
// which they are valid.
func (c *Certificates) ClientTLS() *tls.Config {
	cfg := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: "localhost", RootCAs: c.pool(), Time: func() time.Time { return c.begin.Add(time.Hour) }}
	if pair, err := tls.LoadX509KeyPair(c.ClientCert, c.ClientKey); err == nil {
		cfg.Certificates = []tls.Certificate{pair}
	}
	return cfg
}

func (c *Certificates) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	if b, err := os.ReadFile(c.CAFile); err == nil {
		pool.AppendCertsFromPEM(b)
	}
	return pool
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func sign(t testing.TB, cert, parent *x509.Certificate, key, by *ecdsa.PrivateKey) []byte {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, cert, parent, &key.PublicKey, by)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func writePEM(t testing.TB, path, kind string, der []byte) {
	t.Helper()
	// The broker may run as another user; these are keys of a test.
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o644); err != nil {
		t.Fatal(err)
	}
}
