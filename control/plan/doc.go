// Package plan looks ahead: which reserve the battery should have in each half
// hour to come, so that expensive hours are carried by what is stored and the
// sun is not wasted.
//
// It is stochastic dynamic programming: backwards from the end, for each charge
// of the battery, it finds the reserve whose cost is lowest on average over the
// possible courses of load and sun. It is pure: the same inputs give the same
// plan.
package plan
