package wasmhandler_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/wasmhandler"
	"github.com/retort-udp/retort/wasmhandler/internal/wasmgen"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
)

// preview1 lists the functions of WASI preview 1 by wazero's own implementation of it: name, parameters, results.
func preview1(t testing.TB) map[string][2]string {
	t.Helper()
	ctx := context.Background()
	r := wazero.NewRuntime(ctx)
	defer r.Close(ctx)
	host, err := wasi_snapshot_preview1.NewBuilder(r).Compile(ctx)
	if err != nil {
		t.Fatal(err)
	}
	letters := func(types []api.ValueType) (s string) {
		for _, v := range types {
			s += map[api.ValueType]string{api.ValueTypeI32: "i", api.ValueTypeI64: "I"}[v]
		}
		return s
	}
	functions := map[string][2]string{}
	for name, f := range host.ExportedFunctions() {
		functions[name] = [2]string{letters(f.ParamTypes()), letters(f.ResultTypes())}
	}
	return functions
}

// TestPreview1 links a module that imports every function of preview 1, and calls each with zeros and with
// addresses that it does not have.
func TestPreview1(t *testing.T) {
	functions := preview1(t)
	if len(functions) < 45 {
		t.Fatalf("only %d functions", len(functions))
	}
	engines(t, func(t *testing.T, c wasmhandler.Config) {
		c.Memory = 4 * 65536 // there are many of them
		all := new(wasmgen.Module)
		for name, f := range functions {
			all.Import("wasi_snapshot_preview1", name, f[0], f[1])
		}
		compile(t, all.Handler(-1), c)

		nosys := []string{}
		for name, f := range functions {
			for _, argument := range []int32{0, -1} {
				m := new(wasmgen.Module)
				host := m.Import("wasi_snapshot_preview1", name, f[0], f[1])
				var code wasmgen.Code
				for _, p := range f[0] {
					if p == 'I' {
						code = code.I64(int64(argument))
					} else {
						code = code.I32(argument)
					}
				}
				code = code.Call(host)
				if f[1] == "" {
					code = code.I32(0)
				}
				h := forWorker(t, compile(t, m.Handler(m.Function(wasmgen.ReplyParams, "i", code)), c))
				reply, err := h.Reply(room(100), datagram(""))
				switch {
				case name == "proc_exit":
					if err == nil {
						t.Error("proc_exit returns")
					}
				case err != nil:
					t.Errorf("%s(%d, ...): %v", name, argument, err)
				case len(reply) == 52 && argument == 0:
					nosys = append(nosys, name)
				case argument == -1 && len(reply) == 0 && name != "sched_yield" && name != "args_get" && name != "environ_get":
					t.Errorf("%s(-1, ...) succeeds", name)
				}
			}
		}
		slices.Sort(nosys)
		want := strings.Fields(`fd_advise fd_allocate fd_datasync fd_fdstat_set_flags fd_fdstat_set_rights fd_filestat_get
			fd_filestat_set_size fd_filestat_set_times fd_pread fd_pwrite fd_readdir fd_renumber fd_sync
			path_create_directory path_filestat_get path_filestat_set_times path_link path_open path_readlink
			path_remove_directory path_rename path_symlink path_unlink_file
			proc_raise sock_accept sock_recv sock_send sock_shutdown`)
		if !slices.Equal(nosys, want) {
			t.Errorf("these are not supported:\n\t%q\nwant\n\t%q", nosys, want)
		}
	})
}

// wasi asks testdata/wasi.wat for one system call and returns its error number and what it gave.
func wasi(t *testing.T, h core.Handler, request string) (errno uint32, result []byte) {
	t.Helper()
	reply := ask(t, h, datagram(request))
	return binary.LittleEndian.Uint32(reply), reply[4:]
}

