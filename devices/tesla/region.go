package tesla

import (
	"context"
	"encoding/json"

	"powermgr/devices/cloud"
)

// regionPath is the endpoint that says where an account is served.
const regionPath = "/api/1/users/region"

// otherRegion returns what to do about a 421. It looks up the right address.
func (c *Client) otherRegion(ctx context.Context, q request) (string, error) {
	const set = "the account belongs to another region: set tesla.base_url"
	if q.path == regionPath {
		return set, nil
	}
	at, err := c.Region(ctx)
	if err != nil || at == "" {
		return set, err
	}
	return set + " to " + cloud.Line(at), nil
}

// Region returns the base URL that serves the account, without a slash at its end.
// Empty: Tesla does not say, or names one that no secret may be sent to.
func (c *Client) Region(ctx context.Context) (string, error) {
	body, err := c.call(ctx, request{op: "ask for the region", path: regionPath})
	if err != nil {
		return "", err
	}
	var r struct {
		URL string `json:"fleet_api_base_url"`
	}
	if json.Unmarshal(body, &r) != nil {
		return "", nil
	}
	at, err := cloud.BaseURL(r.URL)
	if err != nil {
		return "", nil //nolint:nilerr // an unusable address counts as none
	}
	return at.String(), nil
}
