package bridge

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/url"
	"os"
)

// TLSFiles are the keys of mqtt.tls.
type TLSFiles struct {
	CAFile     string // PEM certificates to trust; empty: the system's
	CertFile   string // our certificate, PEM; empty: none
	KeyFile    string // its key; required with CertFile
	ServerName string // the name the broker's certificate must have; empty: the host of the URL
}

// Config reads the files. It is nil for a URL without TLS. The files with a
// URL without TLS are a mistake, and so said: the password would go in clear.
func (f TLSFiles) Config(broker *url.URL) (*tls.Config, error) {
	secure, err := secureScheme(broker)
	if err != nil {
		return nil, err
	}
	if !secure {
		if f != (TLSFiles{}) {
			return nil, fmt.Errorf("mqtt.tls is set, but mqtt.url is not encrypted: write mqtts://%s", broker.Host)
		}
		return nil, nil
	}
	cfg := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: f.ServerName}
	if f.ServerName == "" {
		cfg.ServerName = broker.Hostname()
	}
	if f.CAFile != "" {
		pem, err := os.ReadFile(f.CAFile)
		if err != nil {
			return nil, fmt.Errorf("mqtt.tls.ca_file: %w", err)
		}
		cfg.RootCAs = x509.NewCertPool()
		if !cfg.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("mqtt.tls.ca_file: %s has no PEM certificate", f.CAFile)
		}
	}
	if (f.CertFile == "") != (f.KeyFile == "") {
		return nil, fmt.Errorf("mqtt.tls: cert_file and key_file belong together, one is missing")
	}
	if f.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(f.CertFile, f.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("mqtt.tls.cert_file: %w", err)
		}
		cfg.Certificates = []tls.Certificate{pair}
	}
	return cfg, nil
}

// secureScheme reports whether a broker's URL is one with TLS.
func secureScheme(broker *url.URL) (bool, error) {
	switch broker.Scheme {
	case "mqtts", "tls", "ssl":
		return true, nil
	case "mqtt", "tcp":
		return false, nil
	}
	return false, fmt.Errorf("mqtt.url: %s is not a scheme for a broker: write mqtt://host:1883, or mqtts://host:8883 for TLS", broker.Scheme)
}
