package tcc

import (
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"powermgr/devices"
	"powermgr/devices/durable"
)

// What is remembered about log-ins, in memory and in the session file. The
// file is written when a log-in is about to be tried, when its outcome is
// known, and when the portal renews the cookie, that at most twice an hour:
// an SD card does not notice.

const (
	loginEvery  = 10 * time.Minute // never two log-ins closer than this
	loginAtMost = time.Hour        // what log-ins without any data grow to
	lockFirst   = 15 * time.Minute // the first lock-out, then twice as long each time
	lockAtMost  = 24 * time.Hour
	renewEvery  = 30 * time.Minute // writes of a merely renewed cookie

	maxCookies = 16
	maxFile    = 64 << 10
	authCookie = ".ASPXAUTH_TRUEHOME" // the session; empty means there is none
)

// sessionFile is the content of the session file.
type sessionFile struct {
	Host     string            `json:"host"` // the session is this portal's
	Username string            `json:"username"`
	Cookies  map[string]string `json:"cookies,omitempty"`

	NextLogin   time.Time `json:"next_login,omitzero"`   // no log-in before
	Logins      int       `json:"logins,omitempty"`      // tried since the portal last gave data
	Nulls       int       `json:"nulls,omitempty"`       // of them in a row, answered without a session
	LockedUntil time.Time `json:"locked_until,omitzero"` // nothing at all before
	Lockouts    int       `json:"lockouts,omitempty"`    // since the portal last gave data

	Refused *refusal `json:"refused,omitempty"`
}

// refusal marks credentials that the portal has refused, so that they are not
// tried again and changed ones are. Key is PBKDF2 of the credentials: the file
// gives no password away.
type refusal struct {
	Salt []byte `json:"salt"`
	Key  []byte `json:"key"`
	Why  string `json:"why"`
}

const pbkdf2Rounds = 100_000 // rounds of PBKDF2; a tenth of a second on a Raspberry Pi, once a start

func refuse(username string, password devices.Secret, why string) (*refusal, error) {
	salt := make([]byte, 16)
	_, _ = rand.Read(salt) // never fails, by its documentation
	key, err := stretched(username, password, salt)
	return &refusal{Salt: salt, Key: key, Why: why}, err
}

func (r *refusal) is(username string, password devices.Secret) bool {
	if r == nil {
		return false
	}
	key, err := stretched(username, password, r.Salt)
	return err == nil && subtle.ConstantTimeCompare(key, r.Key) == 1
}

func stretched(username string, password devices.Secret, salt []byte) ([]byte, error) {
	return pbkdf2.Key(sha256.New, username+"\x00"+password.Reveal(), salt, pbkdf2Rounds, sha256.Size)
}

// wait is how long no log-in may be tried, at most an hour from now: a time
// further off was written by a clock that has been set back since.
func (m *sessionFile) wait(now time.Time) time.Duration {
	return m.until(&m.NextLogin, now, loginAtMost, loginEvery)
}

// locked is how long the portal is to be left alone altogether.
func (m *sessionFile) locked(now time.Time) time.Duration {
	return m.until(&m.LockedUntil, now, lockAtMost, lockFirst)
}

func (m *sessionFile) until(at *time.Time, now time.Time, most, instead time.Duration) time.Duration {
	if at.Sub(now) > most {
		*at = now.Add(instead)
	}
	return max(0, at.Sub(now))
}

// try notes a log-in that is about to be sent.
func (m *sessionFile) try(now time.Time) {
	m.Cookies = nil
	m.Logins = min(m.Logins+1, 100)
	m.NextLogin = now.Add(grown(loginEvery, m.Logins, loginAtMost))
}

// lock notes that the portal has locked powermgr out; asked is what it said, or 0.
func (m *sessionFile) lock(now time.Time, asked time.Duration) {
	m.Lockouts = min(m.Lockouts+1, 100)
	m.LockedUntil = now.Add(min(max(asked, grown(lockFirst, m.Lockouts, lockAtMost)), lockAtMost))
}

