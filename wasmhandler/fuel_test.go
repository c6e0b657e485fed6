package wasmhandler_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/wasmhandler"
)

// TestFuel burns a datagram's fuel in every way that there is: it is the only limit on a guest's time.
func TestFuel(t *testing.T) {
	engines(t, func(t *testing.T, c wasmhandler.Config) {
		c.Fuel = 1_000_000
		m := load(t, "fuel", c)
		h := forWorker(t, m)
		for n, test := range []struct{ name, request, where string }{
			{"loop", "l", "burn < reply"},
			{"host calls", "c", "wasi_snapshot_preview1.sched_yield < burn < reply"},
			{"bytes of host calls", "r", "wasi_snapshot_preview1.random_get < burn < reply"},
			{"call tree", "t", "tree < tree < "},
		} {
			f := fail(t, h, datagram(test.request))
			if f.Cause != wasmhandler.CauseFuel || f.Detail != "it used up its fuel, 1000000 units (Config.Fuel)" {
				t.Errorf("%s: %+v", test.name, f)
			}
			if got := strings.Join(f.Functions, " < "); !strings.HasPrefix(got, test.where) || strings.Contains(got, "retort.meter") {
				t.Errorf("%s: it was in %s, want %s", test.name, got, test.where)
			}
			if got := m.Stats().Faults[wasmhandler.CauseFuel]; got != uint64(n+1) {
				t.Errorf("%s: %d faults of fuel are counted", test.name, got)
			}
			if got := h.(wasmhandler.FuelMeter).FuelUsed(); got != 1_000_000 {
				t.Errorf("%s: %d units were used", test.name, got)
			}
			if got := ask(t, h, datagram(".")); len(got) != 0 { // with fuel of its own
				t.Errorf("%q", got)
			}
		}
	})
}

// TestFuelUsed checks that what a call took is told: the same for the same, more for more, in all ways alike.
func TestFuelUsed(t *testing.T) {
	var all []uint64
	engines(t, func(t *testing.T, c wasmhandler.Config) {
		m := load(t, "length", c)
		h := forWorker(t, m)
		used := func() uint64 { return h.(wasmhandler.FuelMeter).FuelUsed() }
		if used() != 0 {
			t.Errorf("%d units before the first call", used())
		}
		ask(t, h, datagram("1"))
		short := used()
		ask(t, h, datagram(strings.Repeat("x", 1000))) // more digits to print
		long := used()
		ask(t, h, datagram("2"))
		if short == 0 || long <= short || used() != short {
			t.Errorf("%d units for a short request, %d for a long one, %d for a short one again", short, long, used())
		}
		all = append(all, short)
		if all[0] != short {
			t.Errorf("%d units, and %d on another engine", short, all[0])
		}
		const more = 1000
		for range more {
			ask(t, h, datagram("3"))
		}
		total := (2+more)*short + long
		if got := m.Stats().Fuel; got > total || got < total-long-63*short {
			t.Errorf("%d units in all, and %d are counted", total, got)
		}
		for _, later := range []time.Duration{100 * time.Millisecond, 0} { // or the clock is set back
			d := datagram("4")
			d.Time = d.Time.Add(later)
			ask(t, h, d)
			total += short
			if got := m.Stats().Fuel; got != total {
				t.Errorf("%d units in all, and %d are counted at %v", total, got, later)
			}
		}
		ask(t, h, datagram("5"))
		total += short
		closeHandler(t, h)
		if got := m.Stats().Fuel; got != total {
			t.Errorf("%d units in all, and %d are counted once the worker is closed", total, got)
		}
	})
}

// TestStartFuel tells what starting takes, and limits it.
func TestStartFuel(t *testing.T) {
	m := load(t, "start", wasmhandler.Config{})
	used := m.StartFuel()
	if used == 0 || used > 1000 {
		t.Fatalf("starting took %d units", used)
	}
	if got := load(t, "start", wasmhandler.Config{StartFuel: int64(used)}).StartFuel(); got != used {
		t.Errorf("with as much: %d units", got)
	}
	_, err := wasmhandler.Compile(t.Context(), sample(t, "start"), wasmhandler.Config{StartFuel: int64(used) - 1})
	if want := fmt.Sprintf("it used up its fuel, %d units (Config.StartFuel)", used-1); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("with one less: %v, want %s", err, want)
	}
	if err := m.Configure(nil); err != nil {
		t.Fatal(err)
	}
	if got := m.StartFuel(); got <= used {
		t.Errorf("with a configuration it took %d units, without %d", got, used)
	}
}

// TestCommandFuel limits a run of a command.
func TestCommandFuel(t *testing.T) {
	m := load(t, "command", wasmhandler.Config{})
	h := forWorker(t, m)
	ask(t, h, datagram("return"))
	used := h.(wasmhandler.FuelMeter).FuelUsed()
	if used == 0 || m.Stats().Fuel != used {
		t.Errorf("%d units were used, %+v", used, m.Stats())
	}
	h = forWorker(t, load(t, "command", wasmhandler.Config{StartFuel: int64(used) / 2}))
	if f := fail(t, h, datagram("return")); f.Cause != wasmhandler.CauseFuel || !strings.Contains(f.Detail, "Config.StartFuel") {
		t.Errorf("%+v", f)
	}
}

// TestLimits has limits that make no sense.
func TestLimits(t *testing.T) {
	for field, c := range map[string]wasmhandler.Config{
		"Config.Fuel":          {Fuel: -1},
		"Config.StartFuel":     {StartFuel: 1 << 31},
		"Config.Depth":         {Depth: -1},
		"Config.FrameBytes":    {FrameBytes: 1000},
		"Config.TableElements": {TableElements: -5},
		"Config.Isolate":       {Isolate: 9},
	} {
		if _, err := wasmhandler.Compile(t.Context(), sample(t, "echo"), c); err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%s: %v", field, err)
		}
	}
	c := wasmhandler.Config{TableElements: 100_000}
	checkRefused(t, sample(t, "broken/big-memory"), wasmhandler.Config{Name: "broken one"}, "it needs 67174400 bytes of memory "+
		"to begin with, more than the limit of 67108864 (Config.Memory)")
	if m, err := wasmhandler.Compile(t.Context(), sample(t, "broken/big-table"), c); err != nil {
		t.Errorf("a larger limit on tables is no help: %v", err)
	} else {
		m.Close()
	}
}

// TestRandomOfDatagrams checks that what a datagram draws has no part in what the next one gets.
func TestRandomOfDatagrams(t *testing.T) {
	draw := func(h core.Handler) string {
		_, result := wasi(t, h, "r")
		return string(result[:16])
	}
	c := wasmhandler.Config{Seed: 5}
	a, b := forWorker(t, load(t, "wasi", c)), forWorker(t, load(t, "wasi", c))
	draw(a)
	wasi(t, b, "w\x01") // draws nothing
	if draw(a) != draw(b) {
		t.Error("the second datagram's random numbers follow from what the first drew")
	}
}
