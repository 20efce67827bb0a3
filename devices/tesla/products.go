package tesla

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"powermgr/devices/cloud"
)

const opProducts = "list products"

// battery is a site with a battery on an account.
type battery struct {
	id      int64
	name    string
	charged bool // it reports a charge
}

func (b battery) String() string { return fmt.Sprintf("%d (%s)", b.id, b.name) }

// batteries reads which sites of the account have a battery.
func (c *Client) batteries(ctx context.Context) ([]battery, error) {
	products, err := c.call(ctx, request{op: opProducts, path: "/api/1/products"})
	if err != nil {
		return nil, err
	}
	return batteriesOf(products)
}

// A Site is a home with a Powerwall on an account.
type Site struct {
	ID      int64
	Name    string // given by the owner; may be empty
	Reports bool   // Tesla knows its charge, which a gateway that was replaced or cannot be reached does not report
}

// Sites returns the homes with a Powerwall on the account, those that report first.
// Gateways that were replaced stay listed.
func (c *Client) Sites(ctx context.Context) (sites []Site, err error) {
	all, err := c.batteries(ctx)
	if err != nil {
		return nil, err
	}
	for _, b := range all {
		sites = append(sites, Site{b.id, b.name, b.charged})
	}
	slices.SortStableFunc(sites, func(a, b Site) int {
		switch {
		case a.Reports == b.Reports:
			return 0
		case a.Reports:
			return -1
		}
		return 1
	})
	return sites, nil
}

// About is what Tesla's app knows about a site and no reading includes.
type About struct {
	Zone   string          // IANA name; empty: Tesla does not say
	Tariff json.RawMessage // tariff_content_v2; empty: none is set in the app
}

// About reads the site's About. It makes one call.
func (c *Client) About(ctx context.Context) (About, error) {
	site, err := c.siteID(ctx)
	if err != nil {
		return About{}, err
	}
	body, err := c.call(ctx, request{op: opInfo, path: site + "/site_info"})
	if err != nil {
		return About{}, err
	}
	var info struct {
		Zone   string          `json:"installation_time_zone"`
		Tariff json.RawMessage `json:"tariff_content_v2"`
	}
	if json.Unmarshal(body, &info) != nil {
		return About{}, nonsense(opInfo, "a field has an unexpected form")
	}
	if s := strings.TrimSpace(string(info.Tariff)); s == "null" || s == "{}" || s == `""` {
		info.Tariff = nil
	}
	return About{cloud.Line(info.Zone), info.Tariff}, nil
}

// batteriesOf returns the sites with a battery among the products of an account, each
// once. Vehicles have no energy_site_id.
func batteriesOf(products json.RawMessage) ([]battery, error) {
	var all []struct {
		Site       *int64          `json:"energy_site_id"`
		Type       string          `json:"resource_type"`
		Charge     json.RawMessage `json:"percentage_charged"`
		Name       string          `json:"site_name"`
		Components *struct {
			Battery bool `json:"battery"`
		} `json:"components"`
	}
	if err := json.Unmarshal(products, &all); err != nil {
		return nil, nonsense(opProducts, "the list of products is not one")
	}
	var found []battery
	for _, p := range all {
		if p.Site == nil || p.Components != nil && !p.Components.Battery || p.Components == nil && p.Type != "battery" {
			continue
		}
		b := battery{*p.Site, cloud.Line(p.Name), len(p.Charge) > 0 && string(p.Charge) != "null"}
		switch i := slices.IndexFunc(found, func(f battery) bool { return f.id == b.id }); {
		case i < 0:
			found = append(found, b)
		case b.charged:
			found[i] = b
		}
	}
	return found, nil
}

// onlyBattery returns the id of the only battery on an account. A replaced gateway stays
// listed without a charge, and one that cannot be reached at the moment looks the same:
// if there is no other, that one counts.
func onlyBattery(all []battery) (int64, error) {
	found := slices.DeleteFunc(slices.Clone(all), func(b battery) bool { return !b.charged })
	if len(found) == 0 {
		found = all
	}
	switch len(found) {
	case 0:
		return 0, refused(opProducts, errors.New("there is no Powerwall on this account: log in with the Tesla account in whose app you see it, and agree to share energy data"))
	case 1:
		return found[0].id, nil
	}
	return 0, refused(opProducts, fmt.Errorf("there are several Powerwalls on this account: set tesla.energy_site_id to one of %s", inWords(found)))
}

// sayWhich logs which of several sites was chosen: one that cannot be reached at the
// moment looks like a replaced gateway, and may be the home that is meant.
func (c *Client) sayWhich(id int64, all []battery) {
	taken := slices.IndexFunc(all, func(b battery) bool { return b.id == id })
	others := slices.DeleteFunc(slices.Clone(all), func(b battery) bool { return b.id == id })
	if taken < 0 || len(others) == 0 {
		return
	}
	c.log.Warn("there are several Powerwalls on this account, and only one of them reports: it is the one that is used; if it is not the right one, set tesla.energy_site_id",
		"used", all[taken].String(), "not_used", inWords(others))
}

// unknownSite returns what to do about a site that Tesla does not find, and why the
// sites of the account could not be read. They are read once, and again only if that
// failed.
func (c *Client) unknownSite(ctx context.Context, q request) (string, error) {
	const check = "Tesla does not know this site: check tesla.energy_site_id"
	if !strings.HasPrefix(q.path, sitesPath) {
		return "", nil
	}
	c.mu.Lock()
	site, all := c.site, c.has
	c.mu.Unlock()
	if all == nil {
		var err error
		if all, err = c.batteries(ctx); err != nil {
			return check, err
		}
		c.mu.Lock()
		c.has = append([]battery{}, all...)
		c.mu.Unlock()
	}
	switch {
	case len(all) == 0:
		return fmt.Sprintf("tesla.energy_site_id is %d, and there is no Powerwall on this account", site), nil
	case slices.ContainsFunc(all, func(b battery) bool { return b.id == site }):
		return "the site is on the account, but Tesla cannot find it right now", nil
	}
	return fmt.Sprintf("tesla.energy_site_id is %d, which is not on this account: it has %s", site, inWords(all)), nil
}

// inWords lists up to ten sites, and counts the rest.
func inWords(all []battery) string {
	const maxListed = 10
	var names []string
	for _, b := range all[:min(len(all), maxListed)] {
		names = append(names, b.String())
	}
	if more := len(all) - len(names); more > 0 {
		names = append(names, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(names, ", ")
}
