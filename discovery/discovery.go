// Package discovery describes readings and commands to Home Assistant. Its functions are
// pure: they turn the description of a device into topics and payloads, and know of no
// broker and no vendor.
//
// Facts are from Home Assistant's documentation and source of MQTT discovery, 2024.2
// and later.
package discovery

import (
	"bytes"
	"cmp"
	"encoding/json"
	"maps"
	"net/url"

	"powermgr/devices"
)

// Format is how discovery messages are divided.
type Format string

// The formats.
const (
	ByDevice    Format = "device"    // one message for a device: Home Assistant 2024.12 and later
	ByComponent Format = "component" // one message for an entity: any
)

// A Message is a retained discovery message; an empty payload removes what was
// announced on its topic.
type Message struct {
	Topic   string
	Payload []byte
}

// A Device is something that Home Assistant shows as one device, with its entities.
type Device struct {
	ID           string // unique, [a-z0-9_]
	Name         string
	Manufacturer string
	Model        string
	Version      string   // of its software; empty: unknown
	Serial       string   // empty: unknown
	Page         string   // the address of the vendor's page for it; empty: none
	Via          string   // the id of the device through which it is reached; empty: none
	Availability []string // topics, all of which must say online
	Entities     []Entity
}

// An Entity is one sensor, switch or the like. Its body is the same in both formats,
// except for what it inherits from its device.
type Entity struct {
	// Key is unique in its device: [a-z0-9_]. It is part of the unique id, so it never
	// changes; an entity whose platform changes gets another key.
	Key      string
	Platform string // "sensor", "climate"
	Body     map[string]any
}

// with returns d with the details of a nameplate; if that has no model, d keeps its
// general one.
func (d Device) with(n devices.Nameplate) Device {
	d.Model, d.Version, d.Serial = cmp.Or(n.Model, d.Model), n.Firmware, n.Serial
	// Home Assistant drops the whole message for an address of another kind.
	if u, err := url.Parse(n.Page); err == nil && u.Host != "" && (u.Scheme == "https" || u.Scheme == "http") {
		d.Page = n.Page
	}
	return d
}

// Origin is the program that announces.
type Origin struct {
	Version string // of powermgr; empty: unknown
}

// originName identifies our messages among all those that are retained.
const originName = "powermgr"

func (o Origin) body() map[string]any {
	b := map[string]any{"name": originName}
	if o.Version != "" {
		b["sw_version"] = o.Version
	}
	return b
}

// Messages renders d below Home Assistant's discovery prefix. The same device always
// gives the same bytes.
//
// Only availability is given for all entities together: Home Assistant would apply a
// command topic at the root to every one of them.
func Messages(d Device, f Format, prefix string, o Origin) []Message {
	device := map[string]any{"identifiers": []string{d.ID}, "name": d.Name, "manufacturer": d.Manufacturer, "model": d.Model}
	if d.Version != "" {
		device["sw_version"] = d.Version
	}
	if d.Serial != "" {
		device["serial_number"] = d.Serial
	}
	if d.Page != "" {
		device["configuration_url"] = d.Page
	}
	if d.Via != "" {
		device["via_device"] = d.Via
	}
	whole := map[string]any{
		"device": device, "origin": o.body(),
		// With the default, latest, either topic would decide alone.
		"availability": availability(d.Availability), "availability_mode": "all",
	}
	if f == ByComponent {
		out := make([]Message, 0, len(d.Entities))
		for _, e := range d.Entities {
			body := maps.Clone(whole)
			maps.Copy(body, e.Body)
			out = append(out, Message{prefix + "/" + e.Platform + "/" + d.ID + "_" + e.Key + "/config", render(body)})
		}
		return out
	}
	components := make(map[string]any, len(d.Entities))
	for _, e := range d.Entities {
		body := maps.Clone(e.Body)
		body["platform"] = e.Platform
		components[e.Key] = body
	}
	whole["components"] = components
	return []Message{{prefix + "/device/" + d.ID + "/config", render(whole)}}
}

// availability lists topics that say online or offline, Home Assistant's own words.
func availability(topics []string) []map[string]any {
	list := make([]map[string]any, 0, len(topics))
	for _, t := range topics {
		list = append(list, map[string]any{"topic": t})
	}
	return list
}

// render returns JSON with sorted keys.
func render(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic("discovery: " + err.Error()) // bodies are texts, bools and finite numbers, whatever a device said
	}
	return bytes.TrimSpace(b.Bytes())
}
