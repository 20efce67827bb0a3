// Package tariff knows what energy costs at any moment, and which hours are expensive:
// from a list of rates, from a tariff as stored by Tesla, or from hourly prices. It is
// pure. The peaks of the controller, the prices of the plan and the descriptions of
// check-config are all derived from the same list, so they cannot differ.
package tariff
