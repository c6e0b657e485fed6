package wasmhandler_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/retort-udp/retort/wasmhandler"
)

// cached returns the files below dir: the entry with the code, and its seal.
func cached(t *testing.T, dir string) (entry, seal string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil || d.IsDir():
		case d.Name() == "SHA256SUMS":
			seal = path
		case entry == "":
			entry = path
		default:
			t.Errorf("one file too many: %s", path)
		}
		return err
	})
	if err != nil || entry == "" || seal == "" {
		t.Fatalf("entry %q, seal %q, %v", entry, seal, err)
	}
	return entry, seal
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func write(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

func skipWithoutCompiler(t *testing.T) {
	t.Helper()
	if !compilerHere() {
		t.Skip("wazero has no compiler for this machine, so nothing is cached")
	}
}

// TestCache compiles twice: the second time nothing is written.
func TestCache(t *testing.T) {
	skipWithoutCompiler(t)
	dir := filepath.Join(t.TempDir(), "deep", "down")
	var log logged
	c := wasmhandler.Config{CacheDir: dir, Log: log.logger(slog.LevelDebug)}
	ask(t, load(t, "length", c), datagram(""))
	entry, seal := cached(t, dir)
	// A second entry would be another file with another time.
	info, err := os.Stat(entry)
	if err != nil {
		t.Fatal(err)
	}
	sealed := read(t, seal)
	for range 2 {
		ask(t, load(t, "length", c), datagram(""))
	}
	again, err := os.Stat(entry)
	if err != nil {
		t.Fatal(err)
	}
	if !os.SameFile(info, again) || !bytes.Equal(sealed, read(t, seal)) {
		t.Error("what was cached was written again")
	}
	if got := log.lines(); len(got) > 0 {
		t.Errorf("%q", got)
	}
	cached(t, dir)
}

// TestCacheDamage damages the cache in every way that a disk might: the module is compiled anew.
func TestCacheDamage(t *testing.T) {
	skipWithoutCompiler(t)
	dir := t.TempDir()
	c := wasmhandler.Config{CacheDir: dir}
	load(t, "length", c)
	entry, seal := cached(t, dir)
	good := read(t, entry)

	damages := map[string]func(){
		"no entry":                          func() { os.Remove(entry) },
		"no seal":                           func() { os.Remove(seal) },
		"empty entry":                       func() { write(t, entry, nil) },
		"empty seal":                        func() { write(t, seal, nil) },
		"half an entry":                     func() { write(t, entry, good[:len(good)/2]) },
		"half a seal":                       func() { write(t, seal, read(t, seal)[:10]) },
		"a longer entry":                    func() { write(t, entry, append(bytes.Clone(good), 0)) },
		"zeros":                             func() { write(t, entry, make([]byte, len(good))) },
		"another file":                      func() { write(t, entry+".1.tmp", good[:100]) },
		"a directory in place of the entry": func() { os.Remove(entry); os.Mkdir(entry, 0o700) },
	}
	for at := 0; at < len(good); at += 1 + len(good)/50 {
		damages[fmt.Sprint("byte ", at)] = func() {
			bad := bytes.Clone(good)
			bad[at] ^= 0xff
			write(t, entry, bad)
		}
	}
	for name, damage := range damages {
		t.Run(name, func(t *testing.T) {
			damage()
			if got := string(ask(t, load(t, "length", c), datagram("123"))); got != "Your data was 3 bytes long" {
				t.Errorf("%q", got)
			}
			if repaired, _ := cached(t, dir); repaired != entry || !bytes.Equal(read(t, entry), good) {
				t.Error("the cache was not repaired")
			}
		})
	}
}

// TestCacheUnusable has a cache that cannot be: the module is compiled without, and the log hears why.
func TestCacheUnusable(t *testing.T) {
	skipWithoutCompiler(t)
	for name, prepare := range map[string]func(t *testing.T) string{
		"a file": func(t *testing.T) string {
			file := filepath.Join(t.TempDir(), "file")
			write(t, file, nil)
			return file
		},
		"a damaged entry with a good seal": func(t *testing.T) string {
			dir := t.TempDir()
			load(t, "length", wasmhandler.Config{CacheDir: dir})
			entry, seal := cached(t, dir)
			bad := read(t, entry)[:40]
			write(t, entry, bad)
			_, name, _ := strings.Cut(string(read(t, seal)), "  ")
			write(t, seal, fmt.Appendf(nil, "%x  %s", sha256.Sum256(bad), name))
			return dir
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := prepare(t)
			var log logged
			m := load(t, "length", wasmhandler.Config{Name: "x", CacheDir: dir, Log: log.logger(slog.LevelWarn)})
			if got := string(ask(t, m, datagram("123"))); got != "Your data was 3 bytes long" {
				t.Errorf("%q", got)
			}
			got := log.lines()
			if len(got) != 1 || !strings.HasPrefix(got[0], `level=WARN msg="handler compiled without its cache" handler=x error=`) {
				t.Errorf("%q", got)
			}
			if _, err := wasmhandler.Compile(t.Context(), sample(t, "broken/invalid"), wasmhandler.Config{CacheDir: dir}); err == nil ||
				!strings.Contains(err.Error(), "invalid function") {
				t.Errorf("the module's own error is hidden: %v", err)
			}
		})
	}
}

// TestCacheInvalid compiles what cannot be: the cache has no part in the error.
func TestCacheInvalid(t *testing.T) {
	_, err := wasmhandler.Compile(t.Context(), sample(t, "broken/invalid"), wasmhandler.Config{CacheDir: t.TempDir()})
	if err == nil || !strings.HasPrefix(err.Error(), `handler "wasm": invalid function[1]`) {
		t.Error(err)
	}
}
