package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/core/reply"
	"github.com/retort-udp/retort/core/reply/builtin"
	"github.com/retort-udp/retort/core/vectors"
	"github.com/retort-udp/retort/native/cmd/retort/internal/engine"
	"github.com/retort-udp/retort/native/cmd/retort/internal/flagtype"
	"github.com/retort-udp/retort/wasmhandler"
	"github.com/retort-udp/retort/wasmhandler/abi"
)

// handlerFlags say which handler answers and how it is run.
type handlerFlags struct {
	handler  string
	config   string
	memory   flagtype.Size
	limits   guestLimits
	isolate  wasmhandler.Isolation
	seed     uint64
	cacheDir string
	cacheMax flagtype.Size
	noCache  bool
	fallback string
	untested bool
}

func (f *handlerFlags) add(flags *pflag.FlagSet) {
	f.memory, f.cacheMax = wasmhandler.DefaultMemory, wasmhandler.DefaultCacheSize
	flags.StringVar(&f.handler, "handler", "length",
		"what answers: a file FILE.wasm, or `NAME`: "+strings.Join(builtin.Names(), ", "))
	flags.StringVar(&f.config, "handler-config", "",
		"configuration for the handler: `TEXT`, or @FILE, or @- for standard input")
	flags.Var(&f.memory, "memory", "memory that an instance of a .wasm handler may have")
	flags.TextVar(&f.isolate, "isolate", wasmhandler.IsolateNone,
		"what a .wasm handler forgets after each datagram: `none|datagram`, nothing or everything")
	f.limits.add(flags)
	flags.Uint64Var(&f.seed, "seed", 0,
		"`NUMBER` that random numbers follow from, a .wasm handler's and --drop's; 0: chance")
	flags.StringVar(&f.cacheDir, "cache-dir", "",
		"`DIR` for compiled .wasm handlers, which nobody else has access to (default: one in the user's cache)")
	flags.Var(&f.cacheMax, "cache-size", "how much compiled .wasm handlers may take there; the oldest go")
	flags.BoolVar(&f.noCache, "no-cache", false, "compile a .wasm handler anew each time, and keep nothing")
	flags.StringVar(&f.fallback, "fallback", "drop",
		"built-in handler, by `NAME`, that answers while a .wasm handler is paused: it fails its own vectors")
	flags.BoolVar(&f.untested, "no-self-test", false,
		"do not run the vectors that lie beside a handler NAME.wasm as NAME.vectors.txt")
}

// completeHandlers lets a shell complete the names of handlers.
func completeHandlers(cmd *cobra.Command) {
	complete(cmd, "fallback", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return handlerNames(), cobra.ShellCompDirectiveNoFileComp
	})
	complete(cmd, "handler", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return handlerNames(), cobra.ShellCompDirectiveDefault // and then files
	})
}

// handlerNames lists the built-in handlers, those that take a parameter with a "=" behind them.
func handlerNames() []string {
	names := builtin.Names()
	for i, name := range names {
		if name, _, hasParam := strings.Cut(name, "="); hasParam {
			names[i] = name + "="
		}
	}
	return names
}

// load makes the handler and configures it.
func (f *handlerFlags) load(
	ctx context.Context, flags *pflag.FlagSet, stdin io.Reader, log *slog.Logger,
) (*engine.Handler, error) {
	h, err := f.make(ctx, flags, log)
	if err != nil {
		return nil, err
	}
	if !flags.Changed("handler-config") {
		return h, nil
	}
	config, err := argument(f.config, stdin, abi.MaxConfig)
	if err == nil {
		err = core.Configure(h.Handler, config)
	}
	if err != nil {
		_ = h.Close() // nothing was served: the first error is the one that matters
		return nil, about("handler-config", fmt.Errorf("--handler-config: %w", err))
	}
	return h, nil
}

