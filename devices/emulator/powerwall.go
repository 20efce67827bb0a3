package emulator

import (
	"math"

	"powermgr/devices"
)

// Powerwall is the battery and its settings.
type Powerwall struct {
	Stored       float64 // Wh
	Reserve      int     // percent
	Mode         devices.Mode
	StormWatch   bool // the setting
	StormActive  bool // Tesla is preparing for a storm and controls the battery
	GridServices bool
	GridCharging bool
	ExportRule   devices.ExportRule
	Idle         bool // it does nothing, whatever its settings; the next command ends that
}

// Efficiency of one way through the battery: about 90 % for both.
var oneWay = math.Sqrt(0.9)

// Powers of charging from the grid, in W, as measured by users: the slow one is used
// when the reserve is above the charge.
const (
	slowCharge   = 1_700
	backupCharge = 3_300
)

// situation is the input of one step of the battery.
type situation struct {
	home, solar     float64 // W
	offGrid         bool
	expensive       bool // an hour that Time-Based Control saves the battery for
	hours           float64
	capacity, power float64 // Wh, W
}

// step lets power flow for s.hours and adds the energies to the books. Energy is
// conserved: solar + battery + grid = home.
func (p *Powerwall) step(s situation, b *Books) flows {
	f := flows{solar: s.solar, home: s.home}
	reserve := float64(p.Reserve) / 100 * s.capacity
	fromGrid, slow := 0.0, false // to charge with
	switch {
	case s.offGrid:
		reserve = 0
	case p.StormActive:
		reserve, fromGrid = s.capacity, backupCharge
	case p.Mode == devices.Backup:
		reserve = s.capacity
		if p.GridCharging {
			fromGrid = backupCharge
		}
	case p.GridCharging && p.Stored < reserve-1:
		fromGrid, slow = slowCharge, true
		if p.Mode == devices.Autonomous {
			fromGrid = backupCharge
		}
	}
	net := s.home - s.solar
	mostOut := p.most(reserve, s)
	if p.Mode == devices.Autonomous && !s.expensive && !s.offGrid {
		mostOut = 0 // it saves its charge for the expensive hours
	}
	mostIn := min(s.power*min(1, (s.capacity-p.Stored)/s.capacity*20+0.02), max(0, (s.capacity-p.Stored)/oneWay/s.hours))
	switch {
	case p.Idle && !s.offGrid:
	case p.Stored < reserve && fromGrid > 0:
		f.battery = -min(mostIn, max(fromGrid, -net))
		if slow {
			// Near the reserve it charges only up to it.
			f.battery = -min(-f.battery, max((reserve-p.Stored)/oneWay/s.hours, max(0, -net)))
			f.battery = -min(-f.battery, mostIn)
		}
	case net > 0:
		f.battery = min(net, mostOut)
	default:
		f.battery = -min(-net, mostIn)
	}
	f.grid = net - f.battery
	if s.offGrid {
		// There is no grid: surplus is not produced, and what is missing is not used.
		if f.grid < 0 {
			f.solar += f.grid
		} else {
			f.home -= f.grid
		}
		f.grid = 0
	}
	if f.grid < 0 && p.ExportRule == devices.ExportNone {
		f.solar += f.grid
		f.grid = 0
	}
	stored := p.Stored
	if f.battery >= 0 {
		p.Stored -= f.battery / oneWay * s.hours
		b.BatteryOut += f.battery * s.hours
	} else {
		p.Stored -= f.battery * oneWay * s.hours
		b.BatteryIn -= f.battery * s.hours
	}
	p.Stored = min(max(p.Stored, 0), s.capacity)
	b.Loss += -f.battery*s.hours - (p.Stored - stored)
	b.Solar += f.solar * s.hours
	b.Home += f.home * s.hours
	b.Import += max(0, f.grid) * s.hours
	b.Export += max(0, -f.grid) * s.hours
	return f
}

// most returns the most that it can discharge with down to reserve, in W.
func (p *Powerwall) most(reserve float64, s situation) float64 {
	return min(s.power, max(0, (p.Stored-reserve)*oneWay/s.hours))
}
