package bridge

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"powermgr/bridge/brokertest"
	"powermgr/devices"
)

// Tests what deploy/mosquitto allows its users, by its access list and configuration, on
// the real Mosquitto.

const (
	aclUser      = "powermgr"
	aclAssistant = "homeassistant"
	aclPerson    = "person"
	aclPassword  = "hush-hush"
)

func deployed(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile("../deploy/mosquitto/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// aclBroker is Mosquitto with the access list and the configuration as they
// are deployed, TLS included.
func aclBroker(t *testing.T) *brokertest.Broker {
	t.Helper()
	return aclBrokerWith(t, deployed(t, "powermgr.conf"))
}

func aclBrokerWith(t *testing.T, conf string) *brokertest.Broker {
	t.Helper()
	b := brokertest.Start(t, brokertest.Config{
		Users: map[string]string{aclUser: aclPassword, aclAssistant: aclPassword, aclPerson: aclPassword},
		ACL:   deployed(t, "acl"), Conf: conf, Certs: brokertest.NewCertificates(t),
	})
	b.Mosquitto(t, "the embedded broker reads no mosquitto.conf, and is no proof of what Mosquitto makes of an access list")
	return b
}

// One topic of each kind: those on which only a device or powermgr itself may publish,
// those that others may send to, Home Assistant's, and those that belong to nobody here.
var (
	aclStates = []string{
		linkTopics.Status(), linkTopics.NodeState("a"), linkTopics.NodeState("b"), linkTopics.NodeJournal("a"), "powermgr/node/a/selftest",
		linkTopics.Powerwall("state"), linkTopics.Powerwall("availability"), linkTopics.Powerwall("api"), linkTopics.Powerwall("reserve/result"),
		linkTopics.Thermostat("lcc_1", "state"), linkTopics.Thermostat("lcc_1", "availability"), linkTopics.Thermostat("lcc_1", "hold/result"),
		linkTopics.Thermostats("api"), linkTopics.Weather("state"), linkTopics.Weather("api"), linkTopics.Weather("forecast_high/result"),
		linkTopics.Control("state"), linkTopics.Control("event"), linkTopics.Control("override/result"),
	}
	aclCommands = []string{
		linkTopics.Control("override/set"), linkTopics.Control("enabled/set"), linkTopics.Control("restore/set"),
		linkTopics.Powerwall("reserve/set"), linkTopics.Powerwall("mode/set"), linkTopics.Powerwall("storm_watch/set"),
		linkTopics.Powerwall("grid_charging/set"), linkTopics.Powerwall("export_rule/set"),
		linkTopics.Thermostat("lcc_1", "mode/set"), linkTopics.Thermostat("lcc_1", "cool_setpoint/set"), linkTopics.Thermostat("lcc_1", "heat_setpoint/set"),
		linkTopics.Thermostat("lcc_1", "fan/set"), linkTopics.Thermostat("lcc_1", "hold/set"),
		linkTopics.Weather("forecast_high/set"),
	}
	aclAnnounced = []string{"homeassistant/device/powermgr_powerwall/config", "homeassistant/sensor/powermgr_powerwall_charge/config"}
	aclBirth     = "homeassistant/status"
	aclElsewhere = []string{"zigbee2mqtt/lamp/set", "powermgr2/control/override/set", "homeassistant/device/x/y/z/config"}
)

func TestAccessListAsDeployed(t *testing.T) {
	b := aclBroker(t)
	all := func(groups ...[]string) (topics []string) {
		for _, g := range groups {
			topics = append(topics, g...)
		}
		return topics
	}
	birth := []string{aclBirth}
	for _, c := range []struct {
		user               string
		may, mayNot, reads []string
	}{
		{
			user: aclUser,
			may:  all(aclStates, aclCommands, aclAnnounced), mayNot: all(birth, aclElsewhere),
			reads: all(aclStates, aclCommands, aclAnnounced, birth),
		},
		{
			user: aclAssistant,
			may:  all(aclCommands, aclAnnounced, birth), mayNot: all(aclStates, aclElsewhere[:2]),
			reads: all(aclStates, aclCommands, aclAnnounced, birth),
		},
		{
			user: aclPerson,
			may:  aclCommands, mayNot: all(aclStates, aclAnnounced, birth, aclElsewhere),
			reads: all(aclStates, aclCommands),
		},
	} {
		t.Run(c.user, func(t *testing.T) {
			client := b.Client(t, brokertest.Login{User: c.user, Password: aclPassword})
			for _, topic := range c.may {
				if !client.MayPublish(t, brokertest.Message{Topic: topic, Payload: "x"}) {
					t.Errorf("may not publish on %s", topic)
				}
			}
			for _, topic := range c.mayNot {
				if client.MayPublish(t, brokertest.Message{Topic: topic, Payload: "x"}) {
					t.Errorf("may publish on %s", topic)
				}
				if client.MayPublish(t, brokertest.Message{Topic: topic, Payload: "x", Retain: true}) {
					t.Errorf("may publish on %s with -r", topic)
				}
			}
			// The broker grants every subscription; what counts is what comes.
			client.Subscribe(t, "#")
			for _, from := range []string{aclUser, aclAssistant} {
				sender := b.Client(t, brokertest.Login{User: from, Password: aclPassword})
				for _, topic := range all(aclStates, aclCommands, aclAnnounced, birth) {
					sender.MayPublish(t, brokertest.Message{Topic: topic, Payload: "from " + from})
				}
			}
			for _, topic := range c.reads {
				client.Await(t, topic, "from "+map[bool]string{true: aclAssistant, false: aclUser}[topic == aclBirth])
			}
			for _, m := range client.Received() {
				if !slices.Contains(c.reads, m.Topic) {
					t.Errorf("reads %s", m.Topic)
				}
			}
		})
	}
}

func TestAccessListLetsALinkDoAll(t *testing.T) {
	b := aclBroker(t)
	person := b.Client(t, brokertest.Login{User: aclPerson, Password: aclPassword})
	assistant := b.Client(t, brokertest.Login{User: aclAssistant, Password: aclPassword})
	person.Subscribe(t, "powermgr/#")
	assistant.Subscribe(t, "homeassistant/#")
	certs := b.Certs()
	r := startLink(t, func(o *LinkOptions) {
		o.URL, o.Username, o.Password, o.TLS = b.URL(), aclUser, aclPassword, certs.ClientTLS()
		o.Filters = append(o.Filters, "powermgr/thermostat/+/+/set", "powermgr/weather/+/set", "powermgr/node/+/journal", "homeassistant/+/+/config")
		o.LastWill = func() []byte { return []byte("gone") }
	}, nil)
	for _, topic := range append(append([]string{}, aclStates...), aclAnnounced...) {
		if topic != linkTopics.Status() && topic != "powermgr/node/a/selftest" {
			r.retain(topic, "of a device")
		}
	}
	r.up(t)
	person.Await(t, linkTopics.Powerwall(devices.StateLeaf), "of a device")
	person.Await(t, linkTopics.Status(), devices.Online)
	for _, topic := range aclAnnounced {
		assistant.Await(t, topic, "of a device")
	}

	for _, from := range []struct {
		*brokertest.Client
		topic, payload string
	}{
		{person, linkTopics.Control("override/set"), "pause 30m"},
		{assistant, linkTopics.Powerwall("reserve/set"), "20"},
		{assistant, linkTopics.Thermostat("lcc_1", "hold/set"), "schedule"},
	} {
		from.Publish(t, brokertest.Message{Topic: from.topic, Payload: from.payload})
		r.until(t, from.topic+" arrives", func() bool { m := r.next(t); return m.Topic == from.topic && string(m.Payload) == from.payload })
	}
	if person.MayPublish(t, brokertest.Message{Topic: linkTopics.Powerwall(devices.StateLeaf), Payload: "{}", Retain: true}) {
		t.Error("a person may write the state of the battery")
	}

	if h := r.healthNow(t); len(h.Denied) > 0 || h.Problem != "" || !h.Connected {
		t.Errorf("the link's health: %+v", h)
	}
	r.stop()
	person.Await(t, linkTopics.Status(), devices.Offline)
	person.Await(t, linkTopics.NodeState("a"), "gone")
}

func TestAccessListIsNothingForTheNameless(t *testing.T) {
	b := aclBroker(t)
	for _, who := range []brokertest.Login{{}, {User: aclPerson, Password: "wr0ng-pw"}, {User: "somebody", Password: aclPassword}} {
		if !b.TurnsAway(t, who) {
			t.Errorf("the broker lets in %+v", who)
		}
	}

	// Even if a broker accepts anonymous clients by mistake, they may do nothing.
	mistaken := strings.Replace(deployed(t, "powermgr.conf"), "\nallow_anonymous false\n", "\nallow_anonymous true\n", 1)
	open := aclBrokerWith(t, mistaken)
	nobody := open.Client(t, brokertest.Login{})
	nobody.Subscribe(t, "#")
	powermgr := open.Client(t, brokertest.Login{User: aclUser, Password: aclPassword})
	assistant := open.Client(t, brokertest.Login{User: aclAssistant, Password: aclPassword})
	for _, group := range [][]string{aclStates, aclCommands, aclAnnounced, {aclBirth}, aclElsewhere} {
		for _, topic := range group {
			powermgr.MayPublish(t, brokertest.Message{Topic: topic, Payload: "x"})
			assistant.MayPublish(t, brokertest.Message{Topic: topic, Payload: "x"})
			if nobody.MayPublish(t, brokertest.Message{Topic: topic, Payload: "x"}) {
				t.Errorf("nobody may publish on %s", topic)
			}
		}
	}
	time.Sleep(200 * time.Millisecond)
	if got := nobody.Received(); len(got) > 0 {
		t.Errorf("nobody reads %v", got)
	}
}
