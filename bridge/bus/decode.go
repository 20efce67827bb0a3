package bus

import (
	"encoding/json"
	"slices"
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

// Encode returns m with v as its JSON payload. Readers in this process that decode it as a
// T get v itself. So v has to be what they would make of the payload, times without a
// monotonic reading among it, and what it points to is never changed from now on.
func Encode[T any](m Message, v T) (Message, error) {
	b, err := json.Marshal(v)
	m.Payload, m.encoded = b, []any{&as[T]{value: v}}
	return m, err
}

// Also returns m, which Encode has made, with v for readers that decode it as a T: a part
// of what it says.
func Also[T any](m Message, v T) Message {
	m.encoded = append(slices.Clip(m.encoded), &as[T]{value: v})
	return m
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
