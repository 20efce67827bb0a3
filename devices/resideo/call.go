package resideo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"powermgr/devices"
	"powermgr/devices/cloud"
)

// A single exchange with the API, and what its refusals mean.

// Names of the operations, for errors.
const (
	opRead = "read the locations"
	opLook = "read the thermostat"
	opSet  = "set the thermostat"
)

// request is one request to the API.
type request struct {
	op       string
	method   string
	path     []string // elements, plain
	location int64    // 0: none
	body     []byte   // JSON; nil: none
}

func thermostatPath(at place) []string {
	return []string{"v2/devices/thermostats", at.deviceID}
}

// post sends a change to a thermostat, or to a part of it such as the fan.
func (c *Client) post(ctx context.Context, at place, part string, body any) error {
	b, err := json.Marshal(body)
	if err != nil {
		return failure(opSet, devices.Refused, err)
	}
	path := thermostatPath(at)
	if part != "" {
		path = append(path, part)
	}
	answer, err := c.call(ctx, request{op: opSet, method: http.MethodPost, path: path, location: at.locationID, body: b})
	if err == nil && bytes.HasPrefix(bytes.TrimSpace(answer), []byte("<")) {
		e := failure(opSet, devices.Nonsense, errors.New("a web page instead of an answer"))
		e.MaybeDone = true
		return e
	}
	return err
}

// call sends r and returns the body of a successful answer.
func (c *Client) call(ctx context.Context, r request) ([]byte, error) {
	var used devices.Secret
	reply, err := c.oauth.Do(ctx, cloud.Call{
		Op: r.op,
		Send: func(ctx context.Context, token devices.Secret) (cloud.Reply, error) {
			used = token
			return c.send(ctx, r, token)
		},
		Refuses: func(reply cloud.Reply) bool {
			return reply.Status == http.StatusUnauthorized || reply.Status == http.StatusForbidden
		},
		Why: func(reply cloud.Reply) string { return c.hide(vendorText(reply.Body), used) },
	})
	switch {
	case reply.Status == http.StatusForbidden && r.location != 0:
		return nil, failure(r.op, devices.Refused, errors.New(c.text(reply, used)+
			": the consent may not cover this thermostat: run powermgr auth honeywell and tick it"))
	case err != nil:
		return nil, c.clean(err)
	case reply.Status/100 == 2:
		return reply.Body, nil
	}
	return nil, c.refusal(r, reply, used)
}

func (c *Client) send(ctx context.Context, r request, token devices.Secret) (cloud.Reply, error) {
	u := c.base.JoinPath(r.path...)
	query := url.Values{"apikey": {c.id}}
	if r.location != 0 {
		query.Set("locationId", strconv.FormatInt(r.location, 10))
	}
	u.RawQuery = query.Encode()
	req, err := http.NewRequestWithContext(ctx, r.method, u.String(), bytes.NewReader(r.body))
	if err != nil {
		return cloud.Reply{}, failure(r.op, devices.Refused, errors.New("the address of the API is not valid"))
	}
	req.Header.Set("Authorization", "Bearer "+token.Reveal())
	req.Header.Set("Accept", "application/json")
	if r.body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	return cloud.Do(c.http, vendor, r.op, req)
}

// refusal returns the error for an unsuccessful answer. Only a request about one
// thermostat can be refused for its content; the request for all of them cannot be
// wrong, so a refusal of it is the vendor's problem.
func (c *Client) refusal(r request, reply cloud.Reply, token devices.Secret) error {
	e := cloud.StatusError(vendor, r.op, reply, r.body != nil, c.hide(vendorText(reply.Body), token))
	if e.Kind == devices.Refused && (r.location == 0 || reply.Status < 400) {
		e.Kind = devices.Unreachable
	}
	return e
}

// vendorText returns the reason in the body of a refusal. The code next to it comes as
// a string or as a number, and says no more than the status.
func vendorText(body []byte) string {
	var refusal struct {
		Message string `json:"message"`
		Fault   struct {
			String string `json:"faultstring"`
		} `json:"fault"`
	}
	if json.Unmarshal(body, &refusal) == nil {
		return refusal.Message + refusal.Fault.String
	}
	if bytes.HasPrefix(bytes.TrimSpace(body), []byte("<")) {
		return "(a web page)"
	}
	return ""
}

// text describes a refusal.
func (c *Client) text(reply cloud.Reply, token devices.Secret) string {
	return cloud.Line(fmt.Sprintf("HTTP %d %s", reply.Status, c.hide(vendorText(reply.Body), token)))
}

// clean removes the account's secrets from an error that was made elsewhere.
func (c *Client) clean(err error) error {
	var e *devices.Error
	if errors.As(err, &e) {
		if was := e.Err.Error(); c.hide(was, "") != was {
			e.Err = errors.New(c.hide(was, ""))
		}
	}
	return err
}

func (c *Client) hide(text string, token devices.Secret) string {
	return cloud.Hide(text, devices.Secret(c.id), c.key, token)
}

func failure(op string, kind devices.Kind, err error) *devices.Error {
	return &devices.Error{Vendor: vendor, Op: op, Kind: kind, Err: err}
}
