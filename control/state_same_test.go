package control

import (
	"reflect"
	"testing"
	"time"
)

// What the comparison forgot would be shown only once something else changes.
func TestAStateThatSaysSomethingElse(t *testing.T) {
	for i := range reflect.TypeFor[State]().NumField() {
		var s State
		field := reflect.ValueOf(&s).Elem().Field(i)
		switch zero := field.Interface().(type) {
		case *time.Time:
			field.Set(reflect.ValueOf(new(time.Unix(1, 0))))
		default:
			switch field.Kind() {
			case reflect.Bool:
				field.SetBool(true)
			case reflect.Int:
				field.SetInt(1)
			case reflect.Float64:
				field.SetFloat(1)
			case reflect.String:
				field.SetString("x")
			case reflect.Pointer:
				field.Set(reflect.New(field.Type().Elem()))
			case reflect.Slice:
				field.Set(reflect.MakeSlice(field.Type(), 1, 1))
			default:
				t.Fatalf("a field of %T", zero)
			}
		}
		if name := reflect.TypeFor[State]().Field(i).Name; s.same(State{}) || (&State{}).same(s) || !s.same(s) {
			t.Errorf("%s is not compared", name)
		}
	}
	if at := time.Unix(1, 0); !(&State{Until: &at}).same(State{Until: new(at)}) {
		t.Error("one time in two places is not the same")
	}
}
