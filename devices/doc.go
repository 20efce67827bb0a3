// Package devices defines the terms that the whole program shares: what a Powerwall, a
// thermostat and a forecast report (readings), what they can be told to do (commands),
// the units, the kinds of failure, and the topics on which all of that travels.
//
// It does no I/O and knows no vendor: each vendor API has a folder below it.
package devices
