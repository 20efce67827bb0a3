package setup

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"powermgr/cmd/config"
	"powermgr/devices"
	"powermgr/devices/tesla"
)

// A step is a part of the interview. Each can be tried again, skipped, or revisited; its
// earlier answers are offered then.
type step struct {
	title string
	do    func() error
	// without changes the configuration for the case that the step is skipped; nil: it
	// cannot be skipped.
	without func(*answers)
}

// maxTurns limits an interview with somebody who does not read the messages.
const maxTurns = 200

// steps goes through all parts of the interview, one after the other.
func (i Interview) steps(ctx context.Context, a *answers) error {
	var about tesla.About
	all := []step{
		{"Powerwall", func() (err error) { about, err = i.powerwall(ctx, a); return err }, func(*answers) { about = tesla.About{} }},
		{"Time zone", func() error { return i.zone(ctx, a, about.Zone) }, nil},
		{"Temperatures", func() error { return i.unit(ctx, a) }, nil},
		{"Electricity prices", func() error { return i.tariff(ctx, a, about) }, func(*answers) {}},
		{"Weather", func() error { return i.location(ctx, a) }, func(*answers) {}},
		{"Thermostats", func() error { return i.thermostats(ctx, a) }, func(*answers) {}},
		{"Home Assistant", func() error { return i.broker(ctx, a) }, func(a *answers) { a.MQTT.URL = config.WithoutBroker }},
		{"Page", func() error { return i.page(ctx, a) }, func(*answers) {}},
		{"Mail", func() error { return i.mail(ctx, a) }, func(*answers) {}},
	}
	before := make([]answers, len(all)) // as each step found them
	turns := 0
	for n := 0; n < len(all); {
		if turns++; turns > maxTurns {
			return errors.New("this was tried often enough: run powermgr setup again, it knows what you answered")
		}
		s := all[n]
		before[n] = *a
		i.Say("== %s", s.title)
		if i.Memory != nil {
			i.Memory.inStep = 0
		}
		err := i.attempt(ctx, s)
		switch {
		case errors.Is(err, errBack):
			if i.Memory.inStep == 0 {
				n = max(0, n-1)
			}
			*a = before[n]
			i.Say("")
			continue
		case errors.Is(err, errSkip):
			*a = before[n]
			s.without(a)
			i.Say("Left out.")
		case err != nil:
			return fmt.Errorf("%s: %w", strings.ToLower(s.title), err)
		}
		i.Say("")
		n++
	}
	return nil
}

// attempt runs a step. If it fails, attempt prints the error, and the person decides how
// to continue; with answers given in advance, the step simply fails.
func (i Interview) attempt(ctx context.Context, s step) error {
	err := s.do()
	switch {
	case err == nil || i.Answers != nil || ctx.Err() != nil || errors.Is(err, ErrEnded) || errors.Is(err, errBack):
		return err
	case errors.Is(err, errSkip) && s.without != nil:
		return err
	case errors.Is(err, errSkip):
		i.Say("  This part is needed.")
		return i.again()
	}
	if refused, is := err.(*devices.Error); is { //nolint:errorlint // a wrapping error says more than the one that it wraps
		err = refused.Err
	}
	i.Say("That did not work: %v.", err)
	options := []Option{{"again", "try again; what you answered is in [brackets]"}, {"back", "go back to the part before"}}
	if s.without != nil {
		options = append(options, Option{"skip", "leave this part out for now"})
	}
	how, asked := i.Choose(ctx, Question{Key: "how", Text: "How to go on", Default: "again", Passing: true}, options)
	switch {
	case asked != nil:
		return asked
	case how == "again":
		return i.again()
	case how == "back":
		i.Memory.inStep = 0
		return errBack
	}
	return errSkip
}

// again starts the current step once more.
func (i Interview) again() error {
	i.Memory.inStep = 1
	return errBack
}
