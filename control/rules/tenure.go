package rules

// Tenure says who has a device's setting.
type Tenure string

// The tenures.
const (
	Free      Tenure = "free"      // the device has its own setting
	Held      Tenure = "held"      // a setting of the rules is in force, or on its way
	Returning Tenure = "returning" // the device is to have its own setting back
	Yielded   Tenure = "yielded"   // a person has it until the window ends
)

// Tenures lists all tenures.
func Tenures() []Tenure { return []Tenure{Free, Held, Returning, Yielded} }

// An Effect is what a cause changes on record. Whether anything is sent as a result is up
// to reconcile.
type Effect string

// The effects.
const (
	NoEffect   Effect = "nothing"
	Confirm    Effect = "confirm the write"
	Adopt      Effect = "adopt what is shown"
	LearnLimit Effect = "learn the limit"
	LearnFloor Effect = "learn the floor"
	Reclaim    Effect = "take the write up again"
	Forget     Effect = "forget what was asked for"
	Yield      Effect = "yield"
	YieldOver  Effect = "yield, and put the choice back if a write lands over it"
	Choose     Effect = "the choice is what is shown"
	KeepChoice Effect = "the choice stands"
	FollowMode Effect = "remember the mode"
	YieldMode  Effect = "yield the mode, and owe what the rules set"
)

// The effects that only a thermostat has.
const (
	SetAside       Effect = "remember what it was set to before"
	ForgetBaseline Effect = "forget what it went back to"
	FollowPeriod   Effect = "remember the period"
	EndHold        Effect = "the hold has ended, and the schedule is its own setting"
	YieldPart      Effect = "yield, and owe the other set point"
	YieldHidden    Effect = "yield, and put back the choice that is hidden"
	KeepPart       Effect = "the choice stands, and the other set point is owed"
	PutBack        Effect = "put the choice back"
)

// A Transition is what a cause does to a tenure. The zero Transition stands for one that
// cannot happen.
type Transition struct {
	Effect Effect
	To     Tenure
	// Outside is the new tenure outside a window, if To applies only while the window of
	// the choice is open; empty: To.
	Outside Tenure
}

// A Table is the whole of "people win" for one kind of device: what each cause does to
// each tenure. A cause that is not in a row cannot happen in that tenure.
type Table map[Tenure]map[Cause]Transition

// Next returns what a cause does to a tenure; ok is false if it cannot happen.
func (t Table) Next(from Tenure, c Cause) (next Transition, ok bool) {
	next, ok = t[from][c]
	return next, ok
}

// ReserveTable returns the table of a battery's reserve.
func ReserveTable() Table { return reserveTable }

// ThermostatTable returns the table of a thermostat's setting.
func ThermostatTable() Table { return thermostatTable }

var reserveTable = Table{
	Free: {
		Unchanged:   {Effect: NoEffect, To: Free},
		Landed:      {Effect: Confirm, To: Free},
		GivenBack:   {Effect: Confirm, To: Free},
		AsWanted:    {Effect: Adopt, To: Free},
		LandedLate:  {Effect: Reclaim, To: Returning}, // a later write has to overtake it
		DeviceLimit: {Effect: LearnLimit, To: Free},
		DeviceFloor: {Effect: LearnFloor, To: Free},
		OwnerMoved:  {Effect: Forget, To: Free},
		Crossing:    {Effect: YieldOver, To: Yielded},
		Foreign:     {Effect: Yield, To: Yielded},
		ModeMoved:   {Effect: YieldMode, To: Yielded},
	},
	Held: {
		Unchanged:   {Effect: NoEffect, To: Held},
		Landed:      {Effect: Confirm, To: Held},
		GivenBack:   {Effect: Confirm, To: Free}, // a write from before the peak that has landed late
		LandedLate:  {Effect: Reclaim, To: Held},
		DeviceLimit: {Effect: LearnLimit, To: Free},
		DeviceFloor: {Effect: LearnFloor, To: Held},
		OwnerMoved:  {Effect: Forget, To: Held},
		Crossing:    {Effect: YieldOver, To: Yielded},
		Foreign:     {Effect: Yield, To: Yielded},
		ModeMoved:   {Effect: YieldMode, To: Yielded, Outside: Held}, // the plan's reserve stays in force
	},
	Returning: {
		Unchanged:   {Effect: NoEffect, To: Returning},
		Landed:      {Effect: Confirm, To: Returning}, // a write of the peak that has landed late
		GivenBack:   {Effect: Confirm, To: Free},
		AsWanted:    {Effect: Adopt, To: Free},
		LandedLate:  {Effect: Reclaim, To: Returning},
		DeviceLimit: {Effect: LearnLimit, To: Free},
		DeviceFloor: {Effect: LearnFloor, To: Returning},
		OwnerMoved:  {Effect: Forget, To: Returning},
		Crossing:    {Effect: YieldOver, To: Yielded},
		Foreign:     {Effect: Yield, To: Yielded},
		ModeMoved:   {Effect: YieldMode, To: Yielded, Outside: Returning}, // it is restored whatever the mode
	},
	Yielded: {
		Unchanged:    {Effect: NoEffect, To: Yielded},
		ChoiceStands: {Effect: KeepChoice, To: Yielded},
		DeviceLimit:  {Effect: LearnLimit, To: Yielded},
		DeviceFloor:  {Effect: LearnFloor, To: Yielded},
		OwnerMoved:   {Effect: Forget, To: Yielded},
		Crossing:     {Effect: Choose, To: Yielded},
		Rechosen:     {Effect: Choose, To: Yielded},
		Foreign:      {Effect: Forget, To: Yielded},
		ModeMoved:    {Effect: FollowMode, To: Yielded},
	},
}

