package devices

import "time"

// BucketLength is how long an EnergyBucket is.
const BucketLength = 5 * time.Minute

// An EnergyBucket is what the vendor's own meters counted in five minutes. A nil
// energy was not told.
type EnergyBucket struct {
	Start      time.Time // a multiple of BucketLength
	GridImport *WattHours
	GridExport *WattHours
	Solar      *WattHours
	BatteryIn  *WattHours
	BatteryOut *WattHours
	Home       *WattHours
}
