package discovery_test

import (
	"fmt"

	"powermgr/devices"
	"powermgr/discovery"
)

// A Powerwall, as it is announced to Home Assistant 2024.12 and later: one retained
// message, in which each entity has its topics.
func ExampleMessages() {
	powerwall := discovery.Powerwall(discovery.PowerwallDescription{Topics: devices.Topics{Base: "powermgr"}})
	for _, m := range discovery.Messages(powerwall, discovery.ByDevice, "homeassistant", discovery.Origin{Version: "1.0.0"}) {
		fmt.Println(m.Topic)
	}
	for _, e := range powerwall.Entities[:2] {
		fmt.Println(e.Platform, e.Key, e.Body["state_topic"])
	}
	// Output:
	// homeassistant/device/powermgr_powerwall/config
	// sensor charge powermgr/powerwall/state
	// sensor stored powermgr/powerwall/state
}
