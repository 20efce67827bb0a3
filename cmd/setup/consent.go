package setup

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"powermgr/devices"
	"powermgr/devices/durable"
)

// An authorization that has been started, and what a person pastes to complete it.

// consentTimeout is how long an attempt is valid.
const consentTimeout = time.Hour

// attempt is one authorization in progress. It is stored next to the token file, so that
// the code can be passed to another run.
type attempt struct {
	State    string    `json:"state"`
	Verifier string    `json:"verifier"` // PKCE
	Redirect string    `json:"redirect"`
	Begun    time.Time `json:"begun"`
}

func (a attempt) verifier() devices.Secret { return devices.Secret(a.Verifier) }

func pending(file string) string { return file + ".pending" }

// begin starts a new attempt for the token file, and stores it. If that works, the token
// can be stored as well; a failure shows before anybody opens the vendor's page.
func begin(file, redirect string, now time.Time) (attempt, error) {
	a := attempt{State: rand.Text(), Verifier: rand.Text() + rand.Text(), Redirect: redirect, Begun: now}
	b, err := json.Marshal(a)
	if err == nil {
		err = writable(file)
	}
	if err == nil {
		err = durable.Replace(pending(file), b, 0o600)
	}
	return a, err
}

// resume returns the attempt that was started last, if it is not too old.
func resume(file string, now time.Time) (attempt, error) {
	var a attempt
	b, err := os.ReadFile(pending(file))
	if err != nil || json.Unmarshal(b, &a) != nil {
		return attempt{}, errors.New("no authorization has been begun here")
	}
	if age := now.Sub(a.Begun); age < 0 || age > consentTimeout {
		return attempt{}, errors.New("the authorization was begun too long ago")
	}
	return a, nil
}

func forget(file string) { _ = os.Remove(pending(file)) } // if that fails, the attempt is too old in an hour

// writable makes sure that file can be created in its folder.
func writable(file string) error {
	dir := filepath.Dir(file)
	f, err := os.CreateTemp(dir, ".powermgr-*")
	if err == nil {
		err = errors.Join(f.Close(), os.Remove(f.Name()))
	}
	if err != nil {
		var path *os.PathError
		if errors.As(err, &path) {
			err = path.Err
		}
		return fmt.Errorf("nothing can be stored in %s: %w: make the folder, or run this as its owner or with sudo", dir, err)
	}
	return nil
}

// A deniedError is a consent that was refused on the vendor's page.
type deniedError struct{ why string }

func (e deniedError) Error() string { return "the vendor's page did not give a consent: " + e.why }

// isCode reports whether text can be a code of either vendor.
func isCode(text string) bool {
	return len(text) >= 4 && len(text) <= 4096 && !strings.ContainsFunc(text, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("._~+/=-", r)
	})
}

// bareCode returns a code that was pasted without its address.
func bareCode(pasted string) (string, bool) {
	pasted = strip(pasted)
	return pasted, isCode(pasted) && !strings.Contains(pasted, "code=") && !strings.Contains(pasted, "://")
}

// strip removes what is often copied along with an address.
func strip(pasted string) string { return strings.Trim(strings.TrimSpace(pasted), `"'<>`) }

// codeFrom returns the code in the address that a browser was redirected to, or in its
// query. The error says what is wrong with the pasted text.
func codeFrom(pasted, state string) (string, error) {
	pasted = strip(pasted)
	if pasted == "" {
		return "", errors.New("nothing was pasted")
	}
	query := pasted
	if _, after, ok := strings.Cut(pasted, "?"); ok {
		query = after
	}
	query, _, _ = strings.Cut(query, "#")
	q, err := url.ParseQuery(query)
	switch {
	case err != nil || !strings.Contains(query, "="):
		return "", errors.New("it has no code: it must be the whole address, with code= in it")
	case q.Get("error") != "":
		why := devices.Label(strings.TrimSpace(q.Get("error") + " " + q.Get("error_description")))
		if q.Get("error") == "access_denied" {
			why = "it was refused there (" + why + "); run this again and agree"
		}
		return "", deniedError{why}
	case q.Get("response_type") != "":
		return "", errors.New("it is the address to open in the browser; wanted is the one you are sent to after agreeing")
	case !q.Has("code"):
		return "", errors.New("it has no code: it must be the whole address you were sent to, with code= in it")
	case q.Get("state") != state:
		return "", errors.New("it belongs to another attempt: use the address that was printed last")
	case !isCode(q.Get("code")):
		return "", errors.New("the code in it is damaged: copy the address once more")
	}
	return q.Get("code"), nil
}
