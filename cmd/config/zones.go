package config

import (
	_ "embed"
	"slices"
	"strings"
	"time"
)

// zones are the names of time zones, a line each: those of the time zone database
// by continent, ocean and for the United States, and UTC. Source: tzdata.zi, 2025b.
//
//go:embed zones.txt
var zones string

// ZoneKnown reports whether a name is that of a time zone.
func ZoneKnown(name string) bool {
	_, err := time.LoadLocation(name)
	return err == nil && name != "" && name != "Local"
}

// WrongZone says what is wrong with a name that is not a time zone.
func WrongZone(name string) string {
	text := quoted(name) + " is not a time zone such as America/Los_Angeles"
	if likely := likelyZone(name); likely != "" {
		text += ": did you mean " + likely + "?"
	}
	return text
}

// likelyZone returns the time zone that somebody may have meant by an unknown name: one
// with that city, or the nearest spelling. Empty: there is none.
func likelyZone(name string) string {
	plain := func(s string) string {
		return strings.ToLower(strings.NewReplacer(" ", "_", "-", "_").Replace(strings.TrimSpace(s)))
	}
	all := strings.Fields(zones)
	city := func(zone string) string { return plain(zone[strings.LastIndex(zone, "/")+1:]) }
	for _, same := range []func(zone string) bool{
		func(zone string) bool { return plain(zone) == plain(name) },
		func(zone string) bool { return city(zone) == plain(name) },
		func(zone string) bool { return city(zone) == city(name) }, // Europe/New_York
	} {
		if i := slices.IndexFunc(all, same); i >= 0 {
			return all[i]
		}
	}
	if near := closest(plain(name), all, len(name)/4); near != "" {
		return near
	}
	var cities []string
	for _, zone := range all {
		cities = append(cities, city(zone))
	}
	if i := slices.Index(cities, closest(city(name), cities, len(city(name))/4)); i >= 0 {
		return all[i]
	}
	return ""
}
