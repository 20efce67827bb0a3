package setup

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"os"
	"os/user"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"syscall"

	yaml "go.yaml.in/yaml/v3"

	"powermgr/devices/durable"
)

// SetKey writes a value to a configuration file and leaves everything else in it as it
// is, including comments. The key has a section, like tesla.base_url. A file that cannot
// be changed that way stays as it was, and the error says which line to write by hand.
func SetKey(path, key string, value any) error {
	old, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	changed, err := withKey(old, key, value)
	if err != nil {
		return fmt.Errorf("%s is not changed: %w", path, err)
	}
	if bytes.Equal(old, changed) {
		return nil
	}
	if err := replaceConfig(path, changed); err != nil {
		section, name, _ := strings.Cut(key, ".")
		text, _ := json.Marshal(value) // withKey has already marshaled it
		return fmt.Errorf("%w: run this with sudo, or write %s: %s below %s by hand", err, name, text, section)
	}
	return nil
}

// HasKey reports whether a configuration file sets a key, which has a section.
func HasKey(path, key string) bool {
	file, err := os.ReadFile(path)
	if err != nil {
		return false
	}
	all, err := tree(file)
	section, name, _ := strings.Cut(key, ".")
	in, _ := all[section].(map[string]any)
	return err == nil && in[name] != nil
}

// replaceConfig replaces the configuration file. It keeps the mode and the owner of the
// old one, since the daemon is not root and has to read it; a new one gets the owner of
// its folder, and the group of the daemon if there is one.
func replaceConfig(path string, data []byte) error {
	mode, uid, gid := os.FileMode(0o640), -1, -1
	if info, err := os.Stat(path); err == nil {
		mode = info.Mode().Perm() &^ 0o007 // the file has secrets
		if owner, ok := info.Sys().(*syscall.Stat_t); ok {
			uid, gid = int(owner.Uid), int(owner.Gid)
		}
	} else if group, err := user.LookupGroup("powermgr"); err == nil {
		gid, _ = strconv.Atoi(group.Gid) // a number on every Unix
	}
	if err := durable.Replace(path, data, mode); err != nil {
		return err
	}
	if os.Geteuid() != 0 {
		return nil
	}
	return os.Chown(path, uid, gid)
}

// withKey returns a file in which a key has a value.
func withKey(file []byte, key string, value any) ([]byte, error) {
	section, name, _ := strings.Cut(key, ".")
	text, err := json.Marshal(value) // JSON is YAML, too
	if err != nil {
		return nil, err
	}
	byHand := fmt.Errorf("write %s: %s below %s by hand", name, text, section)
	want, err := tree(file)
	if err != nil {
		return nil, byHand
	}
	in, _ := want[section].(map[string]any)
	if in == nil {
		in = map[string]any{}
	}
	var plain any
	if yaml.Unmarshal(text, &plain) != nil {
		return nil, byHand
	}
	if reflect.DeepEqual(in[name], plain) {
		return file, nil
	}
	in[name], want[section] = plain, in
	for candidate := range candidates(file, section, name, string(text)) {
		if got, err := tree(candidate); err == nil && reflect.DeepEqual(got, want) {
			return candidate, nil
		}
	}
	return nil, byHand
}

func tree(file []byte) (map[string]any, error) {
	t := map[string]any{}
	if err := yaml.Unmarshal(file, &t); err != nil {
		return nil, err
	}
	if t == nil {
		return nil, errors.New("it is empty")
	}
	return t, nil
}

// candidates returns files with the text in place of the key's value, first those that
// replace the least.
func candidates(file []byte, section, name, text string) iter.Seq[[]byte] {
	var doc yaml.Node
	if yaml.Unmarshal(file, &doc) != nil {
		return func(func([]byte) bool) {}
	}
	var top *yaml.Node
	if len(doc.Content) > 0 {
		top = doc.Content[0]
	}
	at, in := child(top, section)
	if at == nil {
		end := "\n"
		if len(file) == 0 || file[len(file)-1] == '\n' {
			end = ""
		}
		return slices.Values([][]byte{splice(file, len(file), len(file), fmt.Sprintf("%s\n%s:\n  %s: %s\n", end, section, name, text))})
	}
	if k, v := child(in, name); k != nil {
		return withValue(file, k, v, text)
	}
	return slices.Values(withNewKey(file, at, in, name, text))
}

// splice returns a file with a part of it replaced.
func splice(file []byte, from, to int, by string) []byte {
	return bytes.Join([][]byte{file[:from], []byte(by), file[to:]}, nil)
}

// withValue returns files with the text in place of more and more of a key's value.
func withValue(file []byte, key, value *yaml.Node, text string) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		colon := offset(file, key.Line, key.Column) + len(key.Value)
		if value.Tag == "!!null" && !yield(splice(file, colon+1, colon+1, " "+text)) {
			return
		}
		from := offset(file, value.Line, value.Column)
		for to := from; to <= min(len(file), from+longestValue); to++ {
			if !yield(splice(file, from, to, text)) {
				return
			}
		}
	}
}

// withNewKey returns files with a new key in the section at: on a line of its own, and
// within braces.
func withNewKey(file []byte, at, in *yaml.Node, name, text string) [][]byte {
	indent := "  "
	if in.Kind == yaml.MappingNode && len(in.Content) > 0 && in.Style&yaml.FlowStyle == 0 {
		indent = strings.Repeat(" ", in.Content[0].Column-1)
	}
	next := offset(file, at.Line+1, 1)
	all := [][]byte{splice(file, next, next, fmt.Sprintf("%s%s: %s\n", indent, name, text))}
	if open := offset(file, in.Line, in.Column); open < len(file) && file[open] == '{' {
		all = append(all, splice(file, open+1, open+1, fmt.Sprintf("%s: %s, ", name, text)))
	}
	return all
}

// longestValue is the longest value that is replaced, in bytes.
const longestValue = 2000

// child returns a key of a mapping and its value; nil if there is none.
func child(n *yaml.Node, name string) (key, value *yaml.Node) {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil, nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == name {
			return n.Content[i], n.Content[i+1]
		}
	}
	return nil, nil
}

// offset returns the position of a line and a column, both from 1, in a file.
func offset(file []byte, line, column int) int {
	at := 0
	for ; line > 1 && at < len(file); line-- {
		next := bytes.IndexByte(file[at:], '\n')
		if next < 0 {
			return len(file)
		}
		at += next + 1
	}
	// The library counts columns in runes.
	for ; column > 1 && at < len(file) && file[at] != '\n'; column-- {
		at++
		for at < len(file) && file[at]&0xc0 == 0x80 {
			at++
		}
	}
	return min(at, len(file))
}
