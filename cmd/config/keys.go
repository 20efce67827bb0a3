package config

import (
	"encoding"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"powermgr/devices"
)

// Lists the existing keys, and finds the key that was probably meant by an unknown one.
// Both come from the fields of Config, so that a new field is known at once.

// fields returns the names of the keys in a section, in order; none if t is not a
// section, or one in which names can be chosen freely.
func fields(t reflect.Type) []string {
	var names []string
	if t = bare(t); t.Kind() == reflect.Struct {
		for field := range t.Fields() {
			names = append(names, field.Tag.Get("koanf"))
		}
	}
	return names
}

// fieldType returns the type of a key in a section, without pointers.
func fieldType(t reflect.Type, name string) (reflect.Type, bool) {
	switch t = bare(t); t.Kind() {
	case reflect.Map:
		return bare(t.Elem()), true
	case reflect.Struct:
		for f := range t.Fields() {
			if f.Tag.Get("koanf") == name {
				return bare(f.Type), true
			}
		}
	}
	return nil, false
}

func bare(t reflect.Type) reflect.Type {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t
}

// allKeys lists every key below t with a value of its own. Freely chosen names are "*",
// and the items of lists "[]".
func allKeys(t reflect.Type, key string) []string {
	t = bare(t)
	_, reads := reflect.New(t).Interface().(encoding.TextUnmarshaler)
	switch {
	case reads:
	case t.Kind() == reflect.Struct:
		var all []string
		for _, name := range fields(t) {
			field, _ := fieldType(t, name)
			all = append(all, allKeys(field, joined(key, name))...)
		}
		return all
	case t.Kind() == reflect.Map:
		return allKeys(t.Elem(), joined(key, "*"))
	case t.Kind() == reflect.Slice && bare(t.Elem()).Kind() == reflect.Struct:
		return allKeys(t.Elem(), key+"[]")
	}
	return []string{key}
}

// checkKeys reports each unknown key of s, and removes it.
func (l *loader) checkKeys(s source) {
	var walk func(tree any, t reflect.Type, key string)
	walk = func(tree any, t reflect.Type, key string) {
		switch t = bare(t); tree := tree.(type) {
		case []any:
			if t.Kind() == reflect.Slice {
				for i, item := range tree {
					walk(item, t.Elem(), fmt.Sprintf("%s[%d]", key, i))
				}
			}
		case map[string]any:
			if t.Kind() != reflect.Struct && t.Kind() != reflect.Map {
				return // misread reports it
			}
			for _, name := range slices.Sorted(maps.Keys(tree)) {
				if field, ok := fieldType(t, name); ok {
					walk(tree[name], field, joined(key, name))
				} else if _, ok := secretFile(t, name); !ok {
					l.unknown(s, t, key, name)
					delete(tree, name)
				}
			}
		}
	}
	walk(s.tree, reflect.TypeFor[Config](), "")
}

// unknown reports that the section, whose type is t, has no key of this name.
func (l *loader) unknown(s source, t reflect.Type, section, name string) {
	if len(l.problems) >= maxProblems {
		return
	}
	if r := []rune(name); len(r) > 64 {
		name = string(r[:64])
	}
	key := joined(section, name)
	delete(l.origin, key) // the text says where
	delete(l.lines, key)
	if meant := nearest(t, section, name); meant != "" {
		l.problem(key, "there is no such key (%s): did you mean %s?", s.where(key), s.spell(meant))
		return
	}
	in := section
	if in == "" {
		in = "a configuration"
	}
	l.problem(key, "there is no such key (%s): %s has %s", s.where(key), in, strings.Join(fields(t), ", "))
}

// nearest returns the known key that was most likely meant by name in the section t: one
// in that section with a similar spelling, or otherwise one elsewhere. Empty: none is
// similar.
func nearest(t reflect.Type, section, name string) string {
	best, least := "", len([]rune(name))/3+1 // at most a third of the letters wrong
	consider := func(key string, d int) {
		if d < least {
			best, least = key, d
		}
	}
	lower := strings.ToLower(name)
	for _, sibling := range fields(t) {
		consider(joined(section, sibling), distance(lower, sibling))
		if field, _ := fieldType(t, sibling); field == reflect.TypeFor[devices.Secret]() {
			consider(joined(section, sibling+"_file"), distance(lower, sibling+"_file"))
		}
	}
	whole := strings.ReplaceAll(joined(section, lower), ".", "_") // POWERMGR_MQTT_URL
	for _, key := range allKeys(reflect.TypeFor[Config](), "") {
		if strings.ContainsAny(key, "*[") {
			continue
		}
		last := key[strings.LastIndex(key, ".")+1:]
		consider(key, distance(whole, strings.ReplaceAll(key, ".", "_")))
		consider(key, distance(lower, last)+1) // the right word in the wrong section
	}
	return best
}

// DidYouMean returns the question to append to a message about an unknown word; empty if
// none of the known words is similar.
func DidYouMean(word string, known []string) string {
	best := begunBy(word, known)
	if n := len([]rune(word)); best == "" {
		best = closest(word, known, min(n/3+1, n-1)) // a third of the letters wrong, or one letter of a short word
	}
	if best == "" {
		return ""
	}
	return ": did you mean " + best + "?"
}

// begunBy returns the only known word that begins with word; empty: there is none, or
// there are several.
func begunBy(word string, known []string) (only string) {
	for _, k := range known {
		if len(word) < 2 || !strings.HasPrefix(strings.ToLower(k), strings.ToLower(word)) {
			continue
		}
		if only != "" {
			return ""
		}
		only = k
	}
	return only
}

// closest returns the known word with the spelling most similar to word, with at most
// most letters wrong; empty: there is none.
func closest(word string, known []string, most int) string {
	best, least := "", most+1
	for _, k := range known {
		if d := distance(strings.ToLower(word), strings.ToLower(k)); d < least {
			best, least = k, d
		}
	}
	return best
}

// distance returns how many letters have to be inserted, deleted, or changed to turn a
// into b, after Levenshtein; a swap of two neighbors counts as one.
func distance(a, b string) int {
	x, y := []rune(a), []rune(b)
	var before []int // the row before last
	last := make([]int, len(y)+1)
	for j := range last {
		last[j] = j
	}
	for i := range x {
		row := make([]int, len(y)+1)
		row[0] = i + 1
		for j := range y {
			change := 1
			if x[i] == y[j] {
				change = 0
			}
			row[j+1] = min(last[j]+change, last[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && x[i] == y[j-1] && x[i-1] == y[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last = last, row
	}
	return last[len(y)]
}
