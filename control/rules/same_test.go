package rules_test

import (
	"reflect"
	"testing"
	"time"

	. "powermgr/control/rules"
)

// A field that Same forgot would be lost with the process.
func TestSameSeesEachField(t *testing.T) {
	for _, of := range []struct {
		name string
		part func(*Persisted) reflect.Value
	}{
		{"the home", func(k *Persisted) reflect.Value { return reflect.ValueOf(&k.HomeRecord).Elem() }},
		{"the battery", func(k *Persisted) reflect.Value { return reflect.ValueOf(&k.Battery).Elem() }},
		{"what was written to the battery", func(k *Persisted) reflect.Value { return reflect.ValueOf(&k.Battery.Writes).Elem() }},
		{"all", func(k *Persisted) reflect.Value { return reflect.ValueOf(k).Elem() }},
	} {
		for i := range of.part(&Persisted{}).NumField() {
			var k Persisted
			field := of.part(&k).Field(i)
			fill(field)
			if k.Same(Persisted{}) || (Persisted{}).Same(k) {
				t.Errorf("%s: it does not see %s", of.name, of.part(&k).Type().Field(i).Name)
			}
			if !k.Same(k) {
				t.Errorf("%s: with %s it is not itself", of.name, of.part(&k).Type().Field(i).Name)
			}
		}
	}
}

// fill makes v something else than its zero value.
func fill(v reflect.Value) {
	if _, ok := v.Interface().(time.Time); ok {
		v.Set(reflect.ValueOf(time.Unix(1, 0)))
		return
	}
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(1)
	case reflect.Float64:
		v.SetFloat(1)
	case reflect.String:
		v.SetString("x")
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem())
	case reflect.Struct:
		fill(v.Field(v.NumField() - 1))
	default:
		panic("a field of " + v.Type().String())
	}
}
