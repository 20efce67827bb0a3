// Package notify sends people e-mail about what they would otherwise not notice in
// time: when a fault begins and ends, what was done in a peak, a battery that is low.
// Step decides what to send, a Spool keeps mail until it is sent, a Sender talks to the
// mail server, and a Notifier connects them to the bus.
//
// A mail is sent once, whatever is restarted, and a critical one is never dropped. A
// mail server that is down, slow or misbehaving holds up nothing else.
package notify

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"powermgr/control/health"
)

// Topic is the private topic on which any part may request a Mail, as JSON. A mail
// without HTML gets the usual form, with its Text as paragraphs.
const Topic = "$mail"

// MaxMail is the size of the largest mail, as JSON, in bytes. A report with its charts
// takes a tenth of it.
const MaxMail = 8 << 20

// A Mail is one message, ready to be sent.
type Mail struct {
	// Key stays the same however often the same thing is reported: report/2026-07-15.
	// What has a key that was sent before is not sent again, and Message-ID is
	// made of it, so that a receiver can see a duplicate too.
	Key     string       `json:"key"`
	Level   health.Level `json:"level"` // whose list of recipients
	Subject string       `json:"subject"`
	Text    string       `json:"text"`
	HTML    string       `json:"html,omitempty"`   // empty: there is only Text
	Inline  []Attachment `json:"inline,omitempty"` // what HTML shows as cid:…
	At      time.Time    `json:"at"`

	// To are those who have not got it yet while others have. Empty: everybody
	// on the list of its level.
	To []string `json:"to,omitempty"`
	// Joined are the keys of other mails that this one tells as well.
	Joined []string `json:"joined,omitempty"`
}

// An Attachment is a picture in a mail.
type Attachment struct {
	Name        string `json:"name"`         // charge.png
	ContentType string `json:"content_type"` // image/png
	ContentID   string `json:"content_id"`   // without angle brackets
	Data        []byte `json:"data"`
}

// Encode returns m as stored in the spool and sent on Topic.
func Encode(m Mail) ([]byte, error) {
	b, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("mail: %w", err)
	}
	return b, check(m, len(b))
}

// Decode parses a mail. The error says why it cannot be used.
func Decode(b []byte) (Mail, error) {
	var m Mail
	if len(b) <= MaxMail { // a longer one is not even looked at
		if err := json.Unmarshal(b, &m); err != nil {
			return Mail{}, fmt.Errorf("mail: it cannot be read: %w", err)
		}
	}
	if err := check(m, len(b)); err != nil {
		return Mail{}, err
	}
	return m, nil
}

func check(m Mail, size int) error {
	switch {
	case size > MaxMail:
		return fmt.Errorf("mail: it is longer than %d bytes", MaxMail)
	case m.Key == "":
		return errors.New("mail: it has no key")
	case !slices.Contains(health.Levels(), m.Level):
		return fmt.Errorf("mail: there is no level %.20q", m.Level)
	}
	return nil
}

// hash returns a short form of a key, for file names and Message-ID.
func hash(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:16])
}

// oneLine makes s fit for a header or a row: one line without control
// characters, at most limit characters long. Names come from vendors, and a
// thermostat can be called "Hall\r\nBcc: somebody".
func oneLine(s string, limit int) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r), unicode.IsControl(r):
			return ' '
		case unicode.Is(unicode.Cf, r): // turns the direction of writing, or hides
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	return cut(strings.Join(strings.Fields(s), " "), limit)
}

// cut shortens s to limit characters.
func cut(s string, limit int) string {
	if r := []rune(s); len(r) > limit {
		return strings.TrimSpace(string(r[:limit-1])) + "…"
	}
	return s
}
