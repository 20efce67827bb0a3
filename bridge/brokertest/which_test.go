package brokertest

import "testing"

// TestWhichBroker says which broker the tests run against.
func TestWhichBroker(t *testing.T) {
	kind, why, err := Use()
	if err != nil {
		t.Fatalf("broker: %v", err)
	}
	t.Logf("broker: %s (%s)", kind, why)
}
