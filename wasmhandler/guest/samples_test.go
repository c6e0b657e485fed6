package guest_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/core/coretest"
	"github.com/retort-udp/retort/core/reply"
	"github.com/retort-udp/retort/core/vectors"
	"github.com/retort-udp/retort/wasmhandler"
	"github.com/retort-udp/retort/wasmhandler/abitest"
	"github.com/retort-udp/retort/wasmhandler/guest/sdk"
)

// root is where the module's own go.mod is.
const root = "../.."

// sample is a handler in testdata/handlers/NAME-LANGUAGE: its source, the module NAME.wasm, which is committed unless
// it is large, and its self-test NAME.vectors.txt.
type sample struct {
	folder, name string
	language     sdk.Language
}

// samples finds them: whoever adds one registers it nowhere.
func samples(t testing.TB) (all []sample) {
	folders, err := filepath.Glob(root + "/testdata/handlers/*-*")
	if err != nil {
		t.Fatal(err)
	}
	for _, folder := range folders {
		s := newSample(t, folder)
		if !s.language.Committed() && s.name != "length" && (testing.Short() || raceEnabled) {
			continue // it takes seconds to compile; under the race detector ten, which sees nothing of its inside
		}
		all = append(all, s)
	}
	if len(folders) < 12 {
		t.Fatalf("only %d samples were found", len(folders))
	}
	return all
}

func newSample(t testing.TB, folder string) sample {
	t.Helper()
	base := filepath.Base(folder)
	hyphen := strings.LastIndexByte(base, '-')
	language, err := sdk.Named(base[hyphen+1:])
	if err != nil {
		t.Fatalf("%s: %v", folder, err)
	}
	return sample{folder, base[:hyphen], language}
}

func (s sample) String() string { return s.name + "-" + s.language.Name }

func (s sample) read(t testing.TB, file string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(s.folder, file))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func (s sample) vectors(t testing.TB) *vectors.File {
	t.Helper()
	f, err := vectors.Parse(s.String(), s.read(t, s.name+".vectors.txt"))
	if err != nil {
		t.Fatal(err)
	}
	if len(f.Vectors) == 0 {
		t.Fatalf("%s has no vectors", s)
	}
	return f
}

// module is the sample as it is committed, or else built.
func (s sample) module(t testing.TB) []byte {
	t.Helper()
	if s.language.Committed() {
		return s.read(t, s.name+".wasm")
	}
	built, _ := builds.LoadOrStore(s.folder, sync.OnceValues(s.build))
	wasm, err := built.(func() ([]byte, error))()
	return mustHave(t, wasm, err)
}

// builds are the samples that were built once for all tests, by their folders.
var builds sync.Map

// build builds the sample, but leaves its folder as it is.
func (s sample) build() ([]byte, error) {
	ctx := context.Background() // what is built is for all tests, also when the first of them has ended
	tools, err := s.language.Toolchain(ctx, root)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "retort-sample-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	out := filepath.Join(dir, s.name+".wasm")
	if err := tools.Build(ctx, s.folder, s.name, out); err != nil {
		return nil, err
	}
	return os.ReadFile(out)
}

// mustHave skips the test where a tool is missing, by its name.
func mustHave(t testing.TB, wasm []byte, err error) []byte {
	t.Helper()
	if errors.Is(err, sdk.ErrMissing) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return wasm
}

// A sample answers its vectors and is what a host and the contract want of it.
func TestSamples(t *testing.T) {
	for _, s := range samples(t) {
		t.Run(s.String(), func(t *testing.T) {
			f := s.vectors(t)
			m, log := compile(t, s.module(t))
			if err := f.Run(m); err != nil {
				t.Error(err)
			}
			if log.String() != "" {
				t.Errorf("it logged:\n%s", log)
			}
		})
	}
}

// TestSamplesConform puts each sample through the checks that "retort check --quick" has.
func TestSamplesConform(t *testing.T) {
	for _, s := range samples(t) {
		t.Run(s.String(), func(t *testing.T) {
			o := abitest.Options{Vectors: s.vectors(t), Quick: true, Config: wasmhandler.Config{CacheDir: cache}}
			abitest.Test(t, s.String(), s.module(t), o)
		})
	}
}

func TestSamplesKeepTheContract(t *testing.T) {
	for _, s := range samples(t) {
		t.Run(s.String(), func(t *testing.T) {
			if s.name != "length" && s.name != "counter" && !s.language.Committed() {
				t.Skip("the handler in it is held to the contract natively, where that is quick")
			}
			m, _ := compile(t, s.module(t))
			coretest.TestHandler(t, m)
		})
	}
}

// What is committed is what the source says, as far as one can ask it: compilers differ in the bytes they make.
func TestSamplesCanBeRebuilt(t *testing.T) {
	if testing.Short() {
		t.Skip("compilers take seconds")
	}
	for _, s := range samples(t) {
		if !s.language.Committed() {
			continue // is built anyway
		}
		t.Run(s.String(), func(t *testing.T) {
			wasm, err := s.build()
			mustHave(t, wasm, err)
			t.Logf("%d bytes; the committed one has %d", len(wasm), len(s.module(t)))
			m, _ := compile(t, wasm)
			if err := s.vectors(t).Run(m); err != nil {
				t.Error(err)
			}
		})
	}
}

