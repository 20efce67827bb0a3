package devices

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// MaxRequest is the longest command payload that is parsed, in bytes.
const MaxRequest = 4096

// A Request is a command as somebody sent it: a plain value, or a JSON object
// with a value and more. It is not yet checked against what it is for.
//
//	20
//	{"value": 20, "id": "42", "reason": "guests"}
//	{"value": "until", "until": "2026-07-15T19:00:00-07:00", "cool_setpoint": 78}
type Request struct {
	Value  string // as text: "20", "cool", "ON"
	ID     string // the sender's own id, repeated in the result
	Reason string
	Fields map[string]json.RawMessage // everything else in the object
}

// ParseRequest parses a command payload. The error says what a person should send
// instead.
func ParseRequest(payload []byte) (Request, error) {
	if len(payload) > MaxRequest {
		return Request{}, fmt.Errorf("the payload has %d bytes; %d is the most", len(payload), MaxRequest)
	}
	text := bytes.TrimSpace(payload)
	if len(text) == 0 {
		return Request{}, fmt.Errorf("the payload is empty: send a value, or {\"value\": …}")
	}
	if !utf8.Valid(text) {
		return Request{}, fmt.Errorf("the payload is not text")
	}
	if text[0] != '{' {
		return Request{Value: string(text)}, nil
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(text, &fields); err != nil {
		return Request{}, fmt.Errorf("the payload is neither a plain value nor a JSON object: %w", err)
	}
	var r Request
	for _, f := range []struct {
		name string
		to   *string
	}{{"value", &r.Value}, {"id", &r.ID}, {"reason", &r.Reason}} {
		raw, ok := fields[f.name]
		if !ok {
			continue
		}
		delete(fields, f.name)
		s, err := scalar(raw)
		if err != nil {
			return Request{ID: r.ID}, fmt.Errorf("%q is %w", f.name, err)
		}
		*f.to = s
	}
	if r.Value == "" {
		return r, fmt.Errorf("the object has no \"value\"")
	}
	if len(fields) > 0 {
		r.Fields = fields
	}
	return r, nil
}

// Only refuses a request with fields other than those named: a field that is ignored
// may be the one that mattered most.
func (r Request) Only(fields ...string) error {
	for _, name := range slices.Sorted(maps.Keys(r.Fields)) {
		if !slices.Contains(fields, name) {
			known := append([]string{"value", "id", "reason"}, fields...)
			return fmt.Errorf("%.40q is not understood here: the object has %s", name, strings.Join(known, ", "))
		}
	}
	return nil
}

func scalar(raw json.RawMessage) (string, error) {
	if len(raw) > 0 && raw[0] == '"' {
		var s string
		err := json.Unmarshal(raw, &s)
		return s, err
	}
	switch s := string(raw); {
	case s == "null" || strings.HasPrefix(s, "{") || strings.HasPrefix(s, "["):
		return "", fmt.Errorf("%.40s, not a text or a number", s)
	default:
		return s, nil
	}
}

// ParseReserve parses a reserve in percent: 0–80 or 100.
func ParseReserve(value string) (int, error) {
	f, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(value), "%"), 64)
	if err != nil || !Finite(f) || f != float64(int(f)) {
		return 0, fmt.Errorf("%.40q is not a whole number of percent", value)
	}
	return int(f), CheckReserve(int(f))
}

// CheckReserve refuses a reserve that a Powerwall would not keep. Since firmware 25.18,
// a reserve of 81–99 is silently turned into 80.
func CheckReserve(percent int) error {
	switch {
	case percent < 0 || percent > 100:
		return fmt.Errorf("a reserve of %d %% is outside 0–100", percent)
	case percent > 80 && percent < 100:
		return fmt.Errorf("a reserve of %d %% is not possible: a Powerwall turns 81–99 into 80; send 80 or 100", percent)
	}
	return nil
}

// ParseSwitch parses ON or OFF in any case, and true and false.
func ParseSwitch(value string) (bool, error) {
	switch strings.ToLower(strings.TrimSpace(value)) {
	case "on", "true":
		return true, nil
	case "off", "false":
		return false, nil
	}
	return false, fmt.Errorf("%.40q is neither ON nor OFF", value)
}

// SourceControl is the bus.Message.Source of the peak controller's commands. All other
// commands are a person's.
const SourceControl = "control"

// Result is the answer to a command; its JSON is the payload of …/result. An accepted
// command is answered twice: at once with Applied null, and finally when the device has
// shown it, or has failed to in time. If the device shows it as requested, the final
// answer has an empty Reason.
type Result struct {
	ID        string `json:"id"`
	Accepted  bool   `json:"accepted"`
	Final     bool   `json:"final"` // no further answer to this command follows
	Requested any    `json:"requested"`
	Applied   any    `json:"applied"` // what the device shows; null: not known yet, or nothing
	Reason    string `json:"reason"`
	Unknown   bool   `json:"unknown,omitempty"`  // it was sent but could not be read back: it may have been carried out
	GaveWay   bool   `json:"gave_way,omitempty"` // a command of the controller that was not carried out because somebody's choice came first: not a fault
}
