package bridge

import (
	"context"
	"errors"
	"log/slog"

	"powermgr/devices"
)

// ErrDryRun is what every write returns in a dry run.
var ErrDryRun = errors.New("not sent, dry run")

// PowerwallDevice is a battery as provided by an adapter.
type PowerwallDevice interface {
	Read(context.Context) (devices.PowerwallReading, error)         // figures and settings
	ReadLive(context.Context) (devices.PowerwallReading, error)     // the figures alone
	ReadSettings(context.Context) (devices.PowerwallReading, error) // the settings alone
	Apply(context.Context, devices.PowerwallCommand) error
}

// ThermostatDevices are the thermostats of one account, as provided by an adapter. id
// is ThermostatReading.ID.
type ThermostatDevices interface {
	Read(context.Context) ([]devices.ThermostatReading, error)
	Apply(ctx context.Context, id string, cmd devices.ThermostatCommand) error
}

// DryPowerwall passes on reads and sends no writes.
type DryPowerwall struct {
	PowerwallDevice
	Log *slog.Logger
}

// Apply logs what would have been sent.
func (d DryPowerwall) Apply(_ context.Context, cmd devices.PowerwallCommand) error {
	d.Log.Info("not sent, dry run", "device", "powerwall", "command", describePowerwall(cmd))
	return ErrDryRun
}

// DryThermostats passes on reads and sends no writes.
type DryThermostats struct {
	ThermostatDevices
	Log *slog.Logger
}

// Apply logs what would have been sent.
func (d DryThermostats) Apply(_ context.Context, id string, cmd devices.ThermostatCommand) error {
	d.Log.Info("not sent, dry run", "device", id, "command", describeThermostat(cmd))
	return ErrDryRun
}
