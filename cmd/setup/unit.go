package setup

import (
	"context"
	"strings"

	"powermgr/devices"
)

// unit asks which unit of temperature the owner uses.
func (i Interview) unit(ctx context.Context, a *answers) error {
	usual := devices.Celsius
	if readsFahrenheit(a.Settings.Timezone) {
		usual = devices.Fahrenheit
	}
	chosen, err := i.Choose(ctx, Question{Key: "unit", Text: "Show temperatures in", Default: string(usual)}, []Option{
		{string(devices.Fahrenheit), "°F"}, {string(devices.Celsius), "°C"},
	})
	a.Settings.Unit = devices.Unit(chosen)
	return err
}

// readsFahrenheit reports whether a time zone belongs to the United States or its
// territories. Source: zone1970.tab and backward of the time zone database, 2025b.
func readsFahrenheit(zone string) bool {
	area, place, _ := strings.Cut(zone, "/")
	place, _, _ = strings.Cut(place, "/") // Indiana/Knox
	switch area {
	case "US", "Navajo", "EST", "MST", "HST", "EST5EDT", "CST6CDT", "MST7MDT", "PST8PDT":
		return true
	case "Pacific":
		switch place {
		case "Honolulu", "Johnston", "Guam", "Saipan", "Pago_Pago", "Samoa", "Midway", "Wake":
			return true
		}
	case "America":
		switch place {
		case "New_York", "Detroit", "Kentucky", "Louisville", "Indiana", "Indianapolis", "Fort_Wayne", "Knox_IN", "Chicago", "Menominee", "North_Dakota",
			"Denver", "Shiprock", "Boise", "Phoenix", "Los_Angeles", "Anchorage", "Juneau", "Sitka", "Metlakatla", "Yakutat", "Nome", "Adak", "Atka",
			"Puerto_Rico", "St_Thomas", "Virgin":
			return true
		}
	}
	return false
}
