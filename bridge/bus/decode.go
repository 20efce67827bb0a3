package bus

import (
	"encoding/json"
	"sync"
)

// decoded holds what a payload has been decoded as, by type.
type decoded struct {
	mu  sync.Mutex
	all []any // of type *as[T]
}

type as[T any] struct {
	value T
	err   error
}

// Decode returns m's JSON payload as a T. A message has several readers, and the first
// one to want it as a T decodes it for all of them: what the value points to is shared
// and must not be changed. The error is json.Unmarshal's.
func Decode[T any](m Message) (T, error) {
	if m.decoded == nil {
		d := decode[T](m.Payload)
		return d.value, d.err
	}
	m.decoded.mu.Lock()
	defer m.decoded.mu.Unlock()
	for _, d := range m.decoded.all {
		if d, ok := d.(*as[T]); ok {
			return d.value, d.err
		}
	}
	d := decode[T](m.Payload)
	m.decoded.all = append(m.decoded.all, d)
	return d.value, d.err
}

func decode[T any](payload []byte) *as[T] {
	d := &as[T]{}
	d.err = json.Unmarshal(payload, &d.value)
	return d
}
