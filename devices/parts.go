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
			for field, part := range v.Fields() {
				if field.IsExported() && !yield(part) {
					return
				}
			}
		case reflect.Slice, reflect.Map:
			for _, part := range v.Seq2() {
				if !yield(part) {
					return
				}
			}
		}
	}
}
