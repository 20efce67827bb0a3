package brokertest

import (
	"os"
	"strings"
	"testing"
)

// TestWhichBroker says which broker the tests run against.
func TestWhichBroker(t *testing.T) {
	kind, why, err := Use()
	if err != nil {
		t.Fatalf("broker: %v", err)
	}
	t.Logf("broker: %s (%s)", kind, why)
}

// Behind Docker's proxy a command waited up to 40 ms for the acknowledgment of the
// message before it.
func TestShippedMosquittoSendsSmallMessagesAtOnce(t *testing.T) {
	for _, name := range []string{"compose/mosquitto.conf", "mosquitto/powermgr.conf"} {
		t.Run(name, func(t *testing.T) {
			conf, err := os.ReadFile("../../deploy/" + name)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(string(conf), "\n"+atOnce) {
				t.Errorf("it lacks %s", atOnce)
			}
		})
	}
}
