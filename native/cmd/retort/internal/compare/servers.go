package main

// The servers that are compared, and how each is built.

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
)

// server is a program that was built and can be started.
type server struct {
	name    string
	command []string // to be run as it is; it prints where it listens
	is      role
}

// role is what a server has to do with the others' figures.
type role int

const (
	ordinary  role = iota
	batches        // C recvmmsg and sendmmsg: what the kernel's interface gives without tricks
	again          // the same program once more
	plain          // Go as one writes it
	scripting      // Python as one writes it
	alone          // Retort as nobody looks at it
	watched        // Retort, whose metrics somebody asks for while it serves
)

// missing says what a server needs that is not here.
type missing struct{ what string }

func (m missing) Error() string { return "needs " + m.what }

// recipe makes a server, or says with a missing that this machine cannot. A name is what the table shows.
type recipe struct {
	name  string
	is    role
	build func(ctx context.Context, b *bench) (command []string, err error)
}

// recipes lists all servers in the order of the table.
func recipes(b *bench) ([]recipe, error) {
	list := []recipe{
		{"Retort", ordinary, serve("length")},
		{"Retort, GRO and GSO", ordinary, serve("length", "--gso", "on")},
		{"Retort, spinning", ordinary, serve("length", "--busy-poll", "100us")},
	}
	if b.other != "" {
		list = append(list, recipe{"Retort, other build", ordinary, serveOther})
	}
	guests, err := filepath.Glob(filepath.Join(b.root, "testdata", "handlers", "length-*"))
	if err != nil {
		return nil, err
	}
	for _, dir := range guests {
		language := languageOf(dir)
		list = append(list, recipe{"Retort, guest in " + language, ordinary, serveGuest(dir)})
		if language == "C" { // the others differ from it in what they compute, not in how they are reached
			name := "Retort, GRO and GSO, guest in " + language
			list = append(list, recipe{name, ordinary, serveGuest(dir, "--gso", "on")})
		}
	}
	return append(list,
		recipe{"C, recvfrom", ordinary, compileC("recvfrom.c")},
		recipe{"C, recvfrom, spinning", ordinary, compileC("recvfrom.c", "spin")},
		recipe{"C, recvmmsg", batches, compileC("recvmmsg.c")},
		recipe{"C, recvmmsg, again", again, compileC("recvmmsg.c")},
		recipe{"C, recvmmsg, GRO and GSO", ordinary, compileC("gro.c")},
		recipe{"Go, net", plain, compileGo("plain")},
		recipe{"Go, a goroutine each", ordinary, compileGo("goroutine")},
		recipe{"Go, x/net batches", ordinary, compileGo("batches")},
		recipe{"Python", scripting, script("python3", "length.py", "-c", "import sys; print(sys.executable)")},
		recipe{"node", ordinary, script("node", "length.mjs", "-p", "process.execPath")},
	), nil
}

// build makes every server of a set whose name matches, and says which cannot be had here.
func (b *bench) build(ctx context.Context, set string, only regexpFlag) (servers []server, err error) {
	all, err := sets[set](b)
	if err != nil {
		return nil, err
	}
	for _, r := range all {
		if !only.matches(r.name) {
			continue
		}
		command, err := r.build(ctx, b)
		if m, ok := errors.AsType[missing](err); ok {
			b.logf("skipped: %s %v", r.name, m)
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("build %s: %w", r.name, err)
		}
		servers = append(servers, server{r.name, command, r.is})
	}
	if len(servers) == 0 {
		return nil, errors.New("no server is left to measure")
	}
	return servers, nil
}

// peers is a path below where the sources of the other servers are.
func (b *bench) peers(path ...string) string {
	return filepath.Join(append([]string{b.root, "testdata", "peers"}, path...)...)
}

// program is the path of a program that is to be built.
func (b *bench) program(name string) string {
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	return filepath.Join(b.dir, name)
}

// find returns the first of some programs that is installed.
func find(names ...string) (string, error) {
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", missing{names[0] + ", which is not installed"}
}

func compileC(source string, args ...string) func(context.Context, *bench) ([]string, error) {
	return func(ctx context.Context, b *bench) ([]string, error) {
		switch {
		case runtime.GOOS == "windows":
			return nil, missing{"POSIX"}
		case source != "recvfrom.c" && runtime.GOOS != "linux":
			return nil, missing{"Linux"}
		}
		compiler, err := find("gcc", "clang", "cc")
		if err != nil {
			return nil, err
		}
		program := b.program("c-" + strings.TrimSuffix(source, ".c"))
		flags := []string{"-O2", "-Wall", "-Wextra", "-Werror", "-o", program}
		if _, err := output(ctx, "", compiler, append(flags, b.peers("c", source))...); err != nil {
			return nil, err
		}
		return append([]string{program, strconv.Itoa(b.buffer)}, args...), nil
	}
}

