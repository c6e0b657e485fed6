package guest_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/core/coretest"
	"github.com/retort-udp/retort/core/reply"
	"github.com/retort-udp/retort/core/vectors"
)

// sample is a handler in testdata/handlers/NAME-LANGUAGE: NAME.EXT is its source, NAME.wasm the module, which is
// committed unless it is large, NAME.vectors.txt its self-test.
type sample struct {
	folder, name, language string
}

// extensions are those of the sources, by language.
var extensions = map[string]string{"c": ".c", "go": ".go", "wat": ".wat"}

func samples(t testing.TB) (all []sample) {
	folders, err := filepath.Glob("../../testdata/handlers/*-*")
	if err != nil {
		t.Fatal(err)
	}
	for _, folder := range folders {
		name, language, _ := strings.Cut(filepath.Base(folder), "-")
		if _, ours := extensions[language]; ours {
			all = append(all, sample{folder, name, language})
		}
	}
	if len(all) < 6 {
		t.Fatalf("only %d samples were found", len(all))
	}
	return all
}

func (s sample) String() string { return s.name + "-" + s.language }

func (s sample) read(t testing.TB, ext string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(s.folder, s.name+ext))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func (s sample) vectors(t testing.TB) *vectors.File {
	t.Helper()
	f, err := vectors.Parse(s.String(), s.read(t, ".vectors.txt"))
	if err != nil {
		t.Fatal(err)
	}
	if len(f.Vectors) == 0 {
		t.Fatalf("%s has no vectors", s)
	}
	return f
}

// command is how the comment at the top of the source says that it is built.
func (s sample) command(t testing.TB) []string {
	t.Helper()
	const lead = "To build it in this folder:"
	text := string(s.read(t, extensions[s.language]))
	_, text, found := strings.Cut(text, lead)
	end := map[string]string{"c": "*/", "go": "\n\n", "wat": "\n\n"}[s.language]
	text, _, ended := strings.Cut(text, end)
	if !found || !ended {
		t.Fatalf("%s: its first comment does not end in %q and a command", s, lead)
	}
	marker := map[string]string{"go": "//", "wat": ";;"}[s.language]
	return words(strings.ReplaceAll(text, "\n"+marker, "\n"))
}

// words splits a command as a shell does, as far as single quotes and blanks go.
func words(command string) (words []string) {
	for i, part := range strings.Split(command, "'") {
		if i%2 == 0 {
			words = append(words, strings.Fields(part)...)
		} else { // quoted, and in our commands always behind a "="
			words[len(words)-1] += part
		}
	}
	return words
}

// module is the sample as it is committed, or else built.
func (s sample) module(t testing.TB) []byte {
	t.Helper()
	if s.language == "go" {
		return s.build(t)
	}
	return s.read(t, ".wasm")
}

func (s sample) build(t testing.TB) []byte {
	t.Helper()
	wasm, err := build(t.Context(), s.folder, s.command(t))
	return mustBuild(t, wasm, err)
}

func TestSamplesAnswerTheirVectors(t *testing.T) {
	for _, s := range samples(t) {
		t.Run(s.String(), func(t *testing.T) {
			m, log := compile(t, s.module(t))
			if err := s.vectors(t).Run(m); err != nil {
				t.Error(err)
			}
			if log.String() != "" {
				t.Errorf("it logged:\n%s", log)
			}
		})
	}
}

func TestSamplesKeepTheContract(t *testing.T) {
	for _, s := range samples(t) {
		t.Run(s.String(), func(t *testing.T) {
			m, _ := compile(t, s.module(t))
			coretest.TestHandler(t, m)
		})
	}
}

// What is committed is what the source says, as far as one can ask it: compilers differ in the bytes they make.
func TestSamplesCanBeRebuilt(t *testing.T) {
	for _, s := range samples(t) {
		if s.language == "go" {
			continue // is built anyway
		}
		t.Run(s.String(), func(t *testing.T) {
			wasm := s.build(t)
			t.Logf("%d bytes; the committed one has %d", len(wasm), len(s.module(t)))
			m, _ := compile(t, wasm)
			if err := s.vectors(t).Run(m); err != nil {
				t.Error(err)
			}
		})
	}
}

// The vectors of "length" describe the built-in handler too, so that all of them are equal.
func TestVectorsOfLengthNatively(t *testing.T) {
	for _, s := range samples(t) {
		if s.name == "length" {
			if err := s.vectors(t).Run(reply.Length{}); err != nil {
				t.Errorf("%s: %v", s, err)
			}
		}
	}
}

// A sample without room for its reply says so, in every language in the same way.
func TestSamplesWithoutRoom(t *testing.T) {
	const file = "config \"abc\"\nlimit 2\n\"hello\" -> code -102\nlimit 0\n\"hello\" -> code -102\n"
	for _, s := range samples(t) {
		t.Run(s.String(), func(t *testing.T) {
			text := file
			switch s.name {
			case "counter":
				text = "limit 0\n\"hello\" -> code -102"
			case "length", "whoami":
				_, text, _ = strings.Cut(file, "\n")
			}
			f, err := vectors.Parse("room", []byte(text))
			if err != nil {
				t.Fatal(err)
			}
			m, _ := compile(t, s.module(t))
			if err := f.Run(m); err != nil {
				t.Error(err)
			}
		})
	}
}

// The sample that is configured says what is wrong with a configuration, and stays silent without one.
func TestConfigSample(t *testing.T) {
	wasm := sample{"../../testdata/handlers/config-c", "config", "c"}.module(t)

	m, _ := compile(t, wasm)
	if err := m.Configure(make([]byte, 513)); err == nil || !strings.Contains(err.Error(), "the text may have 512 bytes") {
		t.Errorf("513 bytes: %v", err)
	}
	m, _ = compile(t, wasm)
	f, err := vectors.Parse("none", []byte(`"hello" -> silence`))
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Run(m); err != nil {
		t.Error(err)
	}
}

// BenchmarkSamples is what one datagram costs, without a socket.
func BenchmarkSamples(b *testing.B) {
	bench := func(name string, h core.Handler) {
		b.Run(name, func(b *testing.B) {
			d, dst := datagram("The time is 2026-11-22 13:40:00."), make([]byte, 0, core.MaxPayload4)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := h.Reply(dst, d); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	bench("native", reply.Length{})
	for _, s := range samples(b) {
		m, _ := compile(b, s.module(b))
		if s.name == "config" {
			if err := m.Configure([]byte("hello")); err != nil {
				b.Fatal(err)
			}
		}
		bench(s.String(), worker(b, m))
	}
}
