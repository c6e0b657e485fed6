// Package hostile is a corpus of modules that want to hurt their host, and the means to see what each of them
// gets instead: an error when it is loaded, a fault that costs it one datagram, or an answer like any other.
//
// Most are written as text, in testdata/hostile; those that no person could read are made by this package.
// Each says what it does and what it must get. The command below corpus builds the modules, prints the table for
// the documentation, and runs them one by one.
package hostile

import (
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"path"
	"slices"
	"strings"
)

// Case is one module.
type Case struct {
	Name string
	Does string // in a sentence or two
	Want string // what it must get, in the words of Outcome.Got
	Wasm func() []byte
}

// Dir is where the modules that are written as text are, from the root of the repository.
const Dir = "testdata/hostile"

// Corpus returns all cases: those in dir, then the generated ones.
func Corpus(dir fs.FS) ([]Case, error) {
	cases, err := written(dir)
	return slices.Concat(cases, lies(), sizes(), bombs(), oddities()), err
}

// Good returns the module that does no harm, of which prefixes and mutants are made.
func Good(dir fs.FS) ([]byte, error) { return fs.ReadFile(dir, "good.wasm") }

// written reads the cases in dir: NAME.wat, which begins with what it does and what it must get, and NAME.wasm.
func written(dir fs.FS) (cases []Case, err error) {
	sources, err := fs.Glob(dir, "*.wat")
	if err != nil {
		return nil, err
	}
	if len(sources) == 0 {
		return nil, errors.New("there is no module in the directory: run this from the root of the repository")
	}
	for _, source := range sources {
		text, err := fs.ReadFile(dir, source)
		if err != nil {
			return nil, err
		}
		name := strings.TrimSuffix(path.Base(source), ".wat")
		wasm, err := fs.ReadFile(dir, name+".wasm")
		if err != nil {
			return nil, err
		}
		c := Case{Name: name, Wasm: func() []byte { return slices.Clone(wasm) }}
		if c.Does, c.Want, err = header(string(text)); err != nil {
			return nil, fmt.Errorf("%s: %w", source, err)
		}
		cases = append(cases, c)
	}
	return cases, nil
}

// header reads the comment that a source begins with: what the module does, and in its last line, behind "want:",
// what it must get.
func header(source string) (does, want string, err error) {
	var words []string
	for line := range strings.Lines(source) {
		comment, ok := strings.CutPrefix(line, ";;")
		if !ok {
			break
		}
		if want, ok := strings.CutPrefix(strings.TrimSpace(comment), "want:"); ok {
			return strings.Join(words, " "), strings.TrimSpace(want), nil
		}
		words = append(words, strings.Fields(comment)...)
	}
	return "", "", errors.New("it does not begin with a comment whose last line is \";; want:\" and what it must get")
}

// Build returns the command that translates a source, by wat2wasm of wabt. Names of functions are kept, since faults
// tell them; what the translator itself would refuse is kept too.
func Build(wat2wasm, source, out string) *exec.Cmd {
	return exec.Command(wat2wasm, "--enable-all", "--no-check", "--debug-names", source, "-o", out)
}

// Prefixes are all beginnings of a module, from none of it to all but the last byte.
func Prefixes(wasm []byte) [][]byte {
	var prefixes [][]byte
	for n := range wasm {
		prefixes = append(prefixes, wasm[:n:n])
	}
	return prefixes
}
