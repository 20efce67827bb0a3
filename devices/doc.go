// Package devices holds the words the whole program shares: what a Powerwall,
// a thermostat and a forecast say (readings), what they can be told (commands),
// in which units, how they fail, and on which topics all of that travels.
//
// It does no I/O and knows no vendor: each vendor API is a folder below it.
package devices