// compileGo builds one of the peers in Go, which are a module of their own.
func compileGo(name string) func(context.Context, *bench) ([]string, error) {
	return func(ctx context.Context, b *bench) ([]string, error) {
		if name == "batches" {
			if _, err := output(ctx, b.peers("go"), "go", "mod", "download", "golang.org/x/net"); err != nil {
				return nil, missing{"golang.org/x/net, which cannot be downloaded"}
			}
		}
		program := b.program("go-" + name)
		if _, err := output(ctx, b.peers("go"), "go", "build", "-o", program, "./"+name); err != nil {
			return nil, err
		}
		return []string{program, strconv.Itoa(b.buffer)}, nil
	}
}

// script is a source that an interpreter runs. Given whoami the interpreter prints its path; the name that finds
// it may be that of a program that looks for it first, each time.
func script(interpreter, source string, whoami ...string) func(context.Context, *bench) ([]string, error) {
	return func(ctx context.Context, b *bench) ([]string, error) {
		path, err := find(interpreter)
		if err != nil {
			return nil, err
		}
		if path, err = output(ctx, "", path, whoami...); err != nil {
			return nil, err
		}
		return []string{path, b.peers(source), strconv.Itoa(b.buffer)}, nil
	}
}

// retort is the command itself, built from this tree.
type retort struct {
	program string
	flags   map[string]bool // those of retort server
}

// retort builds the command, once.
func (b *bench) retort(ctx context.Context) (*retort, error) {
	if b.built != nil {
		return b.built, nil
	}
	r := &retort{program: b.program("retort")}
	if _, err := output(ctx, b.root, "go", "build", "-o", r.program, "./native/cmd/retort"); err != nil {
		return nil, err
	}
	help, err := output(ctx, "", r.program, "server", "--help")
	if err != nil {
		return nil, err
	}
	r.flags = parseHelp(help)
	b.built = r
	return r, nil
}

// serveOther is another build of Retort, such as that of the last commit.
func serveOther(_ context.Context, b *bench) ([]string, error) {
	size := strconv.Itoa(b.buffer)
	return []string{b.other, "server", "-p", "0", "--quiet", "--read-buffer", size, "--write-buffer", size}, nil
}

// parseHelp returns the flags in a help text:
//
//	-q, --quiet             do not print datagrams
//	    --drop SHARE        ignore this share of the datagrams on purpose
func parseHelp(help string) map[string]bool {
	flags := make(map[string]bool)
	for line := range strings.Lines(help) {
		fields := strings.Fields(line)
		if len(fields) > 1 && strings.HasPrefix(fields[0], "-") && strings.HasSuffix(fields[0], ",") {
			fields = fields[1:]
		}
		if len(fields) > 0 && strings.HasPrefix(fields[0], "--") {
			flags[fields[0]] = true
		}
	}
	return flags
}

// serve is Retort with a handler, and with a flag that it may not have; then it is missing.
func serve(handler string, flag ...string) func(context.Context, *bench) ([]string, error) {
	return func(ctx context.Context, b *bench) ([]string, error) {
		r, err := b.retort(ctx)
		if err != nil {
			return nil, err
		}
		command := []string{r.program, "server", "-p", "0", "--quiet", "--handler", handler}
		size := strconv.Itoa(b.buffer)
		command = append(command, "--read-buffer", size, "--write-buffer", size)
		if strings.HasSuffix(handler, ".wasm") {
			command = append(command, "--cache-dir", filepath.Join(b.dir, "cache"))
		}
		if len(flag) == 0 {
			return command, nil
		}
		if !r.flags[flag[0]] {
			return nil, missing{flag[0] + ", which this build of Retort does not have"}
		}
		return append(command, flag...), nil
	}
}

// languageOf names the language of the guest in a directory, which is called length-LANGUAGE.
func languageOf(dir string) string {
	names := map[string]string{"c": "C", "go": "Go", "wat": "WAT", "rust": "Rust", "assemblyscript": "AssemblyScript"}
	language := strings.TrimPrefix(filepath.Base(dir), "length-")
	return cmp.Or(names[language], language)
}

// serveGuest is Retort with a sample guest, and with a flag. A guest in Go may have to be built first.
func serveGuest(dir string, flag ...string) func(context.Context, *bench) ([]string, error) {
	return func(ctx context.Context, b *bench) ([]string, error) {
		module := filepath.Join(dir, "length.wasm")
		if _, err := os.Stat(module); err == nil {
			return serve(module, flag...)(ctx, b)
		}
		source := filepath.Join(dir, "length.go")
		if _, err := os.Stat(source); err != nil {
			return nil, missing{module + ", which is not built"}
		}
		module = filepath.Join(b.dir, filepath.Base(dir)+".wasm")
		env := []string{"GOOS=wasip1", "GOARCH=wasm"}
		args := []string{"build", "-buildmode=c-shared", "-ldflags=-s -w", "-o", module, source}
		if _, err := outputEnv(ctx, env, b.root, "go", args...); err != nil {
			return nil, err
		}
		return serve(module, flag...)(ctx, b)
	}
}
