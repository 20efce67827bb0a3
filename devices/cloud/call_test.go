package cloud

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"powermgr/devices"
)

// api is a vendor's API: it refuses with the text in says, and answers 200 if that is
// empty.
type api struct {
	*fixture
	says string // of a refusal; "-": one without a text
	seen []string
}

func (a *api) do(t *testing.T) error {
	t.Helper()
	_, err := a.Do(t.Context(), Call{
		Op: "read",
		Send: func(_ context.Context, token devices.Secret) (Reply, error) {
			a.seen = append(a.seen, token.Reveal())
			if a.says == "" {
				return Reply{Status: http.StatusOK}, nil
			}
			return Reply{Status: http.StatusUnauthorized}, nil
		},
		Refuses: func(r Reply) bool { return r.Status == http.StatusUnauthorized },
		Why:     func(Reply) string { return strings.Trim(a.says, "-") },
	})
	return err
}

func (a *api) sent() []string {
	seen := a.seen
	a.seen = nil
	return seen
}

func TestOneRefusalIsNoEndOfTheAuthorization(t *testing.T) {
	for _, tt := range []struct {
		name   string
		static bool
		calls  []string // while it lasts, the last call of each minute
	}{
		{"a token that can be renewed", false, []string{"a1", "a2", "a2", "a2", "a2"}},
		{"a bare one", true, []string{"bare", "bare", "bare", "bare"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := &api{fixture: newFixture(t)}
			if tt.static {
				a.File, a.Advice = TokenFile{}, "put a new token into it"
				a.Use(Token{Access: "bare"})
			}
			a.says = "-"
			for range 4 {
				err := a.do(t)
				refused(t, err, devices.Unreachable)
				if !strings.Contains(err.Error(), a.Advice) || strings.Contains(err.Error(), ": :") || !strings.Contains(err.Error(), "HTTP 401") {
					t.Error(err)
				}
				a.now = a.now.Add(time.Minute)
			}
			if seen := a.sent(); !slices.Equal(seen, tt.calls) {
				t.Errorf("sent with %v", seen)
			}
			a.says = ""
			if err := a.do(t); err != nil {
				t.Errorf("the wait is over, but nothing is sent: %v", err)
			}
		})
	}
}

func TestRefusalsThatLastNeedAPerson(t *testing.T) {
	a := &api{fixture: newFixture(t)}
	a.says = "INVALID_TOKEN"
	refused(t, a.do(t), devices.Unreachable)
	a.now = a.now.Add(doubtLimit - time.Second)
	refused(t, a.do(t), devices.Unreachable)
	a.says = ""
	if err := a.do(t); err != nil {
		t.Fatal(err)
	}
	a.says = "INVALID_TOKEN" // another problem, counted separately
	a.now = a.now.Add(time.Minute)
	refused(t, a.do(t), devices.Unreachable)
	a.now = a.now.Add(doubtLimit)
	err := a.do(t)
	refused(t, err, devices.Unauthorized)
	if !strings.Contains(err.Error(), "INVALID_TOKEN, for 1h0m0s: run powermgr auth test") {
		t.Error(err)
	}
	a.sent()
	for range 9 { // nothing is sent for a while
		a.now = a.now.Add(time.Minute)
		refused(t, a.do(t), devices.Unauthorized)
	}
	if seen := a.sent(); len(seen) != 0 {
		t.Errorf("sent with %v", seen)
	}
	a.now = a.now.Add(time.Minute)
	refused(t, a.do(t), devices.Unauthorized)
	if seen := a.sent(); len(seen) != 2 {
		t.Errorf("sent with %v", seen)
	}
	a.says = ""
	a.now = a.now.Add(retryRejectedEvery)
	if err := a.do(t); err != nil {
		t.Errorf("the wait is over, but nothing is sent: %v", err)
	}
}

func TestARefusalThatSaysThatTheAuthorizationHasEnded(t *testing.T) {
	for _, says := range []string{"login_required", "invalid_grant expired"} {
		a := &api{fixture: newFixture(t)}
		a.says = says
		refused(t, a.do(t), devices.Unauthorized)
		a.sent()
		refused(t, a.do(t), devices.Unauthorized)
		if seen := a.sent(); len(seen) != 0 {
			t.Errorf("sent with %v", seen)
		}
		a.says = ""
		a.put(t, "r2") // a person has authorized again
		a.given = 2
		if err := a.do(t); err != nil {
			t.Error(err)
		}
	}
}

func TestTheRefusalOfAnOlderTokenIsNoDoubtAboutTheNewOne(t *testing.T) {
	a := &api{fixture: newFixture(t)}
	a.token(t)
	refused(t, a.reject("read", "a0", "an older one"), devices.Unreachable)
	if !a.doubtedSince.IsZero() {
		t.Error("the new token is in doubt")
	}
}