// What is committed says nothing of the machine that it was built on, which would make the bytes differ elsewhere.
func TestSamplesAreBare(t *testing.T) {
	for _, s := range samples(t) {
		if !s.language.Committed() {
			continue
		}
		wasm := s.module(t)
		for _, said := range []string{"producers", "name\x00", "/home", "/usr", "/root", ".rs", ".cargo", "clang", "rustc"} {
			if bytes.Contains(wasm, []byte(said)) {
				t.Errorf("%s has %q in it", s, said)
			}
		}
		info, err := os.Stat(filepath.Join(s.folder, s.name+".wasm"))
		if err != nil {
			t.Fatal(err)
		}
		if runtime.GOOS != "windows" && info.Mode().Perm()&0o111 != 0 {
			t.Errorf("%s.wasm is a program: %v", s, info.Mode())
		}
	}
}

// The first comment of a sample's source says how it is built: that is the command that builds it.
func TestSamplesSayHowTheyAreBuilt(t *testing.T) {
	const lead = "To build it in this folder:"
	for _, s := range samples(t) {
		source := s.language.Source(s.name)
		if source == "." {
			if source = s.name + ".go"; s.name != "length" && s.name != "counter" {
				continue // is built as those are
			}
		}
		_, text, found := strings.Cut(string(s.read(t, source)), lead)
		text, _, ended := strings.Cut(text, "\n\n")
		text, _, _ = strings.Cut(text, "*/")
		if !found || !ended {
			t.Errorf("%s: the first comment of %s does not end in %q and a command", s, source, lead)
		}
		for _, marker := range []string{"//", ";;"} {
			text = strings.ReplaceAll(text, "\n"+marker, "\n")
		}
		if got, want := words(text), s.language.Command(s.name, s.name+".wasm"); !slices.Equal(got, want) {
			t.Errorf("%s says that it is built by\n%q and is built by\n%q", s, got, want)
		}
	}
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
	files := map[string]string{
		"counter": `limit 0
"hello" -> code -102`,
		"length": `limit 2
"hello" -> code -102
limit 0
"hello" -> code -102`,
		"config": `config "abc"
limit 2
"hello" -> code -102`,
	}
	files["whoami"] = files["length"]
	for _, s := range samples(t) {
		text, ours := files[s.name]
		if !ours {
			continue // a protocol, which has an answer of its own to that
		}
		t.Run(s.String(), func(t *testing.T) {
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
	wasm := newSample(t, root+"/testdata/handlers/config-c").module(t)

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

// manyDatagrams are enough for a collection if each makes 8 bytes of garbage: Go begins the first at 4 MiB.
const manyDatagrams = 1_000_000

// collection is less fuel than a collection takes, and more than a datagram does.
const collection = 1_000_000

// A sample does not make garbage of datagrams: a collection would cost one of them all of its fuel.
func TestSamplesDoNotAllocate(t *testing.T) {
	if raceEnabled {
		t.Skip("a million datagrams each take long under the race detector, which sees nothing of a guest's inside")
	}
	for _, s := range samples(t) {
		if s.language.Name != "go" && s.language.Name != "assemblyscript" {
			continue // has no garbage collector
		}
		t.Run(s.String(), func(t *testing.T) {
			f := s.vectors(t)
			m, _ := compile(t, s.module(t))
			if f.Config != nil {
				if err := m.Configure(f.Config.Bytes()); err != nil {
					t.Fatal(err)
				}
			}
			if fuel := mostFuel(t, m, datagramsOf(f)); fuel > collection {
				t.Errorf("one of %d datagrams took %d fuel", manyDatagrams, fuel)
			}
		})
	}
}

// A guest that does make garbage is noticed, or else the test above proves nothing.
func TestGarbageIsNoticed(t *testing.T) {
	if raceEnabled || testing.Short() {
		t.Skip("it takes seconds")
	}
	wasm, err := buildGo("garbage")
	m, _ := compile(t, mustBuild(t, wasm, err))
	fuel := mostFuel(t, m, []*core.Datagram{datagram("hello")})
	t.Logf("the most fuel that a datagram took is %d", fuel)
	if fuel <= collection {
		t.Errorf("the most fuel that a datagram took is %d", fuel)
	}
}

// mostFuel asks a guest very often, and returns the most fuel that an answer took.
func mostFuel(t *testing.T, m *wasmhandler.Module, requests []*core.Datagram) (most uint64) {
	t.Helper()
	w := worker(t, m)
	dst := make([]byte, 0, core.MaxPayload6)
	for i := range manyDatagrams {
		_, _ = w.Reply(dst, requests[i%len(requests)]) // errors and silence are outcomes, too
		most = max(most, w.(wasmhandler.FuelMeter).FuelUsed())
	}
	return most
}

// datagramsOf are the requests of vectors, the short ones of which a server gets most.
func datagramsOf(f *vectors.File) (all []*core.Datagram) {
	for _, v := range f.Vectors {
		if request := v.Request.Bytes(); len(request) <= 1000 {
			all = append(all, datagram(string(request)))
		}
	}
	return all
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
		if config := s.vectors(b).Config; config != nil {
			if err := m.Configure(config.Bytes()); err != nil {
				b.Fatal(err)
			}
		}
		bench(s.String(), worker(b, m))
	}
}
