package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"time"
)

// testEvent is a line of "go test -json": see "go doc test2json".
type testEvent struct {
	Action  string
	Package string
	Test    string
	Output  string
	Elapsed float64 // seconds
}

// testReport is what is worth keeping of a run of tests somewhere else: the output of what failed, how many passed,
// and why others were skipped.
type testReport struct {
	passed, failed int
	skipped        map[string]int     // by reason
	slow           map[string]float64 // packages that took seconds, and how many
	broken         []string           // packages that failed
	output         map[string]*strings.Builder
}

// goTest runs "go test -json" with more arguments and environment, and prints a summary of it. Within is a command that
// runs what follows it; it may be nil.
func goTest(within []string, where string, env map[string]string, args ...string) error {
	began := time.Now()
	command := slices.Concat(within, []string{"go", "test", withoutProfile, withoutVet, "-json"}, args)
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Env = os.Environ()
	for k, v := range env {
		cmd.Env = append(cmd.Env, k+"="+v)
	}
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	r := testReport{skipped: map[string]int{}, slow: map[string]float64{}, output: map[string]*strings.Builder{}}
	r.read(out, os.Stdout)
	err = cmd.Wait()
	r.print(os.Stdout, where, time.Since(began))
	if err != nil {
		return &testError{where, r.broken, err}
	}
	return nil
}

// testError says which packages failed.
type testError struct {
	where    string
	packages []string
	err      error
}

func (e *testError) Error() string {
	return fmt.Sprintf("the tests on %s: %v: %s", e.where, e.err, strings.Join(e.packages, " "))
}

// slowPackage is how many seconds make a package worth a line of its own.
const slowPackage = 10

// read takes in events to the end, and says at once what failed.
func (r *testReport) read(in io.Reader, out io.Writer) {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var e testEvent
		if json.Unmarshal(lines.Bytes(), &e) != nil {
			fmt.Fprintln(out, lines.Text())
			continue
		}
		key := e.Package + " " + e.Test
		if e.Test == "" && e.Elapsed >= slowPackage {
			r.slow[e.Package] = e.Elapsed
		}
		switch e.Action {
		case "output":
			if r.output[key] == nil {
				r.output[key] = new(strings.Builder)
			}
			r.output[key].WriteString(e.Output)
			continue
		case "build-output":
			fmt.Fprint(out, e.Output)
		case "pass":
			if e.Test != "" {
				r.passed++
			}
		case "skip":
			if e.Test != "" {
				r.skipped[skipReason(r.output[key])]++
			}
		case "fail":
			if e.Test != "" {
				r.failed++
			} else {
				r.broken = append(r.broken, e.Package)
			}
			if text := r.output[key]; text != nil {
				fmt.Fprint(out, text)
			}
		default:
			continue
		}
		delete(r.output, key)
	}
}

// skipReason finds what t.Skip was given, the last thing that a test says: "    file_test.go:12: reason".
func skipReason(output *strings.Builder) string {
	if output != nil {
		if script := script.FindAllStringSubmatch(output.String(), -1); script != nil {
			return script[len(script)-1][1]
		}
		if said := said.FindAllStringSubmatch(output.String(), -1); said != nil {
			return strings.TrimSpace(said[len(said)-1][1])
		}
	}
	return "no reason given"
}

// How a line of a test's output begins, and what a testscript shows of its last command.
var (
	said   = regexp.MustCompile(`(?m)^\s+\S+\.go:\d+: (.*)$`)
	script = regexp.MustCompile(`(?m)^\s+> .*\bskip '(.*)'$`)
)

func (r *testReport) print(out io.Writer, where string, took time.Duration) {
	skipped := 0
	for _, n := range r.skipped {
		skipped += n
	}
	fmt.Fprintf(out, "%s: %d passed, %d failed, %d skipped, in %v\n", where, r.passed, r.failed, skipped, took.Round(time.Second))
	reasons := slices.SortedFunc(maps.Keys(r.skipped), func(a, b string) int {
		return cmp.Or(cmp.Compare(r.skipped[b], r.skipped[a]), cmp.Compare(a, b))
	})
	for _, reason := range reasons {
		fmt.Fprintf(out, "  %4d skipped: %s\n", r.skipped[reason], reason)
	}
	for _, name := range slices.SortedFunc(maps.Keys(r.slow), func(a, b string) int { return cmp.Compare(r.slow[b], r.slow[a]) }) {
		fmt.Fprintf(out, "  %3.0f s in %s\n", r.slow[name], name)
	}
}
