package plan_test

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"powermgr/control/plan"
)

// A reader in this process gets the plan itself, and a reader elsewhere gets its JSON:
// both have to say the same.
func TestAPlanIsWhatItsJSONSays(t *testing.T) {
	var p, read plan.Plan
	fill(reflect.ValueOf(&p).Elem())
	b, err := json.Marshal(p)
	if err == nil {
		err = json.Unmarshal(b, &read)
	}
	if err != nil || !reflect.DeepEqual(p, read) {
		t.Errorf("%s\n%+v\n%+v\n%v", b, p, read, err)
	}
}

func fill(v reflect.Value) {
	if _, ok := v.Interface().(time.Time); ok {
		v.Set(reflect.ValueOf(time.Unix(1, 0).UTC()))
		return
	}
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int:
		v.SetInt(1)
	case reflect.Float64:
		v.SetFloat(1.1)
	case reflect.String:
		v.SetString("x")
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0))
	case reflect.Struct:
		for _, f := range v.Fields() {
			fill(f)
		}
	default:
		panic("a field of " + v.Type().String())
	}
}