var thermostatTable = Table{
	Free: {
		Unchanged:     {Effect: NoEffect, To: Free},
		ScheduleMoved: {Effect: ForgetBaseline, To: Free},
		OwnerMoved:    {Effect: SetAside, To: Free},
		Foreign:       {Effect: Yield, To: Yielded},
		ChoiceEnded:   {Effect: Yield, To: Yielded},
	},
	Held: {
		Unchanged:     {Effect: NoEffect, To: Held},
		PeriodMoved:   {Effect: FollowPeriod, To: Held},
		ScheduleMoved: {Effect: Adopt, To: Held},
		Lapsed:        {Effect: EndHold, To: Held},
		Landed:        {Effect: Confirm, To: Held},
		HoldLost:      {Effect: Reclaim, To: Held},
		OwnerMoved:    {Effect: SetAside, To: Held},
		ModeMoved:     {Effect: YieldMode, To: Yielded},
		ModeUndone:    {Effect: YieldMode, To: Yielded},
		PartForeign:   {Effect: YieldPart, To: Yielded},
		Foreign:       {Effect: Yield, To: Yielded},
		ChoiceEnded:   {Effect: Yield, To: Yielded},
		ChoiceHidden:  {Effect: YieldHidden, To: Yielded},
		Crossing:      {Effect: YieldOver, To: Yielded},
	},
	Returning: {
		Unchanged:     {Effect: NoEffect, To: Returning},
		PeriodMoved:   {Effect: FollowPeriod, To: Returning},
		ScheduleMoved: {Effect: Adopt, To: Returning},
		Lapsed:        {Effect: EndHold, To: Returning},
		Landed:        {Effect: Confirm, To: Returning},
		GivenBack:     {Effect: Forget, To: Free},
		HoldLost:      {Effect: Reclaim, To: Returning},
		OwnerMoved:    {Effect: SetAside, To: Returning},
		ModeMoved:     {Effect: YieldMode, To: Yielded, Outside: Returning},
		ModeUndone:    {Effect: YieldMode, To: Yielded, Outside: Returning},
		PartForeign:   {Effect: YieldPart, To: Yielded, Outside: Returning},
		Foreign:       {Effect: Yield, To: Yielded, Outside: Free},
		ChoiceEnded:   {Effect: Yield, To: Yielded, Outside: Free},
		ChoiceHidden:  {Effect: YieldHidden, To: Yielded, Outside: Returning},
		Crossing:      {Effect: YieldOver, To: Yielded},
	},
	Yielded: {
		Unchanged:      {Effect: NoEffect, To: Yielded},
		PeriodMoved:    {Effect: FollowPeriod, To: Yielded},
		ScheduleMoved:  {Effect: Adopt, To: Yielded},
		Lapsed:         {Effect: EndHold, To: Yielded},
		Landed:         {Effect: Confirm, To: Yielded},
		GivenBack:      {Effect: Forget, To: Yielded},
		OwnerMoved:     {Effect: SetAside, To: Yielded},
		ModeMoved:      {Effect: YieldMode, To: Yielded, Outside: Returning},
		ModeUndone:     {Effect: YieldMode, To: Yielded, Outside: Returning},
		PartForeign:    {Effect: YieldPart, To: Yielded, Outside: Returning},
		Foreign:        {Effect: Yield, To: Yielded, Outside: Free},
		ChoiceEnded:    {Effect: Yield, To: Yielded, Outside: Free},
		ChoiceHidden:   {Effect: YieldHidden, To: Yielded, Outside: Returning},
		Crossing:       {Effect: Choose, To: Yielded},
		LandedOver:     {Effect: PutBack, To: Yielded, Outside: Returning},
		CommandLanding: {Effect: FollowMode, To: Yielded},
		ChoiceStands:   {Effect: KeepChoice, To: Yielded, Outside: Free},
		PartStands:     {Effect: KeepPart, To: Yielded, Outside: Returning},
	},
}

// tenure says who has the battery's reserve. holds says whether the rules may now set a
// reserve other than the one outside peaks.
func (k BatteryRecord) tenure(holds bool) Tenure {
	switch {
	case k.Choice != nil:
		return Yielded
	case k.AtPeak && holds:
		return Held
	case k.AtPeak:
		return Returning
	}
	return Free
}

// tenure says who has a thermostat's setting, given the open window; nil: none is open.
func (h ThermostatRecord) tenure(window *Stretch) Tenure {
	switch claim := h.Claim; {
	case h.Choice != nil, claim != nil && claim.yields():
		return Yielded
	case claim == nil:
		return Free
	case claim.Kind == Restore, claim.Mode != "", window == nil, !h.Window.Equal(window.Start):
		return Returning
	}
	return Held
}
