package cloud_test

import (
	"errors"
	"strconv"
	"testing"

	"powermgr/devices/cloud"
)

func TestAnAnswerThatSaysTheSameIsDecodedOnce(t *testing.T) {
	var k cloud.Known[int]
	if _, ok := k.Last(); ok {
		t.Error("it knows an answer before there was one")
	}
	decoded := 0
	decode := func(b []byte) (int, error) {
		decoded++
		return strconv.Atoi(string(b))
	}
	for _, step := range []struct {
		body           string
		value, decoded int
		bad            bool
	}{{"7", 7, 1, false}, {"7", 7, 1, false}, {"8", 8, 2, false}, {"x", 0, 3, true}, {"8", 8, 3, false}, {"x", 0, 4, true}, {"7", 7, 5, false}} {
		v, err := k.Decode([]byte(step.body), decode)
		if bad := errors.Is(err, strconv.ErrSyntax); bad != step.bad || !bad && v != step.value || decoded != step.decoded {
			t.Errorf("%s: %d, %v; decoded %d times", step.body, v, err, decoded)
		}
	}
	if v, ok := k.Last(); !ok || v != 7 {
		t.Errorf("the last answer was %d, %v", v, ok)
	}
}
