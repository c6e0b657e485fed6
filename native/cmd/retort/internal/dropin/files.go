package dropin

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/retort-udp/retort/core/vectors"
	"github.com/retort-udp/retort/native/cmd/retort/internal/config"
	"github.com/retort-udp/retort/wasmhandler"
)

// part is one of the files of a NAME.
type part int

const (
	module part = iota
	settings
	selfTest
	pin
	parts
)

// What the names of the files end in, and how many bytes they may have.
var (
	endings = [parts]string{module: ".wasm", settings: ".toml", selfTest: ".vectors.txt", pin: ".sha256"}
	limits  = [parts]int64{module: wasmhandler.MaxModule, settings: config.MaxFile, selfTest: vectors.MaxFile, pin: 64 << 10}
)

// maxName is how many bytes a NAME may have. It stands in log lines and metrics.
const maxName = 64

// ValidName says whether a handler can be called so: letters, digits, and behind the first of them dots, hyphens and
// underscores.
func ValidName(name string) bool { return len(name) <= maxName && validName.MatchString(name) }

var validName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)

// nameOf takes the name of a file apart; false: it is nobody's.
func nameOf(file string) (name string, p part, ok bool) {
	for p, ending := range endings {
		if name, ok := strings.CutSuffix(file, ending); ok && ValidName(name) {
			return name, part(p), true
		}
	}
	return "", 0, false
}

// Files are the files of a NAME, as they were at one moment.
type Files struct {
	Name     string
	Dir      string
	Module   []byte // NAME.wasm
	SHA256   string // of it, in hexadecimal
	Settings []byte // NAME.toml; nil: there is none
	Vectors  []byte // NAME.vectors.txt; nil: there is none

	pin    []byte
	print  [32]byte
	stamps stamps
}

// Path returns where NAME with this ending lies.
func (f *Files) Path(ending string) string { return filepath.Join(f.Dir, f.Name+ending) }

// stamps are what the system says of each file of a NAME; nil where there is none.
type stamps []fs.FileInfo

func (s stamps) has(p part) bool { return s != nil && s[p] != nil }

// youngest returns when the latest change was.
func (s stamps) youngest() (t time.Time) {
	for _, info := range s {
		if info != nil && info.ModTime().After(t) {
			t = info.ModTime()
		}
	}
	return t
}

// clockTick is how far apart two changes must be so that the times that a file system keeps tell them apart: FAT
// counts in steps of two seconds.
const clockTick = 2 * time.Second

// stamp is a FileInfo that was taken at some time.
type stamp struct {
	fs.FileInfo
	taken time.Time
}

// vouchFor says that files that look like this hold what they held when s was taken. A file that had just been
// changed then could have been changed again without a trace.
func (s stamps) vouchFor(now stamps) bool {
	if s == nil {
		return false
	}
	for p := range s {
		if (s[p] == nil) != (now[p] == nil) {
			return false
		}
		if s[p] == nil {
			continue
		}
		taken := s[p].(stamp).taken
		if !same(s[p].(stamp).FileInfo, now[p]) || taken.Sub(s[p].ModTime()) < clockTick {
			return false
		}
	}
	return true
}

func same(a, b fs.FileInfo) bool {
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}

// list returns the files of each NAME in a directory. Links are followed.
func list(dir string) (map[string]stamps, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	found := make(map[string]stamps)
	for _, entry := range entries {
		name, p, ok := nameOf(entry.Name())
		if !ok || entry.IsDir() {
			continue
		}
		info, err := os.Stat(filepath.Join(dir, entry.Name()))
		if errors.Is(err, fs.ErrNotExist) {
			continue // it has just gone, or is a link to nothing
		}
		if err != nil {
			info = unreadable{entry, err}
		}
		if found[name] == nil {
			found[name] = make(stamps, parts)
		}
		found[name][p] = info
	}
	return found, nil
}

// unreadable stands for what the system says nothing of.
type unreadable struct {
	fs.DirEntry
	err error
}

func (u unreadable) Size() int64        { return 0 }
func (u unreadable) Mode() fs.FileMode  { return u.Type() }
func (u unreadable) ModTime() time.Time { return time.Time{} }
func (u unreadable) Sys() any           { return nil }

// errChanging says that a file was written while it was read.
var errChanging = errors.New("the file is being written")

// read reads the files of a NAME.
func read(dir, name string, found stamps) (*Files, error) {
	f := &Files{Name: name, Dir: dir, stamps: make(stamps, parts)}
	all := sha256.New()
	var held [parts][]byte
	for p, info := range found {
		if info == nil {
			fmt.Fprintf(all, "%d none\n", p)
			continue
		}
		data, taken, err := readFile(f.Path(endings[p]), info, limits[p])
		if err != nil {
			return nil, err
		}
		held[p], f.stamps[p] = data, taken
		fmt.Fprintf(all, "%d %d\n", p, len(data))
		all.Write(data)
	}
	f.Module, f.Settings, f.Vectors, f.pin = held[module], held[settings], held[selfTest], held[pin]
	sum := sha256.Sum256(f.Module)
	f.SHA256 = hex.EncodeToString(sum[:])
	all.Sum(f.print[:0])
	return f, nil
}

// readFile reads one that was found as info says, and must be so still.
func readFile(path string, info fs.FileInfo, limit int64) ([]byte, fs.FileInfo, error) {
	if u, ok := info.(unreadable); ok {
		return nil, nil, u.err
	}
	if !info.Mode().IsRegular() {
		return nil, nil, fmt.Errorf("%s is no file", path) // opening a pipe would wait for its writer
	}
	if info.Size() > limit {
		return nil, nil, fmt.Errorf("%s has %d bytes, more than %d", path, info.Size(), limit)
	}
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, errChanging
	}
	if err != nil {
		return nil, nil, err
	}
	defer file.Close()
	taken := time.Now()
	data, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err != nil {
		return nil, nil, err
	}
	after, err := file.Stat()
	if err != nil || !same(info, after) || int64(len(data)) != after.Size() {
		return nil, nil, errChanging
	}
	if data == nil {
		data = []byte{}
	}
	return data, stamp{after, taken}, nil
}

// checkPin compares NAME.wasm with NAME.sha256: 64 hexadecimal digits, alone or as sha256sum writes them, with the
// name of the file behind.
func (f *Files) checkPin() error {
	if f.pin == nil {
		return nil
	}
	want, err := pinned(f.pin, f.Name+endings[module])
	if err != nil {
		return fmt.Errorf("%s: %w", f.Path(endings[pin]), err)
	}
	if want != f.SHA256 {
		return fmt.Errorf("%s has the SHA-256 %s, and %s wants %s", f.Path(endings[module]), f.SHA256, f.Path(endings[pin]), want)
	}
	return nil
}

// pinned returns the digest of a file in the text of a pin.
func pinned(text []byte, file string) (string, error) {
	for line := range bytes.Lines(text) {
		digest, name, _ := strings.Cut(strings.TrimSpace(string(line)), " ")
		if raw, err := hex.DecodeString(digest); err != nil || len(raw) != sha256.Size {
			continue
		}
		name = strings.TrimPrefix(strings.TrimSpace(name), "*") // the mark of binary mode
		if name == "" || filepath.Base(filepath.ToSlash(name)) == file {
			return strings.ToLower(digest), nil
		}
	}
	return "", fmt.Errorf("there is no SHA-256 of %s in it: it is 64 hexadecimal digits, alone or as sha256sum writes them", file)
}
