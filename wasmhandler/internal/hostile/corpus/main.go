// Command corpus works on the hostile modules. It is run from the root of the repository:
//
//	go run ./wasmhandler/internal/hostile/corpus build          translate the sources and renew the README
//	go run ./wasmhandler/internal/hostile/corpus run [NAME]...  run them, each in a process of its own
//	go run ./wasmhandler/internal/hostile/corpus record         run them all, and note in the README what they cost
//	go run ./wasmhandler/internal/hostile/corpus write NAME     write one to standard output
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/retort-udp/retort/wasmhandler"
	"github.com/retort-udp/retort/wasmhandler/internal/hostile"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "corpus:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 0 {
		return errors.New("say what to do: build, run, record or write")
	}
	dir := os.DirFS(hostile.Dir)
	switch verb, names := args[0], args[1:]; {
	case verb == "build" && len(names) == 0:
		return errors.Join(build(), withCases(dir, nil, func(cases []hostile.Case, _ io.Writer) error {
			return index(cases, nil)
		}))
	case verb == "run":
		return withCases(dir, names, func(cases []hostile.Case, out io.Writer) error {
			_, err := measure(cases, out)
			return err
		})
	case verb == "record" && len(names) == 0:
		return withCases(dir, nil, record)
	case verb == "write" && len(names) == 1:
		return withCases(dir, names, write)
	case verb == "child" && len(names) == 1: // of run
		return hostile.Child(dir, names[0], wasmhandler.Config{}, os.Stdout)
	}
	return fmt.Errorf("cannot do %q: build, run [NAME]..., record or write NAME", strings.Join(args, " "))
}

// withCases calls f with the cases of these names, with all of them if there are none.
func withCases(dir fs.FS, names []string, f func([]hostile.Case, io.Writer) error) error {
	cases, err := hostile.Corpus(dir)
	if err != nil {
		return err
	}
	chosen := cases
	if len(names) > 0 {
		chosen = nil
	}
	for _, name := range names {
		i := slices.IndexFunc(cases, func(c hostile.Case) bool { return c.Name == name })
		if i < 0 {
			return fmt.Errorf("there is no case %q", name)
		}
		chosen = append(chosen, cases[i])
	}
	return f(chosen, os.Stdout)
}

// build translates every source.
func build() error {
	sources, err := filepath.Glob(filepath.Join(hostile.Dir, "*.wat"))
	if err != nil {
		return err
	}
	for _, source := range sources {
		cmd := hostile.Build("wat2wasm", source, strings.TrimSuffix(source, ".wat")+".wasm")
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("%s: %w", source, err)
		}
	}
	return nil
}

// index brings the table in the README of the corpus up to date.
func index(cases []hostile.Case, newer map[string]hostile.Cost) error {
	readme := filepath.Join(hostile.Dir, "README.md")
	page, err := os.ReadFile(readme)
	if err != nil {
		return err
	}
	return os.WriteFile(readme, []byte(hostile.WithTable(string(page), cases, newer)), 0o666)
}

// record measures the cases and notes what they cost.
func record(cases []hostile.Case, out io.Writer) error {
	costs, err := measure(cases, out)
	return errors.Join(err, index(cases, costs))
}

func write(cases []hostile.Case, out io.Writer) error {
	_, err := out.Write(cases[0].Wasm())
	return err
}

// patience is how long a case may take before it counts as endless. The longest takes seconds on a slow machine.
const patience = 2 * time.Minute

const row = "%-24s %8s %8s %8s %6s  %s\n"

// measure runs the cases one after the other, prints what they got and cost, and returns that. In between it runs a control, for on
// a busy machine everybody waits.
func measure(cases []hostile.Case, out io.Writer) (map[string]hostile.Cost, error) {
	const between = 20 // cases
	fmt.Fprintf(out, row, "module", "took", "pause", "wait", "MiB", "got")
	var worst, control time.Duration
	failed, costs := 0, map[string]hostile.Cost{}
	for i, c := range cases {
		if i%between == 0 {
			f, err := inChild(hostile.ControlName)
			if err != nil {
				return costs, err
			}
			control = max(control, f.Pause)
			printRow(out, hostile.ControlName, f, "ordinary Go code")
		}
		f, err := inChild(c.Name)
		got := f.Got
		for _, promise := range f.Broken {
			got += "\n\tbroken promise: " + promise
		}
		if err != nil {
			got = err.Error()
		} else {
			costs[c.Name] = hostile.NewCost(f)
		}
		if err != nil || len(f.Broken) > 0 || !f.Meets(c.Want) {
			failed++
			got += "\n\tand should get: " + c.Want
		}
		worst = max(worst, f.Pause)
		printRow(out, c.Name, f, got)
	}
	fmt.Fprintf(out, "longest stop of the world: %s; by the control: %s\n",
		milliseconds(worst), milliseconds(control))
	if failed > 0 {
		return costs, fmt.Errorf("%d of %d cases did not get what they should", failed, len(cases))
	}
	return costs, nil
}

// inChild measures a case in a process of its own.
func inChild(name string) (hostile.Figures, error) {
	return hostile.Calmest(func() (hostile.Figures, error) { return once(name) })
}

func once(name string) (hostile.Figures, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return hostile.InChild(ctx, name, "child")
}

func printRow(out io.Writer, name string, f hostile.Figures, got string) {
	fmt.Fprintf(out, row, name, milliseconds(f.Took), milliseconds(f.Pause), milliseconds(f.Wait),
		fmt.Sprint(f.Peak>>20), got)
}

func milliseconds(d time.Duration) string { return fmt.Sprintf("%.1fms", d.Seconds()*1000) }
