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
}

// testReport is what is worth keeping of a run of tests somewhere else: the output of what failed, how many passed,
// and why others were skipped.
type testReport struct {
	passed, failed int
	skipped        map[string]int // by reason
	output         map[string]*strings.Builder
}

// goTest runs "go test -json" with more arguments and environment, and prints a summary of it.
func goTest(where string, env map[string]string, args ...string) error {
	began := time.Now()
	cmd := exec.Command("go", append([]string{"test", "-json"}, args...)...)
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
	r := testReport{skipped: map[string]int{}, output: map[string]*strings.Builder{}}
	r.read(out, os.Stdout)
	err = cmd.Wait()
	r.print(os.Stdout, where, time.Since(began))
	if err != nil {
		return fmt.Errorf("the tests on %s: %w", where, err)
	}
	return nil
}

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
			r.failed++
			if text := r.output[key]; text != nil {
				fmt.Fprint(out, text)
			}
		default:
			continue
		}
		delete(r.output, key)
	}
}

// skipReason finds what t.Skip was given: "    file_test.go:12: reason".
func skipReason(output *strings.Builder) string {
	if output != nil {
		for line := range strings.Lines(output.String()) {
			if _, reason, ok := strings.Cut(line, "_test.go:"); ok {
				_, reason, _ = strings.Cut(reason, ": ")
				return strings.TrimSpace(reason)
			}
		}
	}
	return "no reason given"
}

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
}
