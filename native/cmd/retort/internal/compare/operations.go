package main

// What it costs to operate a server: to watch it, and to write down what it does. Each of these servers is the same
// program with the same handler, a guest in C, which one of them takes from a directory that it watches.

import (
	"context"
	"os"
	"path/filepath"
)

// sets name the lists of servers that can be compared.
var sets = map[string]func(*bench) ([]recipe, error){"servers": recipes, "operations": operations}

// operations lists Retort as nobody looks at it, and as operators do.
func operations(b *bench) ([]recipe, error) {
	module := filepath.Join(b.root, "testdata", "handlers", "length-c", "length.wasm")
	return []recipe{
		{"Retort, alone", alone, serve(module)},
		{"Retort, alone, again", again, serve(module)},
		{"Retort, watched", watched, serveDropIn(module, "--metrics", "127.0.0.1:0")},
		{"Retort, captured", ordinary, func(ctx context.Context, b *bench) ([]string, error) {
			return serve(module, "--capture", filepath.Join(b.dir, "capture.pcapng"))(ctx, b)
		}},
	}, nil
}

// serveDropIn is Retort with a guest that lies in a directory of handlers, and with a flag.
func serveDropIn(module string, flag ...string) func(context.Context, *bench) ([]string, error) {
	return func(ctx context.Context, b *bench) ([]string, error) {
		wasm, err := os.ReadFile(module)
		if err != nil {
			return nil, err
		}
		dir := filepath.Join(b.dir, "handlers")
		if err := os.Mkdir(dir, 0o700); err != nil {
			return nil, err
		}
		if err := os.WriteFile(filepath.Join(dir, "dropped.wasm"), wasm, 0o600); err != nil {
			return nil, err
		}
		cache := []string{"--handlers", dir, "--cache-dir", filepath.Join(b.dir, "cache")}
		command, err := serve("dropped", flag...)(ctx, b)
		return append(command, cache...), err
	}
}
