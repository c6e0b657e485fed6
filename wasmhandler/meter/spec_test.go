package meter_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/retort-udp/retort/wasmhandler/internal/race"
	"github.com/retort-udp/retort/wasmhandler/meter"
)

// These tests run the specification's own tests, which wazero's module carries in a form that wast2json
// makes, twice: plain and metered. Whatever a module does it has to do the same way with the meter in it.

// specDir finds the specification's tests.
func specDir(t testing.TB) string {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/tetratelabs/wazero").Output()
	if err != nil {
		t.Skip("the go command does not find wazero's source:", err)
	}
	dir := filepath.Join(strings.TrimSpace(string(out)), "internal", "integration_test", "spectest")
	if _, err := os.Stat(filepath.Join(dir, "v2", "testdata", "i32.json")); err != nil {
		t.Skip("wazero's source comes without the specification's tests:", err)
	}
	return dir
}

// A specCommand is one step of a test. See https://github.com/WebAssembly/wabt/blob/main/docs/wast2json.md
type specCommand struct {
	Type       string
	Line       int
	Name       string
	Filename   string
	As         string
	ModuleType string `json:"module_type"`
	Action     struct {
		Type   string
		Module string
		Field  string
		Args   []specValue
	}
}

type specValue struct {
	Type     string
	LaneType string `json:"lane_type"`
	Value    any
}

// words is an argument as wazero takes it: a number in one 64-bit word, a vector in two.
func (v specValue) words(t *testing.T) []uint64 {
	number := func(s string, bits int) uint64 {
		if s == "null" {
			return 0
		}
		n, err := strconv.ParseUint(s, 10, bits)
		if err != nil {
			t.Fatalf("argument %q: %v", s, err)
		}
		return n
	}
	switch v.Type {
	case "i32", "f32":
		return []uint64{number(v.Value.(string), 32)}
	case "v128":
		var words [2]uint64
		lanes := v.Value.([]any)
		bits := 128 / len(lanes)
		for i, lane := range lanes {
			words[i*bits/64] |= number(lane.(string), bits) << (i * bits % 64)
		}
		return words[:]
	default: // references are opaque to a host, and null is 0
		return []uint64{number(v.Value.(string), 64)}
	}
}

// A world runs the steps of one test, and knows the modules so far.
type world struct {
	runtime  wazero.Runtime
	meter    bool
	limits   meter.Limits
	last     api.Module
	named    map[string]api.Module
	counters map[api.Module]*meter.Counters
}

func newWorld(t *testing.T, config wazero.RuntimeConfig, spectest []byte, metered bool) *world {
	ctx := context.Background()
	w := &world{
		runtime: wazero.NewRuntimeWithConfig(ctx, config), meter: metered,
		limits: meter.Limits{Locals: 2_000, Slice: 64}, // one test is about large frames; slices are to end everywhere
		named:  map[string]api.Module{}, counters: map[api.Module]*meter.Counters{},
	}
	t.Cleanup(func() { w.runtime.Close(ctx) })
	if _, err := w.runtime.Instantiate(ctx, spectest); err != nil {
		t.Fatal(err)
	}
	return w
}

// errMeter marks errors of the meter.
var errMeter = errors.New("not metered")

// module instantiates a module under a name.
func (w *world) module(t *testing.T, wasm []byte, name string) (api.Module, error) {
	ctx := context.Background()
	var info *meter.Info
	if w.meter {
		var err error
		if wasm, info, err = meter.Rewrite(wasm, w.limits); err != nil {
			return nil, fmt.Errorf("%w: %w", errMeter, err)
		}
	}
	m, err := w.runtime.InstantiateWithConfig(ctx, wasm, wazero.NewModuleConfig().WithName(name))
	if err == nil && w.meter {
		w.counters[m] = bind(t, m, info)
	}
	return m, err
}

// act calls a function or reads a global, and says in words how that went.
func (w *world) act(t *testing.T, c *specCommand) (outcome string, cause meter.Cause) {
	m := w.last
	if c.Action.Module != "" {
		m = w.named[c.Action.Module]
	}
	if m == nil {
		return "no module", meter.Own
	}
	if c.Action.Type == "get" {
		return fmt.Sprint(m.ExportedGlobal(c.Action.Field).Get()), meter.Own
	}
	var args []uint64
	for _, a := range c.Action.Args {
		args = append(args, a.words(t)...)
	}
	for _, counters := range w.counters {
		counters.Arm(meter.MaxFuel)
		counters.Reset()
	}
	f := m.ExportedFunction(c.Action.Field)
	results, err := f.Call(context.Background(), args...)
	for _, counters := range w.counters {
		cause = max(cause, counters.Cause())
	}
	if err != nil {
		return reason(err), cause
	}
	// A funcref is an address, which no two instances share.
	at := 0
	for _, typ := range f.Definition().ResultTypes() {
		if typ == fref && results[at] != 0 {
			results[at] = 1
		}
		at++
		if typ == v128 {
			at++
		}
	}
	return fmt.Sprint(results), cause
}

