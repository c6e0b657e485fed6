package main

import (
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/magefile/mage/sh"
)

// samples is where what a release has for those who write handlers is put together.
const samples = "bin/samples"

// shipped says where a tracked file goes below samples. The first prefix that fits counts; a file that none fits stays
// here, and so does one that goes to "".
var shipped = []struct{ prefix, to string }{
	{guests + "/.gitignore", ""},
	{guests + "/", "handlers/"},
	{"native/cmd/retort/packaging/handlers.md", "handlers/README.md"},
	{"wasmhandler/guest/sdk/c/", "sdk/c/"},
	{"wasmhandler/guest/sdk/rust/", "sdk/rust/"},
	{"wasmhandler/guest/sdk/assemblyscript/", "sdk/assemblyscript/"},
	{"wasmhandler/guest/sdk/template/", "sdk/template/"},
	{"wasmhandler/abi/abi.md", "sdk/abi.md"},
}

// Samples puts the sample handlers and the SDKs into bin/samples, as archives have them: what is tracked and nothing
// else, so that what was built or fetched into those folders stays where it is.
func (Release) Samples() error { return putSamples(".", samples) }

// putSamples copies what archives have of the repository at root to the folder to, which it makes anew. There the SDKs
// are beside the handlers, and sources that name them by their place in the repository name that.
func putSamples(root, to string) error {
	if err := sh.Rm(to); err != nil {
		return err
	}
	tracked, err := sh.Output("git", "-C", root, "ls-files", "-z")
	if err != nil {
		return err
	}
	moved := strings.NewReplacer("../../../wasmhandler/guest/sdk/", "../../sdk/")
	for name := range strings.SplitSeq(strings.TrimSuffix(tracked, "\x00"), "\x00") {
		place := samplePlace(name)
		if place == "" {
			continue
		}
		text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
		if err != nil {
			return err
		}
		if path.Ext(name) != ".wasm" {
			text = []byte(moved.Replace(string(text)))
		}
		file := filepath.Join(to, filepath.FromSlash(place))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		// Chmod is for builders whose files others may not read.
		if err := errors.Join(os.WriteFile(file, text, 0o644), os.Chmod(file, 0o644)); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// samplePlace is where the tracked file of that name goes below samples; "" if it is not for archives.
func samplePlace(name string) string {
	for _, s := range shipped {
		if rest, ok := strings.CutPrefix(name, s.prefix); ok && s.to != "" {
			return s.to + rest
		} else if ok {
			return ""
		}
	}
	return ""
}
