package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-viper/mapstructure/v2"
	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/v2"

	"powermgr/devices"
)

// An Error is a configuration that cannot be used, with everything that is wrong with
// it. A restart does not help.
type Error struct {
	File     string
	Problems []Problem // by key; at least one
	// Read is what could be read nevertheless, for telling somebody about the error: it
	// is neither complete nor checked.
	Read Config
}

// A Problem is one thing that is wrong.
type Problem struct {
	Key    string // settings.seasons.summer.peak_periods[0].end; empty: the file as a whole
	Text   string // what is wrong, and what to do; never a secret
	Source string // "line 3" of the file, the environment variable, or the credential; empty: unknown, or in Text
}

func (p Problem) String() string {
	s := p.Text
	if p.Key != "" {
		s = p.Key + ": " + s
	}
	if p.Source != "" {
		s += " (" + p.Source + ")"
	}
	return s
}

func (e *Error) Error() string {
	many := "one problem"
	if n := len(e.Problems); n != 1 {
		many = strconv.Itoa(n) + " problems"
	}
	lines := []string{e.File + ": " + many}
	for _, p := range e.Problems {
		lines = append(lines, "  "+p.String())
	}
	return strings.Join(lines, "\n")
}

// A Notice is a remark about a usable configuration.
type Notice struct{ Key, Text string }

func (n Notice) String() string { return n.Key + ": " + n.Text }

// maxFileBytes is the maximum size of a configuration or a file with a secret.
const maxFileBytes = 1 << 20

// Load reads the configuration at path. Values also come from environ, which has lines
// like POWERMGR_MQTT__URL=… for mqtt.url, and from systemd credentials; the environment
// has priority over credentials, and these over the file. Lists can only be in the file.
// Each secret can be in a file of its own, given by its key with "_file".
//
// In an add-on of Home Assistant, which Load recognizes by environ, the file has
// priority over the options of the add-on and the broker that the Supervisor knows, and
// may be missing.
//
// The notices are to be shown even when there is an error, which is always an *Error
// with all problems at once.
func Load(path string, environ []string) (Config, []Notice, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		abs = path
	}
	l := loader{dir: filepath.Dir(abs), state: stateDir, open: openFile, host: os.Hostname, now: time.Now, origin: map[string]string{}, cycle: map[string]string{}}
	_, isAddon := FindAddon(environ)
	if isAddon {
		l.state = addonDir
	}
	data, mode, err := l.read(path)
	switch {
	case isAddon && errors.Is(err, fs.ErrNotExist):
	case errors.Is(err, fs.ErrNotExist):
		l.problem("", "there is no such file: sudo powermgr setup writes one; or copy %s there and fill it in, or name another with --config", ExampleFile())
	case errors.Is(err, fs.ErrPermission):
		l.problem("", "it can be read by root and the group powermgr only: use sudo")
	case err != nil:
		l.problem("", "it cannot be read: %s", plain(err))
	}
	if len(l.problems) > 0 {
		return Config{}, nil, &Error{File: path, Problems: l.problems}
	}
	if mode&0o004 != 0 && !isAddon { // an add-on's container has no other users
		l.notice(path, "everybody on this machine can read it: chmod 640")
	}
	c := l.config(data, environ)
	if len(l.problems) == 0 {
		return c, l.notices, nil
	}
	slices.SortStableFunc(l.problems, func(a, b Problem) int { return strings.Compare(a.Key, b.Key) })
	return Config{}, l.notices, &Error{File: path, Problems: l.problems, Read: c}
}

// ExampleFile returns the file on this machine that explains every key: that of the
// package, or of a checkout that powermgr was built in or is run in.
func ExampleFile() string {
	const name, inCheckout = "config.example.yaml", "deploy/config.example.yaml"
	places := []string{"/usr/share/powermgr/" + name, inCheckout}
	if self, err := os.Executable(); err == nil {
		places = append(places, filepath.Join(filepath.Dir(self), "..", inCheckout)) // of build/powermgr
	}
	for _, p := range places {
		if _, err := os.Stat(p); err == nil {
			return p
		}
	}
	return name + " of powermgr's repository"
}

