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

// What is stored about log-ins, in memory and in the session file. The file is written
// when a log-in is about to be tried, when its outcome is known, and when the portal
// renews the cookie, the latter at most twice an hour: too rarely to wear out an SD
// card.

const (
	loginEvery   = 10 * time.Minute // the shortest time between two log-ins
	maxLoginWait = time.Hour        // the longest wait between log-ins that lead to no data
	lockFirst    = 15 * time.Minute // the first lock-out; each further one is twice as long
	maxLock      = 24 * time.Hour
	renewEvery   = 30 * time.Minute // between writes of a cookie that was only renewed

	maxCookies = 16
	maxFile    = 64 << 10
	authCookie = ".ASPXAUTH_TRUEHOME" // the session; empty means there is none
)

// sessionFile is the content of the session file.
type sessionFile struct {
	Host     string            `json:"host"` // of the portal that the session belongs to
	Username string            `json:"username"`
	Cookies  map[string]string `json:"cookies,omitempty"`

	NextLogin   time.Time `json:"next_login,omitzero"`   // no log-in before this
	Logins      int       `json:"logins,omitempty"`      // attempts since the portal last answered with data
	Nulls       int       `json:"nulls,omitempty"`       // consecutive log-ins answered without a session
	LockedUntil time.Time `json:"locked_until,omitzero"` // no request at all before this
	Lockouts    int       `json:"lockouts,omitempty"`    // since the portal last answered with data

	Refused *refusal `json:"refused,omitempty"`
}

// refusal identifies credentials that the portal has refused, so that they are not
// tried again, while changed ones are. Key is PBKDF2 of the credentials: the file does
// not reveal the password.
type refusal struct {
	Salt []byte `json:"salt"`
	Key  []byte `json:"key"`
	Why  string `json:"why"`
}

const pbkdf2Rounds = 100_000 // a tenth of a second on a Raspberry Pi, once per start

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

// wait returns how long no log-in may be tried, at most an hour from now: a later time
// was written by a clock that has been set back since.
func (m *sessionFile) wait(now time.Time) time.Duration {
	return m.until(&m.NextLogin, now, maxLoginWait, loginEvery)
}

// locked returns how long no request at all may be sent to the portal.
func (m *sessionFile) locked(now time.Time) time.Duration {
	return m.until(&m.LockedUntil, now, maxLock, lockFirst)
}

func (m *sessionFile) until(at *time.Time, now time.Time, most, instead time.Duration) time.Duration {
	if at.Sub(now) > most {
		*at = now.Add(instead)
	}
	return max(0, at.Sub(now))
}

// try records a log-in that is about to be sent.
func (m *sessionFile) try(now time.Time) {
	m.Cookies = nil
	m.Logins = min(m.Logins+1, 100)
	m.NextLogin = now.Add(grown(loginEvery, m.Logins, maxLoginWait))
}

// lock records that the portal has locked powermgr out; asked is the wait that the
// portal asked for, or 0.
func (m *sessionFile) lock(now time.Time, asked time.Duration) {
	m.Lockouts = min(m.Lockouts+1, 100)
	m.LockedUntil = now.Add(min(max(asked, grown(lockFirst, m.Lockouts, maxLock)), maxLock))
}

// settle records that the portal answered with data, and reports whether that changed
// anything.
func (m *sessionFile) settle() bool {
	worth := m.Logins > 0 || m.Nulls > 0 || m.Lockouts > 0 || m.Refused != nil
	m.Logins, m.Nulls, m.Lockouts, m.Refused = 0, 0, 0, nil
	return worth
}

// grown returns first, doubled for each of times after the first, but at most most.
func grown(first time.Duration, times int, most time.Duration) time.Duration {
	for ; times > 1 && first < most; times-- {
		first *= 2
	}
	return min(first, most)
}

// setCookie stores a cookie, or deletes it if its value is empty. It reports whether
// anything changed.
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

// parseSession decodes a session file. Impossible values are an error, so that a
// damaged file never counts as permission to log in.
func parseSession(b []byte) (sessionFile, error) {
	var m sessionFile
	if err := json.Unmarshal(b, &m); err != nil {
		return sessionFile{}, errors.New("not a session file")
	}
	if m.Logins < 0 || m.Nulls < 0 || m.Lockouts < 0 || len(m.Cookies) > maxCookies {
		return sessionFile{}, errors.New("not a session file of this program")
	}
	return m, nil
}

// recall loads the session file. If there is none, this is the first start; one that
// cannot be read counts as a log-in that was just tried.
func (c *Client) recall() {
	fresh := sessionFile{Host: c.base.Host, Username: c.username}
	c.session = fresh
	if c.file == "" {
		return
	}
	m, err := readSession(c.file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return
	case err != nil:
		c.session.NextLogin = c.now().Add(loginEvery)
		c.log.Warn("the session file cannot be used; the next log-in waits", "file", c.file, "reason", err.Error(), "wait", loginEvery)
		if err := c.save(); err != nil {
			c.complain(err)
		}
		return
	}
	if m.Host != c.base.Host || m.Username != c.username {
		// Another account: the session must not be sent for it, but the limits still apply.
		m.Cookies, m.Refused, m.Host, m.Username = nil, nil, fresh.Host, fresh.Username
	}
	c.session = m
	c.denied = m.Refused.is(c.username, c.password)
}

func readSession(path string) (sessionFile, error) {
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
	return parseSession(b)
}

// save writes the session file, synced.
func (c *Client) save() error {
	if c.file == "" {
		return nil
	}
	b, err := json.MarshalIndent(c.session, "", "  ")
	if err == nil {
		err = durable.Replace(c.file, append(b, '\n'), 0o600)
	}
	if err != nil {
		return fmt.Errorf("keep the session: %w", err)
	}
	c.savedAt, c.unsaved, c.renewed = c.now(), false, false
	return nil
}

// complain logs once that the session file cannot be written.
func (c *Client) complain(err error) {
	if !c.unsaved {
		c.log.Warn("the session file cannot be written: a restart would have to log in again", "file", c.file, "reason", err.Error())
	}
	c.unsaved = true
}

// keep writes the session file, and only logs a failure.
func (c *Client) keep() {
	if err := c.save(); err != nil {
		c.complain(err)
	}
}
