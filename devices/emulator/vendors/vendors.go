// Package vendors puts all emulated vendors on one cloud; their paths do not collide.
package vendors

import (
	"powermgr/devices/emulator"
	"powermgr/devices/emulator/openmeteo"
	"powermgr/devices/emulator/resideo"
	"powermgr/devices/emulator/tcc"
	"powermgr/devices/emulator/tesla"
)

// Options say how the vendors behave.
type Options struct {
	Tesla     tesla.Options
	Resideo   resideo.Options
	TCC       tcc.Options
	OpenMeteo openmeteo.Options
}

// Cloud is a cloud with all vendors.
type Cloud struct {
	*emulator.Cloud
	Tesla   *tesla.API
	Resideo *resideo.API
	TCC     *tcc.Portal
}

// New returns a cloud with a new house and all vendors.
func New(house emulator.Options, o Options) *Cloud {
	c := &Cloud{Cloud: emulator.New(house)}
	c.Tesla = tesla.Serve(c.Cloud, o.Tesla)
	c.Resideo = resideo.Serve(c.Cloud, o.Resideo)
	c.TCC = tcc.Serve(c.Cloud, o.TCC)
	openmeteo.Serve(c.Cloud, o.OpenMeteo)
	return c
}

// Refreshes reports whether vendor, tesla or resideo, still issues new tokens for a
// refresh token.
func (c *Cloud) Refreshes(vendor, token string) bool {
	switch vendor {
	case "tesla":
		return c.Tesla.Refreshes(token)
	case "resideo":
		return c.Resideo.Refreshes(token)
	}
	return false
}

// KindOf returns the kind of the requests to an endpoint.
func KindOf(endpoint string) emulator.Kind {
	for _, kinds := range []map[string]emulator.Kind{tesla.Kinds, resideo.Kinds, tcc.Kinds} {
		if k, ok := kinds[endpoint]; ok {
			return k
		}
	}
	return emulator.KindRead
}