// loader collects what one Load finds.
type loader struct {
	dir   string // the folder that relative paths start from
	state string // where authorizations are stored
	open  func(path string) (io.ReadCloser, fs.FileMode, error)
	host  func() (string, error)
	now   func() time.Time

	problems []Problem
	notices  []Notice
	origin   map[string]string // of keys that are not from the file: the variable or credential
	lines    map[string]int    // of keys in the file
	celsius  map[string]string // the key in °C that was given for one in °F
	cycle    map[string]string // v2.0's key that was given for one of poll
}

// maxProblems is how many problems are reported at once; a file with more must be
// something else.
const maxProblems = 100

// problem records a problem, unless there is one closer to the cause for that key, or
// for a key above or below it.
func (l *loader) problem(key, format string, args ...any) {
	if len(l.problems) >= maxProblems {
		return
	}
	for _, p := range l.problems {
		if key != "" && (within(p.Key, key) || within(key, p.Key)) {
			return
		}
	}
	l.problems = append(l.problems, Problem{Key: key, Text: fmt.Sprintf(format, args...), Source: l.source(key)})
}

// source returns where the value of a key comes from; empty if that is unknown.
func (l *loader) source(key string) string {
	if from := l.origin[key]; from != "" || key == "" {
		return from
	}
	if line := l.lines[key]; line > 0 {
		return fmt.Sprintf("line %d", line)
	}
	return ""
}

// within reports whether key is section, or below it.
func within(key, section string) bool {
	rest, ok := strings.CutPrefix(key, section)
	return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
}

func (l *loader) notice(key, format string, args ...any) {
	l.notices = append(l.notices, Notice{Key: key, Text: fmt.Sprintf(format, args...)})
}

// config builds a Config from the file's content and the other sources.
func (l *loader) config(data []byte, environ []string) Config {
	k := koanf.New(".")
	file := l.fromFile(data)
	unreadable := slices.Clone(l.problems)
	if len(unreadable) > 0 {
		file.tree = sections(data) // so that somebody can be told
	}
	sources := []source{file, l.fromCredentials(environ), l.fromEnvironment(environ)}
	if a, ok := FindAddon(environ); ok {
		sources = append(l.fromAddon(a, file), sources...)
	}
	for _, s := range sources {
		l.inFahrenheit(s)
		l.checkKeys(s)
		l.readSecrets(s.tree, reflect.TypeFor[Config](), "")
		if err := k.Load(confmap.Provider(s.tree, ""), nil); err != nil {
			l.problem("", "%s", plain(err)) // confmap gives none
		}
	}
	c := withDefaults[Config]()
	// The valid values of a section stay when others in it are not valid.
	if _, ok := k.Get("tesla").(map[string]any); ok {
		c.Tesla = new(withDefaults[Tesla]())
	}
	if _, ok := k.Get("honeywell").(map[string]any); ok {
		c.Honeywell = new(withDefaults[Honeywell]())
	}
	err := k.UnmarshalWithConf("", &c, koanf.UnmarshalConf{DecoderConfig: decoding()})
	l.misread(err)
	l.complete(&c)
	l.check(&c)
	if len(unreadable) > 0 { // the other problems follow from what could not be read
		l.problems, l.notices = unreadable, nil
	}
	return c
}

// decoding says how a section is decoded into its struct.
func decoding() *mapstructure.DecoderConfig {
	return &mapstructure.DecoderConfig{
		TagName:   "koanf",
		MatchName: func(key, field string) bool { return key == field },
		DecodeHook: mapstructure.DecodeHookFuncValue(func(from, to reflect.Value) (any, error) {
			return typed(from.Interface(), to.Type())
		}),
	}
}

