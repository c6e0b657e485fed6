package config_test

import (
	"errors"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"github.com/retort-udp/retort/native/cmd/retort/internal/config"
	"github.com/retort-udp/retort/native/cmd/retort/internal/flagtype"
)

// options are flags of every kind.
type options struct {
	name  string
	loud  bool
	rate  int
	times float64
	size  flagtype.Size
	wait  time.Duration
	allow flagtype.Prefixes
	hosts []string
	port  flagtype.Port
	gso   flagtype.Choice
}

func (o *options) set() *pflag.FlagSet {
	o.gso = flagtype.Choice{Value: "off", Words: []string{"off", "on"}}
	o.port = flagtype.NewPort(1060)
	set := pflag.NewFlagSet("", pflag.ContinueOnError)
	set.StringVar(&o.name, "name", "", "")
	set.BoolVar(&o.loud, "loud", false, "")
	set.IntVar(&o.rate, "rate", 7, "")
	set.Float64Var(&o.times, "max-times", 3, "")
	set.Var(&o.size, "size", "")
	set.DurationVar(&o.wait, "wait", 0, "")
	set.Var(&o.allow, "allow", "")
	set.StringSliceVar(&o.hosts, "hosts", nil, "")
	set.VarP(&o.port, "port", "p", "")
	set.Var(&o.gso, "gso", "")
	return set
}

// schema has a flag of its own in front, and options below.
func schema() config.Schema {
	top := pflag.NewFlagSet("", pflag.ContinueOnError)
	top.String("log-format", "text", "")
	return config.Schema{Top: top, Defaults: new(options).set(), Listener: new(options).set()}
}

func parse(t *testing.T, text string) *config.File {
	t.Helper()
	f, err := config.Parse("x.toml", []byte(text), schema())
	if err != nil {
		t.Fatal(err)
	}
	return f
}

const everything = `
log-format = "json" # line 2

[defaults]
rate = 1_000
size = 65536

[[listener]]
name = 'one'
loud = true
max-times = 2
size = "16MiB"
wait = "1m30s"
allow = ["192.0.2.0/24", "2001:db8::1"]
hosts = [
  "::1",
  "127.0.0.1",
]
port = 53
gso = "on"

[[listener]]
name = """two"""
`

