package journal_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"powermgr/control/journal"
	"powermgr/control/rules"
	"powermgr/devices"
)

// drawn returns the journals of some nodes that have saved, died, started again and
// received each other's journals, or not, in any order: what a broker, two disks and two
// processes may contain.
func drawn(t *testing.T, r *rand.Rand) []journal.Entry {
	t.Helper()
	clock := now
	begin := func(name string, from *journal.Entry) *journal.Journal {
		j := &journal.Journal{Disk: &heap{}, Node: name, Now: func() time.Time { return clock }}
		if from != nil {
			j.Adopt(*from)
		}
		return j
	}
	nodes := []*journal.Journal{begin("a", nil), begin("b", nil), begin("c", nil)}
	all := []journal.Entry{}
	for i := range 40 {
		clock = clock.Add(time.Duration(1+r.IntN(100)) * time.Second)
		n := r.IntN(len(nodes))
		switch last := len(all); {
		case last > 0 && r.IntN(4) == 0:
			nodes[n].Adopt(all[r.IntN(last)])
		case last > 0 && r.IntN(8) == 0:
			nodes[n] = begin(nodes[n].Node, &all[r.IntN(last)])
		default:
			k := rules.Persisted{Battery: rules.BatteryRecord{Mode: fmt.Sprint(r.IntN(3))}}
			k.LastUserInput = now.Add(time.Duration(r.IntN(3)) * time.Hour)
			for _, id := range []string{"up", "down"} {
				if r.IntN(3) > 0 {
					if k.Thermostats == nil {
						k.Thermostats = map[string]rules.ThermostatRecord{}
					}
					k.Thermostats[id] = rules.ThermostatRecord{LastWrite: now.Add(time.Duration(r.IntN(i+1)) * time.Minute)}
				}
			}
			e, _, err := nodes[n].Save(k, uint64(1+r.IntN(3)))
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, e)
		}
	}
	return all
}

// heap is a disk that stores what is written in memory.
type heap struct{ b []byte }

func (h *heap) Read() ([]byte, error)     { return h.b, nil }
func (h *heap) Write(b []byte) error      { h.b = b; return nil }
func (h *heap) SetAside() (string, error) { return "", nil }

func text(t *testing.T, e any) string {
	t.Helper()
	b, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Two nodes that merge each other's journals end up with the same, in whatever order and
// however often.
func TestJournalsComeTogetherTheSameInWhicheverOrder(t *testing.T) {
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 0))
		all := drawn(t, r)
		for range 50 {
			a, b, c := all[r.IntN(len(all))], all[r.IntN(len(all))], all[r.IntN(len(all))]
			ab := text(t, a.Join(b))
			for name, other := range map[string]string{
				"the other way around": text(t, b.Join(a)),
				"twice":                text(t, a.Join(b).Join(b)),
				"with itself":          text(t, a.Join(b).Join(a.Join(b))),
			} {
				if other != ab {
					t.Fatalf("seed %d, %s:\n%s\n%s", seed, name, other, ab)
				}
			}
			if left, right := text(t, a.Join(b).Join(c)), text(t, a.Join(b.Join(c))); left != right {
				t.Fatalf("seed %d: three in another order:\n%s\n%s", seed, left, right)
			}
			readAgain(t, a.Join(b).Join(c))
		}
	}
}

// node returns a journal in a separate directory, with a clock that the test moves.
type node struct {
	*journal.Journal
	t     *testing.T
	clock time.Time
}

func newNode(t *testing.T, name string) *node {
	n := &node{t: t, clock: now}
	n.Journal = &journal.Journal{Disk: journal.File{Path: filepath.Join(t.TempDir(), "journal.json")}, Node: name, Now: func() time.Time { return n.clock }}
	return n
}

func (n *node) save(k rules.Persisted, generation uint64) journal.Entry {
	n.t.Helper()
	e, _, err := n.Save(k, generation)
	if err != nil {
		n.t.Fatal(err)
	}
	return e
}

func claims(ids ...string) rules.Persisted {
	k := rules.Persisted{}
	for _, id := range ids {
		if k.Thermostats == nil {
			k.Thermostats = map[string]rules.ThermostatRecord{}
		}
		k.Thermostats[id] = rules.ThermostatRecord{Claim: &rules.Claim{Kind: rules.Setback, Writes: rules.Writes{WrittenAt: now}}}
	}
	return k
}

