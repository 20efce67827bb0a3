// Package setup guides an owner through the first configuration: it asks about the
// accounts and the home, checks every answer against the service it concerns, stores
// what the vendors give in return, and writes a configuration that starts as a dry run.
// Everything it does can also be done by hand. It never commands a device.
package setup

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// A Console is a dialog with a person, line by line, so that it works over ssh, in a
// container, and with answers from a pipe. Or the answers are given in advance.
type Console struct {
	In  *bufio.Reader
	Out io.Writer
	// Hidden reads a line that is not shown while it is typed, or gives up when ctx ends.
	// Nil: such a line is read like any other.
	Hidden func(ctx context.Context) (string, error)
	// Answers are the answers by the questions' keys. Nothing is asked then: a question
	// without an answer takes its default. Nil: In has the answers.
	Answers map[string]string
	// Memory stores the answers, for an interview in which people can go back. Nil:
	// nothing is stored, and they cannot go back.
	Memory *Memory
}

// ErrEnded means that the input ended before a question was answered.
var ErrEnded = errors.New("the input ended")

// A Question is asked until its answer is valid.
type Question struct {
	Key      string // of its answer in Console.Answers
	Text     string
	Default  string             // what an empty answer means; empty: there is no default
	Optional bool               // an empty answer is allowed, if there is no default
	Secret   bool               // the answer is not shown while it is typed
	Passing  bool               // the answer is valid only now, and is not stored
	Check    func(string) error // returns what is wrong with an answer; nil: every answer is valid
}

// maxTries is how often a step is tried, or a question asked in an interview; fewTries
// is how often a question is asked where people can soon start over.
const (
	maxTries = 20
	fewTries = 3
)

// helpAfter is how many invalid answers somebody gives before they are told how to get
// past the question.
const helpAfter = 3

// Say prints a line.
func (c *Console) Say(format string, args ...any) { fmt.Fprintf(c.Out, format+"\n", args...) }

// Ask returns a valid answer. It gives up when the input or ctx ends, and after three
// invalid answers; in an interview, after twenty: by then nobody is reading the
// messages.
func (c *Console) Ask(ctx context.Context, q Question) (string, error) {
	if c.Answers != nil {
		return c.given(q)
	}
	q.Default = c.Memory.recall(q, q.Default)
	answer, err := c.ask(ctx, q)
	if err == nil {
		err = c.Memory.keep(q, answer)
	}
	return answer, err
}

func (c *Console) ask(ctx context.Context, q Question) (string, error) {
	most := fewTries
	if c.Memory != nil {
		most = maxTries
	}
	for tries := 1; ; tries++ {
		fmt.Fprintf(c.Out, "%s%s: ", q.Text, q.hint())
		line, err := c.line(ctx, q.Secret)
		answer := strip(line)
		switch {
		case ctx.Err() != nil:
			return "", fmt.Errorf("ended at the question %q", q.Text)
		case err != nil && answer == "":
			c.Say("")
			return "", fmt.Errorf("%w at the question %q", ErrEnded, q.Text)
		}
		if err := c.Memory.leaves(answer); err != nil {
			return "", err
		}
		if answer = q.meant(answer); q.wrong(answer) == nil {
			c.Memory.asked()
			return answer, nil
		}
		err = q.wrong(answer)
		var denied deniedError
		if tries == most || errors.As(err, &denied) {
			return "", err
		}
		c.Say("  %s", sentence(err))
		if tries%helpAfter == 0 {
			c.Memory.help(c)
		}
	}
}

// hint says what an empty answer means.
func (q Question) hint() string {
	switch {
	case q.Secret && q.Default != "":
		return " [as before]"
	case q.Optional && q.Default != "":
		return " [" + q.Default + "; or none]"
	case q.Default != "":
		return " [" + q.Default + "]"
	case q.Optional:
		return " [none]"
	}
	return ""
}

// meant returns what an answer means: an empty one means the default, and none means an
// empty one where that is allowed.
func (q Question) meant(answer string) string {
	switch {
	case answer == "":
		return q.Default
	case q.Optional && strings.EqualFold(answer, "none"):
		return ""
	}
	return answer
}

// given returns the answer that was given in advance.
func (c *Console) given(q Question) (string, error) {
	answer, ok := c.Answers[q.Key]
	answer = q.meant(answer)
	if err := q.wrong(answer); err != nil {
		if !ok {
			return "", fmt.Errorf("the answers need %s (%s)", q.Key, q.Text)
		}
		return "", fmt.Errorf("the answer to %s: %w", q.Key, err)
	}
	if !q.Secret {
		c.Say("%s: %s", q.Text, answer)
	}
	return answer, nil
}

// wrong returns what is wrong with an answer.
func (q Question) wrong(answer string) error {
	switch {
	case answer == "" && q.Optional:
		return nil
	case answer == "":
		return errors.New("this needs an answer")
	case q.Check != nil:
		return q.Check(answer)
	}
	return nil
}

// sentence returns an error as a sentence, with a capital letter and a period.
func sentence(err error) string {
	text := err.Error()
	if !strings.HasSuffix(text, "?") {
		text += "."
	}
	return strings.ToUpper(text[:1]) + text[1:]
}

// An Option is one of several that a person can choose.
type Option struct {
	Key  string // its name in Console.Answers
	Text string
}

// Choose returns the key of the option that a person chooses by its number or its key.
// The default is a key.
func (c *Console) Choose(ctx context.Context, q Question, options []Option) (string, error) {
	if c.Answers == nil {
		for i, o := range options {
			c.Say("  %d  %s", i+1, o.Text)
		}
	}
	find := func(answer string) int {
		if n, err := strconv.Atoi(answer); err == nil && n >= 1 && n <= len(options) {
			return n - 1
		}
		return slices.IndexFunc(options, func(o Option) bool { return strings.EqualFold(o.Key, answer) })
	}
	q.Check = func(answer string) error {
		if find(answer) < 0 {
			return fmt.Errorf("choose a number from 1 to %d", len(options))
		}
		return nil
	}
	if c.Answers != nil {
		answer, err := c.given(q)
		if err != nil {
			return "", err
		}
		return options[find(answer)].Key, nil
	}
	if i := find(c.Memory.recall(q, q.Default)); i >= 0 {
		q.Default = strconv.Itoa(i + 1)
	}
	answer, err := c.ask(ctx, q)
	if err != nil {
		return "", err
	}
	chosen := options[find(answer)].Key
	return chosen, c.Memory.keep(q, chosen)
}

// Confirm asks a question that is answered with yes or no.
func (c *Console) Confirm(ctx context.Context, q Question) (bool, error) {
	known := map[string]bool{"y": true, "yes": true, "true": true, "n": false, "no": false, "false": false}
	q.Check = func(answer string) error {
		if _, ok := known[strings.ToLower(answer)]; !ok {
			return errors.New("answer yes or no")
		}
		return nil
	}
	answer, err := c.Ask(ctx, q)
	return known[strings.ToLower(answer)], err
}

// line reads a line, or gives up when ctx ends; what is typed after that stays unread.
func (c *Console) line(ctx context.Context, hidden bool) (string, error) {
	if hidden && c.Hidden != nil && c.In.Buffered() == 0 {
		return c.Hidden(ctx)
	}
	type answer struct {
		text string
		err  error
	}
	got := make(chan answer, 1)
	go func() {
		var a answer
		a.text, a.err = c.In.ReadString('\n')
		got <- a
	}()
	select {
	case a := <-got:
		return a.text, a.err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}
