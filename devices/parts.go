package devices

import (
	"iter"
	"reflect"
)

// Parts are the values that v holds: what it points to, its exported fields, its
// elements. What was read from a file or the broker is checked value by value with it.
func Parts(v reflect.Value) iter.Seq[reflect.Value] {
	return func(yield func(reflect.Value) bool) {
		switch v.Kind() {
		case reflect.Pointer, reflect.Interface:
			if !v.IsNil() {
				yield(v.Elem())
			}
		case reflect.Struct:
			for i := range v.NumField() {
				if part := v.Field(i); part.CanInterface() && !yield(part) { // it is exported
					return
				}
			}
		case reflect.Slice:
			for i := range v.Len() {
				if !yield(v.Index(i)) {
					return
				}
			}
		case reflect.Map:
			for entry := v.MapRange(); entry.Next(); {
				if !yield(entry.Value()) {
					return
				}
			}
		}
	}
}
