// Package tariff knows what energy costs at any instant, and which hours are
// expensive: from a list of rates, from a tariff as Tesla keeps it, or from
// prices by the hour. It is pure. The windows of the peak controller, the
// prices of the plan and the words of check-config all come from the same
// list, so that they cannot differ.
package tariff
