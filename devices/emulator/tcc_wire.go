package emulator

// The JSON in which the portal describes a thermostat, with the portal's own names.

import (
	"strconv"

	"powermgr/devices"
)

// decimal is a number in the format of the portal's database: 75.0000.
type decimal float64

func (d decimal) MarshalJSON() ([]byte, error) {
	return strconv.AppendFloat(nil, float64(d), 'f', 4, 64), nil
}

// portalAnswer is the answer of CheckDataSession.
type portalAnswer struct {
	Success           bool         `json:"success"`
	DeviceLive        bool         `json:"deviceLive"`
	CommunicationLost bool         `json:"communicationLost"`
	Alerts            string       `json:"alerts"`
	Latest            portalLatest `json:"latestData"`
}

type portalLatest struct {
	UI          portalScreen `json:"uiData"`
	HasFan      bool         `json:"hasFan"`
	CanHumidify bool         `json:"canControlHumidification"`
	DR          portalEvent  `json:"drData"`
	Fan         portalFan    `json:"fanData"`
}

// portalEvent describes a utility's event; null is a missing value.
type portalEvent struct {
	CoolSetpLimit, HeatSetpLimit *decimal
	Phase                        int
	OptOutable                   bool
	DeltaCoolSP, DeltaHeatSP     *decimal
	Load                         *decimal
}

type portalFan struct {
	Mode             int  `json:"fanMode"`
	AutoAllowed      bool `json:"fanModeAutoAllowed"`
	OnAllowed        bool `json:"fanModeOnAllowed"`
	CirculateAllowed bool `json:"fanModeCirculateAllowed"`
	ScheduleAllowed  bool `json:"fanModeFollowScheduleAllowed"`
	Running          bool `json:"fanIsRunning"`
}

type portalScreen struct {
	DeviceID                      int
	DispTemperature               decimal
	DispTemperatureAvailable      bool
	DisplayUnits                  devices.Unit
	HeatSetpoint                  float64
	CoolSetpoint                  float64
	StatusHeat                    int
	StatusCool                    int
	CurrentSetpointStatus         int
	HeatNextPeriod                int
	CoolNextPeriod                int
	TemporaryHoldUntilTime        int
	HoldUntilCapable              bool
	ScheduleCapable               bool
	VacationHold                  int
	IsInVacationHoldMode          bool
	DualSetpointStatus            bool
	HeatLowerSetptLimit           decimal
	HeatUpperSetptLimit           decimal
	CoolLowerSetptLimit           decimal
	CoolUpperSetptLimit           decimal
	ScheduleHeatSp                decimal
	ScheduleCoolSp                decimal
	Deadband                      decimal
	SwitchAutoAllowed             bool
	SwitchCoolAllowed             bool
	SwitchOffAllowed              bool
	SwitchHeatAllowed             bool
	SwitchEmergencyHeatAllowed    bool
	SystemSwitchPosition          int
	SetpointChangeAllowed         bool
	IndoorHumidity                decimal
	IndoorHumiditySensorAvailable bool
	IndoorHumiditySensorNotFault  bool
	OutdoorTemperature            decimal
	OutdoorTemperatureAvailable   bool
	EquipmentOutputStatus         *int
	Commercial                    bool
}
