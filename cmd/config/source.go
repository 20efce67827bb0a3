package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"unicode"

	"github.com/knadh/koanf/providers/env/v2"
	yaml "go.yaml.in/yaml/v3"

	"powermgr/devices"
)

// The sources of the configuration: the file, systemd's credentials, the environment.
// Each becomes a tree of sections (map[string]any), lists ([]any) and text (string);
// what a text means depends on the field that it is for.

// A source is one source of the configuration.
type source struct {
	tree map[string]any
	// where returns the place of a key: "line 3", "environment variable X".
	where func(key string) string
	// spell returns a key in the spelling of this source.
	spell func(key string) string
}

// fromFile parses YAML.
func (l *loader) fromFile(data []byte) source {
	tree, lines, err := parse(data)
	if err != nil {
		l.problem("", "%s", err)
	}
	l.lines = maps.Clone(lines) // unknown removes the keys that it has reported
	return source{
		tree:  tree,
		where: func(key string) string { return fmt.Sprintf("line %d", lines[key]) },
		spell: func(key string) string { return key },
	}
}

// maxValues is how many values a file may have. Aliases count as often as they are used: a
// few lines of aliases of aliases can expand to billions of values.
const maxValues = 20_000

// parse parses YAML into a tree, and returns the line of each key. Nulls are left out,
// as if the key were not there. The error quotes nothing that may be a secret.
func parse(data []byte) (tree map[string]any, lines map[string]int, err error) {
	tree, lines = map[string]any{}, map[string]int{}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var doc, more yaml.Node
	switch err := decoder.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return tree, lines, nil // nothing but comments
	case err != nil:
		return tree, lines, syntax(err)
	}
	if err := decoder.Decode(&more); !errors.Is(err, io.EOF) {
		if err != nil {
			return tree, lines, syntax(err)
		}
		return tree, lines, errors.New("there is a second document after a line with ---: the file is one")
	}
	left := maxValues
	value, err := textOf(doc.Content[0], "", lines, &left)
	if err != nil || value == nil {
		return tree, lines, err
	}
	top, ok := value.(map[string]any)
	if !ok {
		return tree, lines, errors.New("it has no keys: a configuration has sections such as mqtt and settings")
	}
	return top, lines, nil
}

// sections returns the readable parts of YAML that cannot be parsed as a whole, by
// parsing each section by itself.
func sections(data []byte) map[string]any {
	whole := map[string]any{}
	var section []byte
	end := func() {
		if tree, _, err := parse(section); err == nil {
			maps.Copy(whole, tree)
		}
		section = nil
	}
	for line := range bytes.Lines(data) {
		if len(line) > 0 && unicode.IsLetter(rune(line[0])) {
			end()
		}
		section = append(section, line...)
	}
	end()
	return whole
}

// syntax returns a YAML error that can be shown: the library's errors quote anchors, and
// an unquoted password may begin like one.
func syntax(err error) error {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	switch {
	case strings.Contains(text, "unknown anchor"):
		return errors.New("a value that begins with * must be in quotes")
	case strings.Contains(text, "control characters are not allowed"), strings.Contains(text, "UTF-8"):
		return errors.New("it has bytes that are not text: is it a configuration, saved as UTF-8?")
	case strings.Contains(text, "cannot start any token"):
		return fmt.Errorf("%s: indent with spaces, not tabs, and quote a value that begins with @, ` or %%", text)
	}
	return errors.New(text + ": see the lines around it for indentation, colons and quotes")
}

