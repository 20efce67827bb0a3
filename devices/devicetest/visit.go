package devicetest

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// A Visit sends requests to an emulated cloud without a network.
type Visit struct {
	T     *testing.T
	Cloud http.Handler
	Token string // the access token
}

// Do sends a request with a JSON body ("" none) and pairs of header fields, and returns
// status and body.
func (v *Visit) Do(method, path, body string, header ...string) (int, string) {
	v.T.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+v.Token)
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	v.Cloud.ServeHTTP(w, r)
	b, err := io.ReadAll(w.Result().Body)
	if err != nil {
		v.T.Fatal(err)
	}
	return w.Code, string(b)
}

// Get reads the response in Tesla's envelope.
func (v *Visit) Get(path string) map[string]any {
	v.T.Helper()
	status, body := v.Do("GET", path, "")
	var e struct{ Response map[string]any }
	if status != 200 || json.Unmarshal([]byte(body), &e) != nil {
		v.T.Fatalf("%s: %d %s", path, status, body)
	}
	return e.Response
}
