package guest_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/retort-udp/retort/wasmhandler"
)

// cache keeps compiled code from one test to the next: a Go guest takes a second to compile, ten with the race
// detector.
var cache string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		var err error
		if cache, err = os.MkdirTemp("", "retort-cache"); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(cache)
		return m.Run()
	}())
}

// compile makes a handler of a module, with its log.
func compile(t testing.TB, wasm []byte) (*wasmhandler.Module, *logBuffer) {
	t.Helper()
	log := new(logBuffer)
	m, err := wasmhandler.Compile(t.Context(), wasm, config(log))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m, log
}

func config(log *logBuffer) wasmhandler.Config {
	const fuel = 1 << 30 // the probe fills its room byte by byte, and a Go guest does that slowly
	return wasmhandler.Config{Name: "test", Fuel: fuel, CacheDir: cache, Log: slog.New(slog.NewTextHandler(log, nil))}
}

// logBuffer keeps what is logged.
type logBuffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// errNoTool says that a tool is not installed here.
var errNoTool = errors.New("not installed here")

// build runs a command that writes a module to the file behind its -o, in a folder, but has it written
// elsewhere; it returns the module. The command may begin with settings of the environment.
func build(ctx context.Context, folder string, command []string) ([]byte, error) {
	temp, err := os.MkdirTemp("", "retort-guest")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(temp)
	out := filepath.Join(temp, "guest.wasm")

	env := os.Environ()
	for len(command) > 0 && strings.Contains(command[0], "=") {
		env, command = append(env, command[0]), command[1:]
	}
	args := make([]string, len(command))
	for i, arg := range command {
		if args[i] = arg; i > 0 && command[i-1] == "-o" {
			args[i] = out
		}
	}
	if _, err := exec.LookPath(args[0]); err != nil {
		return nil, fmt.Errorf("%s is %w", args[0], errNoTool)
	}
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir, cmd.Env = folder, env
	if text, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%v: %w\n%s", cmd, err, text)
	}
	return os.ReadFile(out)
}

// buildGo builds the guest in testdata, in Go.
func buildGo(name string) ([]byte, error) {
	return build(context.Background(), filepath.Join("testdata", name), []string{
		"GOOS=wasip1", "GOARCH=wasm", "go", "build", "-buildmode=c-shared", "-ldflags=-s -w", "-o", "guest.wasm", ".",
	})
}

// mustBuild is the module that a build made; the test is skipped where the tool is missing.
func mustBuild(t testing.TB, wasm []byte, err error) []byte {
	t.Helper()
	if errors.Is(err, errNoTool) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return wasm
}
