// Package bridge is the MQTT side: it polls the vendors and publishes their readings,
// carries out commands and reads back the result, announces everything to Home
// Assistant, and connects the bus to the broker.
//
// State topics carry only what a device reported. A command is answered twice: at once,
// and when the device has shown it or has failed to; see devices.Result. The package
// decides nothing about peaks, and knows no vendor.
package bridge