// textOf converts a node at key to a tree.
func textOf(n *yaml.Node, key string, lines map[string]int, left *int) (any, error) {
	for n.Kind == yaml.AliasNode && n.Alias != nil {
		n = n.Alias
		if *left--; *left < 0 {
			break // an alias that contains itself
		}
	}
	if *left--; *left < 0 {
		return nil, fmt.Errorf("more than %d values: is it the right file?", maxValues)
	}
	if _, ok := lines[key]; !ok {
		lines[key] = n.Line
	}
	switch n.Kind {
	case yaml.MappingNode:
		return sectionOf(n, key, lines, left)
	case yaml.SequenceNode:
		list := []any{}
		for i, item := range n.Content {
			value, err := textOf(item, fmt.Sprintf("%s[%d]", key, i), lines, left)
			if err != nil {
				return nil, err
			}
			if value == nil {
				value = ""
			}
			list = append(list, value)
		}
		return list, nil
	case yaml.ScalarNode:
		if n.ShortTag() == "!!null" {
			return nil, nil
		}
		return n.Value, nil
	}
	return nil, errors.New("this is not YAML that can be read")
}

// sectionOf converts a mapping at key to a tree.
func sectionOf(n *yaml.Node, key string, lines map[string]int, left *int) (map[string]any, error) {
	section := map[string]any{}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		name := k.Value
		below := joined(key, name)
		switch {
		case k.Kind != yaml.ScalarNode:
			return nil, fmt.Errorf("line %d: a key must be a word", k.Line)
		case k.ShortTag() == "!!merge":
			return nil, fmt.Errorf("line %d: << is not supported here: write the keys out", k.Line)
		case seen[name]:
			return nil, fmt.Errorf("line %d: %s is given twice, first in line %d", k.Line, below, lines[below])
		}
		seen[name] = true
		lines[below] = k.Line
		value, err := textOf(v, below, lines, left)
		if err != nil {
			return nil, err
		}
		if value != nil {
			section[name] = value
		}
	}
	return section, nil
}

func joined(section, name string) string {
	if section == "" {
		return name
	}
	return section + "." + name
}

// prefix is the start of the names of powermgr's environment variables.
const prefix = "POWERMGR_"

// variable returns the environment variable for a key.
func variable(key string) string {
	return prefix + strings.ToUpper(strings.ReplaceAll(key, ".", "__"))
}

// dottedVariable returns the key for a variable whose name, after the prefix, is rest.
func dottedVariable(rest string) string {
	return strings.ToLower(strings.ReplaceAll(rest, "__", "."))
}

// fromEnvironment reads POWERMGR_MQTT__URL as mqtt.url. One underscore is part of a
// name, two mean the next level. Empty variables count as not set.
func (l *loader) fromEnvironment(environ []string) source {
	names := map[string]string{} // the variables' names as they are written, by key
	for _, line := range environ {
		name, value, _ := strings.Cut(line, "=")
		if rest, ok := strings.CutPrefix(name, prefix); ok && rest != "" && value != "" {
			names[dottedVariable(rest)] = name
		}
	}
	keys := slices.Sorted(maps.Keys(names))
	where := func(key string) string {
		for _, k := range keys {
			if within(k, key) {
				return "environment variable " + names[k]
			}
		}
		return "the environment"
	}
	for _, key := range keys {
		l.origin[key] = where(key)
		for _, other := range keys {
			if other != key && within(other, key) {
				l.problem(key, "%s and %s cannot both be set: one is the section of the other", names[key], names[other])
				delete(names, key) // otherwise chance would decide which of them applies
				break
			}
		}
	}
	p := env.Provider(".", env.Opt{Prefix: prefix, EnvironFunc: func() []string { return environ }, TransformFunc: func(name, value string) (string, any) {
		key := dottedVariable(strings.TrimPrefix(name, prefix))
		if names[key] != name {
			return "", nil
		}
		return key, value
	}})
	tree, err := p.Read()
	if err != nil {
		l.problem("", "%s", plain(err))
	}
	s := source{tree: tree, where: where, spell: variable}
	l.refuseLists(s, tree, reflect.TypeFor[Config](), "")
	return s
}

