package rules

import "maps"

// Same reports whether nothing in k has changed since it was copied from o. Nearly every
// step changes nothing, so this has to be cheap: it compares pointers, not what they
// point to. So it may report a change between records that are equal.
func (k Persisted) Same(o Persisted) bool {
	return k.HomeRecord.same(o.HomeRecord) && k.Battery.same(o.Battery) && maps.Equal(k.Thermostats, o.Thermostats)
}

func (k HomeRecord) same(o HomeRecord) bool {
	return k.Disabled == o.Disabled && k.Override == o.Override && k.Strategy == o.Strategy && maps.Equal(k.ByHand, o.ByHand) && k.LastUserInput == o.LastUserInput &&
		k.Window == o.Window && k.PeakEnd == o.PeakEnd && k.PeakOver == o.PeakOver && sameSlice(k.Latched, o.Latched) && k.Comfort == o.Comfort &&
		maps.Equal(k.Commands, o.Commands)
}

func (k BatteryRecord) same(o BatteryRecord) bool {
	return k.Writes.same(o.Writes) && k.ShownAt == o.ShownAt && k.AtPeak == o.AtPeak && k.Changes == o.Changes && k.Limit == o.Limit && k.LimitDoubt == o.LimitDoubt &&
		k.Floor == o.Floor && k.FloorAt == o.FloorAt && k.Keeps == o.Keeps && k.Mode == o.Mode && k.Choice == o.Choice && k.Doubt == o.Doubt
}

func (w Writes) same(o Writes) bool {
	return w.Wanted == o.Wanted && w.Before == o.Before && w.WrittenAt == o.WrittenAt && w.Confirmed == o.Confirmed && sameSlice(w.Flights, o.Flights)
}

// sameSlice reports whether two slices are the same stretch of the same array.
func sameSlice[T any](a, b []T) bool { return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0]) }
