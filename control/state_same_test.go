package control

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"
)

// fill makes a field something else than its zero value.
func fill(field reflect.Value) {
	if _, ok := field.Interface().(time.Time); ok {
		field.Set(reflect.ValueOf(time.Unix(1, 0).UTC()))
		return
	}
	switch field.Kind() {
	case reflect.Bool:
		field.SetBool(true)
	case reflect.Int:
		field.SetInt(1)
	case reflect.Float64:
		field.SetFloat(1.1)
	case reflect.String:
		field.SetString("x")
	case reflect.Pointer:
		field.Set(reflect.New(field.Type().Elem()))
		fill(field.Elem())
	case reflect.Slice:
		field.Set(reflect.MakeSlice(field.Type(), 1, 1))
		fill(field.Index(0))
	case reflect.Struct:
		for _, f := range field.Fields() {
			fill(f)
		}
	default:
		panic("a field of " + field.Type().String())
	}
}

// A field that the comparison leaves out would be published only once another one changes.
func TestAStateThatSaysSomethingElse(t *testing.T) {
	for i := range reflect.TypeFor[State]().NumField() {
		var s State
		fill(reflect.ValueOf(&s).Elem().Field(i))
		if name := reflect.TypeFor[State]().Field(i).Name; s.same(State{}) || (&State{}).same(s) || !s.same(s) {
			t.Errorf("%s is not compared", name)
		}
	}
	if at := time.Unix(1, 0); !(&State{Until: &at}).same(State{Until: new(at)}) {
		t.Error("one time in two places is not the same")
	}
}

// Readers in this process get the state itself, and all others get its JSON: both have to
// say the same.
func TestAStateIsWhatItsJSONSays(t *testing.T) {
	var s, read State
	fill(reflect.ValueOf(&s).Elem())
	b, err := json.Marshal(s)
	if err == nil {
		err = json.Unmarshal(b, &read)
	}
	if err != nil || !reflect.DeepEqual(s, read) {
		t.Errorf("%s\n%+v\n%+v\n%v", b, s, read, err)
	}
}
