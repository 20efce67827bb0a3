// Package forecast says how the next hours may go: what the home will use and
// what the sun will give, not as one line but as possible courses. It is pure:
// the same past and the same now give the same courses.
//
// The usual course of a day is a mean of the last month, in which the last days
// count most, and those of its kind, working or free, more than others. What is
// known today moves it: the hours before now say by how much, and that fades. How
// it may depart from there is taken from past days that were most like today,
// whole, so that a heavy evening stays heavy and a cloudy day cloudy.
package forecast
