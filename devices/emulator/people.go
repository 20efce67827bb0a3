package emulator

// People's actions, over HTTP: what somebody does at the device on the wall or in a
// vendor's app, and what the grid does to the house.

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"powermgr/devices"
)

// act is the body of POST /emulator/people; a nil field stays as it is.
//
//	{"device": "powerwall", "reserve": 50, "mode": "backup"}
//	{"device": "LCC-00A01AB10001", "cool": 74, "heat": 68, "hold": "permanent", "mode": "cool"}
type act struct {
	Device string  `json:"device"` // "powerwall", or a thermostat's LCC id
	Mode   *string `json:"mode"`

	Reserve      *int                `json:"reserve"`
	ReserveFloor *int                `json:"reserve_floor"` // the lowest reserve that it accepts from now on
	ReserveCap   *int                `json:"reserve_cap"`   // the highest; 0: 100
	StormWatch   *bool               `json:"storm_watch"`
	StormActive  *bool               `json:"storm_active"`
	GridServices *bool               `json:"grid_services_active"`
	GridCharging *bool               `json:"grid_charging"`
	ExportRule   *devices.ExportRule `json:"export_rule"`
	OffGrid      *bool               `json:"off_grid"`

	Cool          *float64      `json:"cool"`
	Heat          *float64      `json:"heat"`
	Hold          *devices.Hold `json:"hold"`
	HoldUntil     *time.Time    `json:"hold_until"`
	Fan           *devices.Fan  `json:"fan"`
	EmergencyHeat *bool         `json:"emergency_heat"`
	Alive         *bool         `json:"alive"`
	Vacation      *bool         `json:"vacation"`
	UtilityEvent  *bool         `json:"utility_event"`
}

// people carries out the action in b, all of it or nothing. The error says what to send.
func (c *Cloud) people(b []byte) error {
	var a act
	if err := Decode(b, &a); err != nil {
		return fmt.Errorf(`send {"device": "powerwall", "reserve": 50}: %w`, err)
	}
	var err error
	c.Person(func(h *House) {
		if a.Device == "powerwall" {
			err = a.onPowerwall(h)
			return
		}
		i := slices.IndexFunc(h.Thermostats, func(t *Thermostat) bool { return t.LCCID == a.Device })
		if i < 0 {
			err = fmt.Errorf("there is no device %.40q: send powerwall, or the LCC id of a thermostat", a.Device)
			return
		}
		err = a.onThermostat(h.Thermostats[i], h.at)
	})
	return err
}

func (a act) onPowerwall(h *House) error {
	switch {
	case a.Cool != nil || a.Heat != nil || a.Hold != nil || a.HoldUntil != nil || a.Fan != nil || a.EmergencyHeat != nil ||
		a.Alive != nil || a.Vacation != nil || a.UtilityEvent != nil:
		return errors.New("a Powerwall has none of a thermostat's settings")
	case a.Reserve != nil && (*a.Reserve < 0 || *a.Reserve > 100):
		return fmt.Errorf("a reserve of %d %% is outside 0–100", *a.Reserve)
	case !percentage(a.ReserveFloor) || !percentage(a.ReserveCap):
		return errors.New("a reserve_floor and a reserve_cap are percentages, 0–100")
	case a.Mode != nil && !slices.Contains(devices.Modes(), devices.Mode(*a.Mode)):
		return fmt.Errorf("a Powerwall has no mode %.20q: send one of %v", *a.Mode, devices.Modes())
	case a.ExportRule != nil && !slices.Contains(devices.ExportRules(), *a.ExportRule):
		return fmt.Errorf("there is no export rule %.20q: send one of %v", *a.ExportRule, devices.ExportRules())
	}
	set(&h.options.ReserveFloor, a.ReserveFloor)
	set(&h.options.ReserveCap, a.ReserveCap)
	if a.Reserve != nil {
		h.SetReserve(*a.Reserve)
	}
	if a.Mode != nil {
		h.Mode = devices.Mode(*a.Mode)
	}
	set(&h.StormWatch, a.StormWatch)
	set(&h.StormActive, a.StormActive)
	set(&h.GridServices, a.GridServices)
	set(&h.GridCharging, a.GridCharging)
	set(&h.ExportRule, a.ExportRule)
	set(&h.OffGrid, a.OffGrid)
	return nil
}

func (a act) onThermostat(t *Thermostat, now time.Time) error {
	s := Setting{Cool: a.Cool, Heat: a.Heat, Hold: a.Hold, HoldUntil: a.HoldUntil, Fan: a.Fan, EmergencyHeat: a.EmergencyHeat}
	holds := []devices.Hold{devices.HoldSchedule, devices.HoldTemporary, devices.HoldUntil, devices.HoldPermanent}
	fans := []devices.Fan{devices.FanAuto, devices.FanOn, devices.FanCirculate}
	switch {
	case a.Reserve != nil || a.ReserveFloor != nil || a.ReserveCap != nil || a.StormWatch != nil || a.StormActive != nil || a.GridServices != nil || a.GridCharging != nil ||
		a.ExportRule != nil || a.OffGrid != nil:
		return errors.New("a thermostat has none of a Powerwall's settings")
	case a.Mode != nil && !slices.Contains(t.Modes, devices.HVACMode(*a.Mode)):
		return fmt.Errorf("the thermostat has no mode %.20q: send one of %v", *a.Mode, t.Modes)
	case a.Hold != nil && !slices.Contains(holds, *a.Hold):
		return fmt.Errorf("there is no hold %.20q: send one of %v, or vacation true", *a.Hold, holds)
	case (a.Hold != nil && *a.Hold == devices.HoldUntil) != (a.HoldUntil != nil):
		return errors.New("hold until and hold_until go together")
	case a.HoldUntil != nil && (!a.HoldUntil.After(now) || a.HoldUntil.Sub(now) > 24*time.Hour):
		return fmt.Errorf("hold_until %s is not within a day from now", a.HoldUntil.Format(time.RFC3339))
	case a.Fan != nil && !slices.Contains(fans, *a.Fan):
		return fmt.Errorf("there is no fan mode %.20q: send one of %v", *a.Fan, fans)
	case a.Cool != nil && (*a.Cool < t.CoolMin || *a.Cool > t.CoolMax):
		return fmt.Errorf("a cool set point of %g is outside %g–%g", *a.Cool, t.CoolMin, t.CoolMax)
	case a.Heat != nil && (*a.Heat < t.HeatMin || *a.Heat > t.HeatMax):
		return fmt.Errorf("a heat set point of %g is outside %g–%g", *a.Heat, t.HeatMin, t.HeatMax)
	}
	if a.Mode != nil {
		s.Mode = new(devices.HVACMode(*a.Mode))
	}
	if (s.Cool != nil || s.Heat != nil) && s.Hold == nil && t.Hold == devices.HoldSchedule {
		s.Hold = new(devices.HoldTemporary)
	}
	set(&t.Alive, a.Alive)
	set(&t.Vacation, a.Vacation)
	set(&t.UtilityEvent, a.UtilityEvent)
	t.Touch(now, s)
	return nil
}

func percentage(v *int) bool { return v == nil || *v >= 0 && *v <= 100 }

func set[T any](to *T, v *T) {
	if v != nil {
		*to = *v
	}
}
