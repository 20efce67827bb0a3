package emulator

import "powermgr/devices"

// zone is one of the house's two zones: the air with the furniture, and the mass of
// walls and floors, which lags behind. Temperatures are in °C.
type zone struct{ air, mass float64 }

// Properties of one zone.
const (
	airWhPerK = 700.0  // heat capacity of the air and the furniture
	coupling  = 620.0  // W/K between air and mass
	fanW      = 180.0  // electric power of the fan during heating or cooling
	inner     = 0.30   // share of the base load that becomes heat in one zone
	auxBelowC = -5.0   // below this the heat pump's resistance heater helps
	auxW      = 4_000. // electric power of that heater
)

type conditions struct {
	Conditions
	house HouseOptions
	base  float64 // W
}

// equipment returns the heat that an action delivers and the electric power that it
// takes, in W: heat is negative for cooling.
func equipment(action devices.Action, c conditions) (heat, watts float64) {
	switch action {
	case devices.ActionCooling:
		// The hotter it is outside, the more work it takes to move heat there.
		cop := min(max(4.6-0.075*(c.OutdoorC-25), 1.8), 5.5)
		heat, watts = -c.house.CoolingW, c.house.CoolingW/cop+fanW
	case devices.ActionHeating:
		cop := min(max(3.4+0.07*(c.OutdoorC-8), 1.4), 4.5)
		moved := c.house.HeatingW * min(max(1+0.02*(c.OutdoorC-8), 0.5), 1.2)
		heat, watts = moved, moved/cop+fanW
		if c.OutdoorC < auxBelowC {
			heat += auxW
			watts += auxW
		}
	case devices.ActionFan:
		watts = fanW
	}
	return heat, watts
}

// step advances the zone by hours, while the equipment delivers heat.
func (z *zone) step(heat float64, c conditions, hours float64) {
	toMass := coupling * (z.air - z.mass)
	gain := c.house.Leak*(c.OutdoorC-z.air) + c.house.Windows*c.Sun + inner*c.base + heat - toMass
	z.air += gain * hours / airWhPerK
	z.mass += toMass * hours / c.house.Walls
}
