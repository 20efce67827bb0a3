package resideo

// The JSON in which the Honeywell Home API describes a home and its devices.

type wireLocation struct {
	ID             int64      `json:"locationID"`
	Name           string     `json:"name"`
	Country        string     `json:"country"`
	ZIP            string     `json:"zipcode"`
	Zone           string     `json:"timeZone"`
	IANAZone       string     `json:"ianaTimeZone"`
	DaylightSaving bool       `json:"daylightSavingTimeEnabled"`
	GeoFence       bool       `json:"geoFenceEnabled"`
	Users          []wireUser `json:"users"`
	Devices        []any      `json:"devices"`
}

type wireUser struct {
	ID      int    `json:"userID"`
	Name    string `json:"username"`
	OptOut  string `json:"isOptOut"`
	Current bool   `json:"isCurrentUser"`
	Deleted int64  `json:"deleted"`
}

type wireLeakDetector struct {
	WaterPresent    bool         `json:"waterPresent"`
	Readings        wireReadings `json:"currentSensorReadings"`
	Alarms          [0]string    `json:"currentAlarms"`
	Battery         int          `json:"batteryRemaining"`
	Registered      bool         `json:"isRegistered"`
	CheckedIn       bool         `json:"hasDeviceCheckedIn"`
	Offline         bool         `json:"isDeviceOffline"`
	DeviceClass     string       `json:"deviceClass"`
	DeviceType      string       `json:"deviceType"`
	DeviceID        string       `json:"deviceID"`
	UserDefinedName string       `json:"userDefinedDeviceName"`
	Alive           bool         `json:"isAlive"`
}

type wireReadings struct {
	Time        string  `json:"time"`
	Temperature float64 `json:"temperature"`
	Humidity    float64 `json:"humidity"`
}

type wireThermostat struct {
	DeviceClass     string           `json:"deviceClass"`
	DeviceType      string           `json:"deviceType"`
	DeviceID        string           `json:"deviceID"`
	MAC             string           `json:"macID"`
	Model           string           `json:"deviceModel"`
	OSVersion       string           `json:"deviceOsVersion"`
	UserDefinedName string           `json:"userDefinedDeviceName"`
	Name            string           `json:"name"`
	Alive           bool             `json:"isAlive"`
	Upgrading       bool             `json:"isUpgrading"`
	Provisioned     bool             `json:"isProvisioned"`
	Sync            string           `json:"dataSyncStatus"`
	Service         wireMode         `json:"service"`
	Units           string           `json:"units"`
	Indoor          float64          `json:"indoorTemperature"`
	Humidity        float64          `json:"indoorHumidity"`
	Outdoor         float64          `json:"outdoorTemperature"`
	OutdoorHumidity float64          `json:"displayedOutdoorHumidity"`
	AllowedModes    []string         `json:"allowedModes"`
	Deadband        float64          `json:"deadband"`
	DualStatus      bool             `json:"hasDualSetpointStatus"`
	HeatMin         float64          `json:"minHeatSetpoint"`
	HeatMax         float64          `json:"maxHeatSetpoint"`
	CoolMin         float64          `json:"minCoolSetpoint"`
	CoolMax         float64          `json:"maxCoolSetpoint"`
	Values          wireValues       `json:"changeableValues"`
	Operation       wireOperation    `json:"operationStatus"`
	Settings        wireSettings     `json:"settings"`
	Vacation        wireEnabled      `json:"vacationHold"`
	Period          wirePeriod       `json:"currentSchedulePeriod"`
	Capabilities    wireCapabilities `json:"scheduleCapabilities"`
	Schedule        wireSchedule     `json:"scheduleType"`
	ScheduleStatus  string           `json:"scheduleStatus"`
	HoldStep        int              `json:"allowedTimeIncrements"` // minutes
	ChangeSource    *wireSource      `json:"changeSource,omitempty"`
	Groups          []wireGroup      `json:"groups,omitempty"`
	InBuiltSensor   *wireRoom        `json:"inBuiltSensorState,omitempty"`
}

// wireValues are the fields that can be written. A pointer is a field that some devices
// do not have and then omit.
type wireValues struct {
	Mode           string  `json:"mode"`
	AutoChangeover *bool   `json:"autoChangeoverActive,omitempty"`
	EmergencyHeat  bool    `json:"emergencyHeatActive"`
	Heat           float64 `json:"heatSetpoint"`
	Cool           float64 `json:"coolSetpoint"`
	EndHeat        float64 `json:"endHeatSetpoint"`
	EndCool        float64 `json:"endCoolSetpoint"`
	HeatCoolMode   string  `json:"heatCoolMode"`
	Status         *string `json:"thermostatSetpointStatus,omitempty"`
	NextPeriod     *string `json:"nextPeriodTime,omitempty"`
}

type (
	wireMode struct {
		Mode string `json:"mode"`
	}
	wireEnabled struct {
		Enabled bool `json:"enabled"`
	}
	wireOperation struct {
		Mode       string `json:"mode"`
		Fan        bool   `json:"fanRequest"`
		Circulates bool   `json:"circulationFanRequest"`
	}
	wireSettings struct {
		Hardware        wireHardware        `json:"hardwareSettings"`
		Fan             wireFan             `json:"fan"`
		TemperatureMode wireTemperatureMode `json:"temperatureMode"`
		SpecialMode     struct{}            `json:"specialMode"`
		Pairing         bool                `json:"devicePairingEnabled"`
	}
	wireHardware struct {
		Brightness    int `json:"brightness"`
		MaxBrightness int `json:"maxBrightness"`
	}
	wireFan struct {
		AllowedModes []string `json:"allowedModes"`
		Values       wireMode `json:"changeableValues"`
	}
	wireTemperatureMode struct {
		Air bool `json:"air"`
	}
	wirePeriod struct {
		Day    string `json:"day"`
		Period string `json:"period"`
	}
	wireCapabilities struct {
		Types []string `json:"availableScheduleTypes"`
		Fan   bool     `json:"schedulableFan"`
	}
	wireSchedule struct {
		Type    string `json:"scheduleType"`
		SubType string `json:"scheduleSubType"`
	}
	wireSource struct {
		By   string `json:"by"`
		Name string `json:"name"`
	}
	wireGroup struct {
		ID    int    `json:"id"`
		Name  string `json:"name"`
		Rooms []int  `json:"rooms"`
	}
	wireRoom struct {
		ID   int    `json:"roomId"`
		Name string `json:"roomName"`
	}
)
