package page

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"powermgr/bridge/bus"
	"powermgr/control/rules"
	"powermgr/devices"
)

// A pageCommand is what somebody pressed: an ordinary command.
type pageCommand struct {
	leaf  string // of the topic below control, without /set
	value string
}

const (
	answerTimeout   = 5 * time.Second  // how long a browser waits for the answer to a command, in real time
	commandLifetime = 30 * time.Second // how long the command may still be carried out
)

// parseCommand reads what the form says. Its fields are what a button has and what stands
// beside it:
//
//	do     override, enabled, restore, strategy or configured
//	value  peak, off_peak, precool, pause, skip, auto, resume; ON, OFF; PRESS; rule, plan
//	for    90m, 2h, …; empty: none
//	until  19:00 or 2026-12-01T08:00; empty: none; it goes before for
func parseCommand(r *http.Request) (pageCommand, error) {
	w := pageCommand{leaf: r.PostFormValue("do"), value: r.PostFormValue("value")}
	timed := []string{string(rules.OverridePeak), string(rules.OverrideOffPeak), string(rules.OverridePrecool), string(rules.OverridePause)}
	switch {
	case w.leaf == "override" && slices.Contains(timed, w.value):
		length, until := strings.TrimSpace(r.PostFormValue("for")), strings.TrimSpace(r.PostFormValue("until"))
		if until != "" {
			length = "until " + until
		}
		w.value = strings.TrimSpace(w.value + " " + length)
		return w, nil
	case slices.Contains([]string{"override", "enabled", "restore", "strategy", "configured"}, w.leaf):
		return w, nil
	}
	return w, errors.New("this button is out of date: reload the page")
}

// send publishes a command as a person would, and waits for its answer.
func (p *Page) send(ctx context.Context, w pageCommand) (devices.Result, error) {
	if !p.Active() {
		return devices.Result{}, errors.New("this node is the standby: use the page of the active node")
	}
	id := "page-" + rand.Text()[:10]
	answer := make(chan devices.Result, 1)
	p.mu.Lock()
	full := len(p.awaiting) >= maxAwaiting
	if !full {
		p.awaiting[id] = answer
	}
	p.mu.Unlock()
	if full {
		return devices.Result{}, errors.New("too many commands are in progress: try again in a moment")
	}
	defer func() {
		p.mu.Lock()
		delete(p.awaiting, id)
		p.mu.Unlock()
	}()
	body, err := json.Marshal(map[string]string{"value": w.value, "id": id})
	if err != nil {
		return devices.Result{}, err
	}
	p.Bus.Publish(bus.Message{
		Topic: p.Topics.Control(w.leaf + devices.Set), Payload: body, ID: id, Expires: p.Bus.Now().Add(commandLifetime),
	})
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	select {
	case r := <-answer:
		return r, nil
	case <-ctx.Done():
		return devices.Result{}, errors.New("there was no answer: check the last command below before you press it again")
	}
}

// handleCommand carries out what somebody pressed. A script gets the outcome as JSON; a
// browser without one is sent back to the page, which shows it as the last command.
func (p *Page) handleCommand(w http.ResponseWriter, r *http.Request) {
	if p.Access.ReadOnly {
		http.Error(w, "this page is read-only: http.read_only is true in the configuration", http.StatusForbidden)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, devices.MaxRequest)
	command, err := parseCommand(r)
	var said string
	if err == nil {
		p.Log.Info("someone pressed a button on the page", "command", command.leaf, "value", command.value, "from", clientAddr(r))
		var answer devices.Result
		if answer, err = p.send(r.Context(), command); err == nil && !answer.Accepted {
			err = errors.New(answer.Reason)
		}
		said = fmt.Sprintf("%s: done.", command.words())
		if answer.Accepted && answer.Reason != "" {
			said = capital(answer.Reason)
		}
	}
	if r.Header.Get("Accept") != "application/json" {
		w.Header().Set("Location", "./#command") // relative: it holds below any path
		w.WriteHeader(http.StatusSeeOther)
		return
	}
	outcome := struct {
		OK   bool   `json:"ok"`
		Said string `json:"said"`
	}{err == nil, said}
	if err != nil {
		outcome.Said = "Not done: " + err.Error()
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(outcome) // who has gone does not mind
}

// words describes what was pressed, for people.
func (w pageCommand) words() string {
	kind, length, _ := strings.Cut(w.value, " ")
	switch {
	case w.leaf == "restore":
		return "Restore everything"
	case w.leaf == "configured":
		return "Use the configured values"
	case w.leaf == "strategy":
		return "Follow the " + w.value
	case w.leaf == "enabled":
		return map[string]string{"ON": "Switch on", "OFF": "Switch off"}[w.value]
	case kind == string(rules.Auto):
		return "Back to automatic"
	case kind == string(rules.Resume):
		return "Resume"
	case strings.HasPrefix(length, "until"):
		return overrideName(kind) + " " + length
	case length != "":
		return overrideName(kind) + " for " + length
	}
	return overrideName(kind)
}
