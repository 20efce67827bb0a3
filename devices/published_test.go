package devices_test

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"powermgr/devices"
)

// Readers in this process get a reading as a value, and readers in other processes get its
// JSON: both have to see the same.
func TestAReadingIsWhatItsJSONSays(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for n := range 500 {
		var p devices.PowerwallReading
		draw(r, reflect.ValueOf(&p).Elem())
		same(t, n, p.Published())
		var h devices.ThermostatReading
		draw(r, reflect.ValueOf(&h).Elem())
		same(t, n, h.Published())
		var f devices.Forecast
		draw(r, reflect.ValueOf(&f).Elem())
		same(t, n, f)
	}
	nan := devices.Watts(math.NaN())
	same(t, -1, devices.PowerwallReading{GridPower: &nan}.Published())
}

func same[T any](t *testing.T, n int, v T) {
	t.Helper()
	b, err := json.Marshal(v)
	var read T
	if err == nil {
		err = json.Unmarshal(b, &read)
	}
	if err != nil || !reflect.DeepEqual(v, read) {
		t.Fatalf("%d: %s\n%+v\n%+v\n%v", n, b, v, read, err)
	}
}

// draw sets v to a random value.
func draw(r *rand.Rand, v reflect.Value) {
	switch v.Interface().(type) {
	case time.Time:
		v.Set(reflect.ValueOf(time.Unix(r.Int64N(2e9), 0).UTC()))
		return
	case json.RawMessage:
		v.SetBytes([]byte("{}"))
		return
	}
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(r.IntN(2) == 0)
	case reflect.Int:
		v.SetInt(r.Int64N(1000))
	case reflect.Float64:
		v.SetFloat(r.NormFloat64() * 1e4)
	case reflect.String:
		v.SetString(fmt.Sprint("a", r.IntN(1000)))
	case reflect.Pointer:
		if r.IntN(4) > 0 {
			v.Set(reflect.New(v.Type().Elem()))
			draw(r, v.Elem())
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), r.IntN(3), 3))
		for i := range v.Len() {
			draw(r, v.Index(i))
		}
	case reflect.Struct:
		for _, f := range v.Fields() {
			draw(r, f)
		}
	default:
		panic(v.Type().String())
	}
}
