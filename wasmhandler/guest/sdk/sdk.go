// Package sdk has what guests are written with, by language: the SDKs as files (the one for Go is package guest),
// what a new project begins as, and the commands that build a guest.
//
// The SDKs are for people, too: c/retort.h, rust, assemblyscript/retort.ts and template/wat say at their top how
// they are used, and the README of package guest leads through each.
package sdk

import (
	"embed"
	"errors"
	"slices"
	"strconv"
	"strings"
)

//go:embed c/retort.h rust/Cargo.toml rust/src/lib.rs assemblyscript/retort.ts template
var files embed.FS

// Language is one that guests are written in. The zero Language is none.
type Language struct {
	Name  string // in commands, and behind the hyphen in the folder of a sample: "rust"
	Title string // as people write it: "Rust"

	source  string   // of a guest called NAME
	command []string // that builds it in its folder; NAME and OUT stand for the guest's name and its module
	tools   []string // that the command needs, the first of which it begins with
	cargo   bool     // the module is where Cargo puts it, not at OUT
	bulky   bool     // its modules are too large to be committed
	project []file   // what a new project has, beside what all have
	build   []string // the commands of a project
	module  string   // what they make; NAME.wasm unless it says otherwise
	needs   string   // the tools, for people
}

// file is one of a project's. Both names may have NAME in them.
type file struct {
	name string // in the project
	from string // in this package; it is a template if it ends in ".tmpl"
}

func languages() []Language {
	wasm := []string{"GOOS=wasip1", "GOARCH=wasm"}
	return []Language{
		{
			Name: "go", Title: "Go", source: ".", tools: []string{"go"}, bulky: true,
			command: append(wasm, "go", "build", "-buildmode=c-shared", "-ldflags=-s -w", "-o", "OUT", "."),
			project: []file{{"go.mod", "template/go/go.mod.tmpl"}, {"NAME.go", "template/go/guest.go.tmpl"}},
			build:   []string{"go get .", "GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -ldflags='-s -w' -o NAME.wasm ."},
			needs:   "Go 1.26 or later",
		},
		{
			Name: "c", Title: "C", source: "NAME.c", tools: []string{"clang", "wasm-ld"},
			command: []string{
				"clang", "--target=wasm32", "-O2", "-nostdlib", "-fno-builtin", "-Wl,--no-entry", "-Wl,--strip-all",
				"-Wl,--stack-first", "-Wl,-z,stack-size=16384", "-I", "../../../wasmhandler/guest/sdk/c",
				"-o", "OUT", "NAME.c",
			},
			project: []file{
				{"NAME.c", "template/c/guest.c.tmpl"}, {"retort.h", "c/retort.h"},
				{"compile_flags.txt", "template/c/compile_flags.txt"},
			},
			build: []string{"clang @compile_flags.txt -o NAME.wasm NAME.c"},
			needs: "clang and wasm-ld (Debian: clang, lld)",
		},
		{
			Name: "rust", Title: "Rust", source: "NAME.rs", tools: []string{"cargo", "rustc"}, cargo: true,
			command: []string{
				"cargo", "rustc", "--release", "--target", rustTarget, "--", "-C", "link-arg=-zstack-size=65536",
			},
			project: []file{
				{"Cargo.toml", "template/rust/Cargo.toml.tmpl"}, {"src/lib.rs", "template/rust/lib.rs.tmpl"},
				{".cargo/config.toml", "template/rust/config.toml"},
				{"retort/Cargo.toml", "rust/Cargo.toml"}, {"retort/src/lib.rs", "rust/src/lib.rs"},
			},
			build:  []string{"cargo build --release"},
			module: "target/" + rustTarget + "/release/NAME.wasm",
			needs: "Rust with the target " + rustTarget + " (rustup target add " + rustTarget +
				"; Debian: rustc, cargo, libstd-rust-dev-wasm32)",
		},
		{
			Name: "assemblyscript", Title: "AssemblyScript", source: "NAME.ts", tools: []string{"asc", "node"},
			command: []string{
				"asc", "NAME.ts", "-O3", "--noAssert", "--runtime", "incremental", "--use", "abort=", "-o", "OUT",
			},
			project: []file{
				{"NAME.ts", "template/assemblyscript/guest.ts.tmpl"}, {"retort.ts", "assemblyscript/retort.ts"},
				{"package.json", "template/assemblyscript/package.json.tmpl"},
			},
			build: []string{"npm install --ignore-scripts", "npm run build"},
			needs: "Node.js and npm, which fetches the compiler",
		},
		{
			Name: "wat", Title: "WebAssembly text", source: "NAME.wat", tools: []string{"wat2wasm"},
			command: []string{"wat2wasm", "NAME.wat", "-o", "OUT"},
			project: []file{{"NAME.wat", "template/wat/guest.wat.tmpl"}},
			build:   []string{"wat2wasm NAME.wat -o NAME.wasm"},
			needs:   "wat2wasm (Debian: wabt)",
		},
	}
}

// Names lists the languages by their names.
func Names() (names []string) {
	for _, l := range languages() {
		names = append(names, l.Name)
	}
	return names
}

// Named returns the language of that name. Otherwise the error says which there are.
func Named(name string) (Language, error) {
	all := languages()
	i := slices.IndexFunc(all, func(l Language) bool { return l.Name == name })
	if i < 0 {
		return Language{}, errors.New("no language is called " + strconv.Quote(name) + ": there are " +
			strings.Join(Names(), ", "))
	}
	return all[i], nil
}

// Committed says whether modules in this language are committed beside their sources.
func (l Language) Committed() bool { return !l.bulky }

// Source is the file that a guest of that name is written in: "." if it is the files of its folder.
func (l Language) Source(name string) string { return strings.ReplaceAll(l.source, "NAME", name) }

// Command is what builds the sample guest of that name in its folder, with settings of the environment in front.
// The module goes to out, except in Rust: there Cargo has a place for it.
func (l Language) Command(name, out string) []string {
	command := slices.Clone(l.command)
	for i, arg := range command {
		if arg == "OUT" {
			command[i] = out
		} else {
			command[i] = strings.ReplaceAll(arg, "NAME", name)
		}
	}
	return command
}
