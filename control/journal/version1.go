package journal

import (
	"cmp"
	"encoding/json"
	"time"

	"powermgr/control/rules"
)

// version1 reads a journal of version 1, which had one version for all of it: that of the
// last save. A node that goes on from it has the same records as one that reads it twice,
// from the disk and from the broker.
func version1(b []byte) (Entry, error) {
	var old struct {
		Node       string            `json:"node"`
		Generation uint64            `json:"generation"`
		Sequence   uint64            `json:"sequence"`
		SavedAt    time.Time         `json:"saved_at"`
		Kept       rules.Persisted   `json:"kept"`
		Knows      map[string]uint64 `json:"knows"`
		Alone      bool              `json:"alone"`
		DryRun     bool              `json:"dry_run"`
	}
	if err := json.Unmarshal(b, &old); err != nil {
		return Entry{}, err
	}
	writer := cmp.Or(old.Node, "unknown")
	// The sequence could be another node's, of a journal that had been adopted.
	own := cmp.Or(old.Knows[writer], old.Sequence, 1)
	records, err := Records{Knows: old.Knows}.changed(old.Kept, Version{old.Generation, own, writer})
	return Entry{
		Format: Format, Node: old.Node, Generation: old.Generation, Sequence: max(old.Sequence, own), SavedAt: old.SavedAt,
		Records: records, Alone: old.Alone, DryRun: old.DryRun,
	}, err
}
