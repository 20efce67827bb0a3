// Package rules makes the decisions: when the battery's reserve changes, when a
// thermostat is precooled or set back, what is restored, and when a person's choice is
// left alone.
//
// Step is a pure function of a state, an event and the time. It does no I/O, stores
// nothing, never blocks, and imports only the standard library and the vocabulary of
// package devices, so that a table can hold every rule and a simulator can run years of
// them. The terms used here are in the glossary of package control.
//
// The order of precedence is: safety, device ownership, people, override, disabled, plan,
// schedule.
package rules
