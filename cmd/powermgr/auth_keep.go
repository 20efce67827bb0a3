package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"powermgr/cmd/config"
	"powermgr/cmd/setup"
)

// A keeper stores in the configuration what a log-in has produced, and says how that
// takes effect.
type keeper interface {
	keep(key string, value any) error
	next()
	// missing returns the error for a log-in with a vendor that is not configured.
	missing(vendor string) error
}

// keeperOf returns the keeper for the configuration in a file.
func keeperOf(login setup.Login, file string) keeper {
	if _, addon := config.FindAddon(os.Environ()); addon {
		return inAddon{login, file}
	}
	return inFile{login, file}
}

// inFile writes to the file.
type inFile struct {
	setup.Login
	file string
}

func (k inFile) keep(key string, value any) error {
	if err := setup.SetKey(k.file, key, value); err != nil {
		return err
	}
	k.Say("%s in %s is now %s.", key, k.file, asYAML(value))
	return nil
}

func (k inFile) next() {
	k.Say("A running daemon picks up a new authorization by itself, within ten minutes. To apply it at once, together with\nother changes to the configuration: sudo systemctl reload powermgr")
}

func (k inFile) missing(vendor string) error {
	return fmt.Errorf("there is no %s in %s: add it first, or run powermgr setup", vendor, k.file)
}

// inAddon tells a person what to enter, and where: the Supervisor owns the options of an
// add-on, and the add-on's file is mounted read-only.
type inAddon struct {
	setup.Login
	file string
}

// option returns the name of a key on the page of the add-on.
func (inAddon) option(key string) string {
	return map[string]string{"settings.thermostat_ids": "Settings: Thermostats", "tesla.base_url": "Tesla Powerwall: Address of the API"}[key]
}

func (k inAddon) keep(key string, value any) error {
	section, name, _ := strings.Cut(key, ".")
	if setup.HasKey(k.file, key) { // the file has priority over the options
		k.Say("Now write this below %s in config.yaml, in the add-on's folder of addon_configs, and restart the add-on:\n\n  %s: %s\n", section, name, asYAML(value))
		return nil
	}
	k.Say("Now open the tab Configuration of the add-on in Home Assistant, enter this at %s, save, and restart the add-on:\n", k.option(key))
	values, isList := value.([]string)
	if !isList {
		values = []string{asYAML(value)}
	}
	for _, v := range values {
		k.Say("  %s", v)
	}
	if len(values) == 0 {
		k.Say("  nothing: remove what is there")
	}
	k.Say("")
	return nil
}

func (k inAddon) next() {
	k.Say("The add-on picks up a new authorization by itself, within ten minutes. To apply it at once, restart the add-on.")
}

func (k inAddon) missing(vendor string) error {
	return fmt.Errorf("there is no %s in the configuration: enter it on the tab Configuration of the add-on first, and save", vendor)
}

// asYAML writes a value as it is written in a configuration.
func asYAML(value any) string {
	text, _ := json.Marshal(value) // never fails for text; JSON is YAML, too
	return string(text)
}
