package rules

import "maps"

// Nearly every step changes nothing that is kept, and each is followed by the question
// whether it did.

// Same reports whether k is o, as far as that can be told without a look at what is
// behind a pointer: what a step did not touch is where it was. One that is not the same
// may still say what the other does.
func (k Persisted) Same(o Persisted) bool {
	return k.HomeRecord.same(o.HomeRecord) && k.Battery.same(o.Battery) && maps.Equal(k.Thermostats, o.Thermostats)
}

func (k HomeRecord) same(o HomeRecord) bool {
	return k.Disabled == o.Disabled && k.Override == o.Override && k.Strategy == o.Strategy && maps.Equal(k.ByHand, o.ByHand) && k.LastUserInput == o.LastUserInput &&
		k.Event == o.Event && k.PeakEnd == o.PeakEnd && k.PeakOver == o.PeakOver && sameSlice(k.Latched, o.Latched) && k.Comfort == o.Comfort &&
		maps.Equal(k.Doubts, o.Doubts) && maps.Equal(k.Commands, o.Commands)
}

func (k BatteryRecord) same(o BatteryRecord) bool {
	return k.Wanted == o.Wanted && k.Before == o.Before && sameSlice(k.Flights, o.Flights) && k.WrittenAt == o.WrittenAt && k.ShownAt == o.ShownAt &&
		k.Confirmed == o.Confirmed && k.AtPeak == o.AtPeak && k.Changes == o.Changes && k.Limit == o.Limit && k.LimitDoubt == o.LimitDoubt &&
		k.Floor == o.Floor && k.FloorAt == o.FloorAt && k.Keeps == o.Keeps && k.Mode == o.Mode && k.Choice == o.Choice
}

// sameSlice reports whether two slices are the same stretch of the same array.
func sameSlice[T any](a, b []T) bool { return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0]) }
