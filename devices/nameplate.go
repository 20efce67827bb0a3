package devices

// Nameplate is what a device says that it is. An empty field is one that its
// vendor does not tell.
type Nameplate struct {
	Model    string `json:"model,omitempty"`    // "Powerwall 2", "T5-T6"
	Serial   string `json:"serial,omitempty"`   // of a battery: of its gateway
	Firmware string `json:"firmware,omitempty"` // as the vendor writes it: "23.44.0 eb113390"
	Page     string `json:"page,omitempty"`     // the address of its page at the vendor's
}
