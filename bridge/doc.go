// Package bridge is the MQTT side: it polls the vendors and publishes what the
// devices say, carries out commands and reads them back, tells Home Assistant
// what there is, and links the bus to the broker.
//
// State topics carry only what a device said. A command is answered twice, at
// once and when the device has shown it or has not; see devices.Result. The
// package decides nothing about peaks, and knows no vendor.
package bridge
