package config

import (
	"reflect"
	"slices"
	"strings"

	"powermgr/devices/cloud"
)

// Checks whether a configuration makes sense. Every mistake is a problem; what is only
// unusual is a notice. The checks of a part are in its file.

func (l *loader) check(c *Config) {
	l.checkBounds(reflect.ValueOf(*c), "")
	l.checkTesla(c.Tesla)
	if text := c.Expiring(l.now()); text != "" {
		l.notice("tesla", "%s", text)
	}
	l.checkHoneywell(c.Honeywell)
	if c.Tesla == nil && c.Honeywell == nil {
		l.notice("tesla", "neither tesla nor honeywell is configured: nothing is polled by this process")
	}
	l.checkPlaceholders(c)
	l.checkMQTT(c)
	l.checkTopics(c)
	l.checkWeather(c)
	l.checkMail(c.Notifications)
	l.checkCalendar(c)
	l.checkBattery(c.Settings)
	l.checkThermostats(c)
	l.checkTariff(c)
	l.checkReportPrices(c.Tariff)
	l.checkNode(c.HA)
	l.checkPaths(c.Paths)
	l.checkHTTP(&c.HTTP)
	l.checkLogging(c.Logging)
}

// oneOf reports a value that is not one of the allowed words.
func (l *loader) oneOf(key, value string, allowed ...string) {
	if !slices.Contains(allowed, value) {
		allowed = slices.DeleteFunc(allowed, func(word string) bool { return word == "" })
		l.problem(key, "%s is not one of %s%s", quoted(value), strings.Join(allowed, ", "), DidYouMean(value, allowed))
	}
}

// vendorURL reports an address that secrets must not be sent to.
func (l *loader) vendorURL(key, value string) {
	u, err := cloud.BaseURL(value)
	if err != nil {
		l.problem(key, "%s", err)
		return
	}
	if u.Scheme == "http" {
		l.notice(key, "plain HTTP on this machine: right only for the emulator")
	}
}
