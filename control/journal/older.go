package journal

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"powermgr/control/rules"
	"powermgr/devices"
)

// Journals of versions 1 and 2. In both, a reserve that was asked for was a number, the
// last write to a thermostat was not among its flights, and doubts about the devices were
// in the home's record. A doubt about a thermostat that has no record is dropped: the
// next reading shows the same again.

// older parses an entry of an older version. why is what is wrong with it as one of this
// version; nil: nothing.
func older(b []byte, why error) (e Entry, err error) {
	var head struct {
		Format int `json:"version"`
	}
	if err = json.Unmarshal(b, &head); err == nil {
		switch head.Format {
		case 1:
			e, err = version1(b)
		case 2:
			e, err = version2(b)
		case Format:
			err = why
		default:
			return Entry{}, fmt.Errorf("it has version %d; this program reads up to %d", head.Format, Format)
		}
	}
	if err != nil {
		return Entry{}, fmt.Errorf("it is not a journal: %w", err)
	}
	return e, nil
}

// version1 parses a journal of version 1, which had a single version for everything: that
// of the last save. A node that continues from it has the same records as one that reads
// it twice, from the disk and from the broker.
func version1(b []byte) (Entry, error) {
	var old struct {
		Node       string    `json:"node"`
		Generation uint64    `json:"generation"`
		Sequence   uint64    `json:"sequence"`
		SavedAt    time.Time `json:"saved_at"`
		Kept       struct {
			home2
			Battery     battery2               `json:"battery"`
			Thermostats map[string]thermostat2 `json:"thermostats"`
		} `json:"kept"`
		Knows  map[string]uint64 `json:"knows"`
		Alone  bool              `json:"alone"`
		DryRun bool              `json:"dry_run"`
	}
	if err := json.Unmarshal(b, &old); err != nil {
		return Entry{}, err
	}
	doubts := old.Kept.Doubts
	kept := rules.Persisted{HomeRecord: old.Kept.HomeRecord, Battery: old.Kept.Battery.now(doubts[rules.Powerwall])}
	for id, h := range old.Kept.Thermostats {
		if kept.Thermostats == nil {
			kept.Thermostats = make(map[string]rules.ThermostatRecord, len(old.Kept.Thermostats))
		}
		kept.Thermostats[id] = h.now(doubts[id])
	}
	writer := cmp.Or(old.Node, "unknown")
	// The sequence could be another node's, from a journal that had been adopted.
	own := cmp.Or(old.Knows[writer], old.Sequence, 1)
	records, err := Records{Knows: old.Knows}.changed(kept, Version{old.Generation, own, writer})
	return Entry{
		Format: Format, Node: old.Node, Generation: old.Generation, Sequence: max(old.Sequence, own), SavedAt: old.SavedAt,
		Records: records, Alone: old.Alone, DryRun: old.DryRun,
	}, err
}

// version2 parses a journal of version 2.
func version2(b []byte) (Entry, error) {
	var old struct {
		Entry
		Home        []Record[home2]                  `json:"home"`
		Battery     []Record[battery2]               `json:"battery"`
		Thermostats map[string][]Record[thermostat2] `json:"thermostats"`
	}
	if err := json.Unmarshal(b, &old); err != nil {
		return Entry{}, err
	}
	e := old.Entry
	e.Format = Format
	var doubts map[string]rules.Doubt
	for i, r := range old.Home {
		if i == 0 {
			doubts = r.Value.Doubts
		}
		e.Home = append(e.Home, Record[rules.HomeRecord]{r.Version, r.Value.HomeRecord})
	}
	e.Battery = now(old.Battery, doubts[rules.Powerwall])
	for id, records := range old.Thermostats {
		if e.Thermostats == nil {
			e.Thermostats = make(map[string][]Record[rules.ThermostatRecord], len(old.Thermostats))
		}
		e.Thermostats[id] = now(records, doubts[id])
	}
	return e, nil
}

// home2 is the home's record of version 2, and of version 1.
type home2 struct {
	rules.HomeRecord
	Doubts map[string]rules.Doubt `json:"doubts"`
}

// now converts the records of a device to the current version and adds its doubt.
func now[T any, O interface{ now(doubt rules.Doubt) T }](old []Record[O], doubt rules.Doubt) (records []Record[T]) {
	for _, r := range old {
		records = append(records, Record[T]{r.Version, r.Value.now(doubt)})
	}
	return records
}

// battery2 is a battery's record of version 2, and of version 1.
type battery2 struct {
	rules.BatteryRecord
	Wanted *int `json:"wanted"`
	Before *int `json:"before"`
}

func (o battery2) now(doubt rules.Doubt) rules.BatteryRecord {
	k := o.BatteryRecord
	k.Doubt = doubt
	k.Writes.Wanted, k.Writes.Before = devices.Setting{Reserve: o.Wanted}, devices.Setting{Reserve: o.Before}
	return k
}

// thermostat2 is a thermostat's record of version 2, and of version 1.
type thermostat2 rules.ThermostatRecord

func (o thermostat2) now(doubt rules.Doubt) rules.ThermostatRecord {
	h := rules.ThermostatRecord(o)
	h.Doubt = doubt
	if h.Claim == nil || h.Claim.Confirmed || h.Claim.WrittenAt.IsZero() {
		return h
	}
	claim := *h.Claim
	last := rules.Flight{Setting: claim.Wanted, At: devices.WholeSecond(claim.WrittenAt)}
	own := slices.IndexFunc(claim.Flights, func(f rules.Flight) bool { return f.Sender != rules.SentByRules })
	if own < 0 {
		own = len(claim.Flights)
	}
	claim.Flights, h.Claim = slices.Insert(slices.Clone(claim.Flights), own, last), &claim
	return h
}
