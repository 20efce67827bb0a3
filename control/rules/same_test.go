package rules_test

import (
	"reflect"
	"slices"
	"testing"
	"time"

	. "powermgr/control/rules"
)

// A field that Same does not compare would be lost with the process.
func TestSameSeesEachField(t *testing.T) {
	fields := leaves(reflect.TypeFor[Persisted](), nil)
	if len(fields) < 30 {
		t.Fatalf("there are only %d fields", len(fields))
	}
	for _, field := range fields {
		var k Persisted
		fill(reflect.ValueOf(&k).Elem().FieldByIndex(field))
		name := reflect.TypeFor[Persisted]().FieldByIndex(field).Name
		if k.Same(Persisted{}) || (Persisted{}).Same(k) {
			t.Errorf("it does not see %s", name)
		}
		if !k.Same(k) {
			t.Errorf("with %s it is not itself", name)
		}
	}
}

// leaves returns the fields of a struct and of the structs in it, by their index.
func leaves(of reflect.Type, at []int) (all [][]int) {
	for i := range of.NumField() {
		index := append(slices.Clone(at), i)
		if f := of.Field(i).Type; f.Kind() == reflect.Struct && f != reflect.TypeFor[time.Time]() {
			all = append(all, leaves(f, index)...)
		} else {
			all = append(all, index)
		}
	}
	return all
}

// fill sets v to something other than its zero value.
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
	default:
		panic("a field of " + v.Type().String())
	}
}
