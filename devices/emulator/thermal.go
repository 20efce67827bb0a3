package emulator

import "powermgr/devices"

// zone is one of the house's two: the air with the furniture in it, and the
// mass of walls and floors that lags behind. Temperatures are °C.
type zone struct{ air, mass float64 }

// Of one zone.
const (
	airWhPerK = 700.0  // heat in the air and the furniture
	coupling  = 620.0  // W/K between the two
	fanW      = 180.0  // electricity of the fan while either runs
	inner     = 0.30   // of the base load that ends as heat in one zone
	auxBelowC = -5.0   // where the heat pump's resistance heater helps
	auxW      = 4_000. // electricity of that heater
)

type conditions struct {
	Conditions
	house HouseOptions
	base  float64 // W
}

// equipment is what doing action takes and brings, in W: heat is negative when
// it cools, watts is electricity.
func equipment(action devices.Action, c conditions) (heat, watts float64) {
	switch action {
	case devices.ActionCooling:
		// The hotter outside, the more work it is to bring heat there.
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

// step lives for hours with the equipment bringing heat.
func (z *zone) step(heat float64, c conditions, hours float64) {
	toMass := coupling * (z.air - z.mass)
	gain := c.house.Leak*(c.OutdoorC-z.air) + c.house.Windows*c.Sun + inner*c.base + heat - toMass
	z.air += gain * hours / airWhPerK
	z.mass += toMass * hours / c.house.Walls
}
