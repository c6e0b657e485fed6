package wasmhandler_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/bits"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/retort-udp/retort/wasmhandler"
	"github.com/retort-udp/retort/wasmhandler/internal/race"
	"github.com/retort-udp/retort/wasmhandler/internal/wasmgen"
)

// compilerMain is the test binary as a compiler, or as something that claims to be one. TestMain calls it first.
func compilerMain(args []string) {
	if len(args) < 2 || args[0] != "compiler" {
		return
	}
	check := func(err error) {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	var said bytes.Buffer
	report := func(change func(v map[string]any)) {
		check(wasmhandler.RunCompiler(os.Stdin, &said))
		var v map[string]any
		check(json.Unmarshal(said.Bytes(), &v))
		change(v)
		check(json.NewEncoder(os.Stdout).Encode(v))
	}
	switch args[1] {
	case "honest":
		check(wasmhandler.RunCompiler(os.Stdin, os.Stdout))
	case "killed": // in the middle: the code is there, and nobody knows of it
		check(wasmhandler.RunCompiler(os.Stdin, &said))
		self, err := os.FindProcess(os.Getpid())
		check(err)
		check(self.Kill())
		select {}
	case "silent":
	case "stuck":
		time.Sleep(time.Hour)
	case "flood":
		line := bytes.Repeat([]byte("level=INFO all is well\n"), 1000)
		for range 1000 {
			os.Stdout.Write(line)
			os.Stderr.Write(line)
		}
	case "dying":
		fmt.Fprintf(os.Stderr, "\x1b[2Kf)\r\u202e level=INFO msg=fine\nanother line\n")
		os.Exit(3)
	case "cat":
		io.Copy(os.Stdout, os.Stdin)
	case "forging":
		report(func(v map[string]any) {
			v["refused"] = "no\nlevel=INFO msg=\"all is well\"\x1b[2K" + strings.Repeat("x", 9999)
		})
	case "other build":
		report(func(v map[string]any) { v["build"] = "mine" })
	case "other code":
		report(func(v map[string]any) { v["code"] = strings.Repeat("0", 64) })
	case "other seal":
		report(func(v map[string]any) { v["seal"] = strings.Repeat("0", 64) })
	case "other entry":
		report(func(v map[string]any) { v["entry"] = []string{"../../etc/passwd"} })
	case "held": // as long as this compiler lives, there is a connection to that address
		held, err := net.Dial("tcp", args[2])
		check(err)
		check(wasmhandler.RunCompiler(os.Stdin, os.Stdout))
		check(held.Close())
	case "heavy": // a process that waits for that compiler, for an hour if need be
		c := wasmhandler.Config{CacheDir: args[3], Compiler: append(compiler("held"), args[2])}
		c = wasmhandler.WithCompileLimits(c, time.Hour, time.Hour, 1<<30)
		_, err := wasmhandler.Compile(context.Background(), heavy(1000), c)
		check(err)
	case "load": // a process that has the module of that file compiled, into that cache
		wasm, err := os.ReadFile(args[2])
		check(err)
		m, err := wasmhandler.Compile(context.Background(), wasm, wasmhandler.Config{CacheDir: args[3], Compiler: compiler("honest")})
		check(err)
		reply, err := m.Reply(room(100), datagram("123"))
		check(err)
		fmt.Printf("%s", reply)
		check(m.Close())
	default:
		check(fmt.Errorf("there is no compiler %q", args[1]))
	}
	syscall.Exit(0) // as os.Exit, but the race detector does not wait for a second
}

// compiler is the command of one of these.
func compiler(kind string) []string {
	self, err := os.Executable()
	if err != nil {
		panic(err)
	}
	return []string{self, "compiler", kind}
}

// skipWithoutProcesses skips where a process cannot be started.
func skipWithoutProcesses(t testing.TB) {
	t.Helper()
	if _, err := os.Executable(); err != nil {
		t.Skipf("this system starts no processes: %v", err)
	}
}

// privateDir is a directory for a cache.
func privateDir(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

// heavy is a module that no rule refuses, and that takes a compiler long: many functions, in each of which many
// variables are changed in many blocks.
func heavy(functions int) []byte {
	const parameters, variables, blocks = 5, 990, 100
	var c wasmgen.Code
	for i := range blocks {
		from, to := parameters+i%variables, parameters+(i+1)%variables
		c = c.Get(0).If().Get(from).I32(1).Op(wasmgen.Add).Set(to).End()
	}
	for i := range variables {
		c = c.Get(parameters + i).Op(wasmgen.Drop)
	}
	m := new(wasmgen.Module)
	reply := -1
	for range functions {
		reply = m.Function("iiiii", "i", c.I32(0), wasmgen.Locals{Count: variables, Type: 'i'})
	}
	window := m.Function("i", "i", wasmgen.Code{}.I32(1<<16))
	m.Memory(4)
	m.Export("memory", wasmgen.KindMemory, 0)
	m.Export("retort_v1_window", wasmgen.KindFunction, window)
	m.Export("retort_v1_reply", wasmgen.KindFunction, reply)
	return m.Bytes()
}

// TestCompiler compiles in a process of its own, the first time. The second time the cache is enough: the compiler
// that is asked for is none.
func TestCompiler(t *testing.T) {
	skipWithoutProcesses(t)
	engines(t, func(t *testing.T, c wasmhandler.Config) {
		var log logged
		c.Log = log.logger(slog.LevelDebug)
		c.CacheDir = filepath.Join(t.TempDir(), "deep", "down")
		for _, c.Compiler = range [][]string{compiler("honest"), {"no such compiler"}} {
			if got := string(ask(t, load(t, "length", c), datagram("123"))); got != "Your data was 3 bytes long" {
				t.Errorf("%q", got)
			}
		}
		if got := log.lines(); len(got) > 0 {
			t.Errorf("%q", got)
		}
	})
}

// TestCompilerRefuses has modules that are wrong. The error is the same as without a compiler, and nothing is kept.
// One is handed to the compiler though it is refused before.
func TestCompilerRefuses(t *testing.T) {
	skipWithoutProcesses(t)
	wasm := sample(t, "broken/invalid")
	_, want := wasmhandler.Compile(t.Context(), wasm, wasmhandler.Config{})
	dir := privateDir(t)
	_, got := wasmhandler.Compile(t.Context(), wasm, wasmhandler.Config{CacheDir: dir, Compiler: compiler("honest")})
	if want == nil || got == nil || got.Error() != want.Error() {
		t.Errorf("%v\nand without a compiler\n%v", got, want)
	}
	expectEmpty(t, dir)
	err := wasmhandler.CompileInChild(t.Context(), wasmhandler.Config{Compiler: compiler("honest")}, t.TempDir(), wasm)
	if err == nil || !strings.HasPrefix(err.Error(), "invalid function[1]") {
		t.Error(err)
	}
}

func expectEmpty(t *testing.T, dir string) {
	t.Helper()
	left, err := os.ReadDir(dir)
	if err != nil || len(left) > 0 {
		t.Errorf("%v is left, %v", left, err)
	}
}

// TestCompileLimits has modules that exhaust their compiler. Each is refused by one line, and nothing is left.
func TestCompileLimits(t *testing.T) {
	skipWithoutProcesses(t)
	skipWithoutCompiler(t)
	const plenty = time.Minute
	for _, test := range []struct {
		name      string
		cpu, wall time.Duration
		data      int64
		command   []string
		wasm      []byte
		want      string
	}{
		{"CPU", time.Second, plenty, 1 << 30, compiler("honest"), heavy(500), "compiling took more than 1 s of CPU"},
		{"memory", plenty, plenty, 128 << 20, compiler("honest"), heavy(500), "compiling took more than 128 MiB of memory"},
		{"clock", plenty, 100 * time.Millisecond, 1 << 30, compiler("stuck"), heavy(1), "compiling took more than 0.1 s"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if race.Enabled && test.name == "memory" {
				t.Skip("the race detector takes more")
			}
			if onWine() && test.name != "clock" {
				t.Skip("Wine does not always end a process that has used up its CPU time or its memory")
			}
			dir := privateDir(t)
			c := wasmhandler.Config{Name: "bomb.wasm", CacheDir: dir, Compiler: test.command}
			c = wasmhandler.WithCompileLimits(c, test.cpu, test.wall, test.data)
			_, err := wasmhandler.Compile(t.Context(), test.wasm, c)
			if want := `handler "bomb.wasm": ` + test.want; err == nil || err.Error() != want {
				t.Errorf("%v, want %s", err, want)
			}
			expectEmpty(t, dir)
			load(t, "length", wasmhandler.Config{CacheDir: dir, Compiler: compiler("honest")}) // the next is none the worse
		})
	}
}

// TestCompilerDecodes hands a compiler what is refused before it gets there: a module of some bytes for which wazero's
// decoder allocates 4 GiB.
func TestCompilerDecodes(t *testing.T) {
	skipWithoutProcesses(t)
	if race.Enabled {
		t.Skip("the race detector's memory cannot be bounded")
	}
	m := new(wasmgen.Module)
	m.Function("", "", nil, wasmgen.Locals{Count: 1<<32 - 1, Type: 'i'})
	err := wasmhandler.CompileInChild(t.Context(), wasmhandler.Config{Compiler: compiler("honest")}, t.TempDir(), m.Bytes())
	want := "compiling took more than 1 GiB of memory"
	if bits.UintSize == 32 { // Go panics then, before it asks the system for so much
		want = "validating it failed: runtime error: makeslice: cap out of range"
	}
	if err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

// TestCompilerLies has compilers that are none, or whose process was taken over by the module that it was given.
// Nothing that they say is believed, and nothing that they print is more than a part of one line.
func TestCompilerLies(t *testing.T) {
	skipWithoutProcesses(t)
	for kind, want := range map[string]string{
		"killed":      "the compiler died of it: ",
		"silent":      "the compiler did not report: is its command one that calls RunCompiler?",
		"flood":       "the compiler did not report: is its command one that calls RunCompiler?",
		"dying":       `the compiler died of it: exit status 3: "`,
		"cat":         "the compiler compiled something else", // its order comes back, and names the build
		"forging":     `no level=INFO msg="all is well"`,
		"other build": "the compiler is of another build than this program",
		"other code":  "the compiler compiled something else",
		"other seal":  "the compiler reported other code than is there",
		"other entry": "the compiler reported other code than is there",
	} {
		t.Run(kind, func(t *testing.T) {
			dir := privateDir(t)
			c := wasmhandler.Config{Name: "x", CacheDir: dir, Compiler: compiler(kind)}
			_, err := wasmhandler.Compile(t.Context(), sample(t, "length"), c)
			if err == nil || !strings.HasPrefix(err.Error(), `handler "x": `+want) {
				t.Fatalf("%v, want %s", err, want)
			}
			if !regexp.MustCompile(`\A\PC+\z`).MatchString(err.Error()) || len(err.Error()) > 2000 {
				t.Errorf("this is no clean line: %q", err)
			}
			expectEmpty(t, dir)
			c.Compiler = compiler("honest")
			if got := string(ask(t, load(t, "length", c), datagram("123"))); got != "Your data was 3 bytes long" {
				t.Errorf("%q", got)
			}
		})
	}
	_, err := wasmhandler.Compile(t.Context(), sample(t, "length"), wasmhandler.Config{Compiler: []string{"no such compiler"}})
	if err == nil || !strings.Contains(err.Error(), "the compiler cannot be started: ") {
		t.Error(err)
	}
}

// TestCompilerCancelled ends a compiler that would go on for an hour.
func TestCompilerCancelled(t *testing.T) {
	skipWithoutProcesses(t)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	dir := privateDir(t)
	_, err := wasmhandler.Compile(ctx, sample(t, "length"), wasmhandler.Config{CacheDir: dir, Compiler: compiler("stuck")})
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	expectEmpty(t, dir)
}

// TestCompilerOrphaned: a compiler that would go on for minutes ends with the process that waits for it.
func TestCompilerOrphaned(t *testing.T) {
	skipWithoutProcesses(t)
	skipWithoutCompiler(t)
	l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	deadline := time.Now().Add(time.Minute)
	if err := l.SetDeadline(deadline); err != nil {
		t.Fatal(err)
	}
	dir := privateDir(t)
	command := append(compiler("heavy"), l.Addr().String(), dir)
	waits := exec.Command(command[0], command[1:]...)
	if err := waits.Start(); err != nil {
		t.Fatal(err)
	}
	held, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	for begun := []string(nil); len(begun) == 0; time.Sleep(time.Millisecond) { // wazero makes a directory in the entry
		if begun, err = filepath.Glob(filepath.Join(dir, ".new-*", "*")); err != nil || time.Now().After(deadline) {
			t.Fatalf("it does not compile, %v", err)
		}
	}
	if err := waits.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = waits.Wait() // it was killed
	if err := held.SetReadDeadline(deadline); err != nil {
		t.Fatal(err)
	}
	if _, err := held.Read(make([]byte, 1)); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the compiler goes on")
	}
}

// TestCompilersAtOnce has several processes compile the same modules into the same cache, which is damaged to begin
// with.
func TestCompilersAtOnce(t *testing.T) {
	skipWithoutProcesses(t)
	dir := privateDir(t)
	c := wasmhandler.Config{CacheDir: dir, Compiler: compiler("honest")}
	load(t, "length", c)
	if compilerHere() {
		entry, _ := cached(t, dir)
		write(t, entry, []byte("damaged"))
	}
	processes := 6
	if onWine() {
		processes = 1 // it does not always start several at once ("Internal error")
	}
	var all sync.WaitGroup
	for range processes {
		all.Go(func() {
			command := compiler("load")
			process := exec.Command(command[0], append(command[1:], filepath.Join("testdata", "length.wasm"), dir)...)
			said, err := process.CombinedOutput()
			if err != nil || string(said) != "Your data was 3 bytes long" {
				t.Errorf("%v: %s", err, said)
			}
		})
	}
	all.Wait()
	if compilerHere() {
		cached(t, dir) // one entry, and nothing else
	}
	c.Compiler = []string{"no such compiler"}
	load(t, "length", c)
}

// TestNoCache has no directory for a cache: what the compiler makes lies in a temporary one, and is gone by the time
// that the module is there.
func TestNoCache(t *testing.T) {
	skipWithoutProcesses(t)
	dir := t.TempDir()
	for _, name := range []string{"TMPDIR", "TMP", "TEMP"} {
		t.Setenv(name, dir)
	}
	m := load(t, "length", wasmhandler.Config{Compiler: compiler("honest")})
	expectEmpty(t, dir)
	ask(t, m, datagram("123"))
	for _, kind := range []string{"killed", "silent"} {
		if _, err := wasmhandler.Compile(t.Context(), sample(t, "length"), wasmhandler.Config{Compiler: compiler(kind)}); err == nil {
			t.Errorf("%s: no error", kind)
		}
		expectEmpty(t, dir)
	}
}

// BenchmarkCachedLoad is what a module costs whose code is in the cache, compiler or not.
func BenchmarkCachedLoad(b *testing.B) {
	skipWithoutProcesses(b)
	for _, guest := range []struct {
		name string
		wasm func() []byte
	}{
		{"C", func() []byte { return read(b, "../testdata/handlers/length-c/length.wasm") }},
		{"Go", func() []byte { return read(b, "../testdata/handlers/length-go/length.wasm") }},
	} {
		b.Run(guest.name, func(b *testing.B) {
			wasm := guest.wasm()
			c := wasmhandler.Config{CacheDir: privateDir(b), Compiler: compiler("honest")}
			compile(b, wasm, c)
			c.Compiler = []string{"no such compiler"}
			for b.Loop() {
				m, err := wasmhandler.Compile(b.Context(), wasm, c)
				if err != nil {
					b.Fatal(err)
				}
				m.Close()
			}
		})
	}
}

// BenchmarkChildLoad is what the C guest costs when a process has to be started to compile it.
func BenchmarkChildLoad(b *testing.B) {
	skipWithoutProcesses(b)
	wasm := read(b, "../testdata/handlers/length-c/length.wasm")
	c := wasmhandler.Config{Compiler: compiler("honest")}
	for b.Loop() {
		m, err := wasmhandler.Compile(b.Context(), wasm, c)
		if err != nil {
			b.Fatal(err)
		}
		m.Close()
	}
}
