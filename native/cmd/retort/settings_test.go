package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/retort-udp/retort/native/cmd/retort/internal/config"
)

// TestFlagsAreSettings: each flag of the server has one key in a file and one variable, but for those that say what
// to do; and what is neither a flag nor about a listener in a file has none.
func TestFlagsAreSettings(t *testing.T) {
	cmd := newServer()
	cmd.InitDefaultHelpFlag()
	schema := fileSchema()
	var flags []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		flags = append(flags, f.Name)
		top, listener := schema.Top.Lookup(f.Name) != nil, schema.Listener.Lookup(f.Name) != nil
		if none := slices.Contains(noSettings, f.Name); none == (top || listener) || top && listener {
			t.Errorf("--%s: it is a key in front %t, a listener's %t", f.Name, top, listener)
		}
		if listener != (schema.Defaults.Lookup(f.Name) != nil) {
			t.Errorf("--%s is not a listener's key under both [defaults] and [[listener]]", f.Name)
		}
		if !regexp.MustCompile(`^[a-z][a-z0-9-]*$`).MatchString(f.Name) {
			t.Errorf("--%s is no key and no variable", f.Name)
		}
	})
	for _, set := range []*pflag.FlagSet{schema.Top, schema.Listener} {
		set.VisitAll(func(f *pflag.Flag) {
			if !slices.Contains(flags, f.Name) && f.Name != "name" && f.Name != "addresses" {
				t.Errorf("the key %s has no flag", f.Name)
			}
		})
	}
}

// TestEverySettingCanBeSaid: the default of each setting, said by a variable and by a file, is taken and is the
// default again.
func TestEverySettingCanBeSaid(t *testing.T) {
	schema := fileSchema()
	for _, set := range []*pflag.FlagSet{schema.Top, schema.Listener} {
		set.VisitAll(func(f *pflag.Flag) {
			def := f.Value.String()
			if def == "" || def == "[]" {
				return // an empty variable is none
			}
			env := config.Environment(func(name string) (string, bool) { return def, name == config.Variable(f.Name) }, set)
			fresh := fileSchema()
			target := fresh.Top
			if set == schema.Listener {
				target = fresh.Listener
			}
			if err := (config.Layers{env}).Apply(target); err != nil {
				t.Error(err)
			}
			if got := target.Lookup(f.Name); got.Value.String() != def || !got.Changed {
				t.Errorf("%s=%s makes it %q", config.Variable(f.Name), def, got.Value)
			}
		})
	}
}

// TestPathsAreRelativeToTheFile: whatever names a file does, and nothing else.
func TestPathsAreRelativeToTheFile(t *testing.T) {
	dir := t.TempDir()
	elsewhere := filepath.Join(dir, "elsewhere")
	name := filepath.Join(dir, "x.toml")
	text := fmt.Sprintf(`
		handlers = "h"
		capture = %q
		[[listener]]
		handler = "a.wasm"
		handler-config = "@its.conf"
		cache-dir = "cache"
		fallback = "fixed=a.wasm"
		[[listener]]
		handler = "fixed=a.wasm"
		handler-config = "its.conf"
		cache-dir = ""`, elsewhere)
	if err := os.WriteFile(name, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	file, err := readConfig(name, fileSchema())
	if err != nil {
		t.Fatal(err)
	}
	one, two := file.Listeners[0].Values, file.Listeners[1].Values
	for _, tt := range []struct {
		value config.Value
		want  string
	}{
		{file.Top["handlers"], filepath.Join(dir, "h")},
		{file.Top["capture"], elsewhere},
		{one["handler"], filepath.Join(dir, "a.wasm")},
		{one["handler-config"], "@" + filepath.Join(dir, "its.conf")},
		{one["cache-dir"], filepath.Join(dir, "cache")},
		{one["fallback"], "fixed=a.wasm"},
		{two["handler"], "fixed=a.wasm"},
		{two["handler-config"], "its.conf"},
		{two["cache-dir"], ""},
	} {
		if len(tt.value.Texts) != 1 || tt.value.Texts[0] != tt.want {
			t.Errorf("line %d says %q, not %q", tt.value.Source.Line, tt.value.Texts, tt.want)
		}
	}
}

var update = flag.Bool("update", false, "write the example of a configuration anew")

// exampleFile is what packages ship.
const exampleFile = "internal/config/retort.toml"

// TestExampleFile: the example in the tree is the one that the flags make. "go test -run ExampleFile -update ."
// writes it anew when they have changed.
func TestExampleFile(t *testing.T) {
	var want bytes.Buffer
	if err := writeExample(&want); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(exampleFile, want.Bytes(), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(exampleFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(bytes.ReplaceAll(got, []byte("\r\n"), []byte("\n")), want.Bytes()) {
		t.Errorf("%s is out of date: run go test -run ExampleFile -update .", exampleFile)
	}
}

// TestExampleIsTheDefaults: as it is, and with every key taken from behind its "#", the example says what holds
// without it.
func TestExampleIsTheDefaults(t *testing.T) {
	var text strings.Builder
	if err := writeExample(&text); err != nil {
		t.Fatal(err)
	}
	commented := regexp.MustCompile(`(?m)^#([a-z0-9-]+ = )`)
	for name, text := range map[string]string{"as it is": text.String(), "every key": commented.ReplaceAllString(text.String(), "$1")} {
		file, err := config.Parse(name, []byte(text), fileSchema())
		if err != nil {
			t.Fatal(err)
		}
		wantKeys := 0
		if name != "as it is" {
			schema := fileSchema()
			for _, set := range []*pflag.FlagSet{schema.Top, schema.Defaults} {
				set.VisitAll(func(*pflag.Flag) { wantKeys++ })
			}
		}
		if got := len(file.Top) + len(file.Defaults); got != wantKeys {
			t.Errorf("%s: it has %d keys, not %d", name, got, wantKeys)
		}
		got, want := fileSchema(), fileSchema()
		if err := (config.Layers{file.Top}).Apply(got.Top); err != nil {
			t.Error(err)
		}
		if err := (config.Layers{file.Defaults}).Apply(got.Defaults); err != nil {
			t.Error(err)
		}
		for _, pair := range [][2]*pflag.FlagSet{{got.Top, want.Top}, {got.Defaults, want.Defaults}} {
			if g, w := values(pair[0]), values(pair[1]); !reflect.DeepEqual(g, w) {
				t.Errorf("%s: it says\n%v, not\n%v", name, g, w)
			}
		}
	}
}

func values(set *pflag.FlagSet) map[string]string {
	all := make(map[string]string)
	set.VisitAll(func(f *pflag.Flag) { all[f.Name] = f.Value.String() })
	return all
}

// TestExampleListeners: the sample listeners in the example's text are right, too.
func TestExampleListeners(t *testing.T) {
	var text strings.Builder
	if err := writeExample(&text); err != nil {
		t.Fatal(err)
	}
	_, sample, _ := strings.Cut(text.String(), "#     [[listener]]")
	sample = strings.ReplaceAll("[[listener]]"+sample, "\n#    ", "\n")
	file, err := config.Parse("sample", []byte(sample), fileSchema())
	if err != nil || len(file.Listeners) != 2 {
		t.Fatalf("%d listeners, %v", len(file.Listeners), err)
	}
	for _, l := range file.Listeners {
		if err := (config.Layers{l.Values}).Apply(fileSchema().Listener); err != nil {
			t.Error(err)
		}
	}
}
