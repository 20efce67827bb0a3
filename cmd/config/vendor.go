package config

import (
	"net/http"
	"powermgr/bridge"
	"powermgr/devices/tesla"
	"time"
)

// TeslaClient is the adapter for the account in the configuration.
func (c Config) TeslaClient(client *http.Client, now func() time.Time, s bridge.Shared) (*tesla.Client, error) {
	return tesla.New(tesla.Options{
		BaseURL: c.Tesla.BaseURL, TokenURL: c.Tesla.TokenURL, SiteID: c.Tesla.EnergySiteID, ClientID: c.Tesla.ClientID,
		ClientSecret: c.Tesla.ClientSecret, TokenFile: c.Tesla.TokenFile, APIToken: c.Tesla.APIToken, HTTP: client, Now: now, Log: s.Log,
	})
}
