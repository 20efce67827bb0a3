package daemon

import (
	"context"
	"errors"

	"powermgr/bridge"
	"powermgr/cmd/config"
)

// Cleaner connects to the broker of the configuration beside the daemon.
func Cleaner(ctx context.Context, c config.Config) (*bridge.Cleaner, error) {
	if c.MQTT.Off() {
		return nil, errors.New("mqtt.url is none: there is no broker")
	}
	o := bridge.LinkOptions{URL: c.MQTT.URL, Username: c.MQTT.Username, Password: c.MQTT.Password, ClientID: c.MQTT.ClientID + "-clean"}
	var err error
	if o.TLS, err = brokerTLS(c.MQTT); err != nil {
		return nil, err
	}
	return bridge.NewCleaner(ctx, o)
}
