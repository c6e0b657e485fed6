package hostile_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/retort-udp/retort/wasmhandler"
	"github.com/retort-udp/retort/wasmhandler/internal/compiles"
	"github.com/retort-udp/retort/wasmhandler/internal/hostile"
	"github.com/retort-udp/retort/wasmhandler/internal/race"
)

var (
	root = filepath.Join("..", "..", "..")
	dir  = os.DirFS(filepath.Join(root, hostile.Dir))
)

// asChild is the argument that makes this program run one case; see hostile.InChild.
const asChild = "hostile-child"

func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == asChild {
		if err := hostile.Child(dir, os.Args[2], config(), os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// config is the default one, but that an interpreter gets less fuel: it takes long to use that up.
func config() wasmhandler.Config {
	if compiles.Here() {
		return wasmhandler.Config{}
	}
	return wasmhandler.Config{Fuel: wasmhandler.DefaultFuel / 2, StartFuel: wasmhandler.DefaultStartFuel / 20}
}

// meets says whether a case got what it must get. Recursion comes to the end of an interpreter's own stack first.
func meets(o hostile.Outcome, c hostile.Case) bool {
	return o.Meets(c.Want) || !compiles.Here() && o.Meets(strings.Replace(c.Want, "depth", "stack", 1))
}

func corpus(t testing.TB) []hostile.Case {
	t.Helper()
	cases, err := hostile.Corpus(dir)
	if err != nil {
		t.Fatal(err)
	}
	return cases
}

// patience is how long one case may take before it counts as endless. It bounds a test that fails, and decides
// nothing else.
const patience = 2 * time.Minute

// mostMemory is what the process of one case may have: two instances of 64 MiB, a module of 16 MiB and what is made
// of it, the neighbour, and Go's own.
const mostMemory = 256 << 20

// TestCorpus runs each case in a process of its own, and then all of them in this one.
func TestCorpus(t *testing.T) {
	alone := t.Run("alone", func(t *testing.T) {
		if race.Enabled {
			t.Skip("the race detector finds what there is to find when they run together, and takes minutes here")
		}
		var pause time.Duration
		for _, c := range corpus(t) {
			t.Run(c.Name, func(t *testing.T) { pause = max(pause, testAlone(t, c)) })
		}
		t.Logf("longest stop of the world: %v", pause)
	})
	t.Run("together", func(t *testing.T) {
		if !alone {
			t.Skip("what one of them does to its own process would be done to this one")
		}
		testTogether(t)
	})
}

// testAlone returns how long the world was stopped.
func testAlone(t *testing.T, c hostile.Case) time.Duration {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	f, err := hostile.InChild(ctx, c.Name, asChild)
	if errors.Is(err, hostile.ErrNoChild) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	if !meets(f.Outcome, c) {
		t.Errorf("it got\n\t%s\nand must get\n\t%s", f.Got, c.Want)
	}
	for _, promise := range f.Broken {
		t.Error("a broken promise: ", promise)
	}
	if f.Peak > mostMemory && !race.Enabled {
		t.Errorf("the process had %d MiB of memory", f.Peak>>20)
	}
	return f.Pause
}

// testTogether runs several cases at a time, beside one neighbour.
func testTogether(t *testing.T) {
	work := make(chan hostile.Case)
	var workers sync.WaitGroup
	for range max(2, runtime.GOMAXPROCS(0)) {
		workers.Go(func() {
			for c := range work {
				if o := hostile.Run(c.Wasm(), config()); !meets(o, c) || len(o.Broken) > 0 {
					t.Errorf("%s: it got %s, and must get %s; broken promises: %q", c.Name, o.Got, c.Want, o.Broken)
				}
			}
		})
	}
	f, err := hostile.Beside(func() {
		for _, c := range corpus(t) {
			work <- c
		}
		close(work)
		workers.Wait()
	})
	if err != nil {
		t.Error(err)
	}
	t.Logf("longest stop of the world: %v; the neighbour's client waited %v at most", f.Pause, f.Wait)
}

// TestIsolated runs the cases that answer, with pristine memory for each datagram: nobody may see what another client
// sent. What they must get may differ then, for those that count their datagrams begin anew with each.
func TestIsolated(t *testing.T) {
	leaked := 0
	for _, c := range corpus(t) {
		if source := c.Name + ".wat"; !strings.Contains(c.Want, "replies") || !exists(source) {
			continue // it does not answer, or is generated: those are about loading
		}
		isolated := config()
		isolated.Isolate = wasmhandler.IsolateDatagram
		o := hostile.Run(c.Wasm(), isolated)
		if o.Leaked > 0 {
			t.Errorf("%s: %d replies show another datagram", c.Name, o.Leaked)
		}
		for _, promise := range o.Broken {
			t.Errorf("%s: a broken promise: %s", c.Name, promise)
		}
		leaked += hostile.Run(c.Wasm(), config()).Leaked
	}
	if leaked < 5 { // keeper alone shows five of the seven datagrams that another comes after
		t.Errorf("without isolation %d replies show another datagram: the corpus has guests for that", leaked)
	}
}

func exists(name string) bool {
	_, err := fs.Stat(dir, name)
	return err == nil
}

// TestPrefixes loads every beginning of a good module. It can lose nothing but the names at its end.
func TestPrefixes(t *testing.T) {
	wasm := good(t)
	names := bytes.Index(wasm, []byte("\x04name")) // the section's own name; before it are its number and length
	if names < 0 {
		t.Fatal("the module has no names")
	}
	for _, prefix := range hostile.Prefixes(wasm) {
		o := hostile.Run(prefix, wasmhandler.Config{})
		if refused := strings.HasPrefix(o.Got, "refused: "); !refused && len(prefix) < names-6 {
			t.Errorf("%d of %d bytes: %s", len(prefix), len(wasm), o.Got)
		}
		for _, promise := range o.Broken {
			t.Errorf("%d of %d bytes: a broken promise: %s", len(prefix), len(wasm), promise)
		}
	}
}

// little is fuel enough for the good module, and its copies that loop for ever end sooner with it.
var little = wasmhandler.Config{Fuel: 2_000_000, StartFuel: 2_000_000}

// TestMutants loads and asks copies of a good module with a few bytes changed.
func TestMutants(t *testing.T) {
	n := 3000
	if testing.Short() || race.Enabled {
		n = 300
	}
	const seed = 20261122
	kinds := map[string]int{}
	for i, mutant := range hostile.Mutants(good(t), seed, n) {
		o := hostile.Run(mutant, little)
		for _, promise := range o.Broken {
			t.Errorf("mutant %d of seed %d: a broken promise: %s", i, seed, promise)
		}
		kind, _, _ := strings.Cut(o.Got, " ")
		kinds[kind]++
	}
	// They are to reach every part of the host, so that some must be refused and some must serve.
	if kinds["refused:"] < n/20 || kinds["configure:"] < n/20 {
		t.Errorf("what became of them: %v", kinds)
	}
	t.Logf("what became of them: %v", kinds)
}

func good(t testing.TB) []byte {
	t.Helper()
	wasm, err := hostile.Good(dir)
	if err != nil {
		t.Fatal(err)
	}
	return wasm
}

// FuzzModule loads and asks anything.
func FuzzModule(f *testing.F) {
	const large = 1 << 10 // what takes a compiler long takes it longer when it is instrumented
	for _, c := range corpus(f) {
		if wasm := c.Wasm(); len(wasm) < large {
			f.Add(wasm)
		}
	}
	f.Fuzz(func(t *testing.T, wasm []byte) {
		for _, promise := range hostile.Run(wasm, little).Broken {
			t.Error("a broken promise: ", promise)
		}
	})
}

// TestSources checks that each module is built from the source beside it, and that the README tells of all.
func TestSources(t *testing.T) {
	readme, err := os.ReadFile(filepath.Join(root, hostile.Dir, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	const renew = "run: go tool mage hostile"
	if hostile.WithTable(string(readme), corpus(t), nil) != strings.ReplaceAll(string(readme), "\r\n", "\n") {
		t.Error("the table in the README is not that of the cases; ", renew)
	}
	wat2wasm, err := exec.LookPath("wat2wasm")
	if err != nil {
		t.Skip("wat2wasm (of wabt) is not on this machine's path")
	}
	sources, err := filepath.Glob(filepath.Join(root, hostile.Dir, "*.wat"))
	if err != nil {
		t.Fatal(err)
	}
	for _, source := range sources {
		built := filepath.Join(t.TempDir(), "built.wasm")
		build := hostile.Build(wat2wasm, source, built)
		if message, err := build.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", source, err, message)
			continue
		}
		is, err := os.ReadFile(built)
		if err != nil {
			t.Fatal(err)
		}
		committed, err := os.ReadFile(strings.TrimSuffix(source, ".wat") + ".wasm")
		if err != nil || !bytes.Equal(is, committed) {
			t.Errorf("%s is not what its module is built from (%v); %s", source, err, renew)
		}
	}
}

// TestTable reads a table that it has written, and keeps what was measured.
func TestTable(t *testing.T) {
	cases := []hostile.Case{{Name: "a-case", Does: `Prints "|" and <b>_\\`, Want: "8 replies"}, {Name: "new", Does: "Nothing."}}
	cost := hostile.NewCost(hostile.Figures{Took: 1234 * time.Millisecond, Pause: time.Microsecond})
	page := hostile.WithTable("# A page\n\n"+hostile.Table(nil, nil), cases, map[string]hostile.Cost{"a-case": cost})
	if !strings.Contains(page, "| 8 replies | 1.2 s | &lt; 0.1 ms |\n") || !strings.HasPrefix(page, "# A page\n\n|") {
		t.Error(page)
	}
	if again := hostile.WithTable(page, cases, nil); again != page {
		t.Errorf("%s\nand then\n%s", page, again)
	}
}

// TestCost rounds what the table shows.
func TestCost(t *testing.T) {
	for took, want := range map[time.Duration]string{
		0: "< 0.1 ms", 99 * time.Microsecond: "< 0.1 ms", 123 * time.Microsecond: "0.12 ms", 6*time.Millisecond + 1: "6 ms",
		99_700 * time.Microsecond: "100 ms", 612 * time.Millisecond: "610 ms", 1449 * time.Millisecond: "1.4 s", 123 * time.Second: "120 s",
	} {
		if got := hostile.NewCost(hostile.Figures{Took: took}).Took; got != want {
			t.Errorf("%v is shown as %s, want %s", took, got, want)
		}
	}
}

// TestMeets checks the comparison that all cases rest on.
func TestMeets(t *testing.T) {
	for _, tt := range []struct {
		got, want string
		meets     bool
	}{
		{"8 replies", "8 replies", true},
		{"8 replies", "8 faults (fuel)", false},
		{"8 replies", "", false},
		{"refused: function 3: 1001 locals, of at most 1000", "refused: locals, of at most 1000", true},
		{"refused: function 3: 1001 locals, of at most 1000", "refused: blocks", false},
		{"refused: anything", "refused:", true},
		{"8 replies", "refused:", false},
		{"refused: 8 replies", "8 replies", false},
	} {
		if (hostile.Outcome{Got: tt.got}).Meets(tt.want) != tt.meets {
			t.Errorf("%q meets %q: %v, want %v", tt.got, tt.want, !tt.meets, tt.meets)
		}
	}
}
