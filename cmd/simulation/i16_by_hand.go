package simulation

// I16: what people have changed by hand stays in force until they undo it.

import (
	"fmt"
	"strconv"
	"time"

	"powermgr/bridge/bus"
	"powermgr/control"
	"powermgr/control/rules"
	"powermgr/devices"
)

// hand is what people have changed by hand, according to the answers to their commands.
// What the daemon says is in force is not trusted.
type hand struct {
	value map[rules.Adjustable]float64 // of the settings that differ from the configuration
	asked time.Time                    // when the last change was asked for or answered
	open  map[string][]int             // the reserves that were asked for without an answer yet: they may be in force or not
	asks  []int                        // all reserves outside peaks that were asked for
	doubt bool                         // it is in doubt whether all changes are known
	ever  map[int]bool                 // the reserves that were chosen by hand
	told  bool                         // a disagreement has already been reported
}

// sure reports whether it is certain at now which changes by hand are in force.
func (d hand) sure(now time.Time) bool {
	return !d.doubt && len(d.open) == 0 && now.Sub(d.asked) > slack
}

// peakReserve returns what the reserve in a peak should be.
func (w *oracle) peakReserve() int {
	return max(int(w.hand.value[rules.AdjustPeakReserve]), w.home.world.Powerwall.ReserveFloor) // 0 is configured
}

// offPeakReserve returns what the reserve outside peaks should be.
func (w *oracle) offPeakReserve() int {
	if v, ok := w.hand.value[rules.AdjustOffPeakReserve]; ok {
		return max(int(v), w.home.world.Powerwall.ReserveFloor)
	}
	return 100
}

// minOffPeakReserve returns the lowest value that the reserve outside peaks may
// correctly have. A daemon that dies may have stored a change that it has not answered.
func (w *oracle) minOffPeakReserve() int {
	may := w.hand.open[string(rules.AdjustOffPeakReserve)]
	if w.hand.doubt {
		may = w.hand.asks
	}
	least := w.offPeakReserve()
	for _, v := range may {
		least = min(least, max(v, w.home.world.Powerwall.ReserveFloor))
	}
	return least
}

// byHand notes a change by hand that is on its way.
func (w *oracle) byHand(name, payload string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hand.asked, w.hand.open[name] = time.Now(), append(w.hand.open[name], reserveIn(payload)...)
	if name == string(rules.AdjustOffPeakReserve) {
		w.hand.asks = append(w.hand.asks, reserveIn(payload)...)
	}
	w.changes.acts++                           // it changes the reserve in addition to the rules
	w.hand.doubt = w.hand.doubt || w.muddled() // then it is not known which request is the last one
}

// reserveIn returns the reserve that a command asks for; empty if it is not a valid one.
func reserveIn(payload string) []int {
	r, err := devices.ParseRequest([]byte(payload))
	if err != nil {
		return nil
	}
	v, err := devices.ParseReserve(r.Value)
	if err != nil {
		return nil
	}
	return []int{v}
}

// answersByHand notes how a change by hand was answered.
func (w *oracle) answersByHand(name string, m bus.Message) {
	r, err := bus.Decode[devices.Result](m)
	if err != nil {
		return
	}
	if !r.Accepted && len(w.hand.open[name]) > 0 {
		return // one before it, which was not answered, may be in force
	}
	delete(w.hand.open, name)
	if !r.Accepted {
		return
	}
	w.hand.asked, w.changes.acts = time.Now(), w.changes.acts+1
	if name == allByHand {
		clear(w.hand.value)
		clear(w.hand.open)
		w.hand.doubt = w.muddled()
		return
	}
	v, err := strconv.ParseFloat(fmt.Sprint(r.Requested), 64)
	if err != nil { // configured
		delete(w.hand.value, rules.Adjustable(name))
		return
	}
	w.hand.ever[int(v)] = true
	if v == asConfigured(rules.Adjustable(name)) { // which is no change
		delete(w.hand.value, rules.Adjustable(name))
		return
	}
	w.hand.value[rules.Adjustable(name)] = v
}

// judgeByHand judges that what powermgr says was changed by hand is what people have
// changed and not undone.
func (w *oracle) judgeByHand(s control.State) {
	now := time.Now()
	if w.hand.told || !w.hand.sure(now) || now.Sub(w.booted) < slack || now.Sub(w.forgotten) < 3*time.Hour || w.muddled() {
		return
	}
	said := map[rules.Adjustable]float64{}
	for _, a := range s.ByHand {
		said[a.Setting] = a.Value
	}
	for _, a := range rules.Adjustables() {
		is, changed := said[a]
		want, wanted := w.hand.value[a]
		if changed != wanted || changed && is != want {
			w.broken(I16, "the %s is %v by hand %v; people left it at %v by hand %v", a, is, changed, want, wanted)
			w.hand.told = true // once is enough
		}
	}
}

// judgePrecooling judges a command by the depth of precooling that was set by hand.
func (w *oracle) judgePrecooling(d *thermostatOracle, c command) {
	depth, ok := w.hand.value[rules.AdjustPrecool]
	if !ok || c.restore || !w.hand.sure(time.Now()) || w.apart(time.Now()) {
		return
	}
	least := d.unit.To(devices.Fahrenheit, d.coolest())
	if cool := d.unit.To(devices.Fahrenheit, c.setting.Cool); cool < least-depth-1 { // half a degree Celsius is nearly 1 °F
		w.broken(I16, "%s is cooled to %.1f °F, with %g °F of precooling by hand below %.1f °F: %s", d.id, cool, depth, least, c.reason)
	}
}
