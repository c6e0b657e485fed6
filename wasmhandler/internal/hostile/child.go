package hostile

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"slices"
	"strings"

	"github.com/retort-udp/retort/wasmhandler"
)

// ErrNoChild is returned, wrapped, when this program cannot be started a second time.
var ErrNoChild = errors.New("this program cannot start itself")

// InChild measures a case in a process of its own, so that a crash is one case's, and memory and pauses are, too.
// Arguments are what makes this program call Child with the name of the case, which is put behind them. When ctx
// ends first, the child is killed.
func InChild(ctx context.Context, name string, arguments ...string) (f Figures, err error) {
	self, err := os.Executable()
	if err != nil {
		return f, fmt.Errorf("%w: %w", ErrNoChild, err)
	}
	var stdout, stderr bytes.Buffer
	child := exec.CommandContext(ctx, self, append(slices.Clone(arguments), name)...)
	child.Stdout, child.Stderr = &stdout, &stderr
	if err := child.Start(); err != nil {
		return f, fmt.Errorf("%w: %w", ErrNoChild, err)
	}
	err = child.Wait()
	switch {
	case ctx.Err() != nil:
		return f, fmt.Errorf("it does not end: %w", ctx.Err())
	case err != nil:
		return f, fmt.Errorf("the process died of it: %w\n%s", err, firstLines(stderr.String()))
	}
	return f, json.Unmarshal(stdout.Bytes(), &f)
}

// firstLines keeps what a dying process said first, which is why.
func firstLines(text string) string {
	lines := strings.SplitAfterN(text, "\n", 11)
	return strings.Join(lines[:min(len(lines), 10)], "")
}

// ControlName stands for no case but for Control.
const ControlName = "control"

// Child measures the case of that name and writes the figures, for InChild to read.
func Child(dir fs.FS, name string, config wasmhandler.Config, out io.Writer) error {
	f, err := figures(dir, name, config)
	if err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(f)
}

func figures(dir fs.FS, name string, config wasmhandler.Config) (f Figures, err error) {
	if name == ControlName {
		return Control()
	}
	cases, err := Corpus(dir)
	if err != nil {
		return f, err
	}
	i := slices.IndexFunc(cases, func(c Case) bool { return c.Name == name })
	if i < 0 {
		return f, fmt.Errorf("there is no case %q", name)
	}
	wasm := cases[i].Wasm()
	confine()
	return Measure(wasm, config)
}
