package resideo

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"powermgr/devices"
	"powermgr/devices/cloud"
)

// The API's JSON. A pointer is a field that some devices omit or send as null. Location
// ids need 64 bits. The case of some names varies, which encoding/json accepts.

type wireLocation struct {
	LocationID   int64             `json:"locationID"`
	IANATimeZone string            `json:"ianaTimeZone"`
	Devices      []json.RawMessage `json:"devices"` // of every class: thermostats, leak detectors, cameras
}

type wireDevice struct {
	DeviceClass           string   `json:"deviceClass"`
	DeviceID              string   `json:"deviceID"`
	DeviceModel           string   `json:"deviceModel"`
	DeviceOSVersion       string   `json:"deviceOsVersion"`
	UserDefinedDeviceName string   `json:"userDefinedDeviceName"`
	Name                  string   `json:"name"`
	IsAlive               *bool    `json:"isAlive"`
	IsUpgrading           *bool    `json:"isUpgrading"`
	Units                 string   `json:"units"`
	IndoorTemperature     *float64 `json:"indoorTemperature"`
	IndoorHumidity        *float64 `json:"indoorHumidity"`
	OutdoorTemperature    *float64 `json:"outdoorTemperature"`
	AllowedModes          []string `json:"allowedModes"`
	Deadband              *float64 `json:"deadband"`
	MinHeatSetpoint       *float64 `json:"minHeatSetpoint"`
	MaxHeatSetpoint       *float64 `json:"maxHeatSetpoint"`
	MinCoolSetpoint       *float64 `json:"minCoolSetpoint"`
	MaxCoolSetpoint       *float64 `json:"maxCoolSetpoint"`
	AllowedTimeIncrements *float64 `json:"allowedTimeIncrements"` // minutes

	Service *struct {
		Mode string `json:"mode"`
	} `json:"service"`
	ChangeableValues *changeable `json:"changeableValues"`
	OperationStatus  *struct {
		Mode                  string `json:"mode"`
		FanRequest            bool   `json:"fanRequest"`
		CirculationFanRequest bool   `json:"circulationFanRequest"`
	} `json:"operationStatus"`
	Settings *struct {
		Fan *struct {
			AllowedModes     []string `json:"allowedModes"`
			ChangeableValues *struct {
				Mode string `json:"mode"`
			} `json:"changeableValues"`
		} `json:"fan"`
	} `json:"settings"`
	VacationHold *struct {
		Enabled bool `json:"enabled"`
	} `json:"vacationHold"`
	CurrentSchedulePeriod *struct {
		Day    string `json:"day"`
		Period string `json:"period"`
	} `json:"currentSchedulePeriod"`
}

// changeable holds the fields that can be written. A device omits those that it does
// not have.
type changeable struct {
	Mode                     string   `json:"mode"`
	HeatSetpoint             *float64 `json:"heatSetpoint"`
	CoolSetpoint             *float64 `json:"coolSetpoint"`
	AutoChangeoverActive     *bool    `json:"autoChangeoverActive"`
	EmergencyHeatActive      *bool    `json:"emergencyHeatActive"`
	ThermostatSetpointStatus *string  `json:"thermostatSetpointStatus"`
	NextPeriodTime           *string  `json:"nextPeriodTime"`
	HeatCoolMode             *string  `json:"heatCoolMode"`
}

// same reports whether c and o agree in all fields that can be written.
func (c changeable) same(o changeable) bool {
	return c.Mode == o.Mode && equal(c.HeatSetpoint, o.HeatSetpoint) && equal(c.CoolSetpoint, o.CoolSetpoint) &&
		equal(c.AutoChangeoverActive, o.AutoChangeoverActive) && equal(c.EmergencyHeatActive, o.EmergencyHeatActive) &&
		equal(c.ThermostatSetpointStatus, o.ThermostatSetpointStatus)
}

func equal[T comparable](a, b *T) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}

