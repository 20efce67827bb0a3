package tcc

// The JSON in which the portal describes a thermostat, with the portal's own names.

import (
	"encoding/json"
	"strconv"

	"powermgr/devices"
)

// decimal returns a number in the format of the portal's database: 75.0000.
func decimal(v float64) json.Number { return json.Number(strconv.FormatFloat(v, 'f', 4, 64)) }

// wireAnswer is the answer of CheckDataSession.
type wireAnswer struct {
	Success           bool       `json:"success"`
	DeviceLive        bool       `json:"deviceLive"`
	CommunicationLost bool       `json:"communicationLost"`
	Alerts            string     `json:"alerts"`
	Latest            wireLatest `json:"latestData"`
}

type wireLatest struct {
	UI          wireScreen `json:"uiData"`
	HasFan      bool       `json:"hasFan"`
	CanHumidify bool       `json:"canControlHumidification"`
	DR          wireEvent  `json:"drData"`
	Fan         wireFan    `json:"fanData"`
}

// wireEvent describes a utility's event; null is a missing value.
type wireEvent struct {
	CoolSetpLimit, HeatSetpLimit *json.Number
	Phase                        int
	OptOutable                   bool
	DeltaCoolSP, DeltaHeatSP     *json.Number
	Load                         *json.Number
}

type wireFan struct {
	Mode             int  `json:"fanMode"`
	AutoAllowed      bool `json:"fanModeAutoAllowed"`
	OnAllowed        bool `json:"fanModeOnAllowed"`
	CirculateAllowed bool `json:"fanModeCirculateAllowed"`
	ScheduleAllowed  bool `json:"fanModeFollowScheduleAllowed"`
	Running          bool `json:"fanIsRunning"`
}

type wireScreen struct {
	DeviceID                      int
	DispTemperature               json.Number
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
	HeatLowerSetptLimit           json.Number
	HeatUpperSetptLimit           json.Number
	CoolLowerSetptLimit           json.Number
	CoolUpperSetptLimit           json.Number
	ScheduleHeatSp                json.Number
	ScheduleCoolSp                json.Number
	Deadband                      json.Number
	SwitchAutoAllowed             bool
	SwitchCoolAllowed             bool
	SwitchOffAllowed              bool
	SwitchHeatAllowed             bool
	SwitchEmergencyHeatAllowed    bool
	SystemSwitchPosition          int
	SetpointChangeAllowed         bool
	IndoorHumidity                json.Number
	IndoorHumiditySensorAvailable bool
	IndoorHumiditySensorNotFault  bool
	OutdoorTemperature            json.Number
	OutdoorTemperatureAvailable   bool
	EquipmentOutputStatus         *int
	Commercial                    bool
}