// What has changed since the other node's last journal is taken over, record by record.
func TestARecordIsTakenOverByItself(t *testing.T) {
	a, b := newNode(t, "a"), newNode(t, "b")
	k := claims("up", "down")
	b.Adopt(a.save(k, 1))
	k.Disabled = true
	fromB := b.save(k, 2)
	k.Disabled, k.Thermostats = false, maps.Clone(k.Thermostats)
	k.Thermostats["down"] = rules.ThermostatRecord{Choice: &rules.Choice{At: now, What: "set to cool 72"}}
	fromA := a.save(k, 1)
	for name, got := range map[string]rules.Persisted{"at a": a.must(fromB), "at b": b.must(fromA)} {
		if !got.Disabled || got.Thermostats["down"].Claim != nil || got.Thermostats["down"].Choice == nil || got.Thermostats["up"].Claim == nil {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// known returns the records that a node has.
func (n *node) known() journal.Records {
	e, _ := n.Adopt(journal.Entry{})
	return e.Records
}

// must adopts an entry that has to contain something new.
func (n *node) must(e journal.Entry) rules.Persisted {
	n.t.Helper()
	got, news := n.Adopt(e)
	if !news {
		n.t.Errorf("%s takes it for nothing new", n.Node)
	}
	if _, again := n.Adopt(e); again {
		n.t.Errorf("%s takes it in again and again", n.Node)
	}
	return got.Persisted()
}

// Two nodes that both believe to be active write two journals. When the journals are
// merged, what either node has set on a device is known to both, and what one of them has
// restored after learning of it stays restored.
func TestTwoJournalsMeet(t *testing.T) {
	names := func(k rules.Persisted) []string { return slices.Sorted(maps.Keys(k.Thermostats)) }
	t.Run("b went on from what a had left", func(t *testing.T) {
		a, b := newNode(t, "a"), newNode(t, "b")
		left := a.save(claims("up"), 1)
		b.must(left)
		if got := a.must(b.save(rules.Persisted{}, 2)); len(got.Thermostats) > 0 {
			t.Errorf("a goes on from %v", names(got))
		}
		if got, news := b.Adopt(left); news || len(got.Persisted().Thermostats) > 0 {
			t.Errorf("b goes on from %v", names(got.Persisted()))
		}
	})
	for _, c := range []struct {
		name string
		a, b []string
		both []string
	}{
		{"b did not know", []string{"up"}, []string{"down"}, []string{"down", "up"}},
		{"both did the same", []string{"up"}, []string{"up"}, []string{"up"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, b := newNode(t, "a"), newNode(t, "b")
			fromA, fromB := a.save(claims(c.a...), 1), b.save(claims(c.b...), 2)
			if got := names(a.must(fromB)); !slices.Equal(got, c.both) {
				t.Errorf("a goes on from %v", got)
			}
			if got := names(b.must(fromA)); !slices.Equal(got, c.both) {
				t.Errorf("b goes on from %v", got)
			}
			after := b.save(rules.Persisted{}, 2) // b restores all of it
			if got := a.must(after); len(got.Thermostats) > 0 {
				t.Errorf("a still has %v", names(got))
			}
		})
	}
}

// Of two nodes that did not see each other, the one that was told later to be active may
// have been active only for a moment, hours ago.
func TestANodeThatHasGoneOnForgetsNoChoice(t *testing.T) {
	a, b := newNode(t, "a"), newNode(t, "b")
	k := kept(120)
	k.Battery = rules.BatteryRecord{AtPeak: true, Writes: rules.Writes{WrittenAt: now}}
	fromB := b.save(k, 2)
	a.clock = now.Add(3 * time.Hour)
	fromA := a.save(rules.Persisted{Battery: rules.BatteryRecord{Choice: &rules.Choice{At: a.clock, What: "reserve set to 60 %"}}}, 1)
	for name, got := range map[string]rules.Persisted{"a": a.must(fromB), "b": b.must(fromA)} {
		if got.Battery.Choice == nil || !got.Battery.AtPeak || got.Thermostats["up"].Claim == nil {
			t.Errorf("%s goes on from %+v", name, got)
		}
	}
}

// Two nodes that both believe to be active and receive each other's journals at the same
// time would each answer the other's journal with a new one, without end.
func TestTwoNodesThatMeetDoNotAnswerEachOther(t *testing.T) {
	a, b := newNode(t, "a"), newNode(t, "b")
	fromA, fromB := a.save(claims("up"), 1), b.save(claims("up", "down"), 2)
	atA, atB := a.must(fromB), b.must(fromA)
	for name, n := range map[string]struct {
		*node
		goesOn rules.Persisted
		has    journal.Entry
	}{"a": {a, atA, fromA}, "b": {b, atB, fromB}} {
		e, fresh, err := n.Save(n.goesOn, n.has.Generation)
		if err != nil || !fresh || e.Sequence != 1 {
			t.Errorf("%s: fresh %v, sequence %d, %v", name, fresh, e.Sequence, err)
		}
	}
	for _, n := range []*node{a, b} {
		for _, e := range []journal.Entry{fromA, fromB} {
			if _, news := n.Adopt(e); news {
				t.Errorf("%s has news from %s", n.Node, e.Node)
			}
		}
	}
	if x, y := text(t, journal.Entry{Records: a.known()}), text(t, journal.Entry{Records: b.known()}); x != y {
		t.Errorf("they do not know the same:\n%s\n%s", x, y)
	}
}

// A change of node with a few seconds of overlap: b knows what a saved, makes a claim,
// and records a person's choice; a, which has not received that, saves once more.
func TestAnOverlapOfSecondsForgetsNoChoice(t *testing.T) {
	a, b := newNode(t, "a"), newNode(t, "b")
	k := rules.Persisted{Battery: rules.BatteryRecord{AtPeak: true}}
	b.must(a.save(k, 1))
	k.Latched = []int{120}
	k.Thermostats = map[string]rules.ThermostatRecord{"up": {Choice: &rules.Choice{At: now.Add(2 * time.Second), What: "by command: cool_setpoint"}}}
	b.save(k, 2)
	late := a.save(rules.Persisted{Battery: rules.BatteryRecord{AtPeak: true, Writes: rules.Writes{Wanted: devices.Setting{Reserve: new(0)}, Confirmed: true}}}, 1)
	if got := b.must(late); got.Thermostats["up"].Choice == nil || len(got.Latched) != 1 || !got.Battery.Confirmed {
		t.Errorf("goes on from %+v", got)
	}
}

// After a restart with a full disk this node continues counting from the file, and the
// broker has what its earlier process could not write. What either process has done stays
// known.
func TestAnEarlierLifeThatCouldNotBeWritten(t *testing.T) {
	file := &heap{}
	begin := func(clock time.Time) *journal.Journal {
		j := &journal.Journal{Disk: file, Node: "a", Now: func() time.Time { return clock }}
		if len(file.b) > 0 {
			if _, _, err := j.Load(); err != nil {
				t.Fatal(err)
			}
		}
		return j
	}
	first := begin(now)
	if _, _, err := first.Save(rules.Persisted{}, 1); err != nil {
		t.Fatal(err)
	}
	if _, _, err := first.Save(kept(1), 1); err != nil {
		t.Fatal(err)
	}
	stored := slices.Clone(file.b)
	var unwritten journal.Entry
	for i := range 4 {
		k := kept(1, 2)
		k.Disabled, k.Thermostats = i%2 == 0, claims("down", "up").Thermostats
		unwritten, _, _ = first.Save(k, 1)
	}
	file.b = stored
	second := begin(now.Add(time.Minute))
	k := kept(1)
	k.Thermostats = claims("attic", "up").Thermostats
	if _, _, err := second.Save(k, 1); err != nil {
		t.Fatal(err)
	}
	got, news := second.Adopt(unwritten)
	if all := slices.Sorted(maps.Keys(got.Persisted().Thermostats)); !news || !slices.Equal(all, []string{"attic", "down", "up"}) {
		t.Errorf("news %v, goes on from %v", news, all)
	}
}

// The list of writers does not grow with every restart.
func TestWhatIsKnownOfWritersIsBounded(t *testing.T) {
	file, clock := &heap{}, now
	var e journal.Entry
	for i := range 100 {
		clock = clock.Add(time.Hour)
		j := &journal.Journal{Disk: file, Node: "a", Now: func() time.Time { return clock }}
		if i > 0 {
			if _, _, err := j.Load(); err != nil {
				t.Fatal(err)
			}
		}
		k := rules.Persisted{Battery: rules.BatteryRecord{Mode: "self_consumption"}} // of the first life
		k.Disabled = i%2 == 0
		e, _, _ = j.Save(k, 1)
	}
	if len(e.Knows) > 34 || e.Persisted().Battery.Mode == "" {
		t.Errorf("%d writers, %+v", len(e.Knows), e.Battery)
	}
	readAgain(t, e)
}

// Every situation in an older journal is the same after the journal was read and written
// again.
func TestOlderJournalsAreMigrated(t *testing.T) {
	files, err := filepath.Glob("testdata/version[12]/*.json")
	if err != nil || len(files) < 2 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, file := range files {
		t.Run(strings.TrimPrefix(file, "testdata/"), func(t *testing.T) {
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(t.TempDir(), "journal.json")
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
			j := open(path)
			first, found, err := j.Load()
			if err != nil || !found {
				t.Fatalf("found %v: %v", found, err)
			}
			if err := j.Try(); err != nil {
				t.Fatal(err)
			}
			again, found, err := open(path).Load()
			if err != nil || !found || text(t, again) != text(t, first) {
				t.Fatalf("found %v: %v\n%s\n%s", found, err, text(t, again), text(t, first))
			}
			sameFacts(t, b, again.Persisted())
			// The same journal is retained at the broker: it has nothing new.
			retained, err := journal.Decode(b)
			if err != nil {
				t.Fatal(err)
			}
			if _, news := j.Adopt(retained); news {
				t.Error("it takes in its own journal from the broker")
			}
		})
	}
}

// sameFacts compares a journal of version 1 or 2, read as plain JSON, with the result of
// its conversion.
func sameFacts(t *testing.T, older []byte, k rules.Persisted) {
	t.Helper()
	type record struct {
		Value json.RawMessage
	}
	var old struct {
		Kept *struct {
			Battery     json.RawMessage
			Thermostats map[string]json.RawMessage
		}
		Battery     []record
		Thermostats map[string][]record
	}
	if err := json.Unmarshal(older, &old); err != nil {
		t.Fatal(err)
	}
	for target, doubt := range doubtsOf(t, older) {
		got := k.Battery.Doubt
		if target != rules.Powerwall {
			got = k.Thermostats[target].Doubt
		}
		if text(t, got) != text(t, doubt) {
			t.Errorf("%s: in doubt %s, want %s", target, text(t, got), text(t, doubt))
		}
	}
	battery, thermostats := json.RawMessage("{}"), map[string]json.RawMessage{}
	if old.Kept != nil {
		battery, thermostats = old.Kept.Battery, old.Kept.Thermostats
	} else {
		if len(old.Battery) > 0 {
			battery = old.Battery[0].Value
		}
		for id, records := range old.Thermostats {
			thermostats[id] = records[0].Value
		}
	}
	var was struct {
		Wanted, Before *int
		Flights        []rules.Flight
	}
	if len(battery) > 0 {
		if err := json.Unmarshal(battery, &was); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := text(t, []any{k.Battery.Wanted.Reserve, k.Battery.Before.Reserve, k.Battery.Flights}), text(t, []any{was.Wanted, was.Before, was.Flights}); got != want {
		t.Errorf("the battery: %s\nwant %s", got, want)
	}
	if len(k.Thermostats) != len(thermostats) {
		t.Errorf("%d thermostats, want %d", len(k.Thermostats), len(thermostats))
	}
	for id, b := range thermostats {
		var was struct {
			Touch *struct {
				Wanted     devices.Setting
				Baseline   rules.Baseline
				Confirmed  bool
				Flights    []rules.Flight
				Written_at time.Time //nolint:revive // as in the file
			}
			Taken *rules.Choice
		}
		if err := json.Unmarshal(b, &was); err != nil {
			t.Fatal(err)
		}
		got := k.Thermostats[id]
		if text(t, got.Choice) != text(t, was.Taken) || (got.Claim == nil) != (was.Touch == nil) {
			t.Errorf("%s: %s\nwant %s", id, text(t, got), b)
		}
		if got.Claim == nil || was.Touch == nil {
			continue
		}
		if text(t, []any{got.Claim.Wanted, got.Claim.Baseline}) != text(t, []any{was.Touch.Wanted, was.Touch.Baseline}) {
			t.Errorf("%s: %s\nwant %s", id, text(t, got), b)
		}
		flights := len(was.Touch.Flights)
		if !was.Touch.Confirmed {
			flights++
			if !slices.ContainsFunc(got.Claim.Flights, func(f rules.Flight) bool {
				return text(t, f.Setting) == text(t, was.Touch.Wanted) && f.At.Equal(was.Touch.Written_at.Truncate(time.Second))
			}) {
				t.Errorf("%s: the last write is not on its way: %s", id, text(t, got))
			}
		}
		if len(got.Claim.Flights) != flights {
			t.Errorf("%s: %d flights, want %d", id, len(got.Claim.Flights), flights)
		}
	}
}

// doubtsOf returns the doubts in a journal of version 2.
func doubtsOf(t *testing.T, older []byte) map[string]rules.Doubt {
	t.Helper()
	var old struct {
		Home []struct {
			Value struct {
				Doubts map[string]rules.Doubt
			}
		}
	}
	if err := json.Unmarshal(older, &old); err != nil {
		t.Fatal(err)
	}
	if len(old.Home) == 0 {
		return nil
	}
	return old.Home[0].Value.Doubts
}