func (f *handlerFlags) make(
	ctx context.Context, flags *pflag.FlagSet, log *slog.Logger,
) (*engine.Handler, error) {
	if isModule(f.handler) {
		return f.compile(ctx, log)
	}
	for _, name := range moduleFlags {
		if flags.Changed(name) {
			return nil, about(name, usagef("--%s is for .wasm handlers, and %q is none", name, f.handler))
		}
	}
	h, err := builtin.Named(f.handler)
	if err != nil {
		return nil, about("handler", fmt.Errorf("--handler: %w", err))
	}
	if r, ok := core.As[reply.Reporter](h); ok {
		r.ReportTo(func(text string) { log.Info(text) })
	}
	return &engine.Handler{Name: f.handler, Handler: h}, nil
}

// moduleFlags are of no use to handlers that are built in.
var moduleFlags = append([]string{"memory", "isolate", "cache-dir", "cache-size", "no-cache", "fallback", "no-self-test"},
	limitFlags...)

// isBuiltin says whether a handler is one that is compiled in, whatever parameter stands behind its name.
func isBuiltin(handler string) bool {
	name, _, _ := strings.Cut(handler, "=")
	names := handlerNames()
	return slices.Contains(names, name) || slices.Contains(names, name+"=")
}

// isModule says whether a handler is named as a file. The name of a built-in handler never is, whatever
// parameter stands behind it.
func isModule(handler string) bool {
	return !isBuiltin(handler) && (strings.HasSuffix(handler, ".wasm") || strings.ContainsAny(handler, `/\`))
}

func (f *handlerFlags) compile(ctx context.Context, log *slog.Logger) (*engine.Handler, error) {
	wasm, err := readFile(f.handler, wasmhandler.MaxModule)
	if err != nil {
		return nil, about("handler", fmt.Errorf("--handler: %w", err))
	}
	c, err := f.moduleConfig(f.handler, log)
	if err != nil {
		return nil, err
	}
	if c.Vectors, err = f.vectors(); err != nil {
		return nil, err
	}
	m, err := wasmhandler.Compile(ctx, wasm, c)
	if err != nil {
		return nil, err
	}
	return engine.ModuleHandler(f.handler, wasm, m), nil
}

// moduleConfig says how a module is run, but for its vectors.
func (f *handlerFlags) moduleConfig(name string, log *slog.Logger) (c wasmhandler.Config, err error) {
	c = wasmhandler.Config{
		Name:      name,
		Memory:    int64(f.memory),
		Isolate:   f.isolate,
		Seed:      f.seed,
		CacheDir:  f.cache(log),
		CacheSize: max(int64(f.cacheMax), 1), // to the Config zero is its default
		Log:       log,
	}
	if err := f.limits.applyTo(&c); err != nil {
		return c, err
	}
	if c.Fallback, err = builtin.Named(f.fallback); err != nil {
		return c, about("fallback", fmt.Errorf("--fallback: %w", err))
	}
	c.Compiler, err = compiler()
	return c, err
}

// vectors returns those that lie beside the module; nil if there are none, or they are not asked for.
func (f *handlerFlags) vectors() (*vectors.File, error) {
	name := strings.TrimSuffix(f.handler, ".wasm") + ".vectors.txt"
	if f.untested {
		return nil, nil
	}
	text, err := readFile(name, vectors.MaxFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var file *vectors.File
	if err == nil {
		file, err = vectors.Parse(name, text)
	}
	if err != nil {
		return nil, fmt.Errorf("the vectors of the handler %s cannot be read (--no-self-test does without): %w", f.handler, err)
	}
	return file, nil
}

// cache returns the directory for compiled code, "" for none.
func (f *handlerFlags) cache(log *slog.Logger) string {
	if f.noCache {
		return ""
	}
	dir, err := os.UserCacheDir()
	if f.cacheDir == "" && err != nil {
		log.Debug("handlers are compiled anew each time: there is no directory for a cache", "error", err)
		return ""
	}
	return cmp.Or(f.cacheDir, filepath.Join(dir, "retort"))
}
