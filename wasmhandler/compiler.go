package wasmhandler

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// The limits of a compiler in a process of its own. No module that a person wrote comes near: a Go guest of 2 MB takes
// 2 s and 200 MiB.
const (
	CompileCPU  = 10 * time.Second // time on CPUs, where the system can bound it; whole seconds
	CompileWall = time.Minute      // time on the clock: the machine may be busy
	CompileData = 1 << 30          // bytes of memory
)

// compileLimits are these limits, or what a test has in their place.
type compileLimits struct {
	cpu, wall time.Duration
	data      int64
}

func (l compileLimits) withDefaults() compileLimits {
	if l == (compileLimits{}) {
		return compileLimits{CompileCPU, CompileWall, CompileData}
	}
	return l
}

// order is what a compiler is told: one line of JSON on its standard input, with the module behind it, as it
// came and as the meter made it.
type order struct {
	Build       string        `json:"build"`    // of the one who asks
	Dir         string        `json:"dir"`      // where the entry is to be made, an empty directory
	Original    int           `json:"original"` // bytes of the module as it came
	Size        int           `json:"size"`     // bytes of what is to be compiled
	Memory      int64         `json:"memory"`
	Interpreter bool          `json:"interpreter"`
	CPU         time.Duration `json:"cpu"`
	Data        int64         `json:"data"`
}

// verdict is what a compiler answers: one line of JSON on its standard output.
type verdict struct {
	Build   string   `json:"build"`             // of the compiler
	Code    string   `json:"code"`              // SHA-256 of what was compiled
	Entry   []string `json:"entry"`             // the files that it made, relative to order.Dir
	Seal    string   `json:"seal"`              // SHA-256 of the seal with their sums
	Refused string   `json:"refused,omitempty"` // why the module cannot be compiled
	Failed  string   `json:"failed,omitempty"`  // why the entry could not be made: not the module's fault
}

// What a compiler may say, in bytes. Behind it, it speaks to nobody.
const (
	maxVerdict = 64 << 10
	maxRefusal = 1 << 10
	maxLast    = 4 << 10 // of its last words on standard error, which tell why it died
)

// The exit codes of a compiler that ended itself: at a limit, or because nobody waits for it any more.
const (
	exitCPU    = 83
	exitMemory = 84
	exitOrphan = 85
)

// compileInChild has the compiler make an entry in dir, and returns nil when that is there, and as it was reported.
func (m *Module) compileInChild(ctx context.Context, dir string, original, wasm []byte) error {
	limits := m.config.compiling.withDefaults()
	line, err := json.Marshal(order{
		Build: buildID(), Dir: dir, Original: len(original), Size: len(wasm),
		Memory: m.config.Memory, Interpreter: m.config.Interpreter, CPU: limits.cpu, Data: limits.data,
	})
	if err != nil {
		return err
	}
	within, cancel := context.WithTimeout(ctx, limits.wall)
	defer cancel()
	command := m.config.Compiler
	child := exec.CommandContext(within, command[0], command[1:]...)
	child.Stdin = io.MultiReader(bytes.NewReader(append(line, '\n')), bytes.NewReader(original), bytes.NewReader(wasm))
	said, last := head{most: maxVerdict}, head{most: maxLast}
	child.Stdout, child.Stderr = &said, &last
	child.Env = []string{} // it needs none, and what is in ours need not be shown to it
	child.SysProcAttr = ownGroup()
	child.WaitDelay = time.Second

	err = child.Run()
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case within.Err() != nil:
		return fmt.Errorf("compiling took more than %s", seconds(limits.wall))
	case err != nil:
		return limits.explain(child, err, last.text)
	}
	return checkVerdict(said.text, dir, wasm)
}

// explain says why the compiler died.
func (l compileLimits) explain(child *exec.Cmd, err error, last []byte) error {
	state := child.ProcessState
	if state == nil {
		return fmt.Errorf("the compiler cannot be started: %w", err)
	}
	used := state.UserTime() + state.SystemTime()
	memory := state.ExitCode() == exitMemory
	for _, text := range []string{"out of memory", "cannot allocate", "pthread_create failed", "failed to create new OS thread"} {
		memory = memory || bytes.Contains(last, []byte(text))
	}
	switch {
	case memory:
		return fmt.Errorf("compiling took more than %s of memory", byteSize(l.data))
	case state.ExitCode() == exitCPU || used >= l.cpu:
		return fmt.Errorf("compiling took more than %s of CPU", seconds(l.cpu))
	}
	words, _, _ := strings.Cut(string(last), "\n")
	if words = clean(words); words != "" {
		return fmt.Errorf("the compiler died of it: %w: %.200q", err, words)
	}
	return fmt.Errorf("the compiler died of it: %w", err)
}

// checkVerdict looks at what a compiler reported, and at what it made. Nothing of it is believed that was not checked:
// the process had the module in its hands.
func checkVerdict(said []byte, dir string, wasm []byte) error {
	var v verdict
	line, _, _ := bytes.Cut(said, []byte("\n"))
	if err := json.Unmarshal(line, &v); err != nil {
		return fmt.Errorf("the compiler did not report: is its command one that calls RunCompiler?")
	}
	code := sha256.Sum256(wasm)
	switch {
	case v.Build != buildID():
		return errors.New("the compiler is of another build than this program")
	case v.Refused != "":
		return errors.New(clean(v.Refused[:min(len(v.Refused), maxRefusal)]))
	case v.Failed != "":
		return fmt.Errorf("the compiler failed: %s", clean(v.Failed[:min(len(v.Failed), maxRefusal)]))
	case v.Code != hex.EncodeToString(code[:]):
		return errors.New("the compiler compiled something else")
	}
	made, digest, err := checkSeal(dir)
	if err != nil {
		return fmt.Errorf("the compiler reported code that is not there: %w", err)
	}
	entry := make([]string, len(v.Entry))
	for i, name := range v.Entry {
		entry[i] = filepath.Join(dir, filepath.FromSlash(name))
	}
	if v.Seal != hex.EncodeToString(digest[:]) || !slices.Equal(made, entry) {
		return errors.New("the compiler reported other code than is there")
	}
	return nil
}

// head keeps the beginning of what is written to it.
type head struct {
	text []byte
	most int
}

func (h *head) Write(p []byte) (int, error) {
	h.text = append(h.text, p[:min(len(p), h.most-len(h.text))]...)
	return len(p), nil
}

// seconds is a time as a message has it: "10 s".
func seconds(d time.Duration) string { return fmt.Sprintf("%g s", d.Seconds()) }

// byteSize is a size as a message has it: "1 GiB".
func byteSize(n int64) string {
	if n >= 1<<30 && n%(1<<30) == 0 {
		return fmt.Sprintf("%d GiB", n>>30)
	}
	return fmt.Sprintf("%d MiB", n>>20)
}
