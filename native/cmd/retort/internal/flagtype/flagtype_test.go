package flagtype_test

import (
	"cmp"
	"encoding/hex"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/retort-udp/retort/native/cmd/retort/internal/flagtype"
)

var (
	_ pflag.Value = (*flagtype.Port)(nil)
	_ pflag.Value = (*flagtype.Size)(nil)
	_ pflag.Value = (*flagtype.Share)(nil)
	_ pflag.Value = (*flagtype.Choice)(nil)
)

// ports are command-line texts with what they mean: an integer in the ways that Python takes one, or nothing.
var ports = map[string]string{
	"1060": "1060", "0": "0", "65535": "65535", "65536": "65536", "-1": "-1",
	" 1060 ": "1060", "+1060": "1060", "1_060": "1060", "01060": "01060",
	"99999999999999999999999": "99999999999999999999999",
	"":                        "", "abc": "", "10.5": "", "0x10": "", "1__0": "", "_1": "", "1_": "", "1 0": "", "-": "", "1e3": "",
}

func TestPortSet(t *testing.T) {
	for text, want := range ports {
		p := flagtype.NewPort(1)
		if want == "" {
			if err := p.Set(text); err == nil || p.String() != "1" {
				t.Errorf("%q: %v, and the port is %s", text, err, &p)
			}
			continue
		}
		if err := p.Set(text); err != nil || p.String() != want {
			t.Errorf("%q: %v, and the port is %s", text, err, &p)
		}
	}
}

func TestPortSetIsPythons(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("python3 is not on this machine")
	}
	const program = `
import sys
for line in sys.stdin:
    try:
        print(int(bytes.fromhex(line).decode()))
    except ValueError:
        print("refused")
`
	texts := slices.Sorted(maps.Keys(ports))
	var question, want strings.Builder
	for _, text := range texts {
		question.WriteString(hex.EncodeToString([]byte(text)) + "\n")
		means := cmp.Or(ports[text], "refused")
		if means != "0" {
			means = strings.TrimLeft(means, "0") // Python shows a number, and not what was written
		}
		want.WriteString(means + "\n")
	}
	cmd := exec.Command(python, "-c", program)
	cmd.Stdin = strings.NewReader(question.String())
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Fields(string(out))
	for i, want := range strings.Fields(want.String()) {
		if got[i] != want {
			t.Errorf("%q: Python says %s, and we say %s", texts[i], got[i], want)
		}
	}
}

func TestPortNumber(t *testing.T) {
	for text, want := range map[string]int{
		"0": 0, "1060": 1060, "01060": 1060, "65535": 65535, "-0": 0,
		"65536": -1, "-1": -1, "99999999999999999999999": -1,
	} {
		var p flagtype.Port
		if err := p.Set(text); err != nil {
			t.Errorf("%q: %v", text, err)
		}
		n, err := p.Number()
		if want < 0 {
			if err == nil || !strings.Contains(err.Error(), text) {
				t.Errorf("%q: %d, %v", text, n, err)
			}
		} else if err != nil || int(n) != want {
			t.Errorf("%q: %d, %v", text, n, err)
		}
	}
}

func TestSize(t *testing.T) {
	for text, want := range map[string]struct {
		size flagtype.Size
		text string
	}{
		"0": {0, "0"}, "1": {1, "1"}, "512B": {512, "512"}, "65536": {65536, "64KiB"}, "64KiB": {65536, "64KiB"},
		"1024KiB": {1 << 20, "1MiB"}, "3GiB": {3 << 30, "3GiB"}, "1025": {1025, "1025"}, "1536KiB": {1536 << 10, "1536KiB"},
	} {
		var s flagtype.Size
		if err := s.Set(text); err != nil || s != want.size || s.String() != want.text {
			t.Errorf("%q: %v, %d bytes, shown as %s", text, err, s, &s)
		}
	}
	for _, text := range []string{"", "KiB", "-1", "1.5MiB", "64kb", "9223372036854775807KiB", "99999999999999999999", "1 KiB", "1KiBB"} {
		var s flagtype.Size
		if err := s.Set(text); err == nil {
			t.Errorf("%q is %d bytes", text, s)
		}
	}
}

func TestShare(t *testing.T) {
	for text, want := range map[string]flagtype.Share{"0": 0, "0.5": 0.5, "1": 1, "1e-3": 0.001} {
		var s flagtype.Share
		if err := s.Set(text); err != nil || s != want {
			t.Errorf("%q: %v, %v", text, err, &s)
		}
	}
	for _, text := range []string{"", "half", "-0.1", "1.1", "NaN", "Inf", "50%"} {
		var s flagtype.Share
		if err := s.Set(text); err == nil {
			t.Errorf("%q is %v", text, &s)
		}
	}
}

func TestChoice(t *testing.T) {
	c := flagtype.Choice{Value: "text", Words: []string{"text", "json"}}
	if err := c.Set("json"); err != nil || c.Value != "json" {
		t.Errorf("json: %v, %s", err, c.Value)
	}
	if err := c.Set("xml"); err == nil || c.Value != "json" {
		t.Errorf("xml: %v, %s", err, c.Value)
	}
	if got := c.Type(); got != "text|json" {
		t.Errorf("help shows %s", got)
	}
}

func TestPrefixes(t *testing.T) {
	var p flagtype.Prefixes
	for _, text := range []string{"192.0.2.7/24, 2001:db8::/32", "198.51.100.1,::1"} {
		if err := p.Set(text); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
	const want = "192.0.2.0/24,2001:db8::/32,198.51.100.1/32,::1/128"
	if p.String() != want {
		t.Errorf("%v, not %s", p, want)
	}
	for _, text := range []string{"", "192.0.2.0/33", "example.org", "10.0.0.0/8,", "fe80::1%eth0", "10/8"} {
		if err := p.Set(text); err == nil || p.String() != want {
			t.Errorf("%q: %v, and the list is %v", text, err, p)
		}
	}
}

func TestPorts(t *testing.T) {
	var p flagtype.Ports
	for _, text := range []string{"53, 123", "65535"} {
		if err := p.Set(text); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
	for _, text := range []string{"", "0", "65536", "-1", "53,", "domain"} {
		if err := p.Set(text); err == nil || p.String() != "53,123,65535" {
			t.Errorf("%q: %v, and the list is %v", text, err, p)
		}
	}
}

// FuzzSet: a value that was accepted is accepted again as it shows itself, and stays what it is.
func FuzzSet(f *testing.F) {
	for _, seed := range []string{"1060", " +1_0 ", "64KiB", "0.5", "1e-3", "192.0.2.0/24,::1", "53,123", "-0", "0x1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, pair := range [][2]pflag.Value{
			{new(flagtype.Port), new(flagtype.Port)},
			{new(flagtype.Size), new(flagtype.Size)},
			{new(flagtype.Share), new(flagtype.Share)},
			{new(flagtype.Prefixes), new(flagtype.Prefixes)},
			{new(flagtype.Ports), new(flagtype.Ports)},
		} {
			first, again := pair[0], pair[1]
			if first.Set(text) != nil {
				continue
			}
			if err := again.Set(first.String()); err != nil || again.String() != first.String() {
				t.Errorf("%T %q became %s, and that %s, %v", first, text, first, again, err)
			}
		}
	})
}
