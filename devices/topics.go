package devices

import "strings"

// Topics is the topic tree below a base such as "powermgr". Every topic name in the
// program comes from here.
type Topics struct{ Base string }

// Status is the topic that says online or offline for the whole; it has the last will.
func (t Topics) Status() string { return t.Base + "/status" }

// NodeState is the topic on which a node of the pair publishes its state.
func (t Topics) NodeState(node string) string { return t.Base + "/node/" + node + "/state" }

// NodeJournal is the topic of a node's journal, for the other node.
func (t Topics) NodeJournal(node string) string { return t.Base + "/node/" + node + "/journal" }

// Powerwall returns a topic of the battery: "state", "availability", "reserve/set".
func (t Topics) Powerwall(leaf string) string { return t.Base + "/powerwall/" + leaf }

// Thermostat returns a topic of one thermostat, or of all with id "+".
func (t Topics) Thermostat(id, leaf string) string { return t.Base + "/thermostat/" + id + "/" + leaf }

// Thermostats returns a topic of all thermostats of the account: "api".
func (t Topics) Thermostats(leaf string) string { return t.Base + "/thermostats/" + leaf }

// Weather returns a topic of the forecast: "state", "forecast_high/set".
func (t Topics) Weather(leaf string) string { return t.Base + "/weather/" + leaf }

// Tariff returns a topic of what energy costs: "set".
func (t Topics) Tariff(leaf string) string { return t.Base + "/tariff/" + leaf }

// Control returns a topic of the peak controller: "state", "event", "override/set".
func (t Topics) Control(leaf string) string { return t.Base + "/control/" + leaf }

// The last words of topics.
const (
	Set          = "/set"
	ResultSuffix = "/result"
	StateLeaf    = "state"
	AvailLeaf    = "availability"
	APILeaf      = "api"
	EventLeaf    = "event"
	HealthLeaf   = "health"
	ChartLeaf    = "chart" // the picture of the day, PNG
	CommandLeaf  = "last_command"
	PlanLeaf     = "plan"
	TodayLeaf    = "today"  // what the day has come to so far
	TariffLeaf   = "tariff" // as Tesla has it
	SetLeaf      = "set"
	Online       = "online"
	Offline      = "offline"
)

// ResultTopic returns the topic of the answers to commands on a …/set topic.
func ResultTopic(set string) string { return strings.TrimSuffix(set, Set) + ResultSuffix }

// Split splits a topic below the base into its levels; ok is false for other topics.
func (t Topics) Split(topic string) (levels []string, ok bool) {
	rest, ok := strings.CutPrefix(topic, t.Base+"/")
	if !ok {
		return nil, false
	}
	return strings.Split(rest, "/"), true
}

// TopicID makes a vendor's device id valid in topics and in Home Assistant's ids: lower
// case, with every character other than [a-z0-9_] replaced by "_".
func TopicID(vendorID string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '_':
			return r
		}
		return '_'
	}, vendorID)
}
