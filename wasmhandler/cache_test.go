package wasmhandler_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

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

func read(t testing.TB, path string) []byte {
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
	dir := privateDir(t)
	c := wasmhandler.Config{CacheDir: dir}
	load(t, "length", c)
	entry, seal := cached(t, dir)
	good := read(t, entry)

	damages := map[string]func(){
		"a damaged entry with a good seal": func() {
			_, name, _ := strings.Cut(string(read(t, seal)), "  ")
			write(t, entry, good[:40])
			write(t, seal, fmt.Appendf(nil, "%x  %s", sha256.Sum256(good[:40]), name))
		},
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
		})
	}
}

// TestCacheInvalid compiles what cannot be: the cache has no part in the error.
func TestCacheInvalid(t *testing.T) {
	wasm := sample(t, "broken/invalid")
	_, want := wasmhandler.Compile(t.Context(), wasm, wasmhandler.Config{})
	_, got := wasmhandler.Compile(t.Context(), wasm, wasmhandler.Config{CacheDir: privateDir(t)})
	if want == nil || got == nil || got.Error() != want.Error() {
		t.Errorf("%v\nand without a cache\n%v", got, want)
	}
}

// TestCacheShared has directories that others have access to: nothing that lies there is run, and the module is
// refused, so that somebody sees to it.
func TestCacheShared(t *testing.T) {
	if runtime.GOOS == "windows" || runtime.GOOS == "plan9" {
		t.Skip("this system has no modes")
	}
	for name, test := range map[string]struct {
		spoil func(t *testing.T, dir string)
		want  string
	}{
		"writable": {func(t *testing.T, dir string) { chmod(t, dir, 0o777) }, "has mode 0777 and must have 0700"},
		"readable": {func(t *testing.T, dir string) { chmod(t, dir, 0o755) }, "has mode 0755 and must have 0700"},
		"a link to a writable one": {func(t *testing.T, dir string) {
			there := filepath.Join(dir, "there")
			if err := errors.Join(os.Mkdir(there, 0o700), os.Remove(dir+"/here"), os.Symlink(there, dir+"/here")); err != nil &&
				!errors.Is(err, fs.ErrNotExist) {
				t.Fatal(err)
			}
			chmod(t, there, 0o770)
		}, "has mode 0770 and must have 0700"},
		"another's": {func(t *testing.T, dir string) {
			if os.Geteuid() != 0 {
				t.Skip("only root gives directories away")
			}
			if err := os.Chown(dir, 12345, -1); err != nil {
				t.Skipf("this file system gives no directories away: %v", err)
			}
		}, "belongs to user 12345, and this is user 0"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := privateDir(t)
			test.spoil(t, dir)
			if here := filepath.Join(dir, "here"); name == "a link to a writable one" {
				dir = here
			}
			_, err := wasmhandler.Compile(t.Context(), sample(t, "length"), wasmhandler.Config{Name: "x", CacheDir: dir})
			if err == nil || !strings.HasPrefix(err.Error(), `handler "x": the cache directory `) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v, want %s", err, test.want)
			}
			if err != nil && strings.Contains(err.Error(), "\n") {
				t.Errorf("more than a line: %q", err)
			}
		})
	}
}

func chmod(t *testing.T, path string, mode fs.FileMode) {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

// TestCacheSize has more entries than there is room for: those go that were used longest ago, but none of the last
// minute, and nothing that is no entry.
func TestCacheSize(t *testing.T) {
	skipWithoutCompiler(t)
	dir := privateDir(t)
	now := time.Now()
	names := []string{"length", "echo", "config", "meta"}
	entries := make([]string, len(names)) // by name
	used := func(i int, ago time.Duration) {
		at := now.Add(-ago)
		if err := os.Chtimes(filepath.Join(entries[i], "SHA256SUMS"), at, at); err != nil {
			t.Fatal(err)
		}
	}
	there := func() (list []string) {
		for i, entry := range entries {
			if _, err := os.Stat(entry); err == nil {
				list = append(list, names[i])
			}
		}
		return list
	}
	write(t, filepath.Join(dir, "mine.txt"), make([]byte, 1<<20))
	for i, name := range names {
		before, _ := filepath.Glob(filepath.Join(dir, "*"))
		load(t, name, wasmhandler.Config{CacheDir: dir})
		after, _ := filepath.Glob(filepath.Join(dir, "*"))
		for _, path := range after {
			if !slices.Contains(before, path) {
				entries[i] = path
			}
		}
	}
	old, recent := filepath.Join(dir, ".new-1"), filepath.Join(dir, ".new-2")
	for path, ago := range map[string]time.Duration{old: 2 * time.Hour, recent: time.Minute} {
		if err := errors.Join(os.Mkdir(path, 0o700), os.Chtimes(path, now.Add(-ago), now.Add(-ago))); err != nil {
			t.Fatal(err)
		}
	}

	load(t, "length", wasmhandler.Config{CacheDir: dir, CacheSize: 1}) // a hit evicts nothing
	if got := there(); len(got) != 4 {
		t.Errorf("a cached load left %v", got)
	}
	// All were used just now: none goes, however small the cache.
	if err := wasmhandler.Evict(dir, 1, now); err != nil || len(there()) != 4 {
		t.Errorf("%v are left, %v", there(), err)
	}
	if _, err := os.Stat(old); err == nil {
		t.Error("what was left behind two hours ago is still there")
	}
	if _, err := os.Stat(recent); err != nil {
		t.Error("what is being made was removed")
	}
	used(0, 2*time.Hour)
	used(1, 4*time.Hour)
	used(2, 3*time.Hour)
	// There is room for all but a byte of them: the oldest goes.
	if err := wasmhandler.Evict(dir, size(t, entries)-1, now); err != nil || !slices.Equal(there(), []string{"length", "config", "meta"}) {
		t.Errorf("%v are left, %v", there(), err)
	}
	// The next load that compiles does the same. What it made stays, and so does what was just used.
	load(t, "echo", wasmhandler.Config{CacheDir: dir, CacheSize: 1})
	if got := there(); !slices.Equal(got, []string{"echo", "meta"}) {
		t.Errorf("%v are left", got)
	}
	if _, err := os.Stat(filepath.Join(dir, "mine.txt")); err != nil {
		t.Errorf("what is no entry was removed: %v", err)
	}
}

// size is how many bytes files below some directories have.
func size(t *testing.T, dirs []string) (n int64) {
	t.Helper()
	for _, dir := range dirs {
		err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			info, err := d.Info()
			n += info.Size()
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return n
}
