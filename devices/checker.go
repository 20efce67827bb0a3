package devices

import "fmt"

// A Checker keeps the first thing of a thermostat's answer that cannot be true, and
// none of a thermostat that is lost: nothing is decided from its figures, which are
// not known then.
type Checker struct {
	Unit Unit
	Lost bool
	Err  error
}

// Fail notes what cannot be true.
func (c *Checker) Fail(format string, args ...any) {
	if c.Err == nil && !c.Lost {
		c.Err = fmt.Errorf(format, args...)
	}
}

// Temperature lets a possible one pass.
func (c *Checker) Temperature(name string, v *float64) *float64 {
	if v == nil {
		return nil
	}
	if !c.Unit.Possible(*v) {
		c.Fail("%s of %g °%s", name, *v, c.Unit)
		return nil
	}
	return v
}
