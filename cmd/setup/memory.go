package setup

import (
	"errors"
	"os"
	"strings"

	yaml "go.yaml.in/yaml/v3"

	"powermgr/devices/durable"
)

// Memory holds the answers of an interview, by the keys of the questions. An answer is
// offered again when its question is asked again. It is stored in a file until the
// interview is over: registering with Tesla can take a day, and an ssh connection can
// break.
type Memory struct {
	file    string // empty: answers last no longer than this run
	answers map[string]string
	inStep  int // how many questions of the current step have been answered
}

// What somebody can type instead of an answer.
var (
	errBack = errors.New("back")
	errSkip = errors.New("skip")
)

// leaves reports whether somebody wants to leave the current step.
func leaves(err error) bool { return errors.Is(err, errBack) || errors.Is(err, errSkip) }

// remember continues from the answers that an earlier run has stored in a file.
func remember(file string) *Memory {
	m := &Memory{file: file, answers: map[string]string{}}
	if b, err := os.ReadFile(file); err != nil || yaml.Unmarshal(b, &m.answers) != nil || m.answers == nil {
		m.answers = map[string]string{} // there was no file, or it could not be read
	}
	return m
}

// recall returns the earlier answer to a question, if that is still valid, or otherwise
// usual.
func (m *Memory) recall(q Question, usual string) string {
	if m == nil || q.Passing {
		return usual
	}
	if before, ok := m.answers[q.Key]; ok && q.wrong(before) == nil {
		return before
	}
	return usual
}

func (m *Memory) keep(q Question, answer string) error {
	if m == nil || q.Passing {
		return nil
	}
	if before, known := m.answers[q.Key]; known && before == answer {
		return nil
	}
	m.answers[q.Key] = answer
	if m.file == "" {
		return nil
	}
	b, err := yaml.Marshal(m.answers)
	if err != nil {
		return err
	}
	return durable.Replace(m.file, b, 0o600) // the answers include passwords
}

// forget removes the file after the interview.
func (m *Memory) forget() {
	if m != nil && m.file != "" {
		_ = os.Remove(m.file) // there may be none
	}
}

// leaves returns the error for an answer that is about the interview itself; nil: it is
// an answer to the question.
func (m *Memory) leaves(answer string) error {
	switch {
	case m == nil:
	case strings.EqualFold(answer, "back"):
		return errBack
	case strings.EqualFold(answer, "skip"):
		return errSkip
	}
	return nil
}

func (m *Memory) asked() {
	if m != nil {
		m.inStep++
	}
}

// help says how to get past a question.
func (m *Memory) help(c *Console) {
	if m != nil {
		c.Say("  Type back to change an earlier answer, skip to leave this part out, or press Ctrl-C to quit: what you have answered is kept.")
	}
}