func TestParse(t *testing.T) {
	f := parse(t, everything)
	if got := f.Top["log-format"]; got.Texts[0] != "json" || got.Source.String() != "x.toml:2" {
		t.Errorf("log-format is %+v", got)
	}
	if len(f.Listeners) != 2 || f.Listeners[0].Source.Line != 8 || f.Listeners[1].Source.Line != 22 {
		t.Fatalf("the listeners are %+v", f.Listeners)
	}
	var got options
	if err := (config.Layers{f.Listeners[0].Values, f.Defaults}).Apply(got.set()); err != nil {
		t.Fatal(err)
	}
	want := options{
		name: "one", loud: true, rate: 1000, times: 2, size: 16 << 20, wait: 90 * time.Second,
		allow: flagtype.Prefixes{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::1/128")},
		hosts: []string{"::1", "127.0.0.1"}, port: flagtype.NewPort(53), gso: flagtype.Choice{Value: "on", Words: []string{"off", "on"}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("it says\n%+v, not\n%+v", got, want)
	}
	var second options
	if err := (config.Layers{f.Listeners[1].Values, f.Defaults}).Apply(second.set()); err != nil || second.name != "two" || second.size != 65536 {
		t.Errorf("%+v, %v", second, err)
	}
}

// TestOtherSpellings: TOML has several ways to say the same, and the lines are right in each.
func TestOtherSpellings(t *testing.T) {
	for text, lines := range map[string][2]int{
		"listener = [{name = 'a', rate = 1},\n # and\n {name = 'b', rate = 2}]":        {1, 3},
		"[[listener]]\nname = 'a'\nrate = 1\n[[ 'listener' ]]\nname = 'b'\n\nrate = 2": {3, 7},
	} {
		f := parse(t, text)
		for i, l := range f.Listeners {
			if got := l.Values["rate"]; got.Source.Line != lines[i] || got.Texts[0] != string(rune('1'+i)) {
				t.Errorf("%q: the rate of listener %d is %+v", text, i, got)
			}
		}
	}
	if f := parse(t, "defaults.rate = 3\r\ndefaults.name = 'x'"); f.Defaults["name"].Source.Line != 2 {
		t.Errorf("%+v", f.Defaults)
	}
}

func TestParseErrors(t *testing.T) {
	for text, want := range map[string]string{
		"rate = 1":                       `x.toml:1: "rate" is a listener's: it stands under [defaults] or [[listener]]`,
		"\n[[listener]]\nlog-format=''":  `x.toml:3: "log-format" is not a single listener's: it stands in front of the first table`,
		"[defaults]\n\nmax_times = 1":    `x.toml:3: there is no key "max_times" here; did you mean "max-times"?`,
		"[defaults]\nratte = 1":          `x.toml:2: there is no key "ratte" here; did you mean "rate"?`,
		"colour = 1":                     `x.toml:1: there is no key "colour" here`,
		"[listeners]\nname = ''":         `x.toml:1: there is no key "listeners" here`,
		"[listener]\nname = ''":          `x.toml:1: there may be several listeners: write [[listener]]`,
		"listener = 1":                   `x.toml:1: there may be several listeners: write [[listener]]`,
		"listener = [1]":                 `x.toml:1: this is no table`,
		"defaults = 1":                   `x.toml:1: this is no table`,
		"[defaults]\nloud = 'true'":      `x.toml:2: loud is true or false`,
		"[defaults]\nrate = true":        `x.toml:2: rate is a whole number`,
		"[defaults]\nrate = '1'":         `x.toml:2: rate is a whole number`,
		"[defaults]\nrate = 1.0":         `x.toml:2: rate is a whole number`,
		"[defaults]\nmax-times = '1'":    `x.toml:2: max-times is a number`,
		"[defaults]\nname = ['a']":       `x.toml:2: name is a text in quotes`,
		"[defaults]\nname = 2026-01-01":  `x.toml:2: name is a text in quotes`,
		"[defaults.name]\nx = 1":         `x.toml:1: name is a text in quotes`,
		"[defaults]\nhosts = [1.5]":      `x.toml:2: hosts is a list of texts`,
		"[defaults]\nhosts = [['a']]":    `x.toml:2: hosts is a list of texts`,
		"[defaults]\nrate = 1\nrate = 2": `x.toml:3: toml: `,
		"a = 1\nb = ":                    `x.toml:2: toml: `,
		"[defaults]\n\"a\\u0000\" = 1":   `x.toml:2: `,
		"x = 1\ny = 2":                   "x.toml:1: there is no key \"x\" here\nx.toml:2: there is no key \"y\" here",
	} {
		_, err := config.Parse("x.toml", []byte(text), schema())
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: %v\nand not %s", text, err, want)
		}
		if _, ok := errors.AsType[*config.Error](err); !ok {
			t.Errorf("%q: the error is a %T", text, err)
		}
	}
}

// TestApplyErrors: what a flag does not take is said with its source.
func TestApplyErrors(t *testing.T) {
	for text, want := range map[string]string{
		"rate = 99999999999999999999": "x.toml:2: ",
		"size = 'much'":               `x.toml:2: size = "much": a size is a number of bytes`,
		"wait = '1'":                  `x.toml:2: wait = "1": time: missing unit`,
		"allow = ['me']":              `x.toml:2: allow = "me": "me" is no network`,
		"gso = 'maybe'":               `x.toml:2: gso = "maybe": it is off or on`,
		"port = 'x'":                  `x.toml:2: port = "x": a port is a number`,
	} {
		f, err := config.Parse("x.toml", []byte("[defaults]\n"+text), schema())
		if err == nil {
			err = (config.Layers{f.Defaults}).Apply(new(options).set())
		}
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: %v\nand not %s", text, err, want)
		}
	}
	env := config.Environment(lookup(map[string]string{"RETORT_RATE": "x", "RETORT_LOUD": "2"}), new(options).set())
	err := (config.Layers{env}).Apply(new(options).set())
	if err == nil || err.Error() != `$RETORT_LOUD: "2": invalid syntax: it is true or false`+"\n"+`$RETORT_RATE: "x": invalid syntax: it is a whole number` {
		t.Errorf("%v", err)
	}
}

func lookup(variables map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		text, ok := variables[name]
		return text, ok
	}
}