// place says where a thermostat is and in which time zone.
type place struct {
	deviceID   string
	locationID int64
	home       *time.Location
	seen       json.RawMessage // the API's last answer about it; nil: none yet
}

// maxThermostats limits how far one account can grow the topic tree.
const maxThermostats = 64

// found is one thermostat of /v2/locations.
type found struct {
	place
	thermostat
	usable bool  // place is valid, even if the figures are not
	err    error // why its figures are impossible
}

// listing is the last answer of /v2/locations, decoded.
type listing struct {
	locations cloud.Known[[]wireLocation]
	devices   map[string]wireDevice // those that could be decoded, by their JSON
}

// parse decodes an answer of /v2/locations. The error is about the answer as a whole; a
// single thermostat that makes no sense has an error of its own. zone returns the time
// zone for a location's IANA name.
func (l *listing) parse(body []byte, now time.Time, zone func(string) *time.Location) ([]found, error) {
	locations, err := l.locations.Decode(body, parseLocations)
	if err != nil {
		return nil, err
	}
	known := l.devices
	l.devices = make(map[string]wireDevice, len(known))
	device := func(raw []byte) (wireDevice, error) {
		d, ok := known[string(raw)]
		if !ok {
			var err error
			if d, err = parseDevice(raw); err != nil {
				return d, err
			}
		}
		l.devices[string(raw)] = d
		return d, nil
	}
	var all []found
	seen := map[string]bool{}
	for _, l := range locations {
		home := zone(l.IANATimeZone)
		for _, raw := range l.Devices {
			d, err := device(raw)
			if d.DeviceClass != "" && !strings.EqualFold(d.DeviceClass, "Thermostat") {
				continue
			}
			id := devices.TopicID(d.DeviceID)
			switch {
			case !plainID(d.DeviceID):
				id, err = "", errors.New("a device without a usable deviceID")
			case l.LocationID == 0:
				id, err = "", errors.New("a location without a locationID")
			case d.DeviceClass == "":
				err = errors.New("no deviceClass")
			case seen[id]:
				err = errors.New("the same deviceID twice")
			}
			if len(all) == maxThermostats {
				return all, nil
			}
			f := found{place: place{d.DeviceID, l.LocationID, home, raw}, usable: id != "" && !seen[id], err: err}
			if err == nil {
				f.thermostat, f.err = d.thermostat(now, home)
			}
			seen[id] = true
			all = append(all, f)
		}
	}
	return all, nil
}

// parseLocations decodes the locations of an answer, but not their devices.
func parseLocations(body []byte) ([]wireLocation, error) {
	var locations []wireLocation
	if err := decode(body, &locations); err != nil {
		return nil, err
	}
	if locations == nil {
		return nil, errors.New("null instead of a list of locations")
	}
	return locations, nil
}

// plainID reports whether an id can be part of a URL without escaping.
func plainID(id string) bool {
	return id != "" && len(id) <= 64 && strings.Trim(id, "0123456789-_ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") == ""
}

// parseDevice decodes one element of devices[], or the answer about one thermostat. A
// device of another class may have any form: only its class counts, which is returned
// even with an error.
func parseDevice(body []byte) (wireDevice, error) {
	var d wireDevice
	if err := decode(body, &d); err != nil { // encoding/json has still decoded all fields of the right type
		return wireDevice{DeviceClass: d.DeviceClass, DeviceID: d.DeviceID}, err
	}
	return d, nil
}

// decode is json.Unmarshal with errors that say where a body is not as expected,
// without quoting it.
func decode(body []byte, to any) error {
	err := json.Unmarshal(body, to)
	if err == nil {
		return nil
	}
	var t *json.UnmarshalTypeError
	switch {
	case errors.As(err, &t) && t.Field != "":
		return fmt.Errorf("%s is a %s", cloud.Line(t.Field), cloud.Line(t.Value))
	case bytes.HasPrefix(bytes.TrimSpace(body), []byte("<")):
		return errors.New("a web page instead of JSON")
	}
	return errors.New("not the JSON it should be")
}
