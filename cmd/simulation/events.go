package simulation

import (
	"fmt"
	"reflect"
	"time"

	"go.yaml.in/yaml/v3"
)

// An event is something that happens at a time.
type event struct {
	at   time.Time
	what action
}

// An action is what happens: one of kinds with its parameters, or code of a test. Its
// YAML form is that of its fields.
type action interface {
	do(*home)
	String() string // its line in the story; "": none
}

// kinds returns the actions that a day in a file can have, by their names there. To add one,
// write a type with its parameters and both methods of action, add a line here, and draw
// it in draw.go.
func kinds() map[string]action {
	return map[string]action{
		// people
		"wall":       wall{},
		"app":        app{},
		"publish":    publish{},
		"override":   override{},
		"prices":     prices{},
		"strategy":   strategy{},
		"enabled":    enabled{},
		"restore":    restore{},
		"adjust":     adjust{},
		"configured": configured{},
		// faults
		"vendor_fault":   vendorFault{},
		"vendors_well":   vendorsWell{},
		"tokens_end":     tokensEnd{},
		"kill":           kill{},
		"stop":           stop{},
		"reload":         reload{},
		"kill_when":      killWhen{},
		"disk":           diskFull{},
		"broker":         brokerUp{},
		"broker_cut":     brokerCut{},
		"clock_jumps":    clockJumps{},
		"clock_right":    clockRight{},
		"device":         deviceAway{},
		"message":        message{},
		"journal_is":     journalIs{},
		"role_moves":     roleMoves{},
		"nodes_separate": nodesSeparate{},
		"faults_end":     faultsEnd{},
	}
}

// MarshalYAML returns {at: TIME, KIND: {PARAMETER: VALUE, …}}, on one line.
func (a event) MarshalYAML() (any, error) {
	line := &yaml.Node{Kind: yaml.MappingNode, Style: yaml.FlowStyle}
	add := func(key string, value any) error {
		var k, v yaml.Node
		k.SetString(key)
		err := v.Encode(value)
		line.Content = append(line.Content, &k, &v)
		return err
	}
	if err := add("at", a.at); err != nil {
		return nil, err
	}
	for name, k := range kinds() {
		if reflect.TypeOf(k) == reflect.TypeOf(a.what) {
			return line, add(name, a.what)
		}
	}
	return nil, fmt.Errorf("%T has no place in a file: it is not one of kinds", a.what)
}

// UnmarshalYAML does the reverse of MarshalYAML.
func (a *event) UnmarshalYAML(line *yaml.Node) error {
	if line.Kind != yaml.MappingNode || len(line.Content) != 4 || line.Content[0].Value != "at" {
		return fmt.Errorf("line %d: an act is {at: TIME, KIND: {PARAMETER: VALUE, …}}", line.Line)
	}
	if err := line.Content[1].Decode(&a.at); err != nil {
		return err
	}
	a.at = a.at.In(zone())
	name, parameters := line.Content[2].Value, line.Content[3]
	k, ok := kinds()[name]
	if !ok {
		return fmt.Errorf("line %d: there is no kind of act %q", line.Line, name)
	}
	v := reflect.New(reflect.TypeOf(k))
	if err := parameters.Decode(v.Interface()); err != nil {
		return err
	}
	a.what = v.Elem().Interface().(action)
	return nil
}
