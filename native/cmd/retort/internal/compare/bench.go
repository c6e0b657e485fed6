package main

// The machine that the comparison runs on, and what it has.

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
)

// bench is where servers are built and run.
type bench struct {
	root   string // of the source tree
	dir    string // for what is built
	other  string // a build of the command to measure beside that of this tree; "": none
	buffer int    // what every server asks of the kernel for its socket, in bytes
	stderr io.Writer
	built  *retort // nil until it is

	taskset   string // the program that binds processes to processors; "": nothing is bound
	serverCPU int
	clientCPU int
}

func newBench(ctx context.Context, dir string, stderr io.Writer) (*bench, error) {
	root, err := output(ctx, "", "go", "list", "-m", "-f", "{{.Dir}}")
	if err != nil {
		return nil, fmt.Errorf("this program runs inside Retort's source tree: %w", err)
	}
	return &bench{root: root, dir: dir, buffer: bufferSize(), stderr: stderr}, nil
}

func (b *bench) logf(format string, args ...any) {
	fmt.Fprintf(b.stderr, format+"\n", args...) // there is nobody to tell that this cannot be written
}

// pin binds this process, which is the client, to a processor, and chooses another for the servers. What it
// starts by itself from then on has only its own, so compilers should have run before.
func (b *bench) pin(ctx context.Context) error {
	path, err := exec.LookPath("taskset")
	if err != nil {
		b.logf("not pinned: there is no taskset here")
		return nil
	}
	list, err := outputEnv(ctx, []string{"LC_ALL=C"}, "", path, "-c", "-p", strconv.Itoa(os.Getpid()))
	if err != nil {
		return err
	}
	_, list, _ = strings.Cut(list, "list: ") // pid 123's current affinity list: 0-3
	cpus := parseCPUs(list)
	if len(cpus) < 2 {
		b.logf("not pinned: there is only one processor, which servers and client share")
		return nil
	}
	b.serverCPU = cpus[0]
	b.clientCPU = otherCore(cpus, siblings(cpus[0]))
	if _, err := output(ctx, "", path, "-a", "-c", "-p", strconv.Itoa(b.clientCPU), strconv.Itoa(os.Getpid())); err != nil {
		return err
	}
	b.taskset = path
	return nil
}

// parseCPUs reads a list of processors as the kernel writes it: 0-3,8.
func parseCPUs(list string) (cpus []int) {
	for part := range strings.SplitSeq(strings.TrimSpace(list), ",") {
		first, last, isRange := strings.Cut(part, "-")
		from, err := strconv.Atoi(first)
		if err != nil {
			continue
		}
		to := from
		if isRange {
			if to, err = strconv.Atoi(last); err != nil {
				continue
			}
		}
		for cpu := from; cpu <= to; cpu++ {
			cpus = append(cpus, cpu)
		}
	}
	return cpus
}

// siblings returns the processors that are threads of the same core as cpu.
func siblings(cpu int) []int {
	text, err := os.ReadFile(fmt.Sprintf("/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", cpu))
	if err != nil {
		return nil // this system does not say
	}
	return parseCPUs(string(text))
}

// otherCore returns the first of cpus, of which there are two or more, that is on another core than the first,
// or just another one.
func otherCore(cpus, siblings []int) int {
	for _, cpu := range cpus[1:] {
		own := false
		for _, s := range siblings {
			own = own || s == cpu
		}
		if !own {
			return cpu
		}
	}
	return cpus[1]
}

// bufferSize is what every system grants, or on Linux what this one does, up to 4 MiB. A server with less than
// its load needs would be measured by what the kernel loses.
func bufferSize() int {
	size := 256 << 10
	if runtime.GOOS != "linux" {
		return size
	}
	size = 4 << 20
	for _, name := range []string{"rmem_max", "wmem_max"} {
		text, err := os.ReadFile("/proc/sys/net/core/" + name)
		if err != nil {
			return 128 << 10
		}
		if limit, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil {
			size = min(size, limit)
		}
	}
	return size
}

// describe says what the figures were taken on.
func (b *bench) describe(ctx context.Context) string {
	parts := []string{runtime.GOOS + "/" + runtime.GOARCH, runtime.Version(), fmt.Sprintf("%d processors", runtime.NumCPU())}
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(text)) {
			if name, model, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				parts = append(parts, strings.TrimSpace(model))
				break
			}
		}
	}
	if kernel, err := output(ctx, "", "uname", "-sr"); err == nil {
		parts = append(parts, kernel)
	}
	if b.taskset != "" {
		parts = append(parts, fmt.Sprintf("servers on processor %d, client on %d", b.serverCPU, b.clientCPU))
	} else {
		parts = append(parts, "nothing bound to a processor")
	}
	return strings.Join(parts, ", ")
}

// output runs a program in a directory, the current one if that is "", and returns what it prints.
func output(ctx context.Context, dir, name string, args ...string) (string, error) {
	return outputEnv(ctx, nil, dir, name, args...)
}

func outputEnv(ctx context.Context, env []string, dir, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = append(cmd.Environ(), env...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s", filepath.Base(name), strings.Join(args, " "), err, &stderr)
	}
	return strings.TrimSpace(string(out)), nil
}
