// Package forecast estimates how the next hours may go: how much the home will use and
// how much sun there will be, not as one line but as possible courses. It is pure: the
// same past and the same present give the same courses.
//
// The usual course of a day is an average over the last month, in which the most recent
// days count most, and days of the same kind, working days or days off, count more than
// others. What is known about today shifts it: the hours before now say by how much,
// and the shift fades. How the day may deviate from there is taken from the past days
// that were most like today, each as a whole, so that a heavy evening stays heavy and a
// cloudy day cloudy.
package forecast