func TestWASI(t *testing.T) {
	engines(t, func(t *testing.T, c wasmhandler.Config) {
		h := forWorker(t, load(t, "wasi", c))
		for _, test := range []struct {
			name, request string
			errno         uint32
			result        string // its first bytes
		}{
			{"arguments and environment", "a", 0, strings.Repeat("\x00", 16)},
			{"resolution", "g\x00", 0, "\x01\x00\x00\x00\x00\x00\x00\x00"},
			{"resolution of no clock", "g\x02", 28, ""},
			{"no clock", "c\x03", 28, ""},
			{"yield", "y", 0, ""},
			{"too much at random", "R", 28, ""},
			{"write to 1", "w\x01hello", 0, "\x05\x00\x00\x00"},
			{"write to 2", "w\x02hello", 0, "\x05\x00\x00\x00"},
			{"write to 0", "w\x00hello", 8, ""},
			{"write to 3", "w\x03hello", 8, ""},
			{"write nothing", "w\x01", 0, "\x00\x00\x00\x00"},
			{"write too many buffers", "W\x01", 28, ""},
			{"write from nowhere", "V\x01hello", 21, ""},
			{"read 0", "d\x00hello", 0, "\x00\x00\x00\x00"},
			{"read 1", "d\x01hello", 8, ""},
			{"stat 0", "s\x00", 0, "\x02\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"},
			{"stat 1", "s\x01", 0, "\x02\x00\x00\x00\x00\x00\x00\x00\x40\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"},
			{"stat 3", "s\x03", 8, ""},
			{"preopened 3", "n\x03", 8, ""},
			{"close 2", "k\x02", 0, ""},
			{"close 3", "k\x03", 8, ""},
			{"seek 1", "l\x01", 70, ""},
			{"seek 3", "l\x03", 8, ""},
			{"open", "o", 52, ""},
			{"poll nothing", "p\x00", 28, ""},
		} {
			errno, result := wasi(t, h, test.request)
			if errno != test.errno || !strings.HasPrefix(string(result), test.result) {
				t.Errorf("%s: errno %d, % x; want %d, % x", test.name, errno, result[:len(test.result)], test.errno, test.result)
			}
		}
	})
}

// TestWriteBound writes more than one call takes: it says how much it took, and the rest is the guest's.
func TestWriteBound(t *testing.T) {
	h := forWorker(t, load(t, "wasi", wasmhandler.Config{}))
	errno, result := wasi(t, h, "w\x01"+strings.Repeat("x", 65_505))
	if n := binary.LittleEndian.Uint32(result); errno != 0 || n != 65_505 {
		t.Errorf("errno %d, %d bytes", errno, n)
	}
}

// TestClock checks that both clocks stand at the datagram's arrival, and before the first at the time of loading.
func TestClock(t *testing.T) {
	engines(t, func(t *testing.T, c wasmhandler.Config) {
		before := time.Now()
		m := load(t, "wasi", c)
		after := time.Now()
		h := forWorker(t, m)
		d := datagram("")
		for _, d.Time = range []time.Time{arrival, arrival.Add(time.Hour), arrival, time.Unix(0, 1)} {
			for clock := range byte(2) {
				d.Data = []byte{'c', clock}
				reply := ask(t, h, d)
				if got := int64(binary.LittleEndian.Uint64(reply[4:])); got != d.Time.UnixNano() {
					t.Errorf("clock %d stands at %d, not %d", clock, got, d.Time.UnixNano())
				}
				loaded := int64(binary.LittleEndian.Uint64(reply[12:]))
				if loaded < before.UnixNano() || loaded > after.UnixNano() {
					t.Errorf("it was loaded at %d, which is not between %d and %d", loaded, before.UnixNano(), after.UnixNano())
				}
			}
		}
	})
}

// TestRandom checks that random numbers follow from the seed and the worker, and from nothing else.
func TestRandom(t *testing.T) {
	numbers := func(c wasmhandler.Config) (all []string) {
		m := load(t, "wasi", c)
		for range 3 { // workers
			h := forWorker(t, m)
			for range 3 { // datagrams
				_, result := wasi(t, h, "r")
				all = append(all, string(result[:16]))
			}
		}
		return all
	}
	engines(t, func(t *testing.T, c wasmhandler.Config) {
		c.Seed = 1
		one, again := numbers(c), numbers(c)
		if !slices.Equal(one, again) {
			t.Error("the same seed gives other numbers")
		}
		c.Seed = 2
		two := numbers(c)
		c.Seed = 0
		some, others := numbers(c), numbers(c)
		seen := map[string]bool{}
		for _, n := range slices.Concat(one, two, some, others) {
			if seen[n] {
				t.Errorf("% x came twice", n)
			}
			seen[n] = true
		}
	})
	m := load(t, "wasi", wasmhandler.Config{})
	if m.Seed() == 0 {
		t.Error("the seed is not told")
	}
	if got := load(t, "wasi", wasmhandler.Config{Seed: 7}).Seed(); got != 7 {
		t.Errorf("the seed 7 is told as %d", got)
	}
}