// TestPrecedence: a flag counts more than a variable, and that more than the file; a list is not added to.
func TestPrecedence(t *testing.T) {
	var line options
	given := line.set()
	if err := given.Parse([]string{"--rate", "1", "--allow", "192.0.2.1", "--hosts", "a,b"}); err != nil {
		t.Fatal(err)
	}
	env := config.Environment(lookup(map[string]string{"RETORT_RATE": "2", "RETORT_MAX_TIMES": "2", "RETORT_ALLOW": "192.0.2.2", "RETORT_HOSTS": "x,y"}), given)
	f := parse(t, "[defaults]\nrate = 3\nmax-times = 3\nname = 'file'\nallow = ['192.0.2.3']\nhosts = ['z']")
	layers := config.Layers{config.Flags(given), env, f.Defaults}

	var got options
	set := got.set()
	if err := layers.Apply(set); err != nil {
		t.Fatal(err)
	}
	if got.rate != 1 || got.times != 2 || got.name != "file" || got.allow.String() != "192.0.2.1/32" || !slices.Equal(got.hosts, []string{"a", "b"}) {
		t.Errorf("%+v", got)
	}
	sources := layers.Sources(set)
	for key, want := range map[string]string{"rate": "--rate", "max-times": "$RETORT_MAX_TIMES", "name": "x.toml:4", "port": "default"} {
		if got := sources[key].String(); got != want {
			t.Errorf("%s came from %s, not %s", key, got, want)
		}
	}
	if !set.Changed("name") || set.Changed("port") {
		t.Error("what was given is not marked as such")
	}
	if err := layers[1:].Apply(got.set()); err != nil || !slices.Equal(got.hosts, []string{"x", "y"}) {
		t.Errorf("hosts are %v, %v", got.hosts, err)
	}
}

// TestKubernetesService: the variables that Kubernetes makes of a Service called retort are not ours.
func TestKubernetesService(t *testing.T) {
	env := config.Environment(lookup(map[string]string{"RETORT_PORT": "udp://10.0.0.1:1060"}), new(options).set())
	if len(env) > 0 {
		t.Errorf("%+v", env)
	}
	env = config.Environment(lookup(map[string]string{"RETORT_PORT": "1061"}), new(options).set())
	if len(env) != 1 {
		t.Errorf("%+v", env)
	}
}

func TestStrangers(t *testing.T) {
	got := config.Strangers([]string{
		"HOME=/", "RETORT_RATTE=1", "RETORT_RATE=1", "RETORT_COLOUR=red", "RETORT_PORT_1060_UDP=udp://10.0.0.1:1060", "RETORT_SERVICE_HOST=10.0.0.1",
	}, new(options).set())
	if want := []string{"RETORT_COLOUR", "RETORT_RATTE (did you mean RETORT_RATE?)"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestWriteAndParse: what is written can be read, and says the same.
func TestWriteAndParse(t *testing.T) {
	want := options{}
	set := want.set()
	layers := config.Layers{parse(t, everything).Listeners[0].Values}
	if err := layers.Apply(set); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"plain", `quo"te 'x' \ back`, "two\nlines", "\x01\x7f", "€", ""} {
		if err := set.Set("name", name); err != nil {
			t.Fatal(err)
		}
		var text strings.Builder
		text.WriteString("[[listener]]\n")
		if err := config.Write(&text, set, layers.Sources(set)); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(text.String(), " # x.toml:11\n") || !strings.Contains(text.String(), " # default\n") {
			t.Errorf("the sources are missing:\n%s", &text)
		}
		var got options
		if err := (config.Layers{parse(t, text.String()).Listeners[0].Values}).Apply(got.set()); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("read again it is\n%+v, not\n%+v:\n%s", got, want, &text)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(everything))
	f.Add([]byte("listener = [{name = 'a'}, {'name' = 'b'}]\ndefaults.rate = 1"))
	f.Add([]byte("[[listener]]\n[listener.name]\n[[listener.name.x]]"))
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := config.Parse("x", data, schema())
		if err != nil {
			if _, ok := errors.AsType[*config.Error](err); !ok {
				t.Errorf("the error is a %T: %v", err, err)
			}
			return
		}
		last := strings.Count(string(data), "\n") + 1
		for _, l := range file.Listeners {
			for key, v := range l.Values {
				if v.Source.Line < 1 || v.Source.Line > last {
					t.Errorf("%s is on line %d of %d", key, v.Source.Line, last)
				}
			}
			_ = (config.Layers{l.Values, file.Defaults}).Apply(new(options).set())
		}
	})
}