func TestSpecification(t *testing.T) {
	if strconv.IntSize < 64 {
		t.Skip("wazero itself panics in these tests on 32-bit machines")
	}
	dir := specDir(t)
	spectest, err := os.ReadFile(filepath.Join(dir, "testdata", "spectest.wasm"))
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "v2", "testdata", "*.json"))
	if err != nil || len(files) < 100 {
		t.Fatalf("%d tests, %v", len(files), err)
	}
	if testing.Short() || race.Enabled { // under which compiling takes minutes
		few := files[:0]
		for i, file := range files {
			if i%8 == 0 {
				few = append(few, file)
			}
		}
		files = few
	}
	engines(t, func(t *testing.T, config wazero.RuntimeConfig) {
		var steps atomic.Int64
		t.Run("files", func(t *testing.T) {
			for _, file := range files {
				t.Run(strings.TrimSuffix(filepath.Base(file), ".json"), func(t *testing.T) {
					t.Parallel()
					steps.Add(specFile(t, file, func(metered bool) *world {
						return newWorld(t, config, spectest, metered)
					}))
				})
			}
		})
		t.Log(steps.Load(), "steps compared")
	})
}

// specFile runs the steps of one file in two worlds and compares what happens. It returns how many there
// were.
func specFile(t *testing.T, file string, newWorld func(metered bool) *world) (steps int64) {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var test struct{ Commands []specCommand }
	if err := json.Unmarshal(text, &test); err != nil {
		t.Fatal(err)
	}
	plain, metered := newWorld(false), newWorld(true)
	read := func(name string) []byte {
		wasm, err := os.ReadFile(filepath.Join(filepath.Dir(file), name))
		if err != nil {
			t.Fatal(err)
		}
		return wasm
	}
	for i := range test.Commands {
		c := &test.Commands[i]
		at := fmt.Sprintf("line %d, %s %s %s", c.Line, c.Type, c.Filename, c.Action.Field)
		switch c.Type {
		case "module":
			wasm, name := read(c.Filename), ""
			if i+1 < len(test.Commands) && test.Commands[i+1].Type == "register" {
				name = test.Commands[i+1].As
			}
			for _, w := range []*world{plain, metered} {
				if w.last, err = w.module(t, wasm, name); err != nil {
					t.Fatalf("%s: metered %v: %v", at, w.meter, err)
				}
				w.named[c.Name] = w.last
			}
		case "register": // done with its module
		case "assert_return", "action", "assert_trap":
			want, _ := plain.act(t, c)
			got, cause := metered.act(t, c)
			if got != want || cause != meter.Own {
				t.Errorf("%s: metered %s (%v), plain %s", at, got, cause, want)
			}
			if trapped := strings.HasPrefix(want, "wasm error"); trapped != (c.Type == "assert_trap") {
				t.Errorf("%s: %s", at, want)
			}
		case "assert_exhaustion":
			got, cause := metered.act(t, c)
			if cause != meter.Depth && !strings.Contains(got, "stack overflow") {
				t.Errorf("%s: metered %s (%v)", at, got, cause)
			}
		case "assert_uninstantiable", "assert_unlinkable", "assert_invalid", "assert_malformed":
			if c.ModuleType == "text" {
				continue
			}
			wasm := read(c.Filename)
			_, want := plain.module(t, wasm, "")
			_, got := metered.module(t, wasm, "")
			if (got == nil) != (want == nil) {
				t.Errorf("%s: metered %v, plain %v", at, got, want)
			}
			if c.Type == "assert_uninstantiable" && reason(got) != reason(want) {
				t.Errorf("%s: metered %v, plain %v", at, got, want)
			}
		default:
			t.Errorf("%s: unknown", at)
		}
		steps++
	}
	return steps
}

// seeds returns all modules of the specification's tests, valid or not.
func seeds(t testing.TB) (modules [][]byte) {
	files, err := filepath.Glob(filepath.Join(specDir(t), "v2", "testdata", "*.wasm"))
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(files)
	for _, f := range files {
		wasm, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		modules = append(modules, wasm)
	}
	return modules
}