// subscription is one of poll_oneoff's.
func subscription(mark uint64, kind byte, fd uint32, timeout uint64) []byte {
	s := make([]byte, 48)
	binary.LittleEndian.PutUint64(s, mark)
	s[8] = kind
	binary.LittleEndian.PutUint32(s[16:], fd)
	binary.LittleEndian.PutUint64(s[24:], timeout)
	return s
}

// TestPoll waits for a second, the standard streams and a descriptor that there is not: all come at once.
func TestPoll(t *testing.T) {
	h := forWorker(t, load(t, "wasi", wasmhandler.Config{}))
	request := []byte{'p', 4, 0, 0, 0, 0, 0, 0}
	request = append(request, subscription(11, 0, 1, 1e9)...)
	request = append(request, subscription(22, 1, 0, 0)...)
	request = append(request, subscription(33, 2, 1, 0)...)
	request = append(request, subscription(44, 1, 9, 0)...)
	errno, result := wasi(t, h, string(request))
	if n := binary.LittleEndian.Uint32(result); errno != 0 || n != 4 {
		t.Fatalf("errno %d, %d events", errno, n)
	}
	for i, want := range []struct {
		mark  uint64
		errno uint16
		kind  byte
	}{{11, 0, 0}, {22, 0, 1}, {33, 0, 2}, {44, 8, 1}} {
		event := result[4+32*i:]
		mark, errno, kind := binary.LittleEndian.Uint64(event), binary.LittleEndian.Uint16(event[8:]), event[10]
		if mark != want.mark || errno != want.errno || kind != want.kind {
			t.Errorf("event %d: %d, errno %d, kind %d, want %+v", i, mark, errno, kind, want)
		}
	}
}

// TestPrint checks that what a guest prints goes to the log by the line.
func TestPrint(t *testing.T) {
	engines(t, func(t *testing.T, c wasmhandler.Config) {
		var log logged
		c.Log = log.logger(slog.LevelDebug)
		m, err := wasmhandler.Compile(t.Context(), sample(t, "wasi"), c)
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		h, err := m.ForWorker()
		if err != nil {
			t.Fatal(err)
		}
		long := strings.Repeat("x", 3000)
		for _, test := range []struct {
			request string
			want    []string
		}{
			{"w\x01hello\n", []string{"level=INFO msg=hello handler=wasm"}},
			{"w\x02hello\n", []string{"level=WARN msg=hello handler=wasm"}},
			{"w\x01one\n\n\ntwo\nthr", []string{"level=INFO msg=one handler=wasm", "level=INFO msg=two handler=wasm"}},
			{"w\x02another stream\n", []string{`level=WARN msg="another stream" handler=wasm`}},
			{"w\x01ee\n", []string{"level=INFO msg=three handler=wasm"}},
			{"w\x01" + long, nil},
			{"w\x01" + long, nil},
			{"w\x01end\n", []string{"level=INFO msg=" + long[:1024] + " handler=wasm cut=4979"}},
			{"w\x02\x1b[2J\r\n", []string{`level=WARN msg="�[2J" handler=wasm`}},
			{"w\x02the last words", nil},
		} {
			wasi(t, h, test.request)
			if got := log.lines(); !slices.Equal(got, test.want) {
				t.Errorf("%.40q:\n\t%.200q\nwant\n\t%.200q", test.request, got, test.want)
			}
		}
		closeHandler(t, h)
		if got := log.lines(); !slices.Equal(got, []string{`level=WARN msg="the last words" handler=wasm`}) {
			t.Errorf("when it ends: %q", got)
		}
	})
}

// TestDeterminism asks two modules with one seed the same, faults included, and holds their answers equal.
func TestDeterminism(t *testing.T) {
	wasm := goGuest(t, "goguest", "-buildmode=c-shared")
	var runs [2]bytes.Buffer
	for i := range runs {
		h := forWorker(t, compile(t, wasm, wasmhandler.Config{Seed: 42, CacheDir: cacheDir, Fuel: goFuel}))
		d := datagram("")
		for n, request := range strings.Split("hello n r r c g r p r n t r", " ") {
			d.Data, d.Time = []byte(request), arrival.Add(time.Duration(n)*time.Millisecond)
			reply, err := h.Reply(room(1000), d)
			fmt.Fprintf(&runs[i], "%s: %q %v\n", request, reply, err)
		}
	}
	if runs[0].String() != runs[1].String() {
		t.Errorf("one run:\n%s\nthe other:\n%s", &runs[0], &runs[1])
	}
}