// fromCredentials reads the files of $CREDENTIALS_DIRECTORY that are named like a key,
// such as mqtt.password; systemd adds the prefix powermgr_ when the unit loads a whole
// folder under that name. Other files are ignored.
func (l *loader) fromCredentials(environ []string) source {
	s := source{tree: map[string]any{}, spell: func(key string) string { return key }}
	s.where = func(key string) string { return "credential " + key }
	folder := ""
	for _, line := range environ {
		if v, ok := strings.CutPrefix(line, "CREDENTIALS_DIRECTORY="); ok {
			folder = v
		}
	}
	if folder == "" {
		return s
	}
	entries, err := os.ReadDir(folder)
	if err != nil {
		l.problem("", "the credentials in %s cannot be read: %s", folder, plain(err))
	}
	for _, e := range entries {
		key := strings.TrimPrefix(e.Name(), "powermgr_")
		section, name, ok := strings.Cut(key, ".")
		if !ok || name == "" || !slices.Contains(fields(reflect.TypeFor[Config]()), section) {
			continue
		}
		l.origin[key] = s.where(key)
		data, _, err := l.read(filepath.Join(folder, e.Name()))
		if err != nil {
			l.problem(key, "it cannot be read: %s", plain(err))
			continue
		}
		if text := strings.TrimRight(string(data), "\r\n"); text != "" {
			s.put(key, text)
		}
	}
	l.refuseLists(s, s.tree, reflect.TypeFor[Config](), "")
	return s
}

// put sets a value by its dotted key.
func (s source) put(key, text string) {
	at := s.tree
	names := strings.Split(key, ".")
	for _, name := range names[:len(names)-1] {
		below, ok := at[name].(map[string]any)
		if !ok {
			below = map[string]any{}
			at[name] = below
		}
		at = below
	}
	at[names[len(names)-1]] = text
}

// refuseLists removes lists from a source in which a value is one line.
func (l *loader) refuseLists(s source, tree map[string]any, t reflect.Type, key string) {
	for name, value := range tree {
		below := joined(key, name)
		field, ok := fieldType(t, name)
		section, isSection := value.(map[string]any)
		switch {
		case !ok: // checkKeys reports that
		case field.Kind() == reflect.Slice:
			l.origin[below] = s.where(below)
			l.problem(below, "a list can only be given in the file")
			delete(tree, name)
		case isSection:
			l.refuseLists(s, section, field, below)
		}
	}
}

// readSecrets replaces each …_file by the content of that file.
func (l *loader) readSecrets(tree map[string]any, t reflect.Type, key string) {
	for name, value := range tree {
		below := joined(key, name)
		if section, ok := value.(map[string]any); ok {
			if field, ok := fieldType(t, name); ok {
				l.readSecrets(section, field, below)
				continue
			}
		}
		secret, ok := secretFile(t, name)
		if !ok {
			continue
		}
		delete(tree, name)
		path, ok := value.(string)
		if !ok {
			l.problem(below, "this is one value, not a list or a section")
			tree[secret] = "" // otherwise it would be reported as missing, too
			continue
		}
		if path == "" {
			continue
		}
		if other, ok := tree[secret].(string); ok && other != "" {
			l.problem(below, "%s is given too: keep one of them", secret)
			continue
		}
		data, mode, err := l.read(l.absolute(path))
		text := strings.TrimRight(string(data), "\r\n")
		switch {
		case err != nil:
			l.problem(below, "%s cannot be read: %s", path, plain(err))
		case text == "":
			l.problem(below, "%s is empty", path)
		case mode&0o004 != 0 && !strings.HasPrefix(path, "/run/"): // files in /run are mounted for this process alone
			l.notice(below, "everybody on this machine can read %s: chmod 640", path)
		}
		tree[secret] = text
	}
}

// absolute returns path relative to the folder of the configuration file.
func (l *loader) absolute(path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(l.dir, path)
}

// secretFile reports whether name is the …_file of a secret in the section t, and which
// secret that is.
func secretFile(t reflect.Type, name string) (secret string, ok bool) {
	secret, ok = strings.CutSuffix(name, "_file")
	if !ok {
		return "", false
	}
	field, ok := fieldType(t, secret)
	return secret, ok && field == reflect.TypeFor[devices.Secret]()
}