// misread reports each value that is not of its key's type.
func (l *loader) misread(err error) {
	var all interface{ Unwrap() []error }
	var one *mapstructure.DecodeError
	switch {
	case err == nil:
	case errors.As(err, &all): // the problems of a section, which mapstructure wraps on each level
		for _, err := range all.Unwrap() {
			l.misread(err)
		}
	case errors.As(err, &one):
		l.problem(dotted(one.Name()), "%s", plain(one.Unwrap()))
	default:
		l.problem("", "%s", plain(err))
	}
}

// dotted writes settings.seasons[summer].months as settings.seasons.summer.months;
// numbers stay in brackets.
func dotted(name string) string {
	var b strings.Builder
	for {
		before, rest, ok := strings.Cut(name, "[")
		b.WriteString(before)
		inside, after, closed := strings.Cut(rest, "]")
		if !ok || !closed {
			return b.String()
		}
		if _, err := strconv.Atoi(inside); err == nil {
			b.WriteString("[" + inside + "]")
		} else {
			b.WriteString("." + inside)
		}
		name = after
	}
}

// typed converts a value from a source to what a field of type to is decoded from.
// Sources have only text, lists and sections; the type of the field decides what the
// text means, so that 16:00 needs no quotes and a password of digits keeps its zeros.
func typed(from any, to reflect.Type) (any, error) {
	for to.Kind() == reflect.Pointer {
		to = to.Elem()
	}
	read, reads := reflect.New(to).Interface().(interface{ UnmarshalText([]byte) error })
	text, isText := from.(string)
	text = strings.TrimSpace(text)
	switch kind := to.Kind(); {
	case kind == reflect.Struct, kind == reflect.Map:
		if _, ok := from.(map[string]any); !ok {
			return nil, errors.New("this is a section: its keys belong below it, indented")
		}
		return from, nil
	case kind == reflect.Slice:
		if isText && to.Elem().Kind() != reflect.Struct {
			return []any{text}, nil // one address is a list of one
		}
		if _, ok := from.([]any); !ok {
			return nil, errors.New("this is a list: [a, b], or a line with - for each")
		}
		return from, nil
	case !isText:
		if reflect.TypeOf(from) == to {
			return from, nil
		}
		return nil, errors.New("this is one value, not a list or a section")
	case reads:
		if err := read.UnmarshalText([]byte(text)); err != nil {
			return nil, err
		}
		return reflect.ValueOf(read).Elem().Interface(), nil
	case to == reflect.TypeFor[devices.Secret]():
		return from, nil
	case kind == reflect.Bool:
		switch strings.ToLower(text) {
		case "true", "yes", "on", "1":
			return true, nil
		case "false", "no", "off", "0":
			return false, nil
		}
		return nil, fmt.Errorf("%s is neither true nor false", quoted(text))
	case kind == reflect.Int, kind == reflect.Int64:
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%s is not a whole number", quoted(text))
		}
		return n, nil
	case kind == reflect.Float64:
		f, err := strconv.ParseFloat(text, 64)
		if err != nil || !devices.Finite(f) {
			return nil, fmt.Errorf("%s is not a number", quoted(text))
		}
		return f, nil
	}
	return text, nil
}

// plain returns the text of an error without the path and the system call that it
// repeats.
func plain(err error) string {
	var path *fs.PathError
	if errors.As(err, &path) {
		err = path.Err
	}
	return err.Error()
}

func openFile(path string) (io.ReadCloser, fs.FileMode, error) {
	info, err := os.Stat(path) // before it is opened: opening a pipe waits
	if err != nil {
		return nil, 0, err
	}
	if !info.Mode().IsRegular() {
		return nil, 0, errors.New("it is not a file")
	}
	f, err := os.Open(path)
	return f, info.Mode().Perm(), err
}

// read returns the content and the permissions of a file; a relative path starts from
// the working folder.
func (l *loader) read(path string) ([]byte, fs.FileMode, error) {
	f, mode, err := l.open(path)
	if err != nil {
		return nil, 0, err
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFileBytes+1))
	err = errors.Join(err, f.Close())
	if err == nil && len(data) > maxFileBytes {
		err = fmt.Errorf("it is longer than %d bytes", maxFileBytes)
	}
	return data, mode, err
}