// settle notes that the portal gave data, and reports whether that changed
// anything.
func (m *sessionFile) settle() bool {
	worth := m.Logins > 0 || m.Nulls > 0 || m.Lockouts > 0 || m.Refused != nil
	m.Logins, m.Nulls, m.Lockouts, m.Refused = 0, 0, 0, nil
	return worth
}

// grown doubles first with every time after the first, up to most.
func grown(first time.Duration, times int, most time.Duration) time.Duration {
	for ; times > 1 && first < most; times-- {
		first *= 2
	}
	return min(first, most)
}

// setCookie keeps a cookie or, when its value is empty, forgets it. It reports
// whether anything changed.
func (m *sessionFile) setCookie(name, value string) bool {
	old, had := m.Cookies[name]
	switch {
	case value == "" && had:
		delete(m.Cookies, name)
		return true
	case value == "" || value == old || !had && len(m.Cookies) >= maxCookies || len(name)+len(value) > 4096:
		return false
	}
	if m.Cookies == nil {
		m.Cookies = map[string]string{}
	}
	m.Cookies[name] = value
	return true
}

// parseMemory reads a session file. What cannot be true is an error, so that
// a damaged file is never taken for permission to log in.
func parseMemory(b []byte) (sessionFile, error) {
	var m sessionFile
	if err := json.Unmarshal(b, &m); err != nil {
		return sessionFile{}, errors.New("not a session file")
	}
	if m.Logins < 0 || m.Nulls < 0 || m.Lockouts < 0 || len(m.Cookies) > maxCookies {
		return sessionFile{}, errors.New("not a session file of this program")
	}
	return m, nil
}

// recall reads the session file. One that is not there is a first start; one
// that cannot be read counts as a log-in just tried.
func (c *Client) recall() {
	fresh := sessionFile{Host: c.base.Host, Username: c.username}
	c.mem = fresh
	if c.file == "" {
		return
	}
	m, err := readMemory(c.file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return
	case err != nil:
		c.mem.NextLogin = c.now().Add(loginEvery)
		c.log.Warn("the session file cannot be used; the next log-in waits", "file", c.file, "reason", err.Error(), "wait", loginEvery)
		if err := c.save(); err != nil {
			c.complain(err)
		}
		return
	}
	if m.Host != c.base.Host || m.Username != c.username {
		// Another account: its session must not go there, its limits stay.
		m.Cookies, m.Refused, m.Host, m.Username = nil, nil, fresh.Host, fresh.Username
	}
	c.mem = m
	c.denied = m.Refused.is(c.username, c.password)
}

func readMemory(path string) (sessionFile, error) {
	info, err := os.Stat(path)
	if err != nil {
		return sessionFile{}, err
	}
	if info.Size() > maxFile || !info.Mode().IsRegular() {
		return sessionFile{}, errors.New("not a session file")
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return sessionFile{}, err
	}
	return parseMemory(b)
}

// save writes the session file, synced.
func (c *Client) save() error {
	if c.file == "" {
		return nil
	}
	b, err := json.MarshalIndent(c.mem, "", "  ")
	if err == nil {
		err = durable.Replace(c.file, append(b, '\n'), 0o600)
	}
	if err != nil {
		return fmt.Errorf("keep the session: %w", err)
	}
	c.savedAt, c.unsaved, c.renewed = c.now(), false, false
	return nil
}

// complain says once that the session file cannot be written.
func (c *Client) complain(err error) {
	if !c.unsaved {
		c.log.Warn("the session file cannot be written: a restart would have to log in again", "file", c.file, "reason", err.Error())
	}
	c.unsaved = true
}

// keep writes the session file and only says when that is not possible.
func (c *Client) keep() {
	if err := c.save(); err != nil {
		c.complain(err)
	}
}
